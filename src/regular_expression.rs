//! Regular expressions: the fast kind where it can express the pattern, PCRE for look-around and
//! back-references. Which one is decided by the pattern, not by the build.
//!
//! Patterns are bytes; `.` and classes know nothing of Unicode, as in HAProxy built with PCRE.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::letters;

/// Where the whole match and the groups 1 to 9 are.
pub type Groups = [Option<(usize, usize)>; 10];
/// A pattern that does not compile, in PCRE's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRegex(String);

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Regex {
    /// What every text begins with that matches, and whether its case counts: most lines of a head
    /// are told apart from the one that a rule is about by a glance at their first bytes.
    start: Vec<u8>,
    ignore_case: bool,
    engine: Engine,
}

#[derive(Clone, Debug)]
enum Engine {
    /// Linear in the length of the text.
    Fast(regex::bytes::Regex),
    /// Everything that PCRE can do.
    Full(pcre2::bytes::Regex),
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in PCRE's words.
    pub fn new(pattern: &[u8], ignore_case: bool) -> Result<Self, BadRegex> {
        Ok(Self {
            start: literal_start(pattern),
            ignore_case,
            engine: Engine::new(pattern, ignore_case)?,
        })
    }

    /// What every text begins with that matches; empty when that cannot be told.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// Whether the pattern is found somewhere in the text.
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.may_match(text) && self.engine.is_match(text)
    }

    #[inline]
    fn may_match(&self, text: &[u8]) -> bool {
        text.get(..self.start.len()).is_some_and(|start| {
            if self.ignore_case {
                letters::same(start, &self.start)
            } else {
                start == self.start
            }
        })
    }

    /// Where the whole match and the groups 1 to 9 are in the text; `None` when it does not match.
    #[inline]
    pub fn captures(&self, text: &[u8]) -> Option<Groups> {
        if self.may_match(text) {
            self.engine.captures(text)
        } else {
            None
        }
    }
}

impl Engine {
    fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Fast(regex) => regex.is_match(text),
            Self::Full(regex) => regex.is_match(text).unwrap_or_else(|error| {
                give_up(regex, &error);
                false
            }),
        }
    }

    fn captures(&self, text: &[u8]) -> Option<Groups> {
        let mut groups = [None; 10];
        match self {
            Self::Fast(regex) => {
                let found = regex.captures(text)?;
                for (n, group) in groups.iter_mut().enumerate() {
                    *group = found.get(n).map(|m| (m.start(), m.end()));
                }
            }
            Self::Full(regex) => {
                let found = regex.captures(text).unwrap_or_else(|error| {
                    give_up(regex, &error);
                    None
                })?;
                for (n, group) in groups.iter_mut().enumerate() {
                    *group = found.get(n).map(|m| (m.start(), m.end()));
                }
            }
        }
        Some(groups)
    }

    fn new(pattern: &[u8], ignore_case: bool) -> Result<Self, BadRegex> {
        if let Ok(text) = std::str::from_utf8(pattern) {
            let fast = regex::bytes::RegexBuilder::new(text)
                .unicode(false)
                .case_insensitive(ignore_case)
                .size_limit(1 << 20)
                .build();
            // What `regex` alone refuses or understands differently goes to PCRE.
            if let Ok(fast) = fast
                && !differs(text)
            {
                return Ok(Self::Fast(fast));
            }
        }
        let text: String = match std::str::from_utf8(pattern) {
            Ok(text) => text.to_owned(),
            // The builder wants text; without Unicode each byte can be given by its number.
            Err(_) => pattern.iter().map(|b| escape_byte(*b)).collect(),
        };
        pcre2::bytes::RegexBuilder::new()
            .caseless(ignore_case)
            .jit_if_available(true)
            .build(&format!("{LIMIT}{text}"))
            .map(Self::Full)
            .map_err(|e| {
                BadRegex(match e.offset() {
                    Some(offset) => {
                        let offset = offset.saturating_sub(LIMIT.len());
                        format!("{} at byte {offset}", message(&e))
                    }
                    None => message(&e),
                })
            })
    }
}

