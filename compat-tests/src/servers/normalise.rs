//! Takes out of a transcript what differs from run to run.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::log_line::without_times;
use crate::replacements::Replacements;
use crate::text::{Places, from_bytes, shorten};

/// What is replaced in one case.
#[derive(Debug)]
pub(super) struct Normaliser {
    pub(super) replacements: Replacements,
    pub(super) folder: String,
}

impl Normaliser {
    /// What a peer received, or the proxy said.
    pub(super) fn text(&self, text: &str, places: &Places) -> String {
        let text = LOCAL_PORT.replace_all(text, |found: &Captures<'_>| {
            let name = places.name_of(&found[3]).unwrap_or("port");
            format!("{}{}{{{name}}}", &found[1], &found[2])
        });
        let text = PORT_SETTING
            .replace_all(&text, "port={port}")
            .replace(&self.folder, "{dir}");
        shorten(&self.replacements.apply(&text))
    }

    pub(super) fn bytes(&self, bytes: &[u8], places: &Places) -> String {
        self.text(&from_bytes(bytes), places)
    }

    pub(super) fn log_line(&self, datagram: &[u8], places: &Places) -> String {
        let line = from_bytes(datagram);
        let line = without_times(line.trim_end_matches(['\r', '\n', '\0']));
        self.text(&DURATION.replace_all(&line, "Nms"), places)
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

static LOCAL_PORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(127\.\d+\.\d+\.\d+|localhost)([: ])(\d{4,5})\b"));
static PORT_SETTING: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bport=\d{4,5}\b"));
static DURATION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d+ms\b"));
