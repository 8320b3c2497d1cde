//! How much of the bytes after a head belongs to the message. RFC 9112, section 6.

use haproxy_cfg_grammar::Dialect;

use super::head::{Head, Version};
use super::method::Method;

/// What makes a body end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// Why the length of a body is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A Content-Length that is no number, or numbers that contradict each other.
    #[error("Content-Length is not a number, or two of them disagree")]
    ContentLength,
    /// A Transfer-Encoding that an origin may understand in another way than a proxy does.
    #[error("Transfer-Encoding does not end with 'chunked', or is disguised")]
    TransferEncoding,
}

impl Framing {
    /// The framing of a request body. Since 1.5 Transfer-Encoding counts in HTTP/1.0 too.
    ///
    /// # Errors
    /// When Content-Length is not a number or two of them disagree, or when an origin could find
    /// another end of the body than this: HAProxy passes such requests on, and what one takes for
    /// a body may be the next request for the other.
    pub fn of_request(
        head: &Head,
        bytes: &[u8],
        version: Version,
        dialect: Dialect,
    ) -> Result<Self, FramingError> {
        // 1.4 does not look at codings of HTTP/1.0, which servers do: a length beside one is a trap.
        let ignored = version != Version::Http11 && dialect == Dialect::V1_4;
        let sized = || head.find(bytes, b"Content-Length", None).is_some();
        match coding(head, bytes) {
            Coding::Disguised => return Err(FramingError::TransferEncoding),
            Coding::Chunked if ignored && sized() => return Err(FramingError::TransferEncoding),
            Coding::Chunked | Coding::None => {}
        }
        Self::of_request_unguarded(head, bytes, version, dialect)
    }

    /// The framing of a request body as HAProxy sees it, whatever an origin may make of it.
    ///
    /// # Errors
    /// When Content-Length is not a number or two of them disagree, or another coding follows
    /// `chunked`.
    pub fn of_request_unguarded(
        head: &Head,
        bytes: &[u8],
        version: Version,
        dialect: Dialect,
    ) -> Result<Self, FramingError> {
        match Self::from_headers(head, bytes, version, dialect)? {
            // A body without an end. 1.4 passes it on, and keeps the answer to itself until the
            // client leaves.
            (_, true) => Err(FramingError::TransferEncoding),
            // A request does not end with its connection: without a length there is no body.
            (framing, false) => Ok(framing.unwrap_or(Self::Empty)),
        }
    }

    /// The framing of a response body.
    ///
    /// # Errors
    /// When Content-Length is not a number or two of them disagree.
    pub fn of_response(
        head: &Head,
        bytes: &[u8],
        version: Version,
        dialect: Dialect,
        request: Method,
        status: u16,
    ) -> Result<Self, FramingError> {
        if request == Method::Head || (100..200).contains(&status) || matches!(status, 204 | 304) {
            return Ok(Self::Empty);
        }
        match Self::from_headers(head, bytes, version, dialect)? {
            (Some(framing), false) => Ok(framing),
            _ => Ok(Self::UntilClose),
        }
    }

    /// What Transfer-Encoding and Content-Length say, and whether a coding forbids to trust them.
    #[inline]
    fn from_headers(
        head: &Head,
        bytes: &[u8],
        version: Version,
        dialect: Dialect,
    ) -> Result<(Option<Self>, bool), FramingError> {
        // Most requests have neither header.
        if head.may_have(b"Transfer-Encoding")
            && (version == Version::Http11 || dialect != Dialect::V1_4)
            && let Some(framing) = Self::from_codings(head, bytes)
        {
            return Ok(framing);
        }
        if !head.may_have(b"Content-Length") {
            return Ok((None, false));
        }
        let length = content_length(head, bytes)?;
        Ok((length.map(Self::Length), false))
    }

    /// What Transfer-Encoding says, when it says `chunked`.
    #[inline(never)]
    fn from_codings(head: &Head, bytes: &[u8]) -> Option<(Option<Self>, bool)> {
        let mut chunked = false;
        let mut at = None;
        while let Some(index) = head.find(bytes, b"Transfer-Encoding", at) {
            for coding in elements(head.value(bytes, index)) {
                if coding.eq_ignore_ascii_case(b"chunked") {
                    chunked = true;
                } else if chunked {
                    // chunked must come last: nobody can tell where this ends.
                    return Some((None, true));
                }
            }
            at = Some(index);
        }
        chunked.then_some((Some(Self::Chunked), false))
    }
}

