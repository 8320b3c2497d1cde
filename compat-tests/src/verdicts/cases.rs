//! The container of configuration cases: easy to review, and exact for any bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::text::{from_bytes, to_bytes};

/// A configuration, and what the releases answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigCase {
    /// Unique among all cases.
    pub name: String,
    /// By release; releases that crashed have no answer.
    pub by_release: BTreeMap<String, Option<Expectation>>,
    /// The file.
    pub configuration: Vec<u8>,
}

/// What a release answers to a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expectation {
    /// Whether it takes the file.
    pub verdict: Verdict,
    /// The lines of the file that its messages name.
    pub lines: BTreeSet<u32>,
}

/// The answer to a configuration in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Without a warning.
    Accepted,
    /// With warnings.
    Warned,
    /// Not.
    Rejected,
}

/// Why a file of cases cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct CaseError {
    line: usize,
    what: &'static str,
}

impl Verdict {
    /// As it is written in the files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Warned => "warned",
            Self::Rejected => "rejected",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Accepted, Self::Warned, Self::Rejected]
            .into_iter()
            .find(|v| v.word() == word)
    }
}

impl ConfigCase {
    /// What a release answers, when it can say anything.
    pub fn expectation(&self, release: &str) -> Option<&Expectation> {
        self.by_release.get(release)?.as_ref()
    }
}

/// Reads a file of cases.
pub fn parse(text: &str) -> Result<Vec<ConfigCase>, CaseError> {
    let mut cases: Vec<ConfigCase> = Vec::new();
    for (line, text) in (1..).zip(text.split('\n')) {
        let error = |what| CaseError { line, what };
        let Some(mark) = text.chars().next() else {
            continue;
        };
        let rest = &text[mark.len_utf8()..];
        if mark == '=' {
            cases.push(ConfigCase {
                name: rest.trim().to_owned(),
                by_release: BTreeMap::new(),
                configuration: Vec::new(),
            });
            continue;
        }
        if mark == '#' {
            continue;
        }
        let case = cases.last_mut().ok_or_else(|| error("no case has begun"))?;
        match mark {
            '@' => {
                let (releases, answer) = parse_answer(rest).map_err(error)?;
                for release in releases.split(',') {
                    case.by_release.insert(release.to_owned(), answer.clone());
                }
            }
            '|' => {
                case.configuration.extend(decode(rest));
                case.configuration.push(b'\n');
            }
            '!' => case.configuration.extend(decode(rest)),
            _ => return Err(error("starts with none of = @ | ! #")),
        }
    }
    Ok(cases)
}

fn parse_answer(text: &str) -> Result<(&str, Option<Expectation>), &'static str> {
    let mut words = text.split_whitespace();
    let releases = words.next().ok_or("no release")?;
    let word = words.next().ok_or("no verdict")?;
    if word == CRASHED {
        return Ok((releases, None));
    }
    let verdict = Verdict::from_word(word).ok_or("unknown verdict")?;
    let lines = words.map(|number| number.parse().map_err(|_| "not a line number"));
    Ok((
        releases,
        Some(Expectation {
            verdict,
            lines: lines.collect::<Result<_, _>>()?,
        }),
    ))
}

/// Writes cases so that [`parse`] gives them back.
pub fn print(cases: &[ConfigCase]) -> String {
    let mut out = String::new();
    for case in cases {
        out.push_str(&format!("= {}\n", case.name));
        let mut by_answer: Vec<(&Option<Expectation>, Vec<&str>)> = Vec::new();
        for (release, answer) in &case.by_release {
            match by_answer.iter_mut().find(|(other, _)| *other == answer) {
                Some((_, releases)) => releases.push(release),
                None => by_answer.push((answer, vec![release])),
            }
        }
        for (answer, releases) in by_answer {
            out.push_str(&format!("@ {} ", releases.join(",")));
            match answer {
                None => out.push_str(CRASHED),
                Some(Expectation { verdict, lines }) => {
                    out.push_str(verdict.word());
                    lines
                        .iter()
                        .for_each(|line| out.push_str(&format!(" {line}")));
                }
            }
            out.push('\n');
        }
        for line in case.configuration.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => out.push_str(&format!("|{}\n", encode(line))),
                None => out.push_str(&format!("!{}\n", encode(line))),
            }
        }
        out.push('\n');
    }
    out
}

fn encode(bytes: &[u8]) -> String {
    let shown = from_bytes(bytes);
    shown
        .chars()
        .map(|c| match u32::from(c) {
            0x09 => c,
            0x7f => DELETE_PICTURE,
            code @ 0..0x20 => char::from_u32(PICTURES + code).unwrap_or(c),
            _ => c,
        })
        .collect()
}

fn decode(text: &str) -> Vec<u8> {
    let plain: String = text
        .chars()
        .map(|c| match u32::from(c) {
            _ if c == DELETE_PICTURE => '\x7f',
            code @ PICTURES..LAST_PICTURE => char::from_u32(code - PICTURES).unwrap_or(c),
            _ => c,
        })
        .collect();
    to_bytes(&plain)
}

const CRASHED: &str = "crashed";
/// The Unicode picture of NUL; those of the other control characters follow it.
const PICTURES: u32 = 0x2400;
const LAST_PICTURE: u32 = PICTURES + 0x20;
const DELETE_PICTURE: char = '\u{2421}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive() {
        let all: Vec<u8> = (0..=255)
            .chain([b'\n', b'\n', b'=', b'\r', b'\n'])
            .collect();
        for end in [&b""[..], b"\n", b"no line feed", b"#", b"|\n!"] {
            let case = ConfigCase {
                name: "bytes".into(),
                by_release: BTreeMap::from([
                    ("1.4".into(), None),
                    (
                        "1.8".into(),
                        Some(Expectation {
                            verdict: Verdict::Warned,
                            lines: [3, 12].into(),
                        }),
                    ),
                ]),
                configuration: [&all, end].concat(),
            };
            let cases = [case.clone(), case];
            assert_eq!(parse(&print(&cases)).as_deref(), Ok(&cases[..]));
        }
    }

    #[test]
    fn mistakes_are_located() {
        assert_eq!(parse("\n|x").unwrap_err().line, 2);
        assert_eq!(
            parse("= a\n@ 1.4 maybe").unwrap_err().what,
            "unknown verdict"
        );
    }
}
