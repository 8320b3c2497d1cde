//! What a line says, typed. What it means is decided when the configuration is resolved.

use crate::Word;
use crate::keywords::acl::AclStatement;
use crate::keywords::balance::Balance;
use crate::keywords::bind::BindStatement;
use crate::keywords::errors::ErrorStatement;
use crate::keywords::global::GlobalStatement;
use crate::keywords::limits::Limit;
use crate::keywords::log::LogStatement;
use crate::keywords::mode::Mode;
use crate::keywords::monitor::Monitor;
use crate::keywords::option::OptionStatement;
use crate::keywords::server::ServerStatement;
use crate::keywords::switching::UseBackend;
use crate::keywords::timeout::Timer;
use crate::value::address::Endpoint;
use crate::value::time::Milliseconds;

/// One line, typed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Statement {
    /// A keyword of `global`.
    Global(GlobalStatement),
    /// `timeout ...` and its old spellings.
    Timeout(Timer, Milliseconds),
    /// `mode`.
    Mode(Mode),
    /// `option ...`.
    Option(OptionStatement),
    /// `bind`, and addresses on the section line.
    Bind(Box<BindStatement>),
    /// `server`.
    Server(Box<ServerStatement>),
    /// `dispatch`.
    Dispatch(Endpoint),
    /// `log`.
    Log(LogStatement),
    /// `no log`.
    NoLog,
    /// `balance`.
    Balance(Balance),
    /// `maxconn`, `retries` and other numbers.
    Limit(Limit, u32),
    /// `default_backend`.
    DefaultBackend(Word),
    /// `use_backend`.
    UseBackend(Box<UseBackend>),
    /// `acl`.
    Acl(Box<AclStatement>),
    /// `errorfile`, `errorloc`.
    Error(ErrorStatement),
    /// `monitor-uri`, `monitor-net`.
    Monitor(Monitor),
    /// `disabled` (true) or `enabled` (false).
    Disabled(bool),
    /// `description`.
    Description(Vec<u8>),
    /// `id`.
    Id(u32),
    /// Understood, and without any effect, in HAProxy as here.
    Nothing,
}
