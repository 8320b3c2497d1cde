//! `agent-check` of 1.5 and later: a program on the server says how it is.

use haproxy_cfg_grammar::value::number::atol;

use super::report::{Report, Status};

/// What the agent wants of the administration of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// No new clients.
    Drain,
    /// Out of use.
    Maintenance,
    /// Neither.
    Ready,
}

/// What one line of an agent says. What it does not mention stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saying {
    /// Its view of the administration.
    pub admin: Option<Admin>,
    /// Up, or not.
    pub up: Option<bool>,
    /// The word that has said so.
    word: Vec<u8>,
    /// A weight in percent of the initial one.
    pub weight: Option<u32>,
    /// `maxconn`
    pub maxconn: Option<u32>,
    /// What comes behind `#`.
    comment: Vec<u8>,
    /// The first word that means nothing.
    unknown: Option<Vec<u8>>,
    /// What is wrong with a number.
    wrong: Option<&'static str>,
}

/// The line that an agent has said; `None` as long as its end is missing.
pub fn line(said: &[u8]) -> Option<&[u8]> {
    let end = said
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n' | 0))?;
    (said[end] != 0).then_some(&said[..end])
}

impl Saying {
    /// Reads a line.
    pub fn read(line: &[u8]) -> Self {
        let mut saying = Self::default();
        let mut rest = line;
        let mut wrong = (None, None);
        loop {
            let start = rest.iter().position(|byte| !is_separator(*byte));
            rest = &rest[start.unwrap_or(rest.len())..];
            if rest.is_empty() {
                break;
            }
            if let Some(comment) = rest.strip_prefix(b"#") {
                saying.comment = super::report::trimmed(comment).to_vec();
                break;
            }
            let end = rest.iter().position(|byte| is_separator(*byte));
            let (word, next) = rest.split_at(end.unwrap_or(rest.len()));
            rest = next;
            let lower = word.to_ascii_lowercase();
            match &lower[..] {
                b"up" => (saying.up, saying.word) = (Some(true), word.to_vec()),
                b"down" | b"fail" | b"stopped" => {
                    (saying.up, saying.word) = (Some(false), word.to_vec());
                }
                b"drain" => saying.admin = Some(Admin::Drain),
                b"maint" => saying.admin = Some(Admin::Maintenance),
                b"ready" => saying.admin = Some(Admin::Ready),
                lower => {
                    if let Some(limit) = lower.strip_prefix(b"maxconn:") {
                        (saying.maxconn, wrong.1) = split(maxconn(limit));
                    } else if word[0].is_ascii_digit() && word.contains(&b'%') {
                        (saying.weight, wrong.0) = split(percent(word));
                    } else {
                        saying.unknown.get_or_insert_with(|| word.to_vec());
                    }
                }
            }
        }
        saying.wrong = wrong.0.or(wrong.1);
        saying
    }

    /// What the statistics and the log show of it.
    pub fn report(&self) -> Report {
        let wrong = self.wrong.map(str::as_bytes);
        let Some(up) = self.up else {
            let words = match (&self.unknown, wrong) {
                (Some(word), _) => [b"agent reports an error : ", &word[..]].concat(),
                (None, Some(wrong)) => [b"agent warns : ", wrong].concat(),
                (None, None) => Vec::new(),
            };
            return Report::new(Status::Unchanged).saying(&words);
        };
        let mut words = [b"via agent : ", &self.word[..]].concat();
        let comment = Some(&self.comment[..]).filter(|comment| !comment.is_empty());
        let amiss = self.unknown.as_deref().or(wrong);
        let more = if up {
            amiss.or(comment)
        } else {
            comment.or(amiss)
        };
        if let Some(more) = more {
            words.extend_from_slice(&[b" (", more, b")"].concat());
        }
        let status = if up { Status::L7Ok } else { Status::L7Wrong };
        Report::new(status).saying(&words)
    }
}

