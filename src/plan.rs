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
mod connection_mode;
mod error_pages;
mod global;
mod listener;
mod log;
mod options;
mod proxy;
mod server;
mod switching;
mod text;
mod timeouts;

pub use acl::{
    Acl, AclId, Condition, Conjunction, Fetch, MatchMethod, Pattern, Polarity, Sample, Term,
};
pub use balance::Balance;
pub use connection_mode::{ConnectionMode, ModeOptions};
pub use error_pages::{ErrorPage, ErrorPages, ErrorStatus};
pub use global::{Global, Tune};
pub use listener::{ListenAddress, Listener};
pub use log::{Facility, LogAddress, LogFormat, LogTarget, Severity};
pub use options::ProxyOptions;
pub use proxy::{Mode, Proxy, ProxyId, Role};
pub use server::{Server, ServerAddress, ServerId, ServerPort};
pub use switching::{SwitchingRule, SwitchingTarget};
pub use text::ByteString;
pub use timeouts::Timeouts;

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