/// What a text has to begin with so that a pattern can match, as far as the pattern says it in so
/// many letters: nothing when it is not bound to the beginning, or offers a choice.
fn literal_start(pattern: &[u8]) -> Vec<u8> {
    let Some(rest) = pattern.strip_prefix(b"^") else {
        return Vec::new();
    };
    // Flags may change what letters mean.
    if pattern.contains(&b'|') || pattern.windows(2).any(|w| w == b"(?" || w == b"(*") {
        return Vec::new();
    }
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_/:,;=@%&! ".contains(b);
    let mut start: Vec<u8> = rest.iter().copied().take_while(plain).collect();
    if let Some(b'*' | b'?' | b'+' | b'{') = rest.get(start.len()) {
        start.pop();
    }
    start
}

/// How far PCRE searches before it gives up: milliseconds, where the patterns of the other matcher
/// take time in proportion to the text. A text that is given up on does not match.
const LIMIT: &str = "(*LIMIT_MATCH=250000)";

/// Searches of the process that were given up.
static GIVEN_UP: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The last one of this thread that nobody has asked about.
    static LAST: Cell<Option<GivenUp>> = const { Cell::new(None) };
}

/// A search that took too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The pattern.
    pub pattern: String,
    /// Why, in PCRE's words.
    pub reason: String,
}

/// The last search of this thread that was given up since the last time that this was asked.
pub fn last_given_up() -> Option<GivenUp> {
    LAST.take()
}

/// How many searches of the process were given up.
pub fn given_up() -> u64 {
    GIVEN_UP.load(Ordering::Relaxed)
}

#[cold]
fn give_up(regex: &pcre2::bytes::Regex, error: &pcre2::Error) {
    GIVEN_UP.fetch_add(1, Ordering::Relaxed);
    let pattern = regex.as_str();
    LAST.set(Some(GivenUp {
        pattern: pattern.strip_prefix(LIMIT).unwrap_or(pattern).to_owned(),
        reason: message(error),
    }));
}

/// Many patterns, of which any will do.
#[derive(Debug, Default)]
pub struct RegexSet {
    /// Those that can be searched for together, when there are enough of them.
    together: Option<regex::bytes::RegexSet>,
    /// The places of those among all.
    places: Vec<usize>,
    /// The others with theirs, in order.
    alone: Vec<(usize, Regex)>,
}

/// From how many patterns on searching for all at once is worth its memory.
const TOGETHER: usize = 4;

impl RegexSet {
    /// Joins patterns.
    pub fn new(regexes: Vec<Regex>, ignore_case: bool) -> Self {
        let all: Vec<(usize, Regex)> = regexes.into_iter().enumerate().collect();
        let source = |(_, regex): &(usize, Regex)| match &regex.engine {
            Engine::Fast(regex) => Some(regex.as_str().to_owned()),
            Engine::Full(_) => None,
        };
        let sources: Vec<String> = all.iter().filter_map(source).collect();
        let together = (sources.len() >= TOGETHER)
            .then(|| {
                regex::bytes::RegexSetBuilder::new(sources)
                    .unicode(false)
                    .case_insensitive(ignore_case)
                    .size_limit(64 << 20)
                    .build()
                    .ok()
            })
            .flatten();
        let is_together = |(_, regex): &(usize, Regex)| {
            together.is_some() && matches!(regex.engine, Engine::Fast(_))
        };
        let (joined, alone): (Vec<_>, Vec<_>) = all.into_iter().partition(is_together);
        Self {
            together,
            places: joined.into_iter().map(|(place, _)| place).collect(),
            alone,
        }
    }

    /// Whether one of them is found in the text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.together.as_ref().is_some_and(|set| set.is_match(text))
            || self.alone.iter().any(|(_, regex)| regex.is_match(text))
    }

    /// The first of them that is found in the text.
    pub fn first(&self, text: &[u8]) -> Option<usize> {
        let together = self.together.as_ref().and_then(|set| {
            let first = set.matches(text).iter().next()?;
            self.places.get(first).copied()
        });
        let mut before = self
            .alone
            .iter()
            .take_while(|(place, _)| together.is_none_or(|first| *place < first));
        let alone = before.find(|(_, regex)| regex.is_match(text));
        alone.map(|(place, _)| *place).or(together)
    }
}

