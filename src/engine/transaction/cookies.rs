//! Persistence cookies and captures in motion.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use haproxy_cfg_grammar::Dialect;

use super::Transaction;
use super::rules::whole;
use super::sticking::destined;
use crate::app_session;
use crate::engine::live::{Server, millis};
use crate::engine::session::Session;
use crate::http1::{Head, Method};
use crate::plan::{Capture, Captures, Cookie};
use crate::rewrite::cacheability::cacheability;
use crate::rewrite::cookies::{self, Lookup, RequestCookie, State};
use crate::rule::with_request;
use crate::sample::Value;
use crate::stick_table::Key;

/// What is kept of the messages for the log.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    /// The cookie of the request, name and value.
    pub(crate) request_cookie: Vec<u8>,
    /// The cookie that the server sets.
    pub(crate) response_cookie: Vec<u8>,
    /// Headers of the request, in log order.
    pub(crate) request_headers: Vec<Vec<u8>>,
    /// Headers of the response, in log order.
    pub(crate) response_headers: Vec<Vec<u8>>,
}

impl Captured {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.request_cookie.clear();
        self.response_cookie.clear();
        self.request_headers.clear();
        self.response_headers.clear();
    }
}

/// Keeps the last value of each header.
pub(super) fn capture_headers(
    wanted: &[Capture],
    head: &Head,
    bytes: &[u8],
    kept: &mut Vec<Vec<u8>>,
) {
    kept.clear();
    for capture in wanted {
        let mut value = Vec::new();
        let mut line = None;
        while let Some(index) = head.find(bytes, &capture.name, line) {
            line = Some(index);
            let text = head.value(bytes, index);
            value.clear();
            value.extend_from_slice(&text[..text.len().min(capture.len as usize)]);
        }
        kept.push(value);
    }
}

/// Keeps the first cookie that begins as asked.
fn capture_cookie(captures: &Captures, name: &[u8], value: &[u8], kept: &mut Vec<u8>) {
    let Some(capture) = &captures.cookie else {
        return;
    };
    if !kept.is_empty() {
        return;
    }
    let pair = [name, b"=", value].concat();
    if pair.starts_with(&capture.name) {
        kept.extend_from_slice(&pair[..pair.len().min(capture.len as usize)]);
    }
}

impl Transaction {
    /// `force-persist`, `ignore-persist`: the first that applies decides.
    pub(super) fn persist_rules(&mut self, session: &Session) {
        let persistence = &session.backend().persistence;
        if persistence.overrides.is_empty() {
            return;
        }
        let bytes = self.up.buffer.bytes();
        let base = self.facts(session, session.backend, whole(bytes));
        let facts = with_request(base, &self.request, bytes);
        let acls = &session.backend_handles().acls;
        let decided = persistence
            .overrides
            .iter()
            .find(|rule| acls.applies(Some(&rule.condition), &facts));
        let (force, ignore) = decided.map_or((false, false), |rule| (rule.force, !rule.force));
        self.forced = force;
        self.cookies.ignored = ignore;
    }

    /// Looks for the server that the request's cookie names.
    pub(super) fn request_cookies(&mut self, session: &Session) {
        let backend = session.backend();
        let captures = &session.proxy().captures;
        let settings = backend.persistence.cookie.as_ref();
        let sessions = backend.persistence.appsession.as_ref();
        if settings.is_none() && captures.cookie.is_none() && sessions.is_none() {
            return;
        }
        let handles = session.backend_handles();
        let anyway = backend.options.persist || self.forced;
        let chosen = Cell::new(None);
        let mut session_id = None;
        let ignored = self.cookies.ignored;
        let mut lookup = |value: &[u8]| {
            let mut found = Lookup::Unknown;
            for (server, live) in backend.servers.iter().zip(&handles.servers) {
                if server.cookie.as_deref() != Some(value) {
                    continue;
                }
                if live.is_up() || anyway {
                    chosen.set(Some(live));
                    return Lookup::Usable(live.is_up());
                }
                found = Lookup::Down;
            }
            found
        };
        self.cookies.first_wins = session.generation.plan.dialect != Dialect::V1_4;
        let kept = &mut self.captured.request_cookie;
        cookies::request(
            &mut self.request,
            self.up.buffer.bytes(),
            settings,
            now(),
            &mut self.cookies,
            &mut lookup,
            &mut |name, value| {
                capture_cookie(captures, name, value, kept);
                let own = settings.filter(|cookie| *cookie.name == *name);
                let value = own.map_or(value, |cookie| cookies::of_application(cookie, value));
                let Some(id) = sessions.and_then(|s| app_session::in_cookie(s, name, value)) else {
                    return false;
                };
                let server = if ignored {
                    None
                } else {
                    session_server(session, &id, anyway)
                };
                session_id = Some(id);
                if server.is_some() {
                    chosen.set(server);
                }
                server.is_some()
            },
        );
        let mut chosen = chosen.get();
        if let Some(sessions) = sessions {
            let url = self.request.second_word(self.up.buffer.bytes());
            // An identifier that is to be learned is in the cookie, if there is one.
            let learned = sessions.request_learn && session_id.is_some();
            if !learned && let Some(id) = app_session::in_url(sessions, url) {
                if !ignored && let Some(server) = session_server(session, id, anyway) {
                    chosen = Some(server);
                    self.cookies.choose();
                }
                session_id.get_or_insert_with(|| id.to_vec());
            }
            self.session_id = session_id.filter(|_| sessions.request_learn);
        }
        if let Some(server) = chosen {
            self.sticky = Some(Arc::clone(server));
        }
    }

