//! Where a head ends and what its lines are: one incremental scanner for requests and responses.
//!
//! It is the only judge of a head in hapax. It accepts what HAProxy accepts: line ends of LF or
//! CR LF, empty lines before the start line, folded values (which it unfolds in place by writing
//! spaces over the line end), a request line without version (HTTP/0.9), any bytes in values. It
//! refuses what HAProxy refuses: control characters in the URI, names that are not tokens, a CR
//! that no LF follows. Every byte is looked at once however the head is cut into pieces.
//!
//! RFC 9112, sections 2 to 5.

use super::class::{CODE, TOKEN, URI, VERSION, after_class, end_of_value, is_token, is_version};
use super::plain::{plain_lines, plain_start_line};

/// Which start line is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `METHOD SP URI SP VERSION`.
    Request,
    /// `VERSION SP CODE SP REASON`.
    Response,
}

/// What is let through although it is not valid (`option accept-invalid-http-request`,
/// `option accept-invalid-http-response`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Accept bytes above 127 in URIs and characters in names that are not of a token.
    pub accept_invalid: bool,
    /// Accept bytes above 127 in URIs, as 1.4 does without being asked.
    pub wide_uri: bool,
    /// Accept `RTSP/` in place of `HTTP/`, as 1.5 and later do.
    pub rtsp: bool,
}

/// What the scanner knows after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The head goes on after the bytes that were given.
    Partial,
    /// The head is complete and is that many bytes long, empty lines before it included.
    Complete(usize),
    /// Refused, at that byte.
    Invalid(usize),
}

/// One header line, as offsets into the bytes given to the scanner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderLine {
    /// First byte of the name.
    pub start: u32,
    /// The colon.
    pub colon: u32,
    /// First byte of the value; equal to `value_end` when it is empty.
    pub value_start: u32,
    /// End of the line without its terminator (blanks at the end of the value belong to it).
    pub value_end: u32,
    /// End of the line with its terminator.
    pub end: u32,
}

/// The start line, as offsets. `first`, `second` and `third` are method, URI and version of a
/// request, version, code and reason of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartLine {
    /// First byte of the line (after empty lines).
    pub start: u32,
    /// End of the first word.
    pub first_end: u32,
    /// The second word.
    pub second: (u32, u32),
    /// The third part; empty when there is none.
    pub third: (u32, u32),
    /// End of the line with its terminator.
    pub end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    BeforeLf,
    First,
    FirstSpace,
    Second,
    SecondSpace,
    Third,
    StartLf,
    HeaderStart,
    Name,
    ValueSpace,
    EmptyLf,
    EmptyFold,
    Value,
    ValueLf,
    ValueFold,
    LastLf,
    Done,
}

/// An incremental scan of one head. [`Scanner::scan`] is called with the same bytes again, and
/// more of them, until it answers something else than [`Scan::Partial`].
#[derive(Debug)]
pub struct Scanner {
    state: State,
    kind: Kind,
    pos: usize,
    /// The start line, once its end was seen.
    pub start_line: StartLine,
    /// The first byte that was only let through because it was asked for.
    pub tolerated: Option<usize>,
    current: HeaderLine,
}

impl Scanner {
    /// A scan that has seen nothing.
    pub fn new(kind: Kind) -> Self {
        Self {
            state: State::Before,
            kind,
            pos: 0,
            start_line: StartLine::default(),
            tolerated: None,
            current: HeaderLine::default(),
        }
    }

    /// Begins again, with another head. In place: a whole scanner would be put together elsewhere, and
    /// taken from there before it has got there.
    pub fn reset(&mut self, kind: Kind) {
        self.state = State::Before;
        self.kind = kind;
        self.pos = 0;
        self.start_line = StartLine::default();
        self.tolerated = None;
        self.current = HeaderLine::default();
    }

    /// Which start line is expected.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether any byte of the start line was seen (empty lines do not count).
    pub fn started(&self) -> bool {
        !matches!(self.state, State::Before | State::BeforeLf)
    }

