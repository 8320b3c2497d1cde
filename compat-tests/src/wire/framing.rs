//! Where messages end, for the scripted peers: a lenient reading of HTTP/1.
//!
//! This is only to know when a peer has seen a whole message. It judges nothing: a peer has to
//! wait for the end of messages that a careful implementation would refuse.

/// Where a message, or a part of it, ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageEnd {
    /// The offset behind the last byte.
    At(usize),
    /// More bytes are needed.
    Incomplete,
    /// It runs until the connection closes.
    AtClose,
}

impl MessageEnd {
    pub(super) fn offset(self) -> Option<usize> {
        match self {
            Self::At(offset) => Some(offset),
            Self::Incomplete | Self::AtClose => None,
        }
    }
}

/// The end of the request that starts at `from`. A request without a length has no body.
pub(super) fn request_end(bytes: &[u8], from: usize) -> Option<usize> {
    let head = Head::find(bytes, from)?;
    match head.body_end(bytes) {
        MessageEnd::At(offset) => Some(offset),
        MessageEnd::AtClose => Some(head.end),
        MessageEnd::Incomplete => None,
    }
}

/// The end of the final response that starts at `from`, interim ones skipped.
pub(super) fn response_end(bytes: &[u8], from: usize, to_head: bool) -> MessageEnd {
    let mut position = from;
    loop {
        let Some(head) = Head::find(bytes, position) else {
            return MessageEnd::Incomplete;
        };
        let code = head.status_code();
        if code.starts_with(b"1") && code != b"101" {
            position = head.end;
            continue;
        }
        if to_head || matches!(code, b"204" | b"304" | b"101") {
            return MessageEnd::At(head.end);
        }
        return head.body_end(bytes);
    }
}

/// Whether the bytes hold an empty line, that is the end of some head.
pub(super) fn has_head_end(bytes: &[u8]) -> bool {
    empty_line(bytes, 0).is_some()
}

struct Head<'a> {
    first_line: &'a [u8],
    /// Name in lower case, and value in lower case.
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    end: usize,
}

impl<'a> Head<'a> {
    fn find(bytes: &'a [u8], from: usize) -> Option<Self> {
        let blank = bytes
            .get(from..)?
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        let start = from + blank;
        let (lines_end, end) = empty_line(bytes, start)?;
        let mut lines = bytes[start..lines_end].split(|b| *b == b'\n');
        let first_line = strip(lines.next().unwrap_or_default());
        let headers = lines
            .map(|line| {
                let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
                let value = line.get(colon + 1..).unwrap_or_default();
                (
                    strip(&line[..colon]).to_ascii_lowercase(),
                    strip(value).to_ascii_lowercase(),
                )
            })
            .collect();
        Some(Self {
            first_line,
            headers,
            end,
        })
    }

    fn status_code(&self) -> &'a [u8] {
        let mut words = self
            .first_line
            .split(|b| is_blank(*b))
            .filter(|word| !word.is_empty())
            .skip(1);
        words.next().unwrap_or(b"200")
    }

    fn body_end(&self, bytes: &[u8]) -> MessageEnd {
        let values = |wanted: &'static [u8]| {
            self.headers
                .iter()
                .filter(move |(name, _)| name == wanted)
                .map(|(_, value)| value)
        };
        let chunked = |value: &Vec<u8>| value.windows(7).any(|word| word == b"chunked");
        if values(b"transfer-encoding").any(chunked) {
            return chunks_end(bytes, self.end);
        }
        let Some(length) = values(b"content-length").next() else {
            return MessageEnd::AtClose;
        };
        match integer(length, 10) {
            None => MessageEnd::At(self.end),
            Some(length) => match offset(self.end, length) {
                Some(end) if end <= bytes.len() => MessageEnd::At(end),
                _ => MessageEnd::Incomplete,
            },
        }
    }
}

fn chunks_end(bytes: &[u8], from: usize) -> MessageEnd {
    chunks_end_offset(bytes, from).map_or(MessageEnd::Incomplete, MessageEnd::At)
}

fn chunks_end_offset(bytes: &[u8], from: usize) -> Option<usize> {
    let mut position = from;
    loop {
        let line_end = line_feed(bytes, position)?;
        let line = &bytes[position..line_end];
        let size = line.split(|b| *b == b';').next().unwrap_or_default();
        let size = integer(size, 16)?;
        position = line_end + 1;
        if size == 0 {
            return trailers_end(bytes, position);
        }
        position = offset(position, size)?;
        bytes.get(position)?;
        if bytes[position] == b'\r' {
            position += 1;
        }
        bytes.get(position)?;
        position += 1;
    }
}