/// What all lines of Content-Length say.
#[inline(never)]
fn content_length(head: &Head, bytes: &[u8]) -> Result<Option<u64>, FramingError> {
    let mut length = None;
    let mut at = None;
    while let Some(index) = head.find(bytes, b"Content-Length", at) {
        let value = head.value(bytes, index);
        // It is one number, but for those who mean harm.
        match parse_length(value) {
            Some(value) => agree(&mut length, value)?,
            None => {
                for value in elements(value) {
                    let value = parse_length(value).ok_or(FramingError::ContentLength)?;
                    agree(&mut length, value)?;
                }
            }
        }
        if length.is_none() {
            return Err(FramingError::ContentLength);
        }
        at = Some(index);
    }
    Ok(length)
}

/// Notes a length, which must be the one that is known.
fn agree(known: &mut Option<u64>, length: u64) -> Result<(), FramingError> {
    match known.replace(length) {
        Some(other) if other != length => Err(FramingError::ContentLength),
        _ => Ok(()),
    }
}

/// What Transfer-Encoding makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// Nothing: there is none, or only `identity`, which no origin takes for another one.
    None,
    /// It ends with `chunked`.
    Chunked,
    /// It ends with anything else, or a blank hides the name of a header that says where the body
    /// ends.
    Disguised,
}

fn coding(head: &Head, bytes: &[u8]) -> Coding {
    if !head.may_have(b"Transfer-Encoding") {
        return Coding::None;
    }
    let mut last = None;
    for index in head.lines() {
        let name = head.name(bytes, index);
        let bare = name.trim_ascii();
        let frames = bare.eq_ignore_ascii_case(b"Transfer-Encoding");
        if bare.len() != name.len() && (frames || bare.eq_ignore_ascii_case(b"Content-Length")) {
            return Coding::Disguised;
        }
        if frames {
            // Not trimmed of more than blanks: other white space is a disguise.
            let codings = head.value(bytes, index).split(|b| *b == b',');
            for coding in codings {
                let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
                let start = coding.iter().position(|b| !blank(b));
                let end = coding.iter().rposition(|b| !blank(b));
                if let (Some(start), Some(end)) = (start, end) {
                    let coding = &coding[start..=end];
                    // Said twice it is understood by all; what follows it is not.
                    let chunked = coding.eq_ignore_ascii_case(b"chunked");
                    if last == Some(true) && !chunked {
                        return Coding::Disguised;
                    }
                    if !coding.eq_ignore_ascii_case(b"identity") {
                        last = Some(chunked);
                    }
                }
            }
        }
    }
    match last {
        None => Coding::None,
        Some(true) => Coding::Chunked,
        Some(false) => Coding::Disguised,
    }
}

/// Where the Content-Length stands that [`Framing::of_request`] or [`Framing::of_response`] has
/// refused: the offset of its value, and the length that stood before it. 0 when there is none.
pub fn wrong_length(head: &Head, bytes: &[u8]) -> (usize, u64) {
    let mut known = None;
    let mut at = None;
    while let Some(index) = head.find(bytes, b"Content-Length", at) {
        let mut empty = true;
        for value in elements(head.value(bytes, index)) {
            empty = false;
            let value = parse_length(value);
            if value.is_none() || known.is_some() && known != value {
                return (head.value_offset(index), known.unwrap_or(0));
            }
            known = value;
        }
        if empty && known.is_none() {
            return (head.value_offset(index), 0);
        }
        at = Some(index);
    }
    (0, 0)
}

fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // A sign bit must stay free, as in a C `long long`.
        sum.checked_mul(10)?
            .checked_add(u64::from(digit))
            .filter(|n| *n <= i64::MAX as u64)
    })
}

/// The comma-separated elements of a value, without the blanks around them and without empty
/// ones. RFC 9110, section 5.6.1.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|e| !e.is_empty())
}

/// The progress through one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it was seen.
    Done,
    /// That many bytes are missing.
    Length(u64),
    /// Inside a chunked body.
    Chunked(Chunk),
    /// Up to the end of the connection.
    UntilClose,
}

/// What comes next in a chunked body. What is not data comes in pieces that are taken whole or
/// not at all: a line with a size, the line end after data, a line of the trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// A line with a size.
    Size,
    /// That many bytes of data, at least one.
    Data(u64),
    /// The line end after data.
    DataEnd,
    /// A line of the trailers; an empty one ends the body.
    Trailer,
}

/// Where a chunked body breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid chunk")]
pub struct BadChunk {
    /// How many bytes before it are as they should be.
    pub sound: usize,
}

impl Body {
    /// The start of a body of that framing.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty | Framing::Length(0) => Self::Done,
            Framing::Length(n) => Self::Length(n),
            Framing::Chunked => Self::Chunked(Chunk::Size),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Whether the body is complete.
    pub fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Whether it is known that more is to come.
    pub fn is_awaited(self) -> bool {
        matches!(self, Self::Length(_) | Self::Chunked(_))
    }

