//! Cookies that say which server a client is on. Manual 1.4, section 4.2 "cookie".
//!
//! Both directions work on the text of one header line; everything that is not the persistence
//! cookie leaves as it came.

mod date;
mod line;

use crate::http1::Head;
use crate::plan::{Cookie, CookieMode};
use date::encode;
use line::{Extent, Line};

/// What the request's cookie says about the server: the third letter of the termination state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestCookie {
    /// `N`: there is none.
    #[default]
    None,
    /// `I`: it names no server.
    Invalid,
    /// `D`: its server is down.
    Down,
    /// `V`: its server is used.
    Valid,
    /// `E`: it was not used for too long.
    Expired,
    /// `O`: it was given too long ago.
    Old,
    /// `U`: it was not looked at.
    Unused,
}

/// What was done with the response's cookie: the fourth letter of the termination state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseCookie {
    /// `N`: there is none, and none was added.
    #[default]
    None,
    /// `P`: the server's was left as it is.
    Passive,
    /// `D`: the server's was removed.
    Deleted,
    /// `I`: one was added.
    Inserted,
    /// `R`: the server's was changed.
    Rewritten,
    /// `U`: one with a new date was added.
    Updated,
}

impl RequestCookie {
    /// The letter in the log.
    pub fn letter(self) -> u8 {
        b"NIDVEOU"[self as usize]
    }
}

impl ResponseCookie {
    /// The letter in the log.
    pub fn letter(self) -> u8 {
        b"NPDIRU"[self as usize]
    }
}

/// What a server's name in a cookie leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A server that can be used, and whether it is up.
    Usable(bool),
    /// One that is down.
    Down,
    /// None.
    Unknown,
}

/// What is known about the cookies of one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Third letter.
    pub request: RequestCookie,
    /// Fourth letter.
    pub response: ResponseCookie,
    /// When the cookie was first given, in seconds since 1970; 0 when it does not say.
    pub first_date: i64,
    /// When it was last given.
    pub last_date: i64,
    /// A server was chosen by it, or by something before it.
    pub assigned: bool,
    /// It was chosen by the client's wish.
    pub direct: bool,
    /// The response sets a cookie.
    pub sets_cookie: bool,
    /// `ignore-persist`.
    pub ignored: bool,
    /// The first cookie that names a server wins (since 1.5), not the last.
    pub first_wins: bool,
}

impl State {
    /// A server was chosen by the client's wish.
    pub fn choose(&mut self) {
        self.request = RequestCookie::Valid;
        self.direct = true;
        self.assigned = true;
    }
}

/// Looks for the persistence cookie of a request, and takes out what the server must not see.
/// `seen` gets every cookie, name and value, before anything is changed, and answers whether it has
/// chosen a server by it.
pub fn request(
    head: &mut Head,
    bytes: &[u8],
    settings: Option<&Cookie>,
    now: i64,
    state: &mut State,
    lookup: &mut dyn FnMut(&[u8]) -> Lookup,
    seen: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) {
    let mut at = None;
    while let Some(index) = head.find(bytes, b"Cookie", at) {
        at = Some(index);
        let name_len = head.name(bytes, index).len();
        let mut line = Line::new(head.line(bytes, index), name_len);
        let keep = line.request(settings, now, state, lookup, seen);
        if !keep {
            head.remove(index);
        } else if line.changed {
            head.replace(index, &line.text);
        }
    }
}

/// The part of the persistence cookie's value in a request that the application has given.
pub fn of_application<'v>(settings: &Cookie, value: &'v [u8]) -> &'v [u8] {
    match memchr::memchr(b'~', value) {
        Some(at) if settings.mode == CookieMode::Prefix => &value[at + 1..],
        _ => value,
    }
}

/// What the server's cookies of a response become. `server` is the cookie of the server that
/// answered; `seen` gets every cookie.
pub fn response(
    head: &mut Head,
    bytes: &[u8],
    settings: Option<&Cookie>,
    server: Option<&[u8]>,
    state: &mut State,
    seen: &mut dyn FnMut(&[u8], &[u8]),
) {
    if !head.may_have(b"Set-Cookie") && !head.may_have(b"Set-Cookie2") {
        return;
    }
    for index in 0..head.line_count() {
        if head.is_removed(index) {
            continue;
        }
        let name = head.name(bytes, index);
        if !name.eq_ignore_ascii_case(b"Set-Cookie") && !name.eq_ignore_ascii_case(b"Set-Cookie2") {
            continue;
        }
        state.sets_cookie = true;
        let extent = if name.len() == b"Set-Cookie".len() {
            Extent::One
        } else {
            Extent::List
        };
        let mut line = Line::new(head.line(bytes, index), name.len());
        if !line.response(extent, settings, server, state, seen) {
            head.remove(index);
        } else if line.changed {
            head.replace(index, &line.text);
        }
    }
}

/// Adds the cookie of the server when the client does not have it yet, or has an old one. Answers
/// whether one was added.
pub fn insert(
    head: &mut Head,
    settings: &Cookie,
    server: Option<&[u8]>,
    is_post: bool,
    now: i64,
    state: &mut State,
) -> bool {
    let dated = settings.maxidle.is_some() || settings.maxlife.is_some();
    let refresh = (settings.maxidle.is_some() || state.last_date != 0)
        && (state.last_date == 0 || state.last_date - now < 0);
    let life = settings.maxlife.is_some() != (state.first_date != 0);
    let wanted = settings.mode == CookieMode::Insert
        && !(state.response == ResponseCookie::Passive && settings.preserve)
        && (!state.direct || refresh || life)
        && (!settings.postonly || is_post)
        && !state.ignored;
    if !wanted {
        return false;
    }
    let mut line = b"Set-Cookie: ".to_vec();
    line.extend_from_slice(&settings.name);
    line.push(b'=');
    match server {
        None => line.extend_from_slice(b"; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"),
        Some(server) => {
            line.extend_from_slice(server);
            if dated {
                line.push(b'|');
                encode((now + 3) >> 2, &mut line);
                if settings.maxlife.is_some() {
                    line.push(b'|');
                    let first = if state.first_date == 0 {
                        (now + 3) >> 2
                    } else {
                        state.first_date >> 2
                    };
                    encode(first, &mut line);
                }
            }
            line.extend_from_slice(b"; path=/");
        }
    }
    for domain in &settings.domains {
        line.extend_from_slice(b"; domain=");
        line.extend_from_slice(domain);
    }
    if settings.httponly {
        line.extend_from_slice(b"; HttpOnly");
    }
    if settings.secure {
        line.extend_from_slice(b"; Secure");
    }
    head.append(&line);
    state.response = if server.is_some() && state.direct {
        ResponseCookie::Updated
    } else {
        ResponseCookie::Inserted
    };
    true
}

#[cfg(test)]
mod tests;
