//! What a response says to caches. Manual 1.4, section 4.2 "option checkcache".

use crate::http1::Head;

/// Whether a cache may keep a response, and its cookies with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cacheability {
    /// The response.
    pub response: bool,
    /// Its cookies.
    pub cookies: bool,
}

/// The line in the log about a response that `option checkcache` has kept back.
pub fn refusal(backend: &str, server: &str) -> String {
    format!("Blocking cacheable cookie in response from instance {backend}, server {server}.")
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
