//! What a line says, typed. What it means is decided when the configuration is resolved.

use crate::Word;
use crate::keywords::acl::AclStatement;
use crate::keywords::balance::{Balance, HashType};
use crate::keywords::bind::BindStatement;
use crate::keywords::capture::Capture;
use crate::keywords::check::{HttpCheck, TcpCheck};
use crate::keywords::errors::ErrorStatement;
use crate::keywords::global::GlobalStatement;
use crate::keywords::header_edit::HeaderEdit;
use crate::keywords::header_rules::{AddLine, LineRule};
use crate::keywords::http_request::HttpRequestRule;
use crate::keywords::limits::Limit;
use crate::keywords::log::LogStatement;
use crate::keywords::mode::Mode;
use crate::keywords::monitor::Monitor;
use crate::keywords::option::OptionStatement;
use crate::keywords::persistence::{AppSessionStatement, CookieStatement, HttpReuse};
use crate::keywords::redirect::RedirectRule;
use crate::keywords::server::{ServerSettings, ServerStatement, ServerTemplate};
use crate::keywords::source::SourceStatement;
use crate::keywords::stats::StatsStatement;
use crate::keywords::stick::{StickRule, StickTable};
use crate::keywords::switching::{UseBackend, UseServer};
use crate::keywords::tcp_request::TcpRule;
use crate::keywords::timeout::Timer;
use crate::keywords::tracking::TrackingRule;
use crate::keywords::userlist::UserlistStatement;
use crate::value::address::Endpoint;
use crate::value::condition::ConditionSyntax;
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
    /// `server-template`.
    ServerTemplate(Box<ServerTemplate>),
    /// `use-server`.
    UseServer(Box<UseServer>),
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
    /// `monitor-uri`, `monitor-net`, `monitor fail`.
    Monitor(Monitor),
    /// `disabled` (true) or `enabled` (false).
    Disabled(bool),
    /// `description`.
    Description(Vec<u8>),
    /// `id`.
    Id(u32),
    /// `default-server`.
    DefaultServer(Box<ServerSettings>),
    /// `hash-type`.
    HashType(HashType),
    /// `source`.
    Source(Box<SourceStatement>),
    /// `cookie`.
    Cookie(Box<CookieStatement>),
    /// `appsession`.
    AppSession(Box<AppSessionStatement>),
    /// `persist rdp-cookie`, by the name of the cookie.
    PersistRdpCookie(Vec<u8>),
    /// `force-persist`.
    ForcePersist(Box<ConditionSyntax>),
    /// `ignore-persist`.
    IgnorePersist(Box<ConditionSyntax>),
    /// `http-reuse`.
    HttpReuse(HttpReuse),
    /// `http-send-name-header`.
    SendNameHeader(Word),
    /// `stick ...`.
    Stick(Box<StickRule>),
    /// `stick-table`.
    StickTable(StickTable),
    /// `http-check`.
    HttpCheck(HttpCheck),
    /// `tcp-check`.
    TcpCheck(TcpCheck),
    /// `tcp-request connection`, `session` and `content`.
    TcpRequest(Box<TcpRule>),
    /// `track-sc0` and its like, in any family of rules.
    Tracking(Box<TrackingRule>),
    /// `tcp-request inspect-delay`.
    InspectDelay(Milliseconds),
    /// `http-request`.
    HttpRequest(Box<HttpRequestRule>),
    /// `http-request add-header` and its like.
    HeaderEdit(Box<HeaderEdit>),
    /// `block`.
    Block(Box<ConditionSyntax>),
    /// `redirect`.
    Redirect(Box<RedirectRule>),
    /// `req*`, `rsp*` other than additions.
    LineRule(Box<LineRule>),
    /// `reqadd`, `rspadd`.
    AddLine(Box<AddLine>),
    /// `capture`.
    Capture(Capture),
    /// `stats` of a proxy.
    Stats(StatsStatement),
    /// `bind-process`.
    BindProcess {
        /// One bit for each process; 0 is all.
        set: u64,
        /// The highest process that is named.
        highest: u32,
    },
    /// `grace`.
    Grace(Milliseconds),
    /// A line of a user list.
    Userlist(UserlistStatement),
    /// Understood, and without any effect, in HAProxy as here.
    Nothing,
}