    /// Scans on. `bytes` begins where the head begins and holds at least what it held the last
    /// time; complete header lines are pushed to `lines`.
    pub fn scan(
        &mut self,
        bytes: &mut [u8],
        tolerance: Tolerance,
        lines: &mut Vec<HeaderLine>,
    ) -> Scan {
        if self.state == State::Before
            && let Some(len) = self.scan_plain(bytes, lines)
        {
            return Scan::Complete(len);
        }
        self.scan_any(bytes, tolerance, lines)
    }

    /// Scans on as long as everything is plain, and answers where the head ends when all of it is.
    fn scan_plain(&mut self, bytes: &[u8], lines: &mut Vec<HeaderLine>) -> Option<usize> {
        self.start_line = plain_start_line(self.kind, bytes, self.pos)?;
        self.state = State::HeaderStart;
        self.pos = plain_lines(bytes, self.start_line.end as usize, lines);
        if !bytes[self.pos..].starts_with(b"\r\n") {
            return None;
        }
        self.pos += 2;
        self.state = State::Done;
        Some(self.pos)
    }

    /// Scans on, whatever it is.
    fn scan_any(
        &mut self,
        bytes: &mut [u8],
        tolerance: Tolerance,
        lines: &mut Vec<HeaderLine>,
    ) -> Scan {
        let len = bytes.len();
        let mut i = self.pos;
        macro_rules! pause {
            () => {{
                self.pos = i;
                return Scan::Partial;
            }};
        }
        macro_rules! invalid {
            () => {{
                self.pos = i;
                return Scan::Invalid(i);
            }};
        }
        loop {
            if i >= len {
                pause!();
            }
            let byte = bytes[i];
            match self.state {
                State::Before => match byte {
                    b'\n' => i += 1,
                    b'\r' => {
                        i += 1;
                        self.state = State::BeforeLf;
                    }
                    _ => {
                        let ok = match self.kind {
                            Kind::Request => is_token(byte),
                            Kind::Response => is_version(byte) || (tolerance.rtsp && byte == b'R'),
                        };
                        if !ok {
                            invalid!();
                        }
                        self.start_line.start = i as u32;
                        self.state = State::First;
                    }
                },
                State::BeforeLf => {
                    if byte != b'\n' {
                        invalid!();
                    }
                    i += 1;
                    self.state = State::Before;
                }
                State::First => {
                    let class = match self.kind {
                        Kind::Request => TOKEN,
                        Kind::Response => VERSION,
                    };
                    let rtsp = tolerance.rtsp && self.kind == Kind::Response;
                    i = after_class(bytes, i, class);
                    while rtsp && i < len && matches!(bytes[i], b'R' | b'S') {
                        i = after_class(bytes, i + 1, class);
                    }
                    if i >= len {
                        pause!();
                    }
                    match bytes[i] {
                        b' ' | b'\t' => {
                            self.start_line.first_end = i as u32;
                            self.state = State::FirstSpace;
                        }
                        b'\r' | b'\n' if self.kind == Kind::Request => {
                            let at = i as u32;
                            self.start_line.first_end = at;
                            self.start_line.second = (at, at);
                            self.start_line.third = (at, at);
                            self.state = State::StartLf;
                            if bytes[i] == b'\r' {
                                i += 1;
                            }
                        }
                        _ => invalid!(),
                    }
                }
                State::FirstSpace => match byte {
                    b' ' | b'\t' => i += 1,
                    b'\r' | b'\n' => {
                        if self.kind == Kind::Response {
                            invalid!();
                        }
                        let at = i as u32;
                        self.start_line.second = (at, at);
                        self.start_line.third = (at, at);
                        self.state = State::StartLf;
                        if byte == b'\r' {
                            i += 1;
                        }
                    }
                    _ => {
                        self.start_line.second = (i as u32, 0);
                        self.state = State::Second;
                    }
                },
                State::Second => {
                    let class = match self.kind {
                        Kind::Request => URI,
                        Kind::Response => CODE,
                    };
                    let lax = (tolerance.accept_invalid || tolerance.wide_uri)
                        && self.kind == Kind::Request;
                    i = after_class(bytes, i, class);
                    while lax && i < len && bytes[i] >= 128 {
                        if !tolerance.wide_uri {
                            self.tolerated.get_or_insert(i);
                        }
                        i = after_class(bytes, i + 1, class);
                    }
                    if i >= len {
                        pause!();
                    }
                    self.start_line.second.1 = i as u32;
                    match bytes[i] {
                        b' ' | b'\t' => self.state = State::SecondSpace,
                        b'\r' | b'\n' => {
                            let at = i as u32;
                            self.start_line.third = (at, at);
                            self.state = State::StartLf;
                            if bytes[i] == b'\r' {
                                i += 1;
                            }
                        }
                        _ => invalid!(),
                    }
                }
                State::SecondSpace => match byte {
                    b' ' | b'\t' => i += 1,
                    b'\r' | b'\n' => {
                        let at = i as u32;
                        self.start_line.third = (at, at);
                        self.state = State::StartLf;
                        if byte == b'\r' {
                            i += 1;
                        }
                    }
                    _ => {
                        self.start_line.third = (i as u32, 0);
                        self.state = State::Third;
                    }
                },
                State::Third => {
                    match self.kind {
                        Kind::Request => {
                            i = after_class(bytes, i, VERSION);
                            while tolerance.rtsp && i < len && matches!(bytes[i], b'R' | b'S') {
                                i = after_class(bytes, i + 1, VERSION);
                            }
                        }
                        Kind::Response => i = end_of_value(bytes, i),
                    }
                    if i >= len {
                        pause!();
                    }
                    let end = i as u32;
                    match bytes[i] {
                        b'\r' => i += 1,
                        b'\n' => {}
                        _ => invalid!(),
                    }
                    self.start_line.third.1 = end;
                    self.state = State::StartLf;
                }
                State::StartLf => {
                    if byte != b'\n' {
                        invalid!();
                    }
                    i += 1;
                    self.start_line.end = i as u32;
                    // A request without version has no header lines: the line is the request.
                    if self.kind == Kind::Request
                        && self.start_line.third.0 == self.start_line.third.1
                    {
                        self.state = State::Done;
                        self.pos = i;
                        return Scan::Complete(i);
                    }
                    self.state = State::HeaderStart;
                }
                State::HeaderStart => match byte {
                    b'\r' => {
                        i += 1;
                        self.state = State::LastLf;
                    }
                    b'\n' => self.state = State::LastLf,
                    _ => {
                        let plain = plain_lines(bytes, i, lines);
                        if plain == i {
                            self.current.start = i as u32;
                            self.state = State::Name;
                        }
                        i = plain;
                    }
                },
                State::Name => {
                    i = after_class(bytes, i, TOKEN);
                    if i >= len {
                        pause!();
                    }
                    match bytes[i] {
                        b':' => {
                            self.current.colon = i as u32;
                            i += 1;
                            self.state = State::ValueSpace;
                        }
                        b'\n' => invalid!(),
                        _ if tolerance.accept_invalid => {
                            self.tolerated.get_or_insert(i);
                            i += 1;
                        }
                        _ => invalid!(),
                    }
                }
                State::ValueSpace => match byte {
                    b' ' | b'\t' => i += 1,
                    b'\r' => {
                        self.current.value_start = i as u32;
                        self.current.value_end = i as u32;
                        i += 1;
                        self.state = State::EmptyLf;
                    }
                    b'\n' => {
                        self.current.value_start = i as u32;
                        self.current.value_end = i as u32;
                        self.state = State::EmptyLf;
                    }
                    _ => {
                        self.current.value_start = i as u32;
                        self.state = State::Value;
                    }
                },
                State::EmptyLf => {
                    if byte != b'\n' {
                        invalid!();
                    }
                    i += 1;
                    self.current.end = i as u32;
                    self.state = State::EmptyFold;
                }
                State::EmptyFold => {
                    if matches!(byte, b' ' | b'\t') {
                        unfold(bytes, self.current.value_end, i);
                        i += 1;
                        self.state = State::ValueSpace;
                    } else {
                        lines.push(self.current);
                        self.state = State::HeaderStart;
                    }
                }
                State::Value => {
                    i = end_of_value(bytes, i);
                    if i >= len {
                        pause!();
                    }
                    self.current.value_end = i as u32;
                    if bytes[i] == b'\r' {
                        i += 1;
                    }
                    self.state = State::ValueLf;
                }
                State::ValueLf => {
                    if byte != b'\n' {
                        invalid!();
                    }
                    i += 1;
                    self.current.end = i as u32;
                    self.state = State::ValueFold;
                }
                State::ValueFold => {
                    if matches!(byte, b' ' | b'\t') {
                        unfold(bytes, self.current.value_end, i);
                        i += 1;
                        self.state = State::Value;
                    } else {
                        lines.push(self.current);
                        self.state = State::HeaderStart;
                    }
                }
                State::LastLf => {
                    if byte != b'\n' {
                        invalid!();
                    }
                    i += 1;
                    self.state = State::Done;
                    self.pos = i;
                    return Scan::Complete(i);
                }
                State::Done => return Scan::Complete(self.pos),
            }
        }
    }
}