fn trailers_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut position = from;
    loop {
        let line_end = line_feed(bytes, position)?;
        let line = &bytes[position..line_end];
        position = line_end + 1;
        if strip(line).is_empty() {
            return Some(position);
        }
    }
}

/// The end of the last line, and the end of the empty line behind it.
fn empty_line(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut position = from;
    loop {
        let feed = line_feed(bytes, position)?;
        let behind = &bytes[feed + 1..];
        let empty = if behind.starts_with(b"\n") {
            1
        } else if behind.starts_with(b"\r\n") {
            2
        } else {
            position = feed + 1;
            continue;
        };
        let carriage = feed > from && bytes[feed - 1] == b'\r';
        return Some((feed - usize::from(carriage), feed + 1 + empty));
    }
}

fn line_feed(bytes: &[u8], from: usize) -> Option<usize> {
    Some(from + bytes.get(from..)?.iter().position(|b| *b == b'\n')?)
}

/// A whole number with sign, prefix `0x` and digit groups allowed, as lenient peers read it.
fn integer(text: &[u8], radix: u32) -> Option<i64> {
    let text = std::str::from_utf8(strip(text)).ok()?;
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = match digits.get(..2) {
        Some("0x" | "0X") if radix == 16 => digits[2..].trim_start_matches('_'),
        _ => digits,
    };
    let grouped = digits.split('_').all(|group| !group.is_empty());
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    if !grouped || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    // A number beyond the range is longer than any message here; it only must not wrap.
    let value = i64::from_str_radix(&digits, radix).unwrap_or(i64::MAX / 2);
    Some(if negative { -value } else { value })
}

fn offset(from: usize, by: i64) -> Option<usize> {
    usize::try_from(i64::try_from(from).ok()?.checked_add(by)?).ok()
}

fn strip(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .position(|b| !is_blank(*b))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|b| !is_blank(*b))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_end_where_their_length_says() {
        let cases: &[(&str, &[u8], Option<usize>)] = &[
            ("no body", b"GET / HTTP/1.1\r\n\r\nrest", Some(18)),
            ("bare line feeds", b"GET / HTTP/1.0\n\nrest", Some(16)),
            (
                "leading empty lines",
                b"\r\n\r\nGET / HTTP/1.0\r\n\r\n",
                Some(22),
            ),
            ("unfinished head", b"GET / HTTP/1.1\r\n", None),
            (
                "length",
                b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcd",
                Some(41),
            ),
            (
                "short body",
                b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcd",
                None,
            ),
            (
                "bad length",
                b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nabcd",
                Some(38),
            ),
            (
                "chunks",
                b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
                Some(60),
            ),
            (
                "trailers",
                b"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\nA: b\n\nx",
                Some(52),
            ),
            (
                "chunks missing",
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na",
                None,
            ),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(request_end(bytes, 0), *expected, "{name}");
        }
    }

    #[test]
    fn responses_end_by_status_and_length() {
        let cases: &[(&str, &[u8], bool, MessageEnd)] = &[
            (
                "until close",
                b"HTTP/1.0 200 OK\r\n\r\nabc",
                false,
                MessageEnd::AtClose,
            ),
            (
                "interim first",
                b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
                false,
                MessageEnd::At(36),
            ),
            (
                "interim only",
                b"HTTP/1.1 100 C\r\n\r\n",
                false,
                MessageEnd::Incomplete,
            ),
            (
                "to HEAD",
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                true,
                MessageEnd::At(38),
            ),
            (
                "upgrade",
                b"HTTP/1.1 101 S\r\n\r\nxyz",
                false,
                MessageEnd::At(18),
            ),
        ];
        for (name, bytes, to_head, expected) in cases {
            assert_eq!(response_end(bytes, 0, *to_head), *expected, "{name}");
        }
    }

    #[test]
    fn numbers_are_read_leniently() {
        let cases: &[(&[u8], u32, Option<i64>)] = &[
            (b" 12 ", 10, Some(12)),
            (b"+5", 10, Some(5)),
            (b"-5", 10, Some(-5)),
            (b"1_0", 10, Some(10)),
            (b"_1", 10, None),
            (b"0x1f", 16, Some(31)),
            (b"1f", 16, Some(31)),
            (b"1g", 16, None),
            (b"", 16, None),
            (b"-", 16, None),
        ];
        for (text, radix, expected) in cases {
            assert_eq!(integer(text, *radix), *expected, "{text:?}");
        }
    }
}
