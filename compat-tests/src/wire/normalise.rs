//! Takes out of results what differs from run to run: ports, folders, dates, timers, counters.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::suite::Suite;
use crate::log_line::without_times;
use crate::recorded::SuiteError;
use crate::replacements::Replacements;
use crate::text::{Places, from_bytes, shorten};

/// What a suite wants replaced, besides ports and folders.
#[derive(Debug)]
pub(super) struct Normaliser {
    replacements: Replacements,
    folder: String,
}

impl Normaliser {
    pub(super) fn new(suite: &Suite, folder: &str) -> Result<Self, SuiteError> {
        let replacements = Replacements::new(&suite.normalise)?;
        Ok(Self {
            replacements,
            folder: folder.to_owned(),
        })
    }

    /// Bytes that a peer received, made comparable.
    pub(super) fn bytes(
        &self,
        bytes: &[u8],
        places: &Places,
        is_client: impl Fn(u16) -> bool,
    ) -> String {
        self.text(&from_bytes(bytes), places, is_client)
    }

    /// A syslog datagram, made comparable.
    pub(super) fn log_line(
        &self,
        datagram: &[u8],
        places: &Places,
        is_client: impl Fn(u16) -> bool,
    ) -> String {
        let trailing = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
        let length = datagram
            .iter()
            .rposition(|b| !trailing(b))
            .map_or(0, |last| last + 1);
        let line = without_times(&from_bytes(&datagram[..length]));
        // Where a line that was cut ends depends on how many digits its timers have.
        if length > LONG_LINE {
            let start: String = line.chars().take(LONG_LINE_KEPT).collect();
            return self.text(&format!("{start} [long line]"), places, is_client);
        }
        self.text(&line, places, is_client)
    }

    fn text(&self, text: &str, places: &Places, is_client: impl Fn(u16) -> bool) -> String {
        let named = LOCAL_PORT.replace_all(text, |found: &Captures<'_>| {
            let (host, port) = (&found[1], &found[2]);
            if let Some(name) = places.name_of(port) {
                format!("{host}:{{{name}}}")
            } else if port.parse().is_ok_and(&is_client) {
                format!("{host}:{{client}}")
            } else {
                found[0].to_owned()
            }
        });
        let text = self
            .replacements
            .apply(&named.replace(&self.folder, "{dir}"));
        shorten(&text)
    }
}

const LONG_LINE: usize = 900;
const LONG_LINE_KEPT: usize = 200;

static LOCAL_PORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(127\.0\.0\.1|localhost):(\d{4,5})").expect("a constant pattern")
});