    /// Remembers which server has the application's session. The first server that had it stays.
    fn remember_session(&mut self, session: &Session) {
        let (Some(id), Some(table)) = (self.session_id.take(), &session.backend_handles().sessions)
        else {
            return;
        };
        if self.cookies.ignored {
            return;
        }
        let now = millis(session.worker.now());
        let Some(key) = Key::of(Value::Text(&id), table.key_type()) else {
            return;
        };
        if table.find(&key, now).is_none()
            && let Some(destination) = self.destination(session)
        {
            table.store(&key, destination, now);
        }
    }

    /// What the cookies of a response become. `false` when the response must not be passed on.
    pub(super) fn response_cookies(&mut self, session: &Session, status: u16) -> bool {
        let backend = session.backend();
        let captures = &session.proxy().captures;
        let settings = backend.persistence.cookie.as_ref();
        let checks = backend.options.checkcache;
        let sessions = backend.persistence.appsession.as_ref();
        if settings.is_none() && captures.cookie.is_none() && !checks && sessions.is_none() {
            return true;
        }
        let bytes = self.down.buffer.bytes();
        let server = self.server_cookie(session);
        let kept = &mut self.captured.response_cookie;
        let session_id = &mut self.session_id;
        cookies::response(
            &mut self.response,
            bytes,
            settings,
            server,
            &mut self.cookies,
            &mut |name, value| {
                capture_cookie(captures, name, value, kept);
                let is_own = settings.is_some_and(|cookie| *cookie.name == *name);
                let sessions = sessions.filter(|_| !is_own);
                if let Some(id) = sessions.and_then(|s| app_session::in_cookie(s, name, value)) {
                    *session_id = Some(id);
                }
            },
        );
        self.remember_session(session);
        let bytes = self.down.buffer.bytes();
        let server = self.server_cookie(session);
        let is_post = self.method == Method::Post;
        let nocache = settings.is_some_and(|cookie| cookie.nocache);
        let mut cacheable = if nocache || checks {
            Some(cacheability(&self.response, bytes, status, is_post))
        } else {
            None
        };
        if let Some(settings) = settings
            && self.server.is_some()
            && cookies::insert(
                &mut self.response,
                settings,
                server,
                is_post,
                now(),
                &mut self.cookies,
            )
            && settings.nocache
            && cacheable.is_some_and(|found| found.response)
        {
            self.response.append(b"Cache-control: private");
            cacheable = None;
        }
        let refused = checks
            && self.cookies.sets_cookie
            && cacheable.is_some_and(|found| found.response && found.cookies);
        if refused {
            let server = self.server_name().unwrap_or("<dispatch>");
            session
                .backend_handles()
                .backend
                .tell_of_cookie_for_all(server);
        }
        !refused
    }

    /// The `cookie` of the server that was chosen.
    fn server_cookie<'s>(&self, session: &'s Session) -> Option<&'s [u8]> {
        let name = self.server_name()?;
        let server = session.backend().servers.iter().find(|s| s.name == name)?;
        server.cookie.as_deref()
    }

    /// Another server is tried than the one that the client asked for.
    pub(crate) fn lose_persistence(&mut self) {
        self.cookies.direct = false;
        self.cookies.assigned = false;
        if self.cookies.request == RequestCookie::Valid {
            self.cookies.request = RequestCookie::Down;
        }
    }

    /// The last two letters of the termination state.
    pub(super) fn cookie_letters(&self, session: &Session) -> [u8; 2] {
        let acts =
            |cookie: &Cookie| cookie.mode != crate::plan::CookieMode::Passive || cookie.indirect;
        if session
            .backend()
            .persistence
            .cookie
            .as_ref()
            .is_some_and(acts)
        {
            let State {
                request, response, ..
            } = self.cookies;
            [request.letter(), response.letter()]
        } else {
            *b"--"
        }
    }
}

/// The server that has a session of the application, when it can be used.
fn session_server<'s>(session: &'s Session, id: &[u8], anyway: bool) -> Option<&'s Arc<Server>> {
    let table = session.backend_handles().sessions.as_ref()?;
    let key = Key::of(Value::Text(id), table.key_type())?;
    let found = table.find(&key, millis(session.worker.now()))?;
    destined(session, &found).filter(|live| live.is_up() || anyway)
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64)
}
