//! What makes a client return to its server. Manual 1.4, section 4.2, "cookie", "appsession",
//! "stick ..." and following.

use std::time::Duration;

pub use haproxy_cfg_grammar::keywords::persistence::{AppSessionMode, CookieMode, HttpReuse};
use serde::Serialize;

use super::{ByteString, Condition, ProxyId, Sample, StickTable};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Persistence {
    /// `cookie`.
    pub cookie: Option<Cookie>,
    /// `appsession`.
    pub appsession: Option<AppSession>,
    /// `persist rdp-cookie`: the name of the cookie.
    pub rdp_cookie: Option<ByteString>,
    /// `force-persist` and `ignore-persist`, in file order; the first that applies decides.
    pub overrides: Vec<PersistRule>,
    /// `stick-table`: the table of this proxy.
    pub table: Option<StickTable>,
    /// `stick`, in file order.
    pub stick: Vec<StickRule>,
}

/// `force-persist`, `ignore-persist`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PersistRule {
    /// `force-persist`: a server that is down is used all the same. Otherwise cookies are ignored.
    pub force: bool,
    /// When.
    pub condition: Condition,
}

/// `cookie`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cookie {
    /// Its name.
    pub name: ByteString,
    /// What is done with it.
    pub mode: CookieMode,
    /// `indirect`.
    pub indirect: bool,
    /// `nocache`.
    pub nocache: bool,
    /// `postonly`.
    pub postonly: bool,
    /// `preserve`.
    pub preserve: bool,
    /// `httponly`.
    pub httponly: bool,
    /// `secure`.
    pub secure: bool,
    /// `domain`, in order.
    pub domains: Vec<ByteString>,
    /// `maxidle`, in whole seconds.
    pub maxidle: Option<Duration>,
    /// `maxlife`, in whole seconds.
    pub maxlife: Option<Duration>,
}

/// `appsession`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppSession {
    /// The cookie.
    pub cookie: ByteString,
    /// How many bytes of the value count.
    pub len: u32,
    /// How long an unused entry is kept.
    pub timeout: Duration,
    /// `request-learn`.
    pub request_learn: bool,
    /// `prefix`.
    pub prefix: bool,
    /// Where the value is when it is not in the cookie.
    pub mode: AppSessionMode,
}

/// One `stick` line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StickRule {
    /// `stick match`, `stick on`: the server is looked up.
    pub looks_up: bool,
    /// All but `stick match`: the server is remembered.
    pub stores: bool,
    /// `stick store-response`: the key is found in the response.
    pub of_response: bool,
    /// The key.
    pub key: Sample,
    /// The proxy that has the table.
    pub table: ProxyId,
    /// When.
    pub condition: Option<Condition>,
}
