//! The outcome of a check.

/// What a check has found, or where it has failed. The first part names the layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// There is none yet.
    #[default]
    Initializing,
    /// The connection broke.
    SocketError,
    /// The connection stands, and that is enough.
    L4Ok,
    /// It was not accepted in time.
    L4Timeout,
    /// It was refused.
    L4Refused,
    /// The handshake passed.
    L6Ok,
    /// The handshake was not answered in time.
    L6Timeout,
    /// The answer to it is none.
    L6Invalid,
    /// The answer is a good one.
    L7Ok,
    /// The answer is good for those who are there already.
    L7Conditional,
    /// There was none in time.
    L7Timeout,
    /// It is not one of this protocol.
    L7Invalid,
    /// It says that something is wrong.
    L7Wrong,
    /// Traffic has shown too many errors (`observe`).
    Observed,
    /// An agent has said nothing about up or down.
    Unchanged,
}

impl Status {
    /// As the statistics show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initializing => "INI",
            Self::SocketError => "SOCKERR",
            Self::L4Ok => "L4OK",
            Self::L4Timeout => "L4TOUT",
            Self::L4Refused => "L4CON",
            Self::L6Ok => "L6OK",
            Self::L6Timeout => "L6TOUT",
            Self::L6Invalid => "L6RSP",
            Self::L7Ok => "L7OK",
            Self::L7Conditional => "L7OKC",
            Self::L7Timeout => "L7TOUT",
            Self::L7Invalid => "L7RSP",
            Self::L7Wrong => "L7STS",
            Self::Observed => "HANA",
            Self::Unchanged => "CHECKED",
        }
    }

    /// As log lines show it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Initializing => "Initializing",
            Self::SocketError => "Socket error",
            Self::L4Ok => "Layer4 check passed",
            Self::L4Timeout => "Layer4 timeout",
            Self::L4Refused => "Layer4 connection problem",
            Self::L6Ok => "Layer6 check passed",
            Self::L6Timeout => "Layer6 timeout",
            Self::L6Invalid => "Layer6 invalid response",
            Self::L7Ok => "Layer7 check passed",
            Self::L7Conditional => "Layer7 check conditionally passed",
            Self::L7Timeout => "Layer7 timeout",
            Self::L7Invalid => "Layer7 invalid response",
            Self::L7Wrong => "Layer7 wrong status",
            Self::Observed => "Health analyze",
            Self::Unchanged => "No status change",
        }
    }

    /// Whether the check has passed, at least for those who are there already.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Self::L4Ok | Self::L6Ok | Self::L7Ok | Self::L7Conditional
        )
    }

    /// Whether the server took too long.
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::L4Timeout | Self::L6Timeout | Self::L7Timeout)
    }

    /// Whether a code belongs to it.
    pub fn has_code(self) -> bool {
        matches!(self, Self::L7Ok | Self::L7Conditional | Self::L7Wrong)
    }
}

/// A finished check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What it has found.
    pub status: Status,
    /// A status of the protocol.
    pub code: u32,
    /// What the server, or the system, has said.
    pub said: Vec<u8>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Why it has not even begun.
    pub obstacle: Option<Obstacle>,
}

/// What may keep a check from connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No local port is left that it could come from.
    Port,
    /// The address that it should come from is not there.
    Source,
}

impl Obstacle {
    /// What the report says of it, since 1.5.
    pub fn words(self) -> &'static [u8] {
        match self {
            Self::Port => b"Out of local source ports on the system",
            Self::Source => b"Can't bind to source address",
        }
    }
}

/// Longest text of a server that is kept.
const LONGEST: usize = 127;

impl Report {
    /// The report of a check that has not even begun.
    pub fn not_begun(obstacle: Obstacle) -> Self {
        Self {
            obstacle: Some(obstacle),
            ..Self::new(Status::L4Refused).saying(obstacle.words())
        }
    }

    /// A report without words.
    pub fn new(status: Status) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// With what the server has said, up to the end of the line.
    pub fn saying(mut self, text: &[u8]) -> Self {
        self.said = until(text, |byte| matches!(byte, b'\r' | b'\n' | 0));
        self
    }

    /// With what the server has said, whatever it is.
    pub fn quoting(mut self, text: &[u8]) -> Self {
        self.said = until(text, |byte| byte == 0);
        self
    }

    /// With a code.
    pub fn code(mut self, code: u32) -> Self {
        self.code = code;
        self
    }
}

/// What stands before the first byte of a kind, as much of it as is kept.
fn until(text: &[u8], end: impl Fn(u8) -> bool) -> Vec<u8> {
    let bytes = text.iter().copied();
    bytes.take_while(|byte| !end(*byte)).take(LONGEST).collect()
}

/// The text without spaces and tabs before it.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    &text[start.unwrap_or(text.len())..]
}

/// Three digits.
pub(super) fn three_digits(text: &[u8]) -> Option<u32> {
    let digits = text.get(..3)?;
    digits
        .iter()
        .all(u8::is_ascii_digit)
        .then(|| digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}