/// Whether PCRE reads the pattern otherwise than the `regex` crate, although both accept it: set
/// operations in classes, and words and spaces written between less and greater signs.
fn differs(pattern: &str) -> bool {
    [
        "&&", "--", "~~", "[[", "\\<", "\\>", "\\b{", "(?x", "(?u", "(?R",
    ]
    .iter()
    .any(|p| pattern.contains(p))
}

fn escape_byte(byte: u8) -> String {
    if byte.is_ascii() {
        char::from(byte).to_string()
    } else {
        format!("\\x{byte:02x}")
    }
}

/// PCRE's sentence without the frame that the crate puts around it.
fn message(error: &pcre2::Error) -> String {
    let text = error.to_string();
    text.rsplit(": ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds() {
        let fast = Regex::new(b"^/a(.*)$", false).unwrap();
        assert!(matches!(fast.engine, Engine::Fast(_)));
        assert_eq!(fast.captures(b"/abc").unwrap()[1], Some((2, 4)));
        let full = Regex::new(b"^(?!/a)(.)\\1", true).unwrap();
        assert!(matches!(full.engine, Engine::Full(_)));
        assert!(full.is_match(b"xX"));
        assert!(!full.is_match(b"/a"));
    }

    #[test]
    fn a_search_without_end_is_given_up() {
        let pattern = r"^(?=(a+)+$)x";
        let hopeless = Regex::new(pattern.as_bytes(), false).unwrap();
        let text = [b'a'; 64].iter().chain(b"!").copied().collect::<Vec<u8>>();
        let (before, began) = (given_up(), std::time::SystemTime::now());
        assert!(!hopeless.is_match(&text));
        assert!(hopeless.captures(&text).is_none());
        assert!(began.elapsed().unwrap() < std::time::Duration::from_secs(1));
        assert_eq!(given_up() - before, 2);
        assert_eq!(last_given_up().unwrap().pattern, pattern);
        assert_eq!(last_given_up(), None);
        // A long text that is searched at every place is no reason.
        let fair = Regex::new(b"(?<!x)abbbbx(?=z)", false).unwrap();
        assert!(!fair.is_match("abbbbx abc ".repeat(1400).as_bytes()));
        assert_eq!(last_given_up(), None);
        let bad = Regex::new(b"(?!a)(", false).unwrap_err();
        assert!(bad.0.ends_with("at byte 6"), "{bad}");
    }

    #[test]
    fn the_first_of_many() {
        let patterns = ["^(?!/a)/z", "b", "c$", "(?!x)d", "e", "/f"];
        let regexes = patterns.map(|p| Regex::new(p.as_bytes(), false).unwrap());
        let set = RegexSet::new(regexes.to_vec(), false);
        assert!(set.together.is_some());
        for (text, expected) in [
            ("/zb", Some(0)),
            ("/abc", Some(1)),
            ("/ec", Some(2)),
            ("/de", Some(3)),
            ("e/f", Some(4)),
            ("/q", None),
        ] {
            assert_eq!(set.first(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn starts() {
        for (pattern, start) in [
            ("^Host:.*", "Host:"),
            ("^Hos?t", "Ho"),
            ("^a{2}", ""),
            ("^/a b(c)", "/a b"),
            ("^a|b", ""),
            ("^(?i)a", ""),
            ("a", ""),
            ("^a\\ b", "a"),
            ("^", ""),
        ] {
            assert_eq!(
                literal_start(pattern.as_bytes()),
                start.as_bytes(),
                "{pattern}"
            );
        }
        let regex = Regex::new(b"^X-One:(.)", true).unwrap();
        assert!(regex.is_match(b"x-oNE:1") && !regex.is_match(b"x-on") && !regex.is_match(b""));
        assert!(!Regex::new(b"^X", false).unwrap().is_match(b"x"));
    }

    #[test]
    fn mistakes() {
        for pattern in ["((", "[a", "a{2,1}", "*a"] {
            assert!(Regex::new(pattern.as_bytes(), false).is_err(), "{pattern}");
        }
        assert!(Regex::new(b"\xff+", false).unwrap().is_match(b"\xff"));
    }
}
