//! `agent-check` of 1.5 and later: a program on the server says how it is.

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
    pub word: &'static str,
    /// A weight in percent of the initial one, or without sign absolute.
    pub weight: Option<Weight>,
    /// `maxconn`
    pub maxconn: Option<u32>,
    /// What comes behind `#`, or behind the word that says that it is down.
    pub said: Vec<u8>,
}

/// A weight as an agent or an administrator gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As it is.
    Absolute(u32),
    /// Of the one in the file.
    Percent(u32),
}

/// Reads what an agent has said: the first line counts. `None` when it is nothing that can be
/// understood: then the check has not taken place.
pub fn parse(bytes: &[u8]) -> Option<Saying> {
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .unwrap_or(bytes.len());
    let line = &bytes[..end];
    let (words, said) = match memchr::memchr(b'#', line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[][..]),
    };
    let mut saying = Saying {
        said: super::report::trimmed(said).to_vec(),
        ..Saying::default()
    };
    let mut understood = false;
    for word in words.split(|byte| matches!(byte, b' ' | b',' | b'\t')) {
        let text = std::str::from_utf8(word).unwrap_or_default();
        match text.to_ascii_lowercase().as_str() {
            "" => continue,
            "up" => (saying.up, saying.word) = (Some(true), "up"),
            "down" => (saying.up, saying.word) = (Some(false), "down"),
            "fail" => (saying.up, saying.word) = (Some(false), "fail"),
            "stopped" => (saying.up, saying.word) = (Some(false), "stopped"),
            "drain" => saying.admin = Some(Admin::Drain),
            "maint" => saying.admin = Some(Admin::Maintenance),
            "ready" => saying.admin = Some(Admin::Ready),
            text => {
                if let Some(limit) = text.strip_prefix("maxconn:") {
                    let Ok(limit) = limit.parse() else { continue };
                    saying.maxconn = Some(limit);
                } else if let Some(percent) = text.strip_suffix('%') {
                    let Ok(percent) = percent.parse::<u32>() else {
                        continue;
                    };
                    saying.weight = Some(Weight::Percent(percent.min(25_600)));
                } else {
                    continue;
                }
            }
        }
        understood = true;
    }
    understood.then_some(saying)
}

/// What the statistics and the log show of what an agent has said; `saying` is `None` when nothing
/// could be understood.
pub fn report(said: &[u8], saying: Option<&Saying>) -> Report {
    match saying {
        _ if said.is_empty() => {
            Report::new(Status::L7Timeout).saying(b"Ignoring incomplete line from agent")
        }
        None => {
            let error = [b"agent reports an error : ", said].concat();
            Report::new(Status::Unchanged).saying(&error)
        }
        Some(saying) => match saying.up {
            None => Report::new(Status::Unchanged),
            Some(up) => {
                let status = if up { Status::L7Ok } else { Status::L7Wrong };
                let mut words = format!("via agent : {}", saying.word).into_bytes();
                if !saying.said.is_empty() {
                    words.extend_from_slice(&[b" (", &saying.said[..], b")"].concat());
                }
                Report::new(status).saying(&words)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sayings() {
        assert_eq!(parse(b"up\n").unwrap().up, Some(true));
        let many = parse(b"75% maint maxconn:5 # disk\r\nup").unwrap();
        assert_eq!(many.weight, Some(Weight::Percent(75)));
        assert_eq!(many.admin, Some(Admin::Maintenance));
        assert_eq!((many.maxconn, many.up), (Some(5), None));
        assert_eq!(many.said, b"disk");
        assert_eq!(parse(b"DOWN").unwrap().up, Some(false));
        assert_eq!(parse(b"failed # disk full\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn reports() {
        for (said, status, text) in [
            ("up ready 75%\n", Status::L7Ok, "via agent : up"),
            (
                "fail # too hot\n",
                Status::L7Wrong,
                "via agent : fail (too hot)",
            ),
            ("drain 50%\n", Status::Unchanged, ""),
            (
                "what?\n",
                Status::Unchanged,
                "agent reports an error : what?",
            ),
            ("", Status::L7Timeout, "Ignoring incomplete line from agent"),
        ] {
            let report = report(said.as_bytes(), parse(said.as_bytes()).as_ref());
            assert_eq!((report.status, &report.said[..]), (status, text.as_bytes()));
        }
    }
}
