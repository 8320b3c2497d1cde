//! What differs from run to run, out of the transcript.

use std::path::Path;
use std::sync::LazyLock;

use fancy_regex::Captures;

use crate::recorded::SuiteError;
use crate::replacements::Replacements;
use crate::text::{Places, shorten};

/// Takes ports, folders, dates and pids out of texts.
#[derive(Debug)]
pub(super) struct Normaliser {
    folder: String,
    fixed: Replacements,
    own: Replacements,
}

impl Normaliser {
    pub(super) fn new<'p>(
        folder: &str,
        program: &Path,
        own: impl IntoIterator<Item = &'p (String, String)>,
    ) -> Result<Self, SuiteError> {
        let name = program_name(program);
        let pairs = [
            (r"127\.0\.0\.1:\d{4,5}".to_owned(), "127.0.0.1:{client}"),
            (
                r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d{3}(?: [+-]\d{4})?".to_owned(),
                "DATE",
            ),
            (
                format!(r"(?i)(?:HA-?Proxy|{name}) version \S+?,? (?:released )?\d{{4}}/\d\d/\d\d"),
                "PROGRAM version V DATE",
            ),
            (r"0x[0-9a-f]{6,}".to_owned(), "PTR"),
            (
                r"(\[(?:ALERT|WARNING|NOTICE)\]) *(?:\d+/\d+ )?\(\d+\) :".to_owned(),
                r"\1 DATE (PID) :",
            ),
        ];
        let pairs = pairs.map(|(pattern, with)| (pattern, with.to_owned()));
        Ok(Self {
            folder: folder.to_owned(),
            fixed: Replacements::new(&pairs)?,
            own: Replacements::new(own)?,
        })
    }

    /// A text as it is compared.
    pub(super) fn text(&self, text: &str, places: &Places) -> String {
        let text = text.replace(&self.folder, "{dir}");
        let text = PORT.replace_all(&text, |found: &Captures<'_>| {
            let port = found.get(0).map_or("", |m| m.as_str());
            match places.name_of(port) {
                Some(name) => format!("{{{name}}}"),
                None => port.to_owned(),
            }
        });
        shorten(&self.own.apply(&self.fixed.apply(&text)))
    }
}

/// The file's name, for patterns.
pub(super) fn program_name(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default();
    regex::escape(&name.to_string_lossy())
}

/// A text with what cannot be printed made visible.
pub(super) fn visible(text: &str) -> String {
    let quote = text.contains('\'') && text.contains('"');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' if quote => out.push_str("\\'"),
            '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

static PORT: LazyLock<fancy_regex::Regex> =
    LazyLock::new(|| fancy_regex::Regex::new(r"(?<!\d)\d{5}(?!\d)").expect("a constant pattern"));
