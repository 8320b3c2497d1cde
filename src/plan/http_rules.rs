//! Rules over requests and responses. Manual 1.4, section 4.2.
//!
//! Whatever their order in the file, 1.4 runs the families of a proxy in the order of the fields
//! of [`HttpRules`], first those of the frontend, then those of the backend.

pub use haproxy_cfg_grammar::keywords::header_edit::Edit;
pub use haproxy_cfg_grammar::keywords::redirect::RedirectKind;
use serde::Serialize;

use super::{ByteString, Condition, FormatString, ProxyId, Rule, TrackingAction};

/// All of them, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HttpRules {
    /// `block`: refuse with 403 when one of these holds.
    pub block: Vec<Condition>,
    /// `http-request`; the first that applies decides.
    pub http_request: Vec<Rule<HttpRequestAction>>,
    /// `reqrep`, `reqdel`, `reqdeny` and the others, on every line of the request.
    pub request_lines: Vec<Rule<LineRule>>,
    /// `reqadd`.
    pub request_additions: Vec<Rule<ByteString>>,
    /// `redirect`.
    pub redirects: Vec<Rule<Redirect>>,
    /// `http-response` (since 1.5).
    pub http_response: Vec<Rule<HttpResponseAction>>,
    /// `rsprep`, `rspdel`, `rspdeny` and the others, on every line of the response.
    pub response_lines: Vec<Rule<LineRule>>,
    /// `rspadd`.
    pub response_additions: Vec<Rule<ByteString>>,
}

/// What an `http-request` rule does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpRequestAction {
    /// Go on, past the rest of the family.
    Allow,
    /// 403.
    Deny,
    /// 401 (or 407), asking for this realm; `None` is the name of the proxy.
    Auth {
        /// `realm`.
        realm: Option<ByteString>,
    },
    /// A header is edited, and the next rule is looked at (since 1.5).
    Edit(HeaderEdit),
    /// The request is counted, and the next rule is looked at (since 1.5).
    Tracking(TrackingAction),
}

impl HttpRequestAction {
    /// Whether the rules that follow are looked at when it was done.
    pub fn goes_on(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Tracking(_))
    }
}

/// What an `http-response` rule does. The next rule is looked at in any case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpResponseAction {
    /// A header is edited.
    Edit(HeaderEdit),
    /// The response is counted.
    Tracking(TrackingAction),
}

/// What becomes of the headers of one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeaderEdit {
    /// What is done.
    pub edit: Edit,
    /// The name.
    pub name: ByteString,
    /// The value; nothing to delete.
    pub value: FormatString,
}

/// A rule over header lines, the first line of the message included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineRule {
    /// The regular expression, as written.
    pub pattern: ByteString,
    /// The case of letters does not matter (`reqi...`).
    pub ignore_case: bool,
    /// What is done with a line that matches.
    pub action: LineAction,
}

/// What is done with a line that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineAction {
    /// The message passes, and no further rule is tried.
    Allow,
    /// 403 for a request, 502 for a response.
    Deny,
    /// The line is removed.
    Delete,
    /// The line is left as it is, and no further rule is tried on it.
    Pass,
    /// The line becomes this, with `\0` to `\9` for what was matched.
    Replace(ByteString),
    /// 500, after `timeout tarpit`.
    Tarpit,
    /// This backend serves the request.
    SetBackend(ProxyId),
}

/// One `redirect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Redirect {
    /// How the new location is made.
    pub kind: RedirectKind,
    /// From what.
    pub value: ByteString,
    /// 301, 302, 303, 307 or 308.
    pub code: u16,
    /// `set-cookie`, `clear-cookie`: the whole `Set-Cookie` value.
    pub cookie: Option<ByteString>,
    /// `drop-query`.
    pub drop_query: bool,
    /// `append-slash`.
    pub append_slash: bool,
}