/// Writes spaces over a line end, as RFC 9112 section 5.2 allows for folded lines.
fn unfold(bytes: &mut [u8], from: u32, to: usize) {
    for byte in &mut bytes[from as usize..to] {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(kind: Kind, text: &str) -> (Scan, Vec<HeaderLine>, Vec<u8>) {
        let mut bytes = text.as_bytes().to_vec();
        let mut lines = Vec::new();
        let scan = Scanner::new(kind).scan(&mut bytes, Tolerance::default(), &mut lines);
        (scan, lines, bytes)
    }

    #[test]
    fn a_scanner_that_begins_again_is_like_a_new_one() {
        let text = b"\r\nGET /\xe9 HTTP/1.1\r\nHost: a\r\n folded\r\nX: y\r\n\r\n";
        let tolerance = Tolerance {
            accept_invalid: true,
            ..Tolerance::default()
        };
        let mut tolerated = false;
        for end in 0..=text.len() {
            let mut scanner = Scanner::new(Kind::Request);
            let mut bytes = text[..end].to_vec();
            let scan = scanner.scan(&mut bytes, tolerance, &mut Vec::new());
            assert!(!matches!(scan, Scan::Invalid(_)), "{end}: {scan:?}");
            tolerated |= scanner.tolerated.is_some();
            scanner.reset(Kind::Response);
            let new = Scanner::new(Kind::Response);
            assert_eq!(format!("{scanner:?}"), format!("{new:?}"), "{end}");
        }
        assert!(tolerated);
    }

    #[test]
    fn heads() {
        for (kind, text, expected) in [
            (Kind::Request, "GET / HTTP/1.0\r\n\r\n", Scan::Complete(18)),
            (
                Kind::Request,
                "\r\n\nGET / HTTP/1.0\n\n",
                Scan::Complete(19),
            ),
            (Kind::Request, "GET /\r\n", Scan::Complete(7)),
            (Kind::Request, "GET / HTTP/1.1\r\nHost", Scan::Partial),
            (Kind::Request, "GET /\x01", Scan::Invalid(5)),
            (
                Kind::Request,
                "GET / HTTP/1.1\r\nA b: c\r\n\r\n",
                Scan::Invalid(17),
            ),
            (
                Kind::Request,
                "GET / HTTP/1.1\r\nA: c\rd\r\n\r\n",
                Scan::Invalid(21),
            ),
            (
                Kind::Request,
                "GET / HTTP/1.1\r\n A: c\r\n\r\n",
                Scan::Invalid(16),
            ),
            (Kind::Response, "HTTP/1.1 200\r\n\r\n", Scan::Complete(16)),
            (
                Kind::Response,
                "HTTP/1.1 200 all good\r\n\r\n",
                Scan::Complete(25),
            ),
            (Kind::Response, "XTTP/1.1 200\r\n\r\n", Scan::Invalid(0)),
        ] {
            assert_eq!(scan(kind, text).0, expected, "{text:?}");
        }
    }

    #[test]
    fn folded_values_are_unfolded_in_place() {
        let (result, lines, bytes) =
            scan(Kind::Request, "GET / HTTP/1.1\r\nA: b\r\n\tc\r\nD:\r\n\r\n");
        assert_eq!(result, Scan::Complete(bytes.len()));
        assert_eq!(lines.len(), 2);
        let value = &bytes[lines[0].value_start as usize..lines[0].value_end as usize];
        assert_eq!(value, b"b  \tc");
        assert_eq!(lines[1].value_start, lines[1].value_end);
    }

    /// All that a scan leaves behind.
    type Found = (Scan, StartLine, Vec<HeaderLine>, Option<usize>, Vec<u8>);

    fn at_once(kind: Kind, text: &str, tolerance: Tolerance) -> Found {
        in_pieces(kind, text, tolerance, [text.len()])
    }

    fn stepwise(kind: Kind, text: &str, tolerance: Tolerance) -> Found {
        in_pieces(kind, text, tolerance, 0..=text.len())
    }

    /// Scans what has come so far, at each of these lengths.
    fn in_pieces(
        kind: Kind,
        text: &str,
        tolerance: Tolerance,
        lengths: impl IntoIterator<Item = usize>,
    ) -> Found {
        let mut bytes = text.as_bytes().to_vec();
        let mut scanner = Scanner::new(kind);
        let mut lines = Vec::new();
        let mut scan = Scan::Partial;
        for len in lengths {
            scan = scanner.scan(&mut bytes[..len], tolerance, &mut lines);
            if scan != Scan::Partial {
                break;
            }
        }
        (scan, scanner.start_line, lines, scanner.tolerated, bytes)
    }

    proptest::proptest! {
        #[test]
        fn any_cut_gives_the_same_result(
            text in "(GET|P) /[a-z]{0,5} HTTP/1.[01]\r?\n([A-Z]{0,3}: ?[a-z ]{0,6}\r?\n[ \t]?){0,4}\r?\n",
            cut in 0usize..80,
        ) {
            let (whole, lines, bytes) = scan(Kind::Request, &text);
            let mut scanner = Scanner::new(Kind::Request);
            let mut pieces = text.as_bytes().to_vec();
            let mut found = Vec::new();
            let cut = cut.min(pieces.len());
            let mut result =
                scanner.scan(&mut pieces[..cut], Tolerance::default(), &mut found);
            if result == Scan::Partial {
                result = scanner.scan(&mut pieces, Tolerance::default(), &mut found);
            }
            proptest::prop_assert_eq!(result, whole);
            proptest::prop_assert_eq!(found, lines);
            proptest::prop_assert_eq!(pieces, bytes);
        }

        /// A whole line at once is judged as its bytes are one by one.
        #[test]
        fn plain_lines_are_what_the_states_say(
            lines in proptest::collection::vec(
                ("[A-Za-z0-9 \t(-]{0,12}", "[ \t]{0,2}", "[a-z\t\u{1}\u{e9} ]{0,60}", "\r?\n|\r"), 0..5),
            accept_invalid: bool,
        ) {
            let mut text = String::from("GET / HTTP/1.1\r\n");
            for (name, blanks, value, end) in &lines {
                text.push_str(&format!("{name}:{blanks}{value}{end}"));
            }
            text.push_str("\r\n");
            let tolerance = Tolerance { accept_invalid, ..Tolerance::default() };
            proptest::prop_assert_eq!(at_once(Kind::Request, &text, tolerance), stepwise(Kind::Request, &text, tolerance));
        }

        /// So are start lines.
        #[test]
        fn plain_start_lines_are_what_the_states_say(
            request in "[A-Za-z(-]{0,9}[ \t]{0,2}[!-~]{0,20}[\u{1}\u{e9}]?[ \t]{0,2}(HTTP/1.[0-2]|RTSP/1.0)?[ -~]?(\r?\n|\r)",
            response in "(HTTP/1.[0-2]|RTSP/1.0|X)[ \t]{0,2}[!-~]{0,5}[ \t]{0,2}[a-z\u{1}\u{e9} ]{0,12}(\r?\n|\r)",
            accept_invalid: bool, wide_uri: bool, rtsp: bool,
        ) {
            let tolerance = Tolerance { accept_invalid, wide_uri, rtsp };
            for (kind, line) in [(Kind::Request, request), (Kind::Response, response)] {
                let text = line + "A: b\r\n\r\n";
                proptest::prop_assert_eq!(at_once(kind, &text, tolerance), stepwise(kind, &text, tolerance));
            }
        }

        /// So is all that looks like a head for a while, however it comes.
        #[test]
        fn pieces_are_what_the_states_say(
            request: bool, accept_invalid: bool,
            start in "((GET /index.html|HTTP/1.1 200|[A-Z]{0,9} [!-~]{0,40}) (HTTP/1.[01]|OK)\r?\n)?",
            lines in "([A-Za-z0-9_-]{1,20}: ?[ -~\u{e9}]{0,40}\r?\n){0,5}",
            rest in "([A-Za-z: -]|[\t\r\n/.01\u{1}\u{e9}]){0,40}",
            cuts in proptest::collection::vec(0usize..250, 0..4),
        ) {
            let kind = if request { Kind::Request } else { Kind::Response };
            let tolerance = Tolerance { accept_invalid, ..Tolerance::default() };
            let text = start + &lines + &rest + "\r\n\r\n";
            let mut cuts = cuts;
            cuts.retain(|cut| *cut < text.len());
            cuts.push(text.len());
            cuts.sort_unstable();
            let pieces = in_pieces(kind, &text, tolerance, cuts);
            proptest::prop_assert_eq!(pieces, stepwise(kind, &text, tolerance));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, request: bool) {
            let kind = if request { Kind::Request } else { Kind::Response };
            let mut bytes = bytes;
            Scanner::new(kind).scan(&mut bytes, Tolerance::default(), &mut Vec::new());
        }

        #[test]
        fn agrees_with_httparse_on_well_formed_heads(
            method in "[A-Z]{1,7}", path in "/[a-z0-9/?=&.]{0,20}",
            headers in proptest::collection::vec(("[A-Za-z-]{1,12}", "[a-z0-9,;=]{1,12}"), 0..10),
        ) {
            let mut text = format!("{method} {path} HTTP/1.1\r\n");
            for (name, value) in &headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str("\r\n");
            let (result, lines, bytes) = scan(Kind::Request, &text);
            let mut slots = [httparse::EMPTY_HEADER; 16];
            let mut theirs = httparse::Request::new(&mut slots);
            let judged = theirs.parse(text.as_bytes()).unwrap();
            proptest::prop_assert_eq!(result, Scan::Complete(judged.unwrap()));
            proptest::prop_assert_eq!(lines.len(), theirs.headers.len());
            for (line, header) in lines.iter().zip(theirs.headers.iter()) {
                proptest::prop_assert_eq!(
                    &bytes[line.start as usize..line.colon as usize], header.name.as_bytes());
                proptest::prop_assert_eq!(
                    &bytes[line.value_start as usize..line.value_end as usize], header.value);
            }
        }
    }
}
