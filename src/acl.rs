//! Conditions, ready to be evaluated. Manual 1.4, section 7.
//!
//! A plan holds ACLs as values; here they are compiled once for a generation (regular expressions
//! built, strings lowered) and evaluated against the facts of a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::http1::framing::elements;
use crate::http1::{Head, uri};
use crate::plan::{Acl, Condition, Fetch, MatchMethod, Pattern, Polarity};
use crate::regular_expression::{BadRegex, Regex};

/// What a rule can look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request head and the bytes that it was scanned from.
    pub request: Option<(&'a Head, &'a [u8])>,
    /// The client.
    pub source: Option<SocketAddr>,
    /// The address that the client connected to.
    pub destination: Option<SocketAddr>,
}

/// The ACLs of one proxy, compiled; indexed like those of the plan.
#[derive(Debug, Default)]
pub struct AclSet {
    acls: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    fetch: Fetch,
    matching: MatchMethod,
    ignore_case: bool,
    patterns: Vec<Pattern>,
    regexes: Vec<Regex>,
}

impl AclSet {
    /// Compiles the ACLs of a proxy.
    ///
    /// # Errors
    /// A regular expression that cannot be compiled.
    pub fn compile(acls: &[Acl]) -> Result<Self, BadRegex> {
        let acls = acls.iter().map(Compiled::new).collect::<Result<_, _>>()?;
        Ok(Self { acls })
    }

    /// Whether the rule that a condition guards applies.
    pub fn applies(&self, condition: &Condition, facts: &Facts<'_>) -> bool {
        let holds = condition.any.iter().any(|conjunction| {
            conjunction.all.iter().all(|term| {
                let found = term
                    .acls
                    .iter()
                    .filter_map(|id| self.acls.get(id.0 as usize))
                    .any(|acl| acl.matches(facts));
                found != term.negated
            })
        });
        holds == (condition.polarity == Polarity::If)
    }
}

impl Compiled {
    fn new(acl: &Acl) -> Result<Self, BadRegex> {
        let mut regexes = Vec::new();
        for pattern in &acl.patterns {
            if let Pattern::Regex(text) = pattern {
                regexes.push(Regex::new(text, acl.ignore_case)?);
            }
        }
        Ok(Self {
            fetch: acl.sample.fetch.clone(),
            matching: acl.matching,
            ignore_case: acl.ignore_case,
            patterns: acl.patterns.clone(),
            regexes,
        })
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        match &self.fetch {
            Fetch::AlwaysTrue => true,
            Fetch::AlwaysFalse => false,
            Fetch::Source => self.address(facts.source),
            Fetch::Destination => self.address(facts.destination),
            Fetch::SourcePort => self.integer(facts.source.map(|a| i64::from(a.port()))),
            Fetch::DestinationPort => self.integer(facts.destination.map(|a| i64::from(a.port()))),
            fetch => {
                let Some((head, bytes)) = facts.request else {
                    return false;
                };
                match fetch {
                    Fetch::Method => self.text(head.first_word(bytes)),
                    Fetch::RequestVersion => {
                        let version = head.third_part(bytes);
                        self.text(version.strip_prefix(b"HTTP/").unwrap_or(version))
                    }
                    Fetch::Url => self.text(head.second_word(bytes)),
                    Fetch::Path => {
                        let target = head.second_word(bytes);
                        uri::path(target).is_some_and(|range| self.text(&target[range]))
                    }
                    Fetch::RequestHeader { name, .. } => {
                        let mut at = None;
                        while let Some(index) = head.find(bytes, name, at) {
                            at = Some(index);
                            let value = head.value(bytes, index);
                            if value.is_empty() && self.text(value)
                                || elements(value).any(|element| self.text(element))
                            {
                                return true;
                            }
                        }
                        false
                    }
                    _ => false,
                }
            }
        }
    }

