//! One check as a conversation.

use haproxy_cfg_grammar::Dialect;

use super::http::{self, Expectation};
use super::report::{Report, Status};
use super::script::{Progress, Script};
use super::{ldap, mysql, pgsql, redis, smtp, ssl_hello};
use crate::plan::{CheckMethod, CheckSettings, Expect};
use crate::regular_expression::{BadRegex, Regex};

/// What follows from what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// More must be read.
    Wait,
    /// This is to be sent, and what comes after it read from there on.
    Send(Vec<u8>),
    /// Another connection is to be made, to this port or the usual one.
    Connect(Option<u16>),
    /// That was it.
    Done(Report),
}

/// How the servers of a backend are checked, compiled.
#[derive(Debug)]
pub struct Program {
    method: CheckMethod,
    expect: Option<Expectation>,
    conditional_404: bool,
    send_state: bool,
    script: Script,
    v1_4: bool,
}

impl Program {
    /// Compiles the settings of a backend.
    ///
    /// # Errors
    /// A regular expression that is none.
    pub fn compile(settings: &CheckSettings, dialect: Dialect) -> Result<Self, BadRegex> {
        let expect = match &settings.expect {
            None => None,
            Some(expect) => Some(Expectation {
                negated: expect.negated,
                kind: expect.kind,
                pattern: expect.pattern.to_vec(),
                regex: match expect.kind {
                    Expect::StatusRegex | Expect::Regex => {
                        Some(Regex::new(&expect.pattern, false)?)
                    }
                    Expect::Status | Expect::Text => None,
                },
            }),
        };
        Ok(Self {
            method: settings.method.clone(),
            expect,
            conditional_404: settings.disable_on_404,
            send_state: settings.send_state,
            script: Script::compile(&settings.script)?,
            v1_4: dialect == Dialect::V1_4,
        })
    }

    /// Whether a connection is enough.
    pub fn is_connect(&self) -> bool {
        match &self.method {
            CheckMethod::Connect => true,
            CheckMethod::Tcp => self.script.is_empty(),
            _ => false,
        }
    }

    /// Whether the request says what is thought of the server.
    pub fn sends_state(&self) -> bool {
        self.send_state && matches!(self.method, CheckMethod::Http { .. })
    }

    /// Begins a check. `state` is the header that tells the server its state, and `now` the time in
    /// seconds since 1970. `is_up` says whether the server is up: of one that is down a 404 is no
    /// good sign.
    pub fn begin(&self, state: &[u8], now: u32, is_up: bool) -> (Probe<'_>, Answer) {
        let mut probe = Probe {
            program: self,
            progress: Progress::default(),
            is_up,
        };
        let first = match &self.method {
            CheckMethod::Connect => Answer::Done(Report::new(Status::L4Ok)),
            CheckMethod::Tcp if self.script.is_empty() => Answer::Done(Report::new(Status::L4Ok)),
            CheckMethod::Tcp => self.script.begin(&mut probe.progress),
            CheckMethod::Http { request } => Answer::Send(self.http_request(request, state)),
            CheckMethod::SslHello => Answer::Send(ssl_hello::request(now)),
            CheckMethod::Smtp { hello } => Answer::Send(hello.to_vec()),
            CheckMethod::Mysql { user: None, .. } => Answer::Wait,
            CheckMethod::Mysql {
                user: Some(user),
                post_41,
            } => Answer::Send(mysql::request(user, *post_41)),
            CheckMethod::Pgsql { user } => Answer::Send(pgsql::request(user)),
            CheckMethod::Redis => Answer::Send(redis::REQUEST.to_vec()),
            CheckMethod::Ldap => Answer::Send(ldap::REQUEST.to_vec()),
        };
        (probe, first)
    }

    fn http_request(&self, request: &[u8], state: &[u8]) -> Vec<u8> {
        let mut bytes = request.to_vec();
        if self.send_state {
            bytes.extend_from_slice(state);
        }
        // Since 1.5 an answer of which something is expected must have an end.
        if !self.v1_4 && self.expect.is_some() {
            bytes.extend_from_slice(b"Connection: close\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// What it means when nothing more comes over a connection that stands, but what was read.
    pub fn silence(&self, read: &[u8]) -> Status {
        match &self.method {
            CheckMethod::Connect => Status::L4Timeout,
            CheckMethod::SslHello => Status::L6Timeout,
            // 1.4 takes a login that is not answered for a connection that does not stand yet.
            CheckMethod::Mysql { user: Some(_), .. } if self.v1_4 && mysql::is_greeted(read) => {
                Status::L4Timeout
            }
            _ => Status::L7Timeout,
        }
    }

    /// Whether a reset is the end of what the server says, as a FIN is, once it has said something.
    /// Scripts take it for the failure that it is.
    pub fn ends_with_reset(&self) -> bool {
        self.method != CheckMethod::Tcp
    }
}

/// A check that is under way.
#[derive(Debug)]
pub struct Probe<'p> {
    program: &'p Program,
    progress: Progress,
    is_up: bool,
}

impl Probe<'_> {
    /// Looks at what was read since the last [`Answer::Send`] or [`Answer::Connect`]; `ended` says
    /// that no more will come.
    pub fn read(&mut self, bytes: &[u8], ended: bool) -> Answer {
        let program = self.program;
        match &program.method {
            CheckMethod::Connect => Answer::Done(Report::new(Status::L4Ok)),
            CheckMethod::Tcp => program.script.read(&mut self.progress, bytes, ended),
            CheckMethod::Http { .. } => {
                let conditional_404 = program.conditional_404 && self.is_up;
                http::answer(bytes, ended, program.expect.as_ref(), conditional_404)
            }
            CheckMethod::SslHello => ssl_hello::answer(bytes, ended),
            CheckMethod::Smtp { .. } => smtp::answer(bytes, ended),
            CheckMethod::Mysql { user, .. } => mysql::answer(bytes, ended, user.is_some()),
            CheckMethod::Pgsql { .. } => pgsql::answer(bytes, ended),
            CheckMethod::Redis => redis::answer(bytes, ended),
            CheckMethod::Ldap => ldap::answer(bytes, ended),
        }
    }

    /// A connection that a script has asked for stands.
    pub fn connected(&mut self) -> Answer {
        self.program.script.connected(&mut self.progress)
    }

    /// Where in a script it is, for the words of a failure.
    pub fn place(&self) -> String {
        match &self.program.method {
            CheckMethod::Tcp => self.program.script.place(&self.progress),
            _ => String::new(),
        }
    }
}