    /// How many bytes come next that need not be looked at.
    pub fn opaque(self) -> u64 {
        match self {
            Self::Length(missing) | Self::Chunked(Chunk::Data(missing)) => missing,
            Self::UntilClose => u64::MAX,
            Self::Done | Self::Chunked(_) => 0,
        }
    }

    /// Takes in bytes that were not looked at: no more than [`Body::opaque`] says.
    pub fn skip(&mut self, n: u64) {
        match self {
            Self::Length(missing) => {
                *missing = missing.saturating_sub(n);
                if *missing == 0 {
                    *self = Self::Done;
                }
            }
            Self::Chunked(Chunk::Data(missing)) => {
                *missing = missing.saturating_sub(n);
                if *missing == 0 {
                    *self = Self::Chunked(Chunk::DataEnd);
                }
            }
            Self::Done | Self::UntilClose | Self::Chunked(_) => {}
        }
    }

    /// Takes in the next bytes and answers how many of them belong to the body. Those behind them
    /// are to be given again, with more, when the body is not complete: they are the start of a
    /// line of a chunked body.
    ///
    /// # Errors
    /// [`BadChunk`] when no chunked body goes on so. `self` is then of no further use.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        match self {
            Self::Done => Ok(0),
            Self::UntilClose => Ok(bytes.len()),
            Self::Length(missing) => {
                let taken = (bytes.len() as u64).min(*missing);
                *missing -= taken;
                if *missing == 0 {
                    *self = Self::Done;
                }
                Ok(taken as usize)
            }
            Self::Chunked(chunk) => {
                let (taken, next) = chunk.advance(bytes)?;
                *self = next.map_or(Self::Done, Self::Chunked);
                Ok(taken)
            }
        }
    }
}

impl Chunk {
    /// Bytes taken, and what comes after them; `None` after the last byte of the body.
    fn advance(self, bytes: &[u8]) -> Result<(usize, Option<Self>), BadChunk> {
        let mut state = self;
        let mut sound = 0;
        loop {
            let rest = &bytes[sound..];
            match state.piece(rest) {
                Ok((len, Some(next))) => {
                    sound += len;
                    state = next;
                }
                Ok((len, None)) => return Ok((sound + len, None)),
                Err(Cut::Short) => return Ok((sound, Some(state))),
                Err(Cut::Wrong) => return Err(BadChunk { sound }),
            }
        }
    }

    /// The length of the next piece, and what comes after it.
    fn piece(self, bytes: &[u8]) -> Result<(usize, Option<Self>), Cut> {
        let first = *bytes.first().ok_or(Cut::Short)?;
        match self {
            Self::Size => {
                let (len, size) = size_line(bytes)?;
                let next = if size == 0 {
                    Self::Trailer
                } else {
                    Self::Data(size)
                };
                Ok((len, Some(next)))
            }
            Self::Data(missing) => {
                let taken = (bytes.len() as u64).min(missing);
                let next = match missing - taken {
                    0 => Self::DataEnd,
                    missing => Self::Data(missing),
                };
                Ok((taken as usize, Some(next)))
            }
            Self::DataEnd => Ok((line_end(bytes)?, Some(Self::Size))),
            Self::Trailer => {
                let len = line(bytes, 0)?;
                let last = matches!(first, b'\r' | b'\n');
                Ok((len, (!last).then_some(Self::Trailer)))
            }
        }
    }
}

/// Why a piece of a chunked body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Its end has not come.
    Short,
    /// It is not what it should be.
    Wrong,
}

/// The length of a line end: LF, or CR and LF.
fn line_end(bytes: &[u8]) -> Result<usize, Cut> {
    match bytes {
        [b'\n', ..] => Ok(1),
        [b'\r', b'\n', ..] => Ok(2),
        [] | [b'\r'] => Err(Cut::Short),
        _ => Err(Cut::Wrong),
    }
}

/// The length of a line with its end, which is looked for behind `from`. A CR stands nowhere else.
fn line(bytes: &[u8], from: usize) -> Result<usize, Cut> {
    let end = memchr::memchr2(b'\r', b'\n', &bytes[from..]).ok_or(Cut::Short)?;
    Ok(from + end + line_end(&bytes[from + end..])?)
}

