//! The letters that say how a session ended. Manual 1.4, section 8.5.

/// First letter: who or what ended it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// `-`: it ended as it should.
    #[default]
    Normal,
    /// `C`: the client closed or reset.
    ClientAbort,
    /// `S`: the server closed, reset or refused.
    ServerAbort,
    /// `P`: the proxy: a limit, a rule, an invalid message.
    Proxy,
    /// `R`: the proxy ran out of something.
    Resource,
    /// `I`: an internal error.
    Internal,
    /// `c`: waiting for the client took too long.
    ClientTimeout,
    /// `s`: waiting for the server took too long.
    ServerTimeout,
    /// `L`: the proxy answered the request itself.
    Local,
    /// `D`: the server went down (`on-marked-down`).
    Down,
    /// `U`: a server that it stood in for came up (`on-marked-up`).
    Up,
    /// `K`: an administrator has ended it.
    Killed,
}

/// Second letter: what was going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// `-`: nothing any more.
    #[default]
    None,
    /// `R`: waiting for the request.
    Request,
    /// `Q`: waiting in a queue.
    Queue,
    /// `C`: waiting for the connection to the server.
    Connect,
    /// `H`: waiting for the response head.
    Headers,
    /// `D`: data.
    Data,
    /// `L`: the last data to the client, the server having closed.
    Last,
    /// `T`: held by a tarpit.
    Tarpit,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Termination {
    /// First letter.
    pub cause: Cause,
    /// Second letter.
    pub stage: Stage,
}

impl Termination {
    /// Both.
    pub const fn new(cause: Cause, stage: Stage) -> Self {
        Self { cause, stage }
    }

    /// Whether nothing went wrong.
    pub fn is_normal(self) -> bool {
        self.cause == Cause::Normal
    }

    /// The two letters.
    pub fn letters(self) -> [u8; 2] {
        let cause = match self.cause {
            Cause::Normal => b'-',
            Cause::ClientAbort => b'C',
            Cause::ServerAbort => b'S',
            Cause::Proxy => b'P',
            Cause::Resource => b'R',
            Cause::Internal => b'I',
            Cause::ClientTimeout => b'c',
            Cause::ServerTimeout => b's',
            Cause::Local => b'L',
            Cause::Down => b'D',
            Cause::Up => b'U',
            Cause::Killed => b'K',
        };
        let stage = match self.stage {
            Stage::None => b'-',
            Stage::Request => b'R',
            Stage::Queue => b'Q',
            Stage::Connect => b'C',
            Stage::Headers => b'H',
            Stage::Data => b'D',
            Stage::Last => b'L',
            Stage::Tarpit => b'T',
        };
        [cause, stage]
    }
}
