//! One `Cookie` or `Set-Cookie` line, edited in place: what is not the persistence cookie stays as
//! it is.

use super::date::decode;
use super::{Lookup, RequestCookie, ResponseCookie, State};
use crate::plan::{Cookie, CookieMode};

/// Which cookies a header line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// `Cookie`: commas and semicolons stand between them.
    Pairs,
    /// `Set-Cookie`: one, and everything behind it are its attributes.
    One,
    /// `Set-Cookie2`: commas stand between them, semicolons between their attributes.
    List,
}

/// One line, edited in place.
pub(super) struct Line {
    pub(super) text: Vec<u8>,
    /// Of the colon, or of the delimiter before the cookie that is looked at.
    previous: usize,
    pub(super) changed: bool,
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
    pub(super) fn new(text: &[u8], colon: usize) -> Self {
        Self {
            text: text.to_vec(),
            previous: colon.min(text.len()),
            changed: false,
        }
    }

    /// Answers whether the line stays.
    pub(super) fn request(
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
            let mut place = self.place(Extent::Pairs);
            let first = self.text.get(place.name.0);
            // Attributes of the cookie before them go with it.
            if first == Some(&b'$') {
                self.previous = place.next;
                continue;
            }
            if place.has_equals {
                self.tighten(&mut place);
            }
            let name = &self.text[place.name.0..place.name.1];
            let value = &self.text[place.value.0..place.value.1];
            let value_len = value.len();
            let ours = settings.filter(|cookie| place.has_equals && *name == *cookie.name);
            let judged = ours.map(|cookie| self.judge(cookie, value, now, state, lookup));
            if place.has_equals && seen(name, value) {
                state.choose();
            }
            if let (Some(cookie), Some(server)) = (ours, judged) {
                if cookie.mode == CookieMode::Prefix {
                    if server < value_len {
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

    /// What becomes of the cookies that a server sets. Answers whether the line stays.
    pub(super) fn response(
        &mut self,
        extent: Extent,
        settings: Option<&Cookie>,
        server: Option<&[u8]>,
        state: &mut State,
        seen: &mut dyn FnMut(&[u8], &[u8]),
    ) -> bool {
        while self.previous < self.text.len() {
            let mut place = self.place(extent);
            if !place.has_equals {
                self.previous = place.next;
                continue;
            }
            self.tighten(&mut place);
            seen(
                &self.text[place.name.0..place.name.1],
                &self.text[place.value.0..place.value.1],
            );
            let ours = settings.filter(|cookie| {
                !state.ignored && self.text[place.name.0..place.name.1] == *cookie.name
            });
            if let Some(cookie) = ours {
                state.response = ResponseCookie::Passive;
                let insert = cookie.mode == CookieMode::Insert;
                if cookie.preserve {
                    // The server knows better.
                } else if insert || (state.direct && cookie.indirect) {
                    state.response = ResponseCookie::Deleted;
                    let is_first = self.text[self.previous] == b':';
                    if is_first && place.next == self.text.len() {
                        return false;
                    }
                    place.next = self.remove(self.previous, place.next).1;
                } else if let Some(server) = server {
                    self.rewrite(cookie, server, &mut place, state);
                }
            }
            self.previous = place.next;
        }
        true
    }

    /// Lets the server's cookie name the server, alone or before its value.
    fn rewrite(&mut self, cookie: &Cookie, server: &[u8], place: &mut Place, state: &mut State) {
        let mut name = server.to_vec();
        let replaced = match cookie.mode {
            CookieMode::Rewrite => place.value.0..place.value.1,
            CookieMode::Prefix => {
                name.push(b'~');
                place.value.0..place.value.0
            }
            CookieMode::Insert | CookieMode::Passive => return,
        };
        place.next = place.next + name.len() - replaced.len();
        self.text.splice(replaced, name);
        self.changed = true;
        state.response = ResponseCookie::Rewritten;
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
            if let Some(date) = decode(dates) {
                state.last_date = date;
            }
            if let Some(bar) = memchr::memchr(b'|', dates)
                && let Some(date) = decode(&dates[bar + 1..])
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

    /// The cookie after `previous`.
    fn place(&self, extent: Extent) -> Place {
        let text = &self.text;
        let next = |end: usize| match extent {
            Extent::Pairs => end,
            Extent::One => text.len(),
            Extent::List => unquoted(text, end, |byte| byte == b','),
        };
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
            return Place {
                name: (start, name_end),
                value: (equals, equals),
                next: next(equals),
                has_equals: false,
            };
        }
        let mut value = equals + 1;
        while value < text.len() && blank(value) {
            value += 1;
        }
        let end = unquoted(text, value, |byte| matches!(byte, b',' | b';'));
        let mut trimmed = end;
        while trimmed > value && blank(trimmed - 1) {
            trimmed -= 1;
        }
        Place {
            name: (start, name_end),
            value: (value, trimmed),
            next: next(end),
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

/// The first delimiter from there on that is not quoted, or the end.
fn unquoted(text: &[u8], from: usize, is_delimiter: impl Fn(u8) -> bool) -> usize {
    let mut quoted = false;
    let mut at = from;
    while at < text.len() {
        match text[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            byte if !quoted && is_delimiter(byte) => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}
