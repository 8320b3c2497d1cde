//! Health checks: `option httpchk` and its relatives into the bytes that are sent.

use haproxy_cfg_grammar::Word;
use haproxy_cfg_grammar::keywords::option::Check;

use super::rules::bytes;
use crate::plan::{ByteString, CheckMethod};

/// The method of an option.
pub(super) fn method(check: &Check) -> CheckMethod {
    match check {
        Check::Http {
            method,
            uri,
            version,
        } => CheckMethod::Http {
            request: http_request(method.as_ref(), uri.as_ref(), version),
        },
        Check::SslHello => CheckMethod::SslHello,
        Check::Smtp { hello } => CheckMethod::Smtp {
            hello: smtp_hello(hello.as_ref()),
        },
        Check::Mysql { user, post_41 } => CheckMethod::Mysql {
            user: user.as_ref().map(bytes),
            post_41: *post_41,
        },
        Check::Pgsql { user } => CheckMethod::Pgsql { user: bytes(user) },
        Check::Redis => CheckMethod::Redis,
        Check::Ldap => CheckMethod::Ldap,
        Check::Tcp => CheckMethod::Tcp,
    }
}

/// The request line, and whatever lines the version carries with it.
fn http_request(method: Option<&Word>, uri: Option<&Word>, version: &[Word]) -> ByteString {
    let mut request = Vec::new();
    let word = |w: Option<&Word>| w.map(|w| w.bytes.to_vec());
    request.extend(word(method).unwrap_or_else(|| b"OPTIONS".to_vec()));
    request.push(b' ');
    request.extend(word(uri).unwrap_or_else(|| b"/".to_vec()));
    request.push(b' ');
    match version.first() {
        // 1.4 takes one word; what follows it is not sent.
        Some(version) => request.extend_from_slice(&version.bytes),
        None => request.extend_from_slice(b"HTTP/1.0"),
    }
    request.extend_from_slice(b"\r\n");
    request.into()
}

fn smtp_hello(hello: Option<&(Word, Word)>) -> ByteString {
    match hello {
        Some((verb, domain)) if verb.is("EHLO") || verb.is("HELO") => {
            [&verb.bytes, &b" "[..], &domain.bytes, b"\r\n"]
                .concat()
                .into()
        }
        _ => "HELO localhost\r\n".into(),
    }
}
