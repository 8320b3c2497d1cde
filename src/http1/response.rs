//! Answers that the proxy writes itself. Manual 1.4, section 4.2 "errorfile".

use haproxy_cfg_grammar::Dialect;

use super::{Head, uri};
use crate::plan::{ErrorPage, ErrorPages, ErrorStatus, Redirect, RedirectKind};

/// The built-in answer for a status: the whole message.
pub fn built_in(status: ErrorStatus, dialect: Dialect) -> &'static [u8] {
    let v1_4 = dialect == Dialect::V1_4;
    macro_rules! answer {
        ($line:literal, $title:literal, $text:literal) => {
            answer!($line, "", $title, $text)
        };
        ($line:literal, $header:literal, $title:literal, $text:literal) => {
            concat!(
                "HTTP/1.0 ",
                $line,
                "\r\nCache-Control: no-cache\r\nConnection: close\r\nContent-Type: text/html\r\n",
                $header,
                "\r\n<html><body><h1>",
                $title,
                "</h1>\n",
                $text,
                "\n</body></html>\n"
            )
            .as_bytes()
        };
    }
    match status {
        ErrorStatus::S200 if v1_4 => {
            answer!("200 OK", "200 OK", "HAProxy: service ready.")
        }
        ErrorStatus::S200 => {
            answer!("200 OK", "200 OK", "Service ready.")
        }
        ErrorStatus::S400 => {
            answer!(
                "400 Bad request",
                "400 Bad request",
                "Your browser sent an invalid request."
            )
        }
        ErrorStatus::S403 => answer!(
            "403 Forbidden",
            "403 Forbidden",
            "Request forbidden by administrative rules."
        ),
        ErrorStatus::S408 => answer!(
            "408 Request Time-out",
            "408 Request Time-out",
            "Your browser didn't send a complete request in time."
        ),
        ErrorStatus::S500 if v1_4 => {
            answer!(
                "500 Server Error",
                "500 Server Error",
                "An internal server error occured."
            )
        }
        ErrorStatus::S500 => answer!(
            "500 Internal Server Error",
            "500 Internal Server Error",
            "An internal server error occured."
        ),
        ErrorStatus::S502 => answer!(
            "502 Bad Gateway",
            "502 Bad Gateway",
            "The server returned an invalid or incomplete response."
        ),
        ErrorStatus::S503 => answer!(
            "503 Service Unavailable",
            "503 Service Unavailable",
            "No server is available to handle this request."
        ),
        ErrorStatus::S504 => answer!(
            "504 Gateway Time-out",
            "504 Gateway Time-out",
            "The server didn't respond in time."
        ),
    }
}

/// The answer for a status, with the first of some proxies' pages that there is.
pub fn error(pages: [&ErrorPages; 2], status: ErrorStatus, dialect: Dialect) -> Vec<u8> {
    let page = pages
        .iter()
        .flat_map(|pages| &pages.pages)
        .find(|(s, _)| *s == status)
        .map(|(_, page)| page);
    match page {
        None => built_in(status, dialect).to_vec(),
        Some(ErrorPage::File(message)) => message.to_vec(),
        Some(ErrorPage::Location302(url)) => location("302 Found", url),
        Some(ErrorPage::Location303(url)) => location("303 See Other", url),
    }
}

fn location(status: &str, url: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\nCache-Control: no-cache\r\nContent-length: 0\r\nLocation: ")
            .into_bytes();
    answer.extend_from_slice(url);
    answer.extend_from_slice(b"\r\n\r\n");
    answer
}

/// The question for a password, and its status. A client that takes this for a proxy gets 407.
pub fn authenticate(realm: &[u8], as_proxy: bool, dialect: Dialect) -> (Vec<u8>, i32) {
    let (status, line, header): (i32, &str, &str) = if as_proxy {
        (407, "407 Unauthorized", "Proxy-Authenticate")
    } else {
        (401, "401 Unauthorized", "WWW-Authenticate")
    };
    let _ = dialect;
    let mut answer = format!(
        "HTTP/1.0 {line}\r\nCache-Control: no-cache\r\nConnection: close\r\n\
         Content-Type: text/html\r\n{header}: Basic realm=\""
    )
    .into_bytes();
    answer.extend_from_slice(realm);
    answer.extend_from_slice(
        format!(
            "\"\r\n\r\n<html><body><h1>{line}</h1>\n\
             You need a valid user and password to access this content.\n</body></html>\n"
        )
        .as_bytes(),
    );
    (answer, status)
}

/// Appends a redirect up to its `Connection` header: status line, location, cookie.
///
/// 1.4 ends the cookie's line twice, so that what follows is no header any more.
pub fn redirect(
    redirect: &Redirect,
    head: &Head,
    bytes: &[u8],
    dialect: Dialect,
    out: &mut Vec<u8>,
) {
    let status: &[u8] = match redirect.code {
        301 => b"301 Moved Permanently",
        303 => b"303 See Other",
        307 => b"307 Temporary Redirect",
        308 => b"308 Permanent Redirect",
        _ => b"302 Found",
    };
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status);
    // What has moved for good may be kept.
    if !matches!(redirect.code, 301 | 308) {
        out.extend_from_slice(b"\r\nCache-Control: no-cache");
    }
    out.extend_from_slice(b"\r\nContent-length: 0\r\nLocation: ");
    location_of(redirect, head, bytes, out);
    if let Some(cookie) = &redirect.cookie {
        out.extend_from_slice(b"\r\nSet-Cookie: ");
        out.extend_from_slice(cookie);
        if dialect == Dialect::V1_4 {
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn location_of(redirect: &Redirect, head: &Head, bytes: &[u8], out: &mut Vec<u8>) {
    let value: &[u8] = &redirect.value;
    let start = out.len();
    match redirect.kind {
        RedirectKind::Location => {
            out.extend_from_slice(value);
            return;
        }
        // A prefix of one slash is none: it could not be told from the path's.
        RedirectKind::Prefix if value == b"/" => {}
        RedirectKind::Prefix => out.extend_from_slice(value),
        RedirectKind::Scheme => {
            out.extend_from_slice(value);
            out.extend_from_slice(b"://");
            if let Some(line) = head.find(bytes, b"Host", None) {
                out.extend_from_slice(head.value(bytes, line).trim_ascii_end());
            }
        }
    }
    let target = head.second_word(bytes);
    match uri::path_start(target) {
        Some(path) => {
            let mut path = &target[path..];
            if redirect.drop_query
                && let Some(question) = memchr::memchr(b'?', path)
            {
                path = &path[..question];
            }
            out.extend_from_slice(path);
        }
        None => out.push(b'/'),
    }
    if redirect.append_slash && out.len() > start && out.last() != Some(&b'/') {
        out.push(b'/');
    }
}
