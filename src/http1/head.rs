//! The head of one message: its lines in the receive buffer, and the edits made to them.
//!
//! A [`Head`] holds offsets into the bytes that it was scanned from, which the caller passes to
//! every method; added and changed lines live in an arena beside it. What was not edited leaves as
//! the bytes that came.

use super::names::Names;
use super::scan::{HeaderLine, Kind, Scan, Scanner, StartLine, Tolerance};
use crate::letters;

/// The version of a message as far as it changes what the proxy does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// No version: HTTP/0.9.
    Http09,
    /// 1.0, and anything below 1.1.
    #[default]
    Http10,
    /// 1.1, and anything above.
    Http11,
}

/// Offsets from here on point into the arena.
const ARENA: u32 = 1 << 31;
/// `start` of a removed line.
const REMOVED: u32 = u32::MAX;

/// A scanned head and its edits.
#[derive(Debug)]
pub struct Head {
    scanner: Scanner,
    lines: Vec<HeaderLine>,
    /// What the lines are called: most names that are asked for are in no line.
    names: Names,
    arena: Vec<u8>,
    /// The start line as it leaves: in the arena when it was replaced.
    edited_start: Option<StartLine>,
    len: usize,
    edited: bool,
    /// Lines from here on leave, but are not found.
    unseen: usize,
}

impl Head {
    /// An empty head, to be scanned.
    pub fn new(kind: Kind) -> Self {
        Self {
            scanner: Scanner::new(kind),
            lines: Vec::new(),
            names: Names::default(),
            arena: Vec::new(),
            edited_start: None,
            len: 0,
            unseen: usize::MAX,
            edited: false,
        }
    }

    /// Forgets everything but its allocations.
    pub fn reset(&mut self, kind: Kind) {
        self.scanner.reset(kind);
        self.lines.clear();
        self.names = Names::default();
        self.arena.clear();
        self.edited_start = None;
        self.unseen = usize::MAX;
        self.len = 0;
        self.edited = false;
    }

    /// Which kind of message it is the head of.
    pub fn kind(&self) -> Kind {
        self.scanner.kind()
    }

    /// Scans on; see [`Scanner::scan`].
    pub fn scan(&mut self, bytes: &mut [u8], tolerance: Tolerance) -> Scan {
        let known = self.lines.len();
        let scan = self.scanner.scan(bytes, tolerance, &mut self.lines);
        let mut names = self.names;
        for line in &self.lines[known..] {
            names.add(&bytes[line.start as usize..line.colon as usize]);
        }
        if self.scanner.tolerated.is_some() {
            names = Names::ANY;
        }
        self.names = names;
        if let Scan::Complete(len) = scan {
            self.len = len;
        }
        scan
    }

    /// Whether any byte of the start line has come.
    pub fn started(&self) -> bool {
        self.scanner.started()
    }

    /// The first byte that was only let through because it was asked for.
    pub fn tolerated(&self) -> Option<usize> {
        self.scanner.tolerated
    }

    /// Length of the head as received, empty lines before it included.
    pub fn received_len(&self) -> usize {
        self.len
    }

    /// Length of the empty lines before the start line; they are not forwarded.
    pub fn leading(&self) -> usize {
        self.scanner.start_line.start as usize
    }

    /// Number of header lines, removed ones included.
    pub fn line_count(&self) -> usize {
        self.lines.len().min(self.unseen)
    }

    /// Whether what leaves differs from what came.
    pub fn is_edited(&self) -> bool {
        self.edited
    }

    /// Bytes that edits have added so far.
    pub fn arena_len(&self) -> usize {
        self.arena.len()
    }

    fn start(&self) -> StartLine {
        self.scanner.start_line
    }

    fn current(&self) -> StartLine {
        self.edited_start.unwrap_or_else(|| self.start())
    }

