//! Syslog facilities and levels, by number in RFC 3164.

/// Facilities in the order of their numbers.
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2",
    "ftp", "ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// Levels in the order of their numbers.
pub const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

/// The number of a facility.
pub fn facility(name: &str) -> Option<u8> {
    position(&FACILITIES, name)
}

/// The number of a level.
pub fn level(name: &str) -> Option<u8> {
    position(&LEVELS, name)
}

fn position(names: &[&str], name: &str) -> Option<u8> {
    names
        .iter()
        .position(|n| *n == name)
        .and_then(|n| u8::try_from(n).ok())
}
