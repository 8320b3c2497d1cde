//! `option httpchk`, `http-check`. Manual 1.4, section 4.2.

use super::probe::Answer;
use super::report::{Report, Status, three_digits, trimmed};
use crate::plan::Expect;
use crate::regular_expression::Regex;

/// `http-check expect`, with its pattern compiled.
#[derive(Debug)]
pub struct Expectation {
    /// `!`
    pub negated: bool,
    /// Where to look, and how.
    pub kind: Expect,
    /// For what.
    pub pattern: Vec<u8>,
    /// The same as an expression.
    pub regex: Option<Regex>,
}

/// What the `X-Haproxy-Server-State` header says of a server.
#[derive(Clone, Debug)]
pub struct ServerState<'a> {
    /// `UP 1/3`
    pub state: &'a str,
    /// Address and port, since 1.5.
    pub place: Option<(String, String)>,
    /// Of the backend, and its own.
    pub names: (&'a str, &'a str),
    /// `node`
    pub node: &'a str,
    /// Its weight, and that of all that are in use.
    pub weight: (u32, u32),
    /// Its sessions, and those of the backend.
    pub sessions: (u32, u32),
    /// Requests that wait for it.
    pub waiting: u32,
}

/// The header of `http-check send-state`.
pub fn server_state(of: &ServerState<'_>) -> Vec<u8> {
    let mut line = format!("X-Haproxy-Server-State: {}; ", of.state);
    if let Some((address, port)) = &of.place {
        line += &format!("address={address}; port={port}; ");
    }
    line += &format!(
        "name={}/{}; node={}; weight={}/{}; scur={}/{}; qcur={}\r\n",
        of.names.0,
        of.names.1,
        of.node,
        of.weight.0,
        of.weight.1,
        of.sessions.0,
        of.sessions.1,
        of.waiting
    );
    line.into_bytes()
}

/// A status line is at least this long: `HTTP/1.0 000` and what ends it.
const SHORTEST: usize = 13;

/// Reads an answer.
pub(super) fn answer(
    bytes: &[u8],
    ended: bool,
    expect: Option<&Expectation>,
    conditional_404: bool,
) -> Answer {
    if bytes.len() < SHORTEST && !ended {
        return Answer::Wait;
    }
    let status = (bytes.len() >= SHORTEST
        && bytes.starts_with(b"HTTP/1.")
        && matches!(bytes[12], b' ' | b'\r'))
    .then(|| three_digits(&bytes[9..]))
    .flatten();
    let Some(code) = status else {
        return Answer::Done(Report::new(Status::L7Invalid).saying(bytes));
    };
    let reason = trimmed(&bytes[12..]);
    let report = |status| Report::new(status).code(code);
    if conditional_404 && code == 404 {
        return Answer::Done(report(Status::L7Conditional).saying(reason));
    }
    let Some(expect) = expect else {
        let status = if matches!(code / 100, 2 | 3) {
            Status::L7Ok
        } else {
            Status::L7Wrong
        };
        return Answer::Done(report(status).saying(reason));
    };
    match expect.kind {
        Expect::Status | Expect::StatusRegex => {
            let digits = &bytes[9..12];
            let fits = match &expect.regex {
                Some(regex) => regex.is_match(digits),
                // What stands behind three digits is not looked at: `200,201` is 200.
                None => expect.pattern.get(..3) == Some(digits),
            };
            let words = [b"HTTP status check returned code <", digits, b">"].concat();
            let status = if fits != expect.negated {
                Status::L7Ok
            } else {
                Status::L7Wrong
            };
            Answer::Done(report(status).saying(&words))
        }
        Expect::Text | Expect::Regex => content(bytes, ended, expect, code),
    }
}

