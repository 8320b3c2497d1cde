//! Cookies that say which server a client is on. Manual 1.4, section 4.2 "cookie".
//!
//! Both directions work on the text of one header line; everything that is not the persistence
//! cookie leaves as it came.

use crate::http1::Head;
use crate::plan::{Cookie, CookieMode};

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
    for index in 0..head.line_count() {
        if head.is_removed(index) || !head.name(bytes, index).eq_ignore_ascii_case(b"Cookie") {
            continue;
        }
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

/// One line, edited in place.
struct Line {
    text: Vec<u8>,
    /// Of the colon, or of the delimiter before the cookie that is looked at.
    previous: usize,
    changed: bool,
}

/// Where a cookie is in a line.
#[derive(Clone, Copy, Debug)]
struct Place {
    name: (usize, usize),
    value: (usize, usize),
    /// The delimiter after it, or the end.
    next: usize,
    has_equals: bool,
}

impl Line {
    fn new(text: &[u8], colon: usize) -> Self {
        Self {
            text: text.to_vec(),
            previous: colon.min(text.len()),
            changed: false,
        }
    }

    /// Answers whether the line stays.
    fn request(
        &mut self,
        settings: Option<&Cookie>,
        now: i64,
        state: &mut State,
        lookup: &mut dyn FnMut(&[u8]) -> Lookup,
        seen: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> bool {
        let mut delete_from: Option<usize> = None;
        let mut preserve = false;
        while self.previous < self.text.len() {
            let mut place = self.place(false);
            let first = self.text.get(place.name.0);
            // Attributes of the cookie before them go with it.
            if first == Some(&b'$') {
                self.previous = place.next;
                continue;
            }
            if place.has_equals {
                self.tighten(&mut place);
                let chosen = seen(
                    &self.text[place.name.0..place.name.1],
                    &self.text[place.value.0..place.value.1],
                );
                if chosen {
                    state.choose();
                }
            }
            let ours = settings.filter(|cookie| {
                place.has_equals && self.text[place.name.0..place.name.1] == *cookie.name
            });
            if let Some(cookie) = ours {
                let value = self.text[place.value.0..place.value.1].to_vec();
                let server = self.judge(cookie, &value, now, state, lookup);
                if cookie.mode == CookieMode::Prefix {
                    if server < value.len() {
                        // The server's own part is what it gave.
                        self.cut(place.value.0, place.value.0 + server + 1, &mut place.next);
                        delete_from = None;
                        preserve = true;
                    }
                } else if cookie.mode == CookieMode::Insert
                    && cookie.indirect
                    && delete_from.is_none()
                {
                    delete_from = Some(self.previous);
                }
            } else {
                preserve = true;
                if let Some(from) = delete_from.take() {
                    let removed = self.remove(from, self.previous);
                    place.next -= removed.0;
                    self.previous = removed.1;
                }
            }
            self.previous = place.next;
        }
        if let Some(from) = delete_from {
            if !preserve {
                return false;
            }
            self.remove(from, self.text.len());
        }
        true
    }

    /// What a persistence cookie's value leads to, and how long the server's name in it is.
    fn judge(
        &self,
        cookie: &Cookie,
        value: &[u8],
        now: i64,
        state: &mut State,
        lookup: &mut dyn FnMut(&[u8]) -> Lookup,
    ) -> usize {
        let delimiter = if cookie.mode == CookieMode::Prefix {
            b'~'
        } else {
            b'|'
        };
        let end = memchr::memchr(delimiter, value).unwrap_or(value.len());
        let mut usable = end > 0;
        if cookie.mode != CookieMode::Prefix && end < value.len() {
            let dates = &value[end + 1..];
            if let Some(date) = decode_date(dates) {
                state.last_date = date;
            }
            if let Some(bar) = memchr::memchr(b'|', dates)
                && let Some(date) = decode_date(&dates[bar + 1..])
            {
                state.first_date = date;
            }
        }
        // Dates in the future are taken for a clock that was wrong, up to a day.
        let beyond = |date: i64, limit: Option<std::time::Duration>| {
            date != 0
                && limit
                    .is_some_and(|limit| now - date > limit.as_secs() as i64 || date - now > 86_400)
        };
        if beyond(state.first_date, cookie.maxlife) {
            state.request = RequestCookie::Old;
            usable = false;
        } else if beyond(state.last_date, cookie.maxidle) {
            state.request = RequestCookie::Expired;
            usable = false;
        }
        if matches!(state.request, RequestCookie::Old | RequestCookie::Expired) && !usable {
            state.first_date = 0;
            state.last_date = 0;
        }
        if state.direct && state.first_wins {
            return end;
        }
        let skipped = state.ignored || (state.assigned && !state.direct);
        let found = if usable && !skipped {
            lookup(&value[..end])
        } else {
            Lookup::Unknown
        };
        match found {
            Lookup::Usable(up) => {
                state.request = if up {
                    RequestCookie::Valid
                } else {
                    RequestCookie::Down
                };
                state.direct = true;
                state.assigned = true;
            }
            Lookup::Down => state.request = RequestCookie::Down,
            Lookup::Unknown
                // A server that an earlier cookie has named stays.
                if !matches!(
                    state.request,
                    RequestCookie::Down | RequestCookie::Expired | RequestCookie::Old
                ) && (skipped || state.request != RequestCookie::Valid) =>
            {
                // 1.4 does not tell what was not looked at from what names no server.
                state.request = if skipped && state.first_wins {
                    RequestCookie::Unused
                } else {
                    RequestCookie::Invalid
                };
            }
            Lookup::Unknown => {}
        }
        end
    }

    /// The cookie after `previous`. In a response it ends with its attributes.
    fn place(&self, response: bool) -> Place {
        let text = &self.text;
        let blank = |at: usize| matches!(text[at], b' ' | b'\t');
        let mut start = self.previous + 1;
        while start < text.len() && blank(start) {
            start += 1;
        }
        let start = start.min(text.len());
        let mut equals = start;
        let mut name_end = start;
        while equals < text.len() && !matches!(text[equals], b'=' | b',' | b';') {
            if !blank(equals) {
                name_end = equals + 1;
            }
            equals += 1;
        }
        if text.get(equals) != Some(&b'=') {
            let next = if response { text.len() } else { equals };
            return Place {
                name: (start, name_end),
                value: (equals, equals),
                next,
                has_equals: false,
            };
        }
        let mut value = equals + 1;
        while value < text.len() && blank(value) {
            value += 1;
        }
        let end = value_end(text, value);
        let next = if response { text.len() } else { end };
        let mut trimmed = end;
        while trimmed > value && blank(trimmed - 1) {
            trimmed -= 1;
        }
        Place {
            name: (start, name_end),
            value: (value, trimmed),
            next,
            has_equals: true,
        }
    }

    /// Takes out the blanks around the equals sign, so that name and value are one text.
    fn tighten(&mut self, place: &mut Place) {
        let after = place.value.0 - (place.name.1 + 1);
        if after == 0 {
            return;
        }
        self.text
            .splice(place.name.1..place.value.0, std::iter::once(b'='));
        self.changed = true;
        place.value.0 -= after;
        place.value.1 -= after;
        place.next -= after;
    }

    fn cut(&mut self, from: usize, to: usize, next: &mut usize) {
        self.text.drain(from..to);
        self.changed = true;
        *next -= to - from;
    }

    /// Removes cookies from one delimiter to the next, and answers how many bytes have gone and
    /// where the delimiter is now. The line keeps one delimiter and one blank between cookies.
    fn remove(&mut self, from: usize, next: usize) -> (usize, usize) {
        self.changed = true;
        let before = self.text.len();
        let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
        let mut next = next;
        let mut keep = from;
        let mut glue: &[u8] = b"";
        let delimiter;
        if self.text.get(from) == Some(&b':') {
            keep += 1;
            next = (next + 1).min(self.text.len());
            if keep < next {
                glue = b" ";
            }
            while blank(self.text.get(next)) {
                next += 1;
            }
        } else {
            while keep > 0 && blank(self.text.get(keep - 1)) {
                keep -= 1;
            }
            if let Some(byte) = self.text.get(next).copied() {
                next += 1;
                delimiter = [byte, b' '];
                glue = if keep + 2 < next || blank(self.text.get(next)) {
                    &delimiter
                } else {
                    &delimiter[..1]
                };
                while blank(self.text.get(next)) {
                    next += 1;
                }
            }
        }
        let delimiter_at = if self.text.get(from) == Some(&b':') {
            from
        } else {
            keep
        };
        self.text.splice(keep..next, glue.iter().copied());
        (before - self.text.len(), delimiter_at)
    }
}

/// Where a cookie's value ends: at a delimiter that is not quoted.
fn value_end(text: &[u8], from: usize) -> usize {
    let mut quoted = false;
    let mut at = from;
    while at < text.len() {
        match text[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b',' | b';' if !quoted => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
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
    for index in 0..head.line_count() {
        if head.is_removed(index) {
            continue;
        }
        let name = head.name(bytes, index);
        if !name.eq_ignore_ascii_case(b"Set-Cookie") && !name.eq_ignore_ascii_case(b"Set-Cookie2") {
            continue;
        }
        state.sets_cookie = true;
        let mut line = Line::new(head.line(bytes, index), name.len());
        let mut place = line.place(true);
        if !place.has_equals {
            continue;
        }
        line.tighten(&mut place);
        seen(
            &line.text[place.name.0..place.name.1],
            &line.text[place.value.0..place.value.1],
        );
        let ours = settings.filter(|cookie| {
            !state.ignored && line.text[place.name.0..place.name.1] == *cookie.name
        });
        if let Some(cookie) = ours {
            state.response = ResponseCookie::Passive;
            let insert = cookie.mode == CookieMode::Insert;
            if cookie.preserve {
                // The server knows better.
            } else if insert || (state.direct && cookie.indirect) {
                head.remove(index);
                state.response = ResponseCookie::Deleted;
                continue;
            } else if let Some(server) = server {
                let value = match cookie.mode {
                    CookieMode::Rewrite => place.value.0..place.value.1,
                    CookieMode::Prefix => place.value.0..place.value.0,
                    _ => continue,
                };
                let mut name = server.to_vec();
                if cookie.mode == CookieMode::Prefix {
                    name.push(b'~');
                }
                line.text.splice(value, name);
                line.changed = true;
                state.response = ResponseCookie::Rewritten;
            }
        }
        if line.changed {
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
                encode_date((now + 3) >> 2, &mut line);
                if settings.maxlife.is_some() {
                    line.push(b'|');
                    let first = if state.first_date == 0 {
                        (now + 3) >> 2
                    } else {
                        state.first_date >> 2
                    };
                    encode_date(first, &mut line);
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

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A date: five digits of base 64, in units of four seconds.
fn encode_date(quarter: i64, out: &mut Vec<u8>) {
    for shift in [24, 18, 12, 6, 0] {
        out.push(DIGITS[(quarter >> shift & 63) as usize]);
    }
}

/// Seconds since 1970 of the date that a text begins with.
fn decode_date(text: &[u8]) -> Option<i64> {
    let mut value = 0i64;
    for digit in text.get(..5)? {
        let digit = DIGITS.iter().position(|d| d == digit)?;
        value = value << 6 | digit as i64;
    }
    (value > 0).then_some(value << 2)
}

/// Whether a cache may keep a response, and its cookies with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cacheability {
    /// The response.
    pub response: bool,
    /// Its cookies.
    pub cookies: bool,
}

/// Reads what the response says to caches. Manual 1.4, section 4.2 "option checkcache".
pub fn cacheability(head: &Head, bytes: &[u8], status: u16, is_post: bool) -> Cacheability {
    let by_default = matches!(status, 200 | 203 | 206 | 300 | 301 | 410) && !is_post;
    let mut found = Cacheability {
        response: by_default,
        cookies: by_default,
    };
    const NO: Cacheability = Cacheability {
        response: false,
        cookies: false,
    };
    if !by_default {
        return found;
    }
    for index in head.lines() {
        let name = head.name(bytes, index);
        let value = head.value(bytes, index);
        let begins = |text: &[u8]| {
            value
                .get(..text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(text))
        };
        if name.eq_ignore_ascii_case(b"Pragma") && begins(b"no-cache") {
            return NO;
        }
        if !name.eq_ignore_ascii_case(b"Cache-Control") {
            continue;
        }
        let end = value
            .iter()
            .position(|b| matches!(b, b'=' | b';' | b',') || b.is_ascii_whitespace())
            .unwrap_or(value.len());
        if value.get(end) == Some(&b'=') {
            if begins(b"no-cache=\"set-cookie") && matches!(value.get(20), Some(b'"' | b',')) {
                found.cookies = false;
            }
            continue;
        }
        match value[..end].to_ascii_lowercase().as_slice() {
            b"private" | b"no-cache" | b"no-store" => return NO,
            b"public" => {
                found = Cacheability {
                    response: true,
                    cookies: true,
                };
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