/// The length of a line with a size, and the size.
fn size_line(bytes: &[u8]) -> Result<(usize, u64), Cut> {
    let mut size = 0_u64;
    let mut at = 0;
    while let Some(digit) = bytes.get(at).and_then(|byte| hex(*byte)) {
        // 1.4 stops at 2^27 before the last digit as well: no honest chunk is that large.
        if size >> 27 != 0 {
            return Err(Cut::Wrong);
        }
        size = size << 4 | digit;
        at += 1;
    }
    if at == 0 {
        return Err(Cut::Wrong);
    }
    at += bytes[at..]
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    match bytes.get(at) {
        Some(b';') => Ok((line(bytes, at)?, size)),
        _ => Ok((at + line_end(&bytes[at..])?, size)),
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::scan::{Kind, Tolerance};

    fn request(headers: &str) -> Result<Framing, FramingError> {
        let mut bytes = format!("POST / HTTP/1.1\r\n{headers}\r\n").into_bytes();
        let mut head = Head::new(Kind::Request);
        head.scan(&mut bytes, Tolerance::default());
        Framing::of_request(&head, &bytes, head.request_version(&bytes), Dialect::V1_4)
    }

    #[test]
    fn request_framing() {
        for (headers, expected) in [
            ("", Ok(Framing::Empty)),
            ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
            (
                "Content-Length: 5\r\nContent-length: 5\r\n",
                Ok(Framing::Length(5)),
            ),
            ("Content-Length: 5, 5\r\n", Ok(Framing::Length(5))),
            (
                "Content-Length: 5\r\nContent-Length: 6\r\n",
                Err(FramingError::ContentLength),
            ),
            ("Content-Length: -1\r\n", Err(FramingError::ContentLength)),
            ("Content-Length: 1a\r\n", Err(FramingError::ContentLength)),
            ("Content-Length:\r\n", Err(FramingError::ContentLength)),
            (
                "Content-Length: 99999999999999999999\r\n",
                Err(FramingError::ContentLength),
            ),
            ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: gzip, Chunked\r\n", Ok(Framing::Chunked)),
            (
                "Transfer-Encoding: chunked, gzip\r\n",
                Err(FramingError::TransferEncoding),
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Ok(Framing::Chunked),
            ),
            (
                "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n",
                Err(FramingError::TransferEncoding),
            ),
            (
                "Transfer-Encoding: \u{b}chunked\r\nContent-Length: 3\r\n",
                Err(FramingError::TransferEncoding),
            ),
            (
                "Transfer-Encoding: identity\r\nContent-Length: 3\r\n",
                Ok(Framing::Length(3)),
            ),
        ] {
            assert_eq!(request(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn chunked_bodies() {
        for (text, expected) in [
            ("0\r\n\r\n", Ok((5, true))),
            ("0\n\n", Ok((3, true))),
            ("5\r\nhello\r\n0\r\n\r\nGET", Ok((15, true))),
            ("5;x=y\nhello\n0\nT: 1\r\n\nmore", Ok((21, true))),
            ("3 \t;x\r\nabc\r\n0\r\n\r\n", Ok((17, true))),
            ("a\r\n12345", Ok((8, false))),
            // A line is taken whole or not at all.
            ("5\r\nhello\r\n1", Ok((10, false))),
            ("5\r\nhello\r", Ok((8, false))),
            ("5\r\nhello\r\n0\r\nA: b\r\nC: ", Ok((19, false))),
            // What comes before a mistake is sound.
            ("5\r\nhelloX", Err(8)),
            ("5\r\nhello\rX", Err(8)),
            ("5\r\nhello\r\nzz\r\n", Err(10)),
            ("5\r\nhello\r\n2x\r\nab", Err(10)),
            ("x\r\n", Err(0)),
            ("-1\r\n", Err(0)),
            (";x\r\n", Err(0)),
            ("3 x\r\nabc", Err(0)),
            ("3\rabc", Err(0)),
            ("3;a\rb\r\nabc", Err(0)),
            ("fffffffff\r\n", Err(0)),
            ("0\r\n\rX", Err(3)),
            ("0\r\nA: b\rc\r\n\r\n", Err(3)),
        ] {
            let mut body = Body::new(Framing::Chunked);
            let result = body.advance(text.as_bytes());
            let result = result.map(|n| (n, body.is_done())).map_err(|bad| bad.sound);
            assert_eq!(result, expected, "{text:?}");
        }
    }

    /// Gives a body in two parts, the second with what was not taken of the first.
    fn in_parts(bytes: &[u8], cut: usize) -> Result<(usize, Body), BadChunk> {
        let mut body = Body::new(Framing::Chunked);
        let first = body.advance(&bytes[..cut])?;
        if body.is_done() {
            return Ok((first, body));
        }
        let second = body.advance(&bytes[first..]).map_err(|bad| BadChunk {
            sound: first + bad.sound,
        })?;
        Ok((first + second, body))
    }

    proptest::proptest! {
        #[test]
        fn any_cut_gives_the_same_end(bytes in "([0-9a-f]{1,2}(;x)?\r?\n[a-z]{0,20}\r?\n){0,3}0\r\n\r\nrest", cut in 0usize..60) {
            let bytes = bytes.as_bytes();
            let mut whole = Body::new(Framing::Chunked);
            let expected = whole.advance(bytes).map(|n| (n, whole));
            proptest::prop_assert_eq!(in_parts(bytes, cut.min(bytes.len())), expected);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Body::new(Framing::Chunked).advance(&bytes);
        }
    }
}
