//! Answers that the proxy writes itself. Manual 1.4, section 4.2 "errorfile".

use haproxy_cfg_grammar::Dialect;

use crate::plan::{ErrorPage, ErrorPages, ErrorStatus};

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

/// The answer for a status with the pages of a proxy.
pub fn error(pages: &ErrorPages, status: ErrorStatus, dialect: Dialect) -> Vec<u8> {
    match pages
        .pages
        .iter()
        .find(|(s, _)| *s == status)
        .map(|(_, page)| page)
    {
        None => built_in(status, dialect).to_vec(),
        Some(ErrorPage::File(message)) => message.to_vec(),
        Some(ErrorPage::Location302(url)) => location("302 Found", url),
        Some(ErrorPage::Location303(url)) => location("303 See Other", url),
    }
}

fn location(status: &str, url: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.0 {status}\r\nCache-Control: no-cache\r\nConnection: close\r\nLocation: ")
            .into_bytes();
    answer.extend_from_slice(url);
    answer.extend_from_slice(b"\r\n\r\n");
    answer
}
