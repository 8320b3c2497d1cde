//! `tcp-check` rules of 1.5 and later: connect, send, expect, one after the other.

use super::probe::Answer;
use super::report::{Report, Status};
use crate::plan::{CheckStep, StepPattern};
use crate::regular_expression::{BadRegex, Regex};

/// One rule.
#[derive(Debug)]
pub enum Step {
    /// `connect [port n]`
    Connect(Option<u16>),
    /// `send`, `send-binary`
    Send(Vec<u8>),
    /// `expect [!] string|rstring|binary`
    Expect {
        /// `!`
        negated: bool,
        /// The text, or what the expression was made from.
        pattern: Vec<u8>,
        /// The expression.
        regex: Option<Regex>,
        /// It was written in hexadecimal digits.
        binary: bool,
    },
}

/// A list of rules, compiled, each with the comment that stands before it.
#[derive(Debug, Default)]
pub struct Script {
    steps: Vec<(Step, Option<Vec<u8>>)>,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    next: usize,
}

impl Script {
    /// Compiles the rules of a backend.
    ///
    /// # Errors
    /// A regular expression that is none.
    pub fn compile(rules: &[CheckStep]) -> Result<Self, BadRegex> {
        let mut steps = Vec::new();
        let mut comment = None;
        for rule in rules {
            let step = match rule {
                CheckStep::Comment(text) => {
                    comment = Some(text.to_vec());
                    continue;
                }
                CheckStep::Connect { port } => Step::Connect(*port),
                CheckStep::Send(bytes) => Step::Send(bytes.to_vec()),
                CheckStep::Expect { negated, pattern } => {
                    let (text, regex, binary) = match pattern {
                        StepPattern::Text(text) => (text, None, false),
                        StepPattern::Binary(text) => (text, None, true),
                        StepPattern::Regex(text) => (text, Some(Regex::new(text, false)?), false),
                    };
                    Step::Expect {
                        negated: *negated,
                        pattern: text.to_vec(),
                        regex,
                        binary,
                    }
                }
            };
            steps.push((step, comment.take()));
        }
        Ok(Self { steps })
    }

    /// Whether there are no rules: then a connection is enough.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The first connection stands, which may be what the first rule asks for.
    pub(super) fn begin(&self, progress: &mut Progress) -> Answer {
        if let Some((Step::Connect(None), _)) = self.steps.first() {
            progress.next = 1;
        }
        self.advance(progress)
    }

    /// A connection that a rule has asked for stands.
    pub(super) fn connected(&self, progress: &mut Progress) -> Answer {
        self.advance(progress)
    }

    /// Sends what can be sent without reading.
    fn advance(&self, progress: &mut Progress) -> Answer {
        let mut bytes = Vec::new();
        loop {
            match self.steps.get(progress.next) {
                Some((Step::Send(more), _)) => {
                    bytes.extend_from_slice(more);
                    progress.next += 1;
                }
                _ if !bytes.is_empty() => return Answer::Send(bytes),
                Some((Step::Connect(port), _)) => {
                    progress.next += 1;
                    return Answer::Connect(*port);
                }
                Some((Step::Expect { .. }, _)) => return Answer::Wait,
                None => return Answer::Done(Report::new(Status::L7Ok).saying(b"(tcp-check)")),
            }
        }
    }

    /// Looks at what was read since something was sent.
    pub(super) fn read(&self, progress: &mut Progress, bytes: &[u8], ended: bool) -> Answer {
        loop {
            let Some((
                Step::Expect {
                    negated,
                    pattern,
                    regex,
                    binary,
                },
                _,
            )) = self.steps.get(progress.next)
            else {
                return self.advance(progress);
            };
            let found = match regex {
                Some(regex) => regex.is_match(bytes),
                None => memchr::memmem::find(bytes, pattern).is_some(),
            };
            let failed = |what: &str, hidden: bool| {
                let shown = if hidden {
                    "(binary)".to_owned()
                } else {
                    format!("'{}'", String::from_utf8_lossy(pattern))
                };
                let words = format!("TCPCHK {what} {shown}{}", self.place(progress));
                Answer::Done(Report::new(Status::L7Invalid).saying(words.as_bytes()))
            };
            match (found, *negated) {
                (true, true) => return failed("matched unwanted content", *binary),
                (true, false) => {}
                // What must not come has not come so far.
                (false, true) if !bytes.is_empty() => {}
                (false, _) if !ended => return Answer::Wait,
                (false, true) => {}
                (false, false) if bytes.is_empty() => {
                    let words = format!("TCPCHK got an empty response{}", self.place(progress));
                    let report = Report::new(Status::L7Invalid);
                    return Answer::Done(report.saying(words.as_bytes()));
                }
                (false, false) => return failed("did not match content", *binary),
            }
            progress.next += 1;
        }
    }

    /// Where in the list it is: rules count from 1.
    pub(super) fn place(&self, progress: &Progress) -> String {
        let number = progress.next + 1;
        match self.steps.get(progress.next) {
            Some((_, Some(comment))) => {
                let comment = String::from_utf8_lossy(comment);
                format!(" at step {number} comment: '{comment}'")
            }
            _ => format!(" at step {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ByteString;

    fn script(steps: &[CheckStep]) -> Script {
        Script::compile(steps).unwrap()
    }

    fn expect(negated: bool, text: &str) -> CheckStep {
        CheckStep::Expect {
            negated,
            pattern: StepPattern::Text(ByteString::from(text)),
        }
    }

    #[test]
    fn a_conversation() {
        let script = script(&[
            CheckStep::Connect { port: None },
            CheckStep::Send("PING\r\n".into()),
            expect(false, "PONG"),
            expect(true, "ERR"),
            CheckStep::Send("QUIT\r\n".into()),
            CheckStep::Connect { port: Some(7) },
            CheckStep::Comment("last".into()),
            expect(false, "hi"),
        ]);
        let mut progress = Progress::default();
        let ping = Answer::Send(b"PING\r\n".to_vec());
        assert_eq!(script.begin(&mut progress), ping);
        assert_eq!(script.read(&mut progress, b"+PO", false), Answer::Wait);
        let quit = Answer::Send(b"QUIT\r\n".to_vec());
        assert_eq!(script.read(&mut progress, b"+PONG", false), quit);
        let connect = Answer::Connect(Some(7));
        assert_eq!(script.read(&mut progress, b"", false), connect);
        assert_eq!(script.connected(&mut progress), Answer::Wait);
        let mut other = progress;
        let Answer::Done(report) = script.read(&mut progress, b"hi", false) else {
            panic!();
        };
        assert_eq!(report.status, Status::L7Ok);
        let Answer::Done(report) = script.read(&mut other, b"no", true) else {
            panic!();
        };
        assert_eq!(report.status, Status::L7Invalid);
        assert!(report.said.ends_with(b"comment: 'last'"));
    }
}