    fn integer(&self, value: Option<i64>) -> bool {
        let Some(value) = value else {
            return false;
        };
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Range { min, max } => {
                min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
            }
            _ => false,
        })
    }

    fn address(&self, value: Option<SocketAddr>) -> bool {
        let Some(ip) = value.and_then(|address| v4(address.ip())) else {
            return false;
        };
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Network { address, mask } => {
                let mask = u32::from(*mask);
                u32::from(ip) & mask == u32::from(*address) & mask
            }
            _ => false,
        })
    }

    fn text(&self, value: &[u8]) -> bool {
        match self.matching {
            MatchMethod::Length => self.integer(Some(value.len() as i64)),
            MatchMethod::Integer => self.integer(
                std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.trim().parse().ok()),
            ),
            MatchMethod::Bool => !value.is_empty(),
            MatchMethod::Regex => self.regexes.iter().any(|regex| regex.is_match(value)),
            MatchMethod::Address => {
                let ip = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                self.address(ip.map(|ip: Ipv4Addr| SocketAddr::from((ip, 0))))
            }
            _ => self.patterns.iter().any(|pattern| match pattern {
                Pattern::Text(pattern) => self.compare(value, pattern),
                _ => false,
            }),
        }
    }

    fn compare(&self, value: &[u8], pattern: &[u8]) -> bool {
        let same = |a: &[u8], b: &[u8]| {
            if self.ignore_case {
                a.eq_ignore_ascii_case(b)
            } else {
                a == b
            }
        };
        let (v, p) = (value.len(), pattern.len());
        match self.matching {
            MatchMethod::Exact => same(value, pattern),
            MatchMethod::Prefix => v >= p && same(&value[..p], pattern),
            MatchMethod::Suffix => v >= p && same(&value[v - p..], pattern),
            MatchMethod::Substring => {
                p == 0 || value.windows(p).any(|window| same(window, pattern))
            }
            MatchMethod::Directory => words(value, b"/?", pattern, same),
            MatchMethod::Domain => words(value, b"/?.:", pattern, same),
            _ => false,
        }
    }
}

/// Whether `pattern` stands in `value` between delimiters or ends.
fn words(
    value: &[u8],
    delimiters: &[u8],
    pattern: &[u8],
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> bool {
    let trim = |text: &[u8]| -> Vec<u8> {
        let start = text
            .iter()
            .position(|b| !delimiters.contains(b))
            .unwrap_or(text.len());
        let end = text
            .iter()
            .rposition(|b| !delimiters.contains(b))
            .map_or(start, |n| n + 1);
        text[start..end].to_vec()
    };
    let pattern = trim(pattern);
    let p = pattern.len();
    if p == 0 || p > value.len() {
        return false;
    }
    (0..=value.len() - p).any(|at| {
        let starts = at == 0 || delimiters.contains(&value[at - 1]);
        let ends = at + p == value.len() || delimiters.contains(&value[at + p]);
        starts && ends && same(&value[at..at + p], &pattern)
    })
}

fn v4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{Kind, Tolerance};
    use crate::plan::Sample;

    fn matches(fetch: Fetch, matching: MatchMethod, ignore_case: bool, pattern: Pattern) -> bool {
        let text = b"GET /Images/a.png?x=1 HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
        let mut bytes = text.to_vec();
        let mut head = Head::new(Kind::Request);
        head.scan(&mut bytes, Tolerance::default());
        let acl = Acl {
            name: String::new(),
            sample: Sample {
                fetch,
                converters: Vec::new(),
            },
            matching,
            ignore_case,
            patterns: vec![pattern],
        };
        let facts = Facts {
            request: Some((&head, &bytes)),
            source: Some("10.1.2.3:99".parse().unwrap()),
            destination: None,
        };
        Compiled::new(&acl).unwrap().matches(&facts)
    }

    #[test]
    fn criteria() {
        use MatchMethod::*;
        let text = |text: &str| Pattern::Text(text.into());
        let host = || Fetch::RequestHeader {
            name: "host".into(),
            occurrence: 0,
        };
        for (name, fetch, matching, ignore_case, pattern, expected) in [
            (
                "path_beg",
                Fetch::Path,
                Prefix,
                false,
                text("/Images/"),
                true,
            ),
            (
                "path_beg case",
                Fetch::Path,
                Prefix,
                false,
                text("/images/"),
                false,
            ),
            (
                "path_beg -i",
                Fetch::Path,
                Prefix,
                true,
                text("/images/"),
                true,
            ),
            ("path_end", Fetch::Path, Suffix, false, text(".png"), true),
            (
                "path_dir",
                Fetch::Path,
                Directory,
                false,
                text("Images"),
                true,
            ),
            (
                "path_dir part",
                Fetch::Path,
                Directory,
                false,
                text("Image"),
                false,
            ),
            ("url_sub", Fetch::Url, Substring, false, text("?x="), true),
            ("hdr", host(), Exact, false, text("www.example.com"), true),
            ("hdr_dom", host(), Domain, false, text("example"), true),
            (
                "hdr_reg",
                host(),
                Regex,
                false,
                Pattern::Regex("^www\\.".into()),
                true,
            ),
            ("method", Fetch::Method, Exact, false, text("GET"), true),
            (
                "src_port",
                Fetch::SourcePort,
                Integer,
                false,
                Pattern::Range {
                    min: Some(90),
                    max: None,
                },
                true,
            ),
            (
                "src",
                Fetch::Source,
                Address,
                false,
                Pattern::Network {
                    address: Ipv4Addr::new(10, 0, 0, 0),
                    mask: Ipv4Addr::new(255, 0, 0, 0),
                },
                true,
            ),
        ] {
            assert_eq!(
                matches(fetch, matching, ignore_case, pattern),
                expected,
                "{name}"
            );
        }
    }
}