    /// First word of the start line as it leaves: method or version.
    pub fn first_word<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        let line = self.current();
        self.text(bytes, line.start, line.first_end)
    }

    /// Second word of the start line as it leaves: request target or status code.
    pub fn second_word<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        let (start, end) = self.current().second;
        self.text(bytes, start, end)
    }

    /// Third part of the start line as it leaves: version or reason.
    pub fn third_part<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        let (start, end) = self.current().third;
        self.text(bytes, start, end)
    }

    /// The start line as it leaves, without its terminator.
    pub fn start_line<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        let line = self.current();
        self.text(bytes, line.start, line.third.1)
    }

    /// The start line as received, without its terminator.
    pub fn received_start_line<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.start();
        // It has no end yet when something was wrong with it.
        bytes
            .get(start.start as usize..start.third.1 as usize)
            .unwrap_or_default()
    }

    /// Where the version begins, when one was received that is not of the form `HTTP/1.1`: four
    /// letters, and one digit on either side of the dot.
    pub fn odd_version(&self, bytes: &[u8]) -> Option<usize> {
        let line = self.start();
        let (start, end) = match self.kind() {
            Kind::Request => line.third,
            Kind::Response => (line.start, line.first_end),
        };
        let odd = !matches!(
            bytes.get(start as usize..end as usize).unwrap_or_default(),
            [] | [_, _, _, _, b'/', b'0'..=b'9', b'.', b'0'..=b'9']
        );
        odd.then_some(start as usize)
    }

    /// Version of a request.
    pub fn request_version(&self, bytes: &[u8]) -> Version {
        let third = self.third_part(bytes);
        if third.is_empty() {
            Version::Http09
        } else {
            version(third)
        }
    }

    /// Version of a response.
    pub fn response_version(&self, bytes: &[u8]) -> Version {
        version(self.first_word(bytes))
    }

    /// Status code of a response. What is no digit counts by its place in the character set, as
    /// HAProxy's logs show it.
    pub fn status(&self, bytes: &[u8]) -> u16 {
        self.second_word(bytes).iter().fold(0u16, |code, digit| {
            code.wrapping_mul(10)
                .wrapping_add(u16::from(digit.wrapping_sub(b'0')))
        })
    }

    /// Replaces the start line (given without terminator). `false`, and nothing is replaced, when
    /// the line is none.
    pub fn set_start_line(&mut self, line: &[u8]) -> bool {
        let start = self.arena.len();
        self.arena.extend_from_slice(line);
        self.arena.extend_from_slice(b"\r\n");
        let mut scanner = Scanner::new(self.scanner.kind());
        let scan = scanner.scan(
            &mut self.arena[start..],
            Tolerance::default(),
            &mut Vec::new(),
        );
        let found = scanner.start_line;
        if matches!(scan, Scan::Invalid(_)) || found.end == 0 {
            self.arena.truncate(start);
            return false;
        }
        let at = |offset: u32| ARENA | (start as u32 + offset);
        self.edited_start = Some(StartLine {
            start: at(found.start),
            first_end: at(found.first_end),
            second: (at(found.second.0), at(found.second.1)),
            third: (at(found.third.0), at(found.third.1)),
            end: at(found.end),
        });
        self.edited = true;
        true
    }

    /// The lines that are still there, by index, in order.
    pub fn lines(&self) -> impl Iterator<Item = usize> {
        (0..self.line_count()).filter(|&i| self.lines[i].start != REMOVED)
    }

    /// Whether a line may have that name, or one that only blanks around it tell from that name.
    /// `false` is certain.
    #[inline]
    pub fn may_have(&self, name: &[u8]) -> bool {
        self.names.may_have(name)
    }

    /// The first line with that name, whatever its case; the one after `from`, which is of that name
    /// itself.
    #[inline]
    pub fn find(&self, bytes: &[u8], name: &[u8], from: Option<usize>) -> Option<usize> {
        let may_be_there = match from {
            None => self.names.may_have(name),
            Some(_) => self.names.may_repeat(name),
        };
        if !may_be_there {
            return None;
        }
        self.search(bytes, name, from)
    }

    fn search(&self, bytes: &[u8], name: &[u8], from: Option<usize>) -> Option<usize> {
        let first = from.map_or(0, |i| i + 1);
        (first..self.line_count()).find(|&i| {
            let line = &self.lines[i];
            line.start != REMOVED
                && (line.colon - line.start) as usize == name.len()
                && letters::same(self.text(bytes, line.start, line.colon), name)
        })
    }

    /// Name of a line.
    pub fn name<'a>(&'a self, bytes: &'a [u8], index: usize) -> &'a [u8] {
        let line = &self.lines[index];
        if line.start == REMOVED {
            return &[];
        }
        self.text(bytes, line.start, line.colon)
    }

    /// Value of a line, with the blanks at its end.
    pub fn value<'a>(&'a self, bytes: &'a [u8], index: usize) -> &'a [u8] {
        let line = &self.lines[index];
        if line.start == REMOVED {
            return &[];
        }
        self.text(bytes, line.value_start, line.value_end)
    }

    /// Where the value of a line that was received begins.
    pub fn value_offset(&self, index: usize) -> usize {
        self.lines[index].value_start as usize
    }

    /// A whole line without its terminator.
    pub fn line<'a>(&'a self, bytes: &'a [u8], index: usize) -> &'a [u8] {
        let line = &self.lines[index];
        if line.start == REMOVED {
            return &[];
        }
        self.text(bytes, line.start, line.value_end)
    }

    /// Whether a line was removed.
    pub fn is_removed(&self, index: usize) -> bool {
        self.lines[index].start == REMOVED
    }

    /// Removes a line.
    pub fn remove(&mut self, index: usize) {
        self.lines[index].start = REMOVED;
        self.edited = true;
    }

    /// Removes a line as the rules of HAProxy 1.4 to 1.8 do: when it was the last one, lines that are
    /// added later leave, and no rule sees them any more.
    pub fn remove_losing_the_end(&mut self, index: usize) {
        if self.lines().last() == Some(index) {
            self.unseen = self.lines.len();
        }
        self.remove(index);
    }

    /// Removes every line of that name.
    pub fn remove_all(&mut self, bytes: &[u8], name: &[u8]) {
        let mut at = None;
        while let Some(index) = self.find(bytes, name, at) {
            self.remove(index);
            at = Some(index);
        }
    }

    /// Replaces a line, given without terminator; without a colon it is all name.
    pub fn replace(&mut self, index: usize, line: &[u8]) {
        self.lines[index] = self.store_ending(&[line], self.ending(index));
    }

    /// Replaces the value of a line and keeps its name and the blanks before the value.
    pub fn replace_value(&mut self, bytes: &[u8], index: usize, value: &[u8]) {
        let old = self.lines[index];
        let prefix = self.text(bytes, old.start, old.value_start).to_vec();
        self.lines[index] = self.store_ending(&[&prefix, value], self.ending(index));
    }

    /// Adds a line at the end, given without terminator.
    pub fn append(&mut self, line: &[u8]) {
        self.append_parts(&[line]);
    }

    /// Adds a line at the end, given in parts.
    pub fn append_parts(&mut self, parts: &[&[u8]]) {
        let line = self.store(parts);
        self.lines.push(line);
    }

    /// The line end of a line: a replacement keeps it.
    fn ending(&self, index: usize) -> &'static [u8] {
        let line = &self.lines[index];
        if line.end.wrapping_sub(line.value_end) == 1 {
            b"\n"
        } else {
            b"\r\n"
        }
    }

    fn store(&mut self, parts: &[&[u8]]) -> HeaderLine {
        self.store_ending(parts, b"\r\n")
    }

    fn store_ending(&mut self, parts: &[&[u8]], ending: &[u8]) -> HeaderLine {
        self.edited = true;
        let start = self.arena.len();
        for part in parts {
            self.arena.extend_from_slice(part);
        }
        let text = &self.arena[start..];
        let colon = memchr::memchr(b':', text).unwrap_or(text.len());
        let blanks = text[(colon + 1).min(text.len())..]
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        self.names.add_written(&text[..colon]);
        let value_end = self.arena.len();
        self.arena.extend_from_slice(ending);
        let at = |offset: usize| ARENA | offset as u32;
        HeaderLine {
            start: at(start),
            colon: at(start + colon),
            value_start: at((start + colon + 1 + blanks).min(value_end)),
            value_end: at(value_end),
            end: at(value_end + ending.len()),
        }
    }

    fn text<'a>(&'a self, bytes: &'a [u8], start: u32, end: u32) -> &'a [u8] {
        if start & ARENA == 0 {
            &bytes[start as usize..end as usize]
        } else {
            &self.arena[(start & !ARENA) as usize..(end & !ARENA) as usize]
        }
    }

    /// Writes the head as it leaves. Lines that follow each other unchanged are copied at once.
    pub fn write_to(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = self.start();
        // What is still to be copied from `bytes`.
        let mut run = start.start as usize..start.end as usize;
        if let Some(edited) = &self.edited_start {
            out.extend_from_slice(self.text(bytes, edited.start, edited.third.1));
            run = if self.has_header_part() {
                start.third.1 as usize..start.end as usize
            } else {
                // The end of a line without version becomes the end of the head.
                out.extend_from_slice(b"\r\n");
                start.end as usize..start.end as usize
            };
        }
        for line in &self.lines {
            if line.start == REMOVED {
                continue;
            }
            if line.start & ARENA != 0 {
                out.extend_from_slice(&bytes[run.clone()]);
                run = run.end..run.end;
                out.extend_from_slice(self.text(bytes, line.start, line.end));
            } else if line.start as usize == run.end {
                run.end = line.end as usize;
            } else {
                out.extend_from_slice(&bytes[run]);
                run = line.start as usize..line.end as usize;
            }
        }
        out.extend_from_slice(&bytes[run]);
        out.extend_from_slice(&bytes[self.terminator_start(bytes)..self.len]);
    }

    /// How long the head is as it leaves.
    pub fn written_len(&self, bytes: &[u8]) -> usize {
        if !self.edited {
            return self.len - self.leading();
        }
        let mut out = Vec::with_capacity(self.len + self.arena.len());
        self.write_to(bytes, &mut out);
        out.len()
    }

    /// Where the empty line that ends the head begins.
    fn terminator_start(&self, bytes: &[u8]) -> usize {
        let mut start = self.len;
        if !self.has_header_part() && self.edited_start.is_some() {
            return self.start().third.1 as usize;
        }
        if start > 0 && bytes.get(start - 1) == Some(&b'\n') && self.has_header_part() {
            start -= 1;
            if start > 0 && bytes[start - 1] == b'\r' {
                start -= 1;
            }
        }
        start
    }

    /// Whether an empty line ends the head: an HTTP/0.9 request is its start line alone.
    fn has_header_part(&self) -> bool {
        self.len > self.start().end as usize
    }
}

