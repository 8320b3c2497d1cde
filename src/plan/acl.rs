//! Access control lists. Manual 1.4, section 7.
//!
//! An ACL is a sample expression, a match method and patterns; a condition joins ACLs.

use std::net::Ipv4Addr;

pub use haproxy_cfg_grammar::value::pattern::MatchMethod;
use serde::Serialize;

use super::ByteString;

/// Index of an ACL in [`super::Proxy::acls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AclId(pub u32);

/// One `acl` line, or one anonymous ACL. Lines of the same name are separate entries: a term
/// names all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Acl {
    /// Its name; empty for an anonymous one.
    pub name: String,
    /// What is looked at.
    pub sample: Sample,
    /// How it is compared.
    pub matching: MatchMethod,
    /// `-i`.
    pub ignore_case: bool,
    /// What it is compared with; any of them will do.
    pub patterns: Vec<Pattern>,
}

/// A sample expression: what is fetched (converters will follow it).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Where the value comes from.
    pub fetch: Fetch,
}

/// Where a sample comes from. One variant for each fetch, with typed arguments.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetch {
    /// Always true.
    AlwaysTrue,
    /// Always false.
    AlwaysFalse,
    /// The method of the request.
    Method,
    /// The version of the request, as `1.1`.
    RequestVersion,
    /// The whole URL.
    Url,
    /// The path: from the first slash to the question mark.
    Path,
    /// The values of a request header, comma-separated elements apart.
    RequestHeader {
        /// Its name.
        name: ByteString,
    },
    /// The client's address.
    Source,
    /// The client's port.
    SourcePort,
    /// The address that the client connected to.
    Destination,
    /// The port that the client connected to.
    DestinationPort,
    /// A fetch that the engine does not have yet.
    Other {
        /// Its name since 1.5.
        name: String,
        /// What stands in parentheses.
        argument: ByteString,
    },
}

/// What a sample is compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// A string.
    Text(ByteString),
    /// A regular expression, as written.
    Regex(ByteString),
    /// Integers from `min` to `max`, both included; `None` is open.
    Range {
        /// The smallest.
        min: Option<i64>,
        /// The largest.
        max: Option<i64>,
    },
    /// An IPv4 network; the mask may have holes.
    Network {
        /// The address.
        address: Ipv4Addr,
        /// The mask.
        mask: Ipv4Addr,
    },
}

/// `if` or `unless`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// The rule applies when the condition holds.
    If,
    /// The rule applies when it does not.
    Unless,
}

/// A condition: one of the conjunctions holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// `if` or `unless`.
    pub polarity: Polarity,
    /// The parts between `or`.
    pub any: Vec<Conjunction>,
}

/// Terms that must all hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conjunction {
    /// The terms, in order.
    pub all: Vec<Term>,
}

/// One ACL name in a condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// `!` before it.
    pub negated: bool,
    /// The ACLs of that name; one of them must match.
    pub acls: Vec<AclId>,
}
