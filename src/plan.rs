//! What a configuration means: the immutable value that the engine executes.
//!
//! A plan holds values only: no locks, sockets or compiled regular expressions. Two resolutions
//! of the same input give equal plans, so plans can be compared, printed and sent to another
//! process. Where a value came from (file and line) is kept beside the plan, in
//! `resolve::Provenance`, so that a blank line added to the file does not make another plan.
//!
//! Frontends, backends and `listen` sections are one type, [`Proxy`], as in HAProxy: a section
//! carries the settings of both sides, and a request that has no backend is served with the
//! backend settings of its frontend (its timeouts, its log name).

mod acl;
mod balance;
mod capture;
mod check;
mod connection_mode;
mod error_pages;
mod format;
mod global;
mod http_rules;
mod listener;
mod log;
mod map;
mod options;
mod persistence;
mod proxy;
mod rule;
mod server;
mod source;
mod stats;
mod stick_table;
mod switching;
mod tcp_rules;
mod text;
mod timeouts;
mod tracking;
mod userlist;

pub use acl::{
    Acl, AclId, Condition, Conjunction, Converter, Fetch, MatchMethod, Pattern, PatternFile,
    Polarity, ProxyRef, Sample, Side, Term, UserlistId, Written,
};
pub use balance::{Balance, HashFunction, HashType};
pub use capture::{Capture, Captures};
pub use check::{
    Agent, CheckExpect, CheckMethod, CheckSettings, CheckStep, Expect, Observe, OnError,
    ServerCheck, StepPattern, Tracked, TrafficCheck,
};
pub use connection_mode::{ConnectionMode, ModeOptions};
pub use error_pages::{ErrorPage, ErrorPages, ErrorStatus};
pub use format::{FormatPart, FormatString};
pub use global::{Global, Tune};
pub use http_rules::{
    Edit, HeaderEdit, HttpRequestAction, HttpResponseAction, HttpRules, LineAction, LineRule,
    Redirect, RedirectKind,
};
pub use listener::{ListenAddress, Listener, SocketFile, UnixAddress};
pub use log::{Facility, LogAddress, LogFormat, LogFrame, LogTarget, Severity};
pub use map::{Map, MapEntry, MapId, MapLookup, MapOutput, MapValue, PatternUser};
pub use options::{AddressHeader, ProxyOptions};
pub use persistence::{
    AppSession, AppSessionMode, Cookie, CookieMode, HttpReuse, PersistRule, Persistence, StickRule,
};
pub use proxy::{Mode, Proxy, ProxyId, Role, Way};
pub use rule::Rule;
pub use server::{ProxyHeader, Server, ServerAddress, ServerId, ServerPort};
pub use source::{Source, TransparentSource};
pub use stats::{AccessLevel, SeverityOutput, StatsPage, StatsSocket};
pub use stick_table::{KeyType, StickTable, Stored};
pub use switching::{SwitchingRule, SwitchingTarget, UseServer};
pub use tcp_rules::{TcpAction, TcpRules};
pub use text::ByteString;
pub use timeouts::Timeouts;
pub use tracking::{COUNTERS, Change, DataType, EntryFact, EntryRef, Track, TrackingAction};
pub use userlist::{Password, User, Userlist};

use haproxy_cfg_grammar::Dialect;
use serde::Serialize;

/// A whole configuration, resolved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The dialect that the configuration was read with.
    pub dialect: Dialect,
    /// The `global` section.
    pub global: Global,
    /// Every frontend, backend and listen section, in file order; [`ProxyId`] is the index.
    pub proxies: Vec<Proxy>,
    /// `userlist` sections, in file order; [`UserlistId`] is the index.
    pub userlists: Vec<Userlist>,
    /// What converters look values up in; [`MapId`] is the index.
    pub maps: Vec<Map>,
    /// Who is compared with lists of patterns, in the order of the configuration.
    #[serde(skip)]
    pub pattern_users: Vec<PatternUser>,
}

impl Plan {
    /// The proxy of that index.
    ///
    /// # Panics
    /// Never for an id taken from the same plan.
    pub fn proxy(&self, id: ProxyId) -> &Proxy {
        &self.proxies[id.0 as usize]
    }

    /// The connection mode of a transaction between two proxies of this plan.
    pub fn connection_mode(&self, frontend: ProxyId, backend: ProxyId) -> ConnectionMode {
        ConnectionMode::of(
            self.proxy(frontend).mode_options,
            self.proxy(backend).mode_options,
            self.dialect,
        )
    }
}
