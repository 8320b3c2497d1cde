//! What a case does, and what its servers answer.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One step of a case. The fields are those of the files; `*_ms` are milliseconds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Step {
    /// Requests, one after the other.
    Requests {
        reqs: Vec<String>,
        #[serde(default = "once")]
        times: usize,
        #[serde(default = "main_frontend")]
        fe: String,
        /// Headers of the answer to tell.
        #[serde(default)]
        show: Vec<String>,
        /// Only how many got what.
        #[serde(default)]
        tally: Flag,
        #[serde(rename = "max", default = "request_ms")]
        max_ms: u64,
    },
    /// Requests at once.
    Crowd {
        crowd: Vec<Visit>,
        /// In which order they finished is told as well.
        #[serde(default)]
        order: Flag,
        #[serde(default)]
        sort: Flag,
    },
    /// The same, while the case goes on.
    Background {
        bg: Vec<Visit>,
    },
    /// Waits for all of them.
    Join {
        #[serde(rename = "join")]
        _join: Flag,
    },
    /// One request, and the whole answer.
    Full {
        full: String,
        #[serde(default = "main_frontend")]
        fe: String,
        #[serde(rename = "max", default = "answer_ms")]
        max_ms: u64,
    },
    Sleep {
        #[serde(rename = "sleep")]
        ms: u64,
    },
    /// Waits until a column of the statistics matches.
    Wait {
        wait: String,
        #[serde(rename = "for")]
        pattern: String,
        #[serde(default = "status")]
        col: String,
        #[serde(default)]
        quiet: Flag,
        #[serde(rename = "max", default = "column_ms")]
        max_ms: u64,
    },
    Stat {
        stat: Vec<String>,
        #[serde(default = "health")]
        cols: Vec<String>,
    },
    /// Columns after each of the first connections to a server.
    Trace {
        trace: String,
        by: String,
        n: usize,
        cols: Vec<String>,
        #[serde(rename = "max", default = "check_ms")]
        max_ms: u64,
    },
    /// A command on the statistics socket.
    Command {
        cmd: String,
    },
    /// New scripts for servers.
    Set {
        set: BTreeMap<String, ServerScripts>,
    },
    Stop {
        stop: Vec<String>,
    },
    Start {
        start: Vec<String>,
    },
    /// Waits until servers had so many connections.
    Seen {
        seen: BTreeMap<String, usize>,
        #[serde(default)]
        quiet: Flag,
        #[serde(rename = "max", default = "column_ms")]
        max_ms: u64,
    },
    /// What the first connections of servers received.
    Connections {
        conns: BTreeMap<String, usize>,
    },
    Counts {
        counts: Vec<String>,
    },
    /// How many requests servers had at once.
    Peak {
        peak: Vec<String>,
    },
    /// Paths in the order in which they came.
    Paths {
        paths: Vec<String>,
    },
    /// The times between connections, as the nearest of the values `of`.
    Gaps {
        gaps: String,
        n: usize,
        of: Vec<u64>,
    },
    /// Waits for so many lines.
    Logs {
        logs: usize,
        /// Only lines with this in them,
        like: Option<String>,
        /// or without this.
        not: Option<String>,
        #[serde(default)]
        first: Flag,
        #[serde(default)]
        sort: Flag,
        #[serde(rename = "max")]
        max_ms: u64,
    },
}

/// A switch that the files write as `true` or as `1`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "FlagText")]
pub(super) struct Flag(pub(super) bool);

#[derive(Deserialize)]
#[serde(untagged)]
enum FlagText {
    Word(bool),
    Number(u8),
}

impl From<FlagText> for Flag {
    fn from(text: FlagText) -> Self {
        match text {
            FlagText::Word(set) => Self(set),
            FlagText::Number(number) => Self(number != 0),
        }
    }
}

/// One request of a crowd.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Visit {
    pub(super) req: String,
    #[serde(rename = "at", default)]
    pub(super) at_ms: u64,
    #[serde(rename = "max", default = "request_ms")]
    pub(super) max_ms: u64,
    /// Leaves when there is no answer after this time.
    #[serde(rename = "abort")]
    pub(super) abort_ms: Option<u64>,
    /// Sends its FIN after this time.
    #[serde(rename = "shut")]
    pub(super) shut_ms: Option<u64>,
}

/// What a server does: a script per connection, of which the last repeats.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ServerScripts {
    /// As soon as a connection comes.
    pub(super) conn: Option<Vec<Vec<ServerStep>>>,
    /// When a check is recognised.
    pub(super) check: Option<Vec<Vec<ServerStep>>>,
    /// When a request is recognised.
    pub(super) traffic: Option<Vec<Vec<ServerStep>>>,
}

/// One step of a server on one connection.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(super) enum ServerStep {
    /// Waits for the end of a request's headers,
    Request,
    /// for a text,
    Until(String),
    /// for so many bytes,
    Bytes(usize),
    /// for anything.
    Anything,
    Send(String),
    Hex(Vec<u8>),
    /// A complete answer with the server's name.
    Ok,
    /// An answer without a body, with this status.
    Status(String),
    Sleep(u64),
    HalfClose,
    Close,
    Reset,
    /// Waits for the other side to end.
    Hold,
}

impl TryFrom<String> for ServerStep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let number = || {
            rest.parse::<u64>()
                .map_err(|_| format!("no number: {text}"))
        };
        Ok(match word {
            "req" => Self::Request,
            "until" => Self::Until(rest.to_owned()),
            "bytes" => Self::Bytes(number()? as usize),
            "any" => Self::Anything,
            "send" => Self::Send(rest.to_owned()),
            "hex" => Self::Hex(unhex(rest).ok_or_else(|| format!("not hexadecimal: {text}"))?),
            "ok" => Self::Ok,
            "st" => Self::Status(rest.to_owned()),
            "sleep" => Self::Sleep(number()?),
            "half" => Self::HalfClose,
            "close" => Self::Close,
            "rst" => Self::Reset,
            "hold" => Self::Hold,
            _ => return Err(format!("unknown step of a server: {text}")),
        })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |[high, low]: &[u32; 2]| (high * 16 + low) as u8;
    rest.is_empty().then(|| pairs.iter().map(byte).collect())
}

fn once() -> usize {
    1
}

fn main_frontend() -> String {
    "fe_a".to_owned()
}

fn request_ms() -> u64 {
    6000
}

fn answer_ms() -> u64 {
    5000
}

fn column_ms() -> u64 {
    4000
}

fn check_ms() -> u64 {
    3000
}

fn status() -> String {
    "status".to_owned()
}

fn health() -> Vec<String> {
    ["status", "check_status", "check_code"]
        .map(str::to_owned)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_servers_are_words_with_an_argument() {
        let cases = [
            ("req", Ok(ServerStep::Request)),
            ("send a b", Ok(ServerStep::Send("a b".into()))),
            ("sleep 20", Ok(ServerStep::Sleep(20))),
            ("hex 0a FF", Ok(ServerStep::Hex(vec![10, 255]))),
            ("hex 0a F", Err("not hexadecimal: hex 0a F".into())),
            ("sleep x", Err("no number: sleep x".into())),
            ("dance", Err("unknown step of a server: dance".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(ServerStep::try_from(text.to_owned()), expected, "{text}");
        }
    }
}