/// The report about an agent that has closed before its line was complete. HAProxy repeats what it
/// has found before; there may be nothing yet.
pub fn incomplete(before: Status) -> Report {
    Report::new(before).saying(b"Ignoring incomplete line from agent")
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\t')
}

fn split<T>(result: Result<T, &'static str>) -> (Option<T>, Option<&'static str>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(wrong) => (None, Some(wrong)),
    }
}

/// `N%`, which begins with a digit.
fn percent(word: &[u8]) -> Result<u32, &'static str> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
    let (digits, rest) = word.split_at(digits.count());
    let (value, _) = atol(digits);
    match rest {
        b"%" => Ok(value.min(MOST_PERCENT) as u32),
        _ if value > 256 => Err("Absolute weight can only be between 0 and 256 inclusive."),
        _ => Err("Trailing garbage in weight string"),
    }
}

/// The highest weight of a server, in percent of the lowest.
const MOST_PERCENT: i64 = 25_600;

/// What follows on `maxconn:`. Numbers that are too large lose their upper bits.
fn maxconn(word: &[u8]) -> Result<u32, &'static str> {
    let signed = word.strip_prefix(b"-");
    let digits = signed.or_else(|| word.strip_prefix(b"+"));
    match atol(word) {
        (limit, true) => Ok(limit as u32),
        _ if word.is_empty() => Err("Require <maxconn>."),
        _ if digits
            .unwrap_or(word)
            .first()
            .is_some_and(u8::is_ascii_digit) =>
        {
            Err("Trailing garbage in maxconn string")
        }
        _ => Err("maxconn string empty or preceded by garbage"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (said, wanted) in [
            ("up\ndown", Some("up")),
            ("up\r\n", Some("up")),
            ("\n", Some("")),
            ("up", None),
            ("up\0\n", None),
            ("up\n\0", Some("up")),
        ] {
            assert_eq!(line(said.as_bytes()), wanted.map(str::as_bytes), "{said:?}");
        }
    }

    #[test]
    fn sayings() {
        let read = |line: &str| Saying::read(line.as_bytes());
        let many = read("75% maint,\tmaxconn:5 # disk");
        assert_eq!(many.weight, Some(75));
        assert_eq!(many.admin, Some(Admin::Maintenance));
        assert_eq!((many.maxconn, many.up), (Some(5), None));
        assert_eq!(read("up Down").up, Some(false));
        assert_eq!(read("failed").up, None);
        assert_eq!(read("down#hot").up, None);
        assert_eq!(read("99999999999%").weight, Some(25_600));
        assert_eq!(read("+20%").weight, None);
        assert_eq!(read("MAXCONN:+7").maxconn, Some(7));
        assert_eq!(read("maxconn:7x").maxconn, None);
    }

    #[test]
    fn reports() {
        for (line, status, text) in [
            ("UP ready 75%", Status::L7Ok, "via agent : UP"),
            (
                "fail # too hot",
                Status::L7Wrong,
                "via agent : fail (too hot)",
            ),
            (
                "down why # this",
                Status::L7Wrong,
                "via agent : down (this)",
            ),
            (
                "down why maxconn:x",
                Status::L7Wrong,
                "via agent : down (why)",
            ),
            ("up why # this", Status::L7Ok, "via agent : up (why)"),
            ("drain 50% # why", Status::Unchanged, ""),
            ("", Status::Unchanged, ""),
            (
                "what is it",
                Status::Unchanged,
                "agent reports an error : what",
            ),
            (
                "maxconn:x 25%%",
                Status::Unchanged,
                "agent warns : Trailing garbage in weight string",
            ),
            (
                "300%x",
                Status::Unchanged,
                "agent warns : Absolute weight can only be between 0 and 256 inclusive.",
            ),
            (
                "maxconn:",
                Status::Unchanged,
                "agent warns : Require <maxconn>.",
            ),
        ] {
            let report = Saying::read(line.as_bytes()).report();
            assert_eq!((report.status, &report.said[..]), (status, text.as_bytes()));
        }
    }
}