fn content(bytes: &[u8], ended: bool, expect: &Expectation, code: u32) -> Answer {
    let invalid = |words: &[u8]| Answer::Done(Report::new(Status::L7Invalid).saying(words));
    let Some(body) = body(bytes) else {
        return if ended {
            invalid(b"HTTP content check could not find a response body")
        } else {
            Answer::Wait
        };
    };
    let text = &body[..memchr::memchr(0, body).unwrap_or(body.len())];
    let found = match &expect.regex {
        Some(regex) => regex.is_match(text),
        None => memchr::memmem::find(text, &expect.pattern).is_some(),
    };
    // What is not there may still come.
    if !ended && !found {
        return Answer::Wait;
    }
    if body.is_empty() {
        return invalid(b"HTTP content check found empty response body");
    }
    let valid = |words: &[u8]| Answer::Done(Report::new(Status::L7Ok).code(code).saying(words));
    match (found, expect.negated) {
        (true, false) => valid(b"HTTP content check matched"),
        (false, true) => valid(b"HTTP check did not match unwanted content"),
        (true, true) => invalid(b"HTTP check matched unwanted content"),
        (false, false) => invalid(b"HTTP content check did not match"),
    }
}

/// What follows the first empty line.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        rest = &rest[end + 1..];
        if let Some(body) = rest
            .strip_prefix(b"\n")
            .or_else(|| rest.strip_prefix(b"\r\n"))
        {
            return Some(body);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(answer: Answer) -> (Status, u32, String) {
        match answer {
            Answer::Done(report) => (
                report.status,
                report.code,
                String::from_utf8(report.said).unwrap(),
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn status_lines() {
        use Status::{L7Conditional, L7Invalid, L7Ok, L7Wrong};
        for (line, on404, wanted, code, said) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", false, L7Ok, 200, "OK"),
            ("HTTP/1.0 302  Found\n\n", false, L7Ok, 302, "Found"),
            ("HTTP/1.1 200\r\n\r\n", false, L7Ok, 200, ""),
            ("HTTP/1.1 100 Go on\r\n", false, L7Wrong, 100, "Go on"),
            (
                "HTTP/1.1 404 Gone away\r\n",
                false,
                L7Wrong,
                404,
                "Gone away",
            ),
            ("HTTP/1.1 404 X\r\n", true, L7Conditional, 404, "X"),
            ("HTTP/1.1 000 X\r\n", false, L7Wrong, 0, "X"),
            (
                "HTTP/1.1 2000 X\r\n",
                false,
                L7Invalid,
                0,
                "HTTP/1.1 2000 X",
            ),
            (
                "HTTP/1.0  200 OK\r\n",
                false,
                L7Invalid,
                0,
                "HTTP/1.0  200 OK",
            ),
            (
                "HTTP/2.0 200 OK\r\n",
                false,
                L7Invalid,
                0,
                "HTTP/2.0 200 OK",
            ),
            ("bla bla\r\n\r\n", false, L7Invalid, 0, "bla bla"),
            ("", false, L7Invalid, 0, ""),
        ] {
            let got = status(answer(line.as_bytes(), true, None, on404));
            assert_eq!(got, (wanted, code, said.to_owned()), "{line:?}");
        }
        assert!(matches!(
            answer(b"HTTP/1.0 20", false, None, false),
            Answer::Wait
        ));
    }

    #[test]
    fn contents() {
        use Status::{L7Invalid, L7Ok};
        let expect = |negated, pattern: &str| Expectation {
            negated,
            kind: Expect::Text,
            pattern: pattern.into(),
            regex: None,
        };
        let text = b"HTTP/1.0 500 X\r\nA: tail\r\n\r\nall good";
        for (negated, pattern, wanted) in [
            (false, "good", L7Ok),
            (false, "tail", L7Invalid),
            (true, "good", L7Invalid),
            (true, "bad", L7Ok),
        ] {
            let expect = expect(negated, pattern);
            let got = status(answer(text, true, Some(&expect), false));
            assert_eq!(got.0, wanted, "{pattern}");
            let early = answer(text, false, Some(&expect), false);
            let there = pattern == "good";
            assert_eq!(matches!(early, Answer::Done(_)), there, "{pattern}");
        }
        let empty = b"HTTP/1.0 200 OK\n\n";
        let got = status(answer(empty, true, Some(&expect(true, "x")), false));
        assert_eq!(got.0, L7Invalid);
        let headless = b"HTTP/1.0 200 OK\r\nx";
        let got = status(answer(headless, true, Some(&expect(true, "x")), false));
        assert_eq!(got.0, L7Invalid);
    }
}