/// The version that `HTTP/x.y` means, as HAProxy reads it: by two digits at their places.
fn version(text: &[u8]) -> Version {
    match text {
        [_, _, _, _, _, major, _, minor] if *major > b'1' || (*major == b'1' && *minor >= b'1') => {
            Version::Http11
        }
        _ => Version::Http10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> (Head, Vec<u8>) {
        let mut bytes = text.as_bytes().to_vec();
        let mut head = Head::new(Kind::Request);
        assert!(matches!(
            head.scan(&mut bytes, Tolerance::default()),
            Scan::Complete(_)
        ));
        (head, bytes)
    }

    fn written(head: &Head, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        head.write_to(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    const TEXT: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\nx-one:  2 \r\nY:\r\n\r\n";

    #[test]
    fn unedited_heads_leave_as_they_came() {
        let (head, bytes) = head(TEXT);
        assert!(!head.is_edited());
        assert_eq!(written(&head, &bytes), TEXT);
        let (head, bytes) = self::head("\r\n\nGET / HTTP/1.0\n\n");
        assert_eq!(written(&head, &bytes), "GET / HTTP/1.0\n\n");
    }

    #[test]
    fn edits() {
        let (mut head, bytes) = head(TEXT);
        let first = head.find(&bytes, b"x-ONE", None).unwrap();
        let second = head.find(&bytes, b"X-One", Some(first)).unwrap();
        assert_eq!(head.value(&bytes, second), b"2 ");
        head.remove(first);
        head.replace_value(&bytes, second, b"3");
        head.append(b"Z: 4");
        head.set_start_line(b"PUT /x HTTP/1.1");
        assert_eq!(
            written(&head, &bytes),
            "PUT /x HTTP/1.1\r\nHost: a\r\nx-one:  3\r\nY:\r\nZ: 4\r\n\r\n"
        );
        assert_eq!(head.find(&bytes, b"x-one", None), Some(second));
        let added = head.find(&bytes, b"z", None).unwrap();
        assert_eq!(head.value(&bytes, added), b"4");
    }

    #[test]
    fn versions() {
        for (text, expected) in [
            ("GET /\r\n", Version::Http09),
            ("GET / HTTP/1.0\r\n\r\n", Version::Http10),
            ("GET / HTTP/1.1\r\n\r\n", Version::Http11),
            ("GET / HTTP/2.0\r\n\r\n", Version::Http11),
            ("GET / HTTP/0.9\r\n\r\n", Version::Http10),
            ("GET / HTTP\r\n\r\n", Version::Http10),
        ] {
            let (head, bytes) = head(text);
            assert_eq!(head.request_version(&bytes), expected, "{text:?}");
        }
    }

    #[test]
    fn a_version_has_two_digits() {
        for (text, expected) in [
            ("GET /\r\n", None),
            ("GET / HTTP/1.1\r\n\r\n", None),
            ("\r\nGET / HTTP/9.9\r\n\r\n", None),
            ("GET / HTTP/10.1\r\n\r\n", Some(6)),
            ("\r\nGET / HTTP/1.10\r\n\r\n", Some(8)),
            ("GET / HTTP/1.\r\n\r\n", Some(6)),
            ("GET / HTTP\r\n\r\n", Some(6)),
        ] {
            let (head, bytes) = head(text);
            assert_eq!(head.odd_version(&bytes), expected, "{text:?}");
        }
    }

    proptest::proptest! {
        /// Whatever is removed, replaced and added, the result parses to the expected list.
        #[test]
        fn edited_heads_parse_to_the_edited_list(
            headers in proptest::collection::vec(("[A-Z]{1,4}", "[a-z]{0,6}"), 0..8),
            edits in proptest::collection::vec((0usize..12, 0u8..3, "[a-z]{1,5}"), 0..6),
        ) {
            let mut text = String::from("GET / HTTP/1.1\r\n");
            for (name, value) in &headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str("\r\n");
            let (mut head, bytes) = head(&text);
            let mut expected: Vec<Option<(String, String)>> = headers.into_iter().map(Some).collect();
            for (index, action, value) in edits {
                let alive = expected.get(index).is_some_and(Option::is_some);
                match action {
                    0 if alive => {
                        head.remove(index);
                        expected[index] = None;
                    }
                    1 if alive => {
                        head.replace_value(&bytes, index, value.as_bytes());
                        if let Some(entry) = &mut expected[index] {
                            entry.1 = value;
                        }
                    }
                    _ => {
                        head.append(format!("Added: {value}").as_bytes());
                        expected.push(Some(("Added".into(), value)));
                    }
                }
            }
            // Names are found where they stand first, whatever their case.
            for (name, _) in expected.iter().flatten() {
                let is_it = |entry: &Option<(String, String)>| {
                    entry.as_ref().is_some_and(|(other, _)| other == name)
                };
                let lower = name.to_lowercase();
                let found = head.find(&bytes, lower.as_bytes(), None);
                proptest::prop_assert_eq!(found, expected.iter().position(is_it));
            }
            let (again, bytes) = self::head(&written(&head, &bytes));
            let found: Vec<_> = again
                .lines()
                .map(|i| (
                    String::from_utf8_lossy(again.name(&bytes, i)).into_owned(),
                    String::from_utf8_lossy(again.value(&bytes, i)).into_owned(),
                ))
                .collect();
            let expected: Vec<_> = expected.into_iter().flatten().collect();
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
