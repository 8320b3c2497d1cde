//! `cookie`, `appsession`, `stick-table`: statements into values.

use std::time::Duration;

use haproxy_cfg_grammar::keywords::persistence::{AppSessionStatement, CookieStatement};
use haproxy_cfg_grammar::keywords::stick;

use super::rules::bytes;
use crate::plan::{AppSession, Cookie, KeyType, StickTable, Stored};

/// `cookie`.
pub(super) fn cookie(statement: &CookieStatement) -> Cookie {
    let seconds = |s: Option<u32>| s.map(|s| Duration::from_secs(s.into()));
    Cookie {
        name: bytes(&statement.name),
        mode: statement.mode,
        indirect: statement.indirect,
        nocache: statement.nocache,
        postonly: statement.postonly,
        preserve: statement.preserve,
        httponly: statement.httponly,
        secure: statement.secure,
        domains: statement.domains.iter().map(bytes).collect(),
        maxidle: seconds(statement.maxidle_s),
        maxlife: seconds(statement.maxlife_s),
    }
}

/// `appsession`.
pub(super) fn appsession(statement: &AppSessionStatement) -> AppSession {
    AppSession {
        cookie: bytes(&statement.cookie),
        len: statement.len,
        timeout: Duration::from_millis(statement.timeout.0.into()),
        request_learn: statement.request_learn,
        prefix: statement.prefix,
        mode: statement.mode,
    }
}

/// `stick-table`.
pub(super) fn table(statement: &stick::StickTable) -> StickTable {
    let mut table = StickTable {
        key: match statement.key {
            stick::KeyType::Ip => KeyType::Ip,
            stick::KeyType::Ipv6 => KeyType::Ipv6,
            stick::KeyType::Integer => KeyType::Integer,
            stick::KeyType::String(len) => KeyType::String(len),
            stick::KeyType::Binary(len) => KeyType::Binary(len),
        },
        size: statement.size,
        expire: statement
            .expire
            .filter(|t| t.0 != 0)
            .map(|t| Duration::from_millis(t.0.into())),
        nopurge: statement.nopurge,
        store: Vec::new(),
    };
    for (data, period) in &statement.store {
        table.add(Stored {
            data: *data,
            period: Duration::from_millis(period.0.into()),
        });
    }
    table
}
