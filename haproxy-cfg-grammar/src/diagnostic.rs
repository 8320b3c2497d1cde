//! Mistakes as data. Printing them is [`crate::render`]'s task.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; HAProxy says nothing.
    Notice,
    /// The configuration works, perhaps not as meant.
    Warning,
    /// HAProxy prints an alert and goes on all the same.
    Alert,
    /// The configuration is refused.
    Error,
}

/// Where HAProxy's line format says that the mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `parsing [file:line] : `
    Line,
    /// `config : `, for what concerns a proxy or the whole configuration rather than a line.
    Whole,
}

/// A place that explains the mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// What is there.
    pub message: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable name.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What was found and what was expected; one sentence, several lines are allowed.
    pub message: String,
    /// The words concerned; `None` when no line can be named.
    pub span: Option<Span>,
    /// Whether HAProxy's line format names the line.
    pub place: Place,
    /// Other places that matter.
    pub related: Vec<Related>,
    /// What to write instead.
    pub help: Option<String>,
    /// It only follows from another mistake; people need not see it.
    pub follows: bool,
    /// HAProxy reads no further after it.
    pub stops: bool,
    /// HAProxy looks for it once all lines are read; 1.5 to 1.8 only when every line is right.
    pub late: bool,
}

impl Diagnostic {
    /// A mistake in a line, with the severity that its code has.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            span: Some(span),
            place: Place::Line,
            related: Vec::new(),
            help: None,
            follows: false,
            stops: false,
            late: false,
        }
    }

    /// A mistake of the configuration as a whole.
    pub fn whole(code: Code, span: Option<Span>, message: impl Into<String>) -> Self {
        Self {
            span,
            place: Place::Whole,
            ..Self::new(code, Span::default(), message)
        }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related {
            span,
            message: message.into(),
        });
        self
    }

    /// With another severity than its code's.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// As a mistake after which HAProxy 1.4 reads no further.
    #[must_use]
    pub fn stops(mut self) -> Self {
        self.stops = true;
        self
    }

    /// As a consequence of another mistake.
    #[must_use]
    pub fn follows(mut self) -> Self {
        self.follows = true;
        self
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $about:literal;)*) => {
        /// The stable name of a kind of mistake; printed by `hapax check`, in JSON, and given to
        /// `--deny` and `--allow`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $about] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its usual severity.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means, for the documentation.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

codes! {
    LineTooLong "line-too-long" Error "A line is longer than the HAProxy of the dialect reads at once.";
    TooManyWords "too-many-words" Error "A line has more words than the HAProxy of the dialect reads.";
    BadEscape "bad-escape" Error "A backslash sequence is incomplete.";
    BadQuote "bad-quote" Error "A quote or a `${` is not closed, or a variable name is not one.";
    OutOfSection "out-of-section" Error "A keyword comes before any section, or after a section line that was refused.";
    UnknownSection "unknown-section" Error "The section belongs to a later HAProxy than the dialect's.";
    UnknownKeyword "unknown-keyword" Error "No HAProxy knows the keyword in this kind of section.";
    LaterKeyword "later-keyword" Error "The keyword belongs to a later HAProxy than the dialect's, or hapax does not have it.";
    RemovedKeyword "removed-keyword" Error "The HAProxy of the dialect no longer has the keyword.";
    WrongSection "wrong-section" Error "The keyword is not allowed in this kind of section.";
    WithoutEffect "without-effect" Warning "The keyword means nothing in this kind of section and is ignored.";
    BadPrefix "bad-prefix" Error "`no` or `default` stands before a keyword that cannot carry it.";
    MissingArgument "missing-argument" Error "A word is missing at the end of the line.";
    ExtraArgument "extra-argument" Error "There are more words than the keyword takes.";
    JunkIgnored "junk-ignored" Notice "HAProxy ignores these words silently; they are often a mistake.";
    BadValue "bad-value" Error "A word is not what the keyword expects there.";
    OutOfRange "out-of-range" Error "A number lies outside of the range.";
    BadTime "bad-time" Error "A time is not a number followed by us, ms, s, m, h or d.";
    TimeWraps "time-wraps" Notice "The time does not fit into 32 bits of milliseconds; HAProxy 1.4 wraps it silently.";
    BadAddress "bad-address" Error "An address or a port cannot be understood.";
    UnknownHost "unknown-host" Error "A host name has no address.";
    BadName "bad-name" Error "A name contains a character that names cannot have.";
    BadRegex "bad-regex" Error "A regular expression cannot be compiled.";
    UnknownFetch "unknown-fetch" Error "No such sample fetch or ACL criterion.";
    UnknownConverter "unknown-converter" Error "No such converter.";
    BadAcl "bad-acl" Error "An ACL cannot be understood.";
    UnknownAcl "unknown-acl" Error "A condition names an ACL that is not defined before this line.";
    BadCondition "bad-condition" Error "A condition cannot be understood.";
    BadFormat "bad-format" Error "A format string cannot be understood.";
    AclIgnored "acl-ignored" Warning "A condition uses a criterion that can have no value where the rule runs.";
    Deprecated "deprecated" Warning "The keyword has a better spelling.";
    RuleOrder "rule-order" Warning "The rule runs before rules that are written above it.";
    AlreadyDefined "already-defined" Error "The same thing is defined twice.";
    DuplicateName "duplicate-name" Warning "Two proxies share a name.";
    DuplicateId "duplicate-id" Error "Two things share a numeric id.";
    UnknownBackend "unknown-backend" Error "A rule refers to a backend that does not exist.";
    UnknownServer "unknown-server" Error "A setting refers to a server that does not exist.";
    UnknownTable "unknown-table" Error "A rule refers to a stick table that does not exist or does not fit.";
    UnknownUserlist "unknown-userlist" Error "A rule refers to a user list or group that does not exist.";
    UnknownUser "unknown-user" Error "The system has no user or group of that name.";
    ModeMismatch "mode-mismatch" Error "A rule joins a TCP and an HTTP proxy.";
    IgnoredInMode "ignored-in-mode" Warning "The setting means nothing in the mode of the proxy and is ignored.";
    NoListener "no-listener" Error "A section that accepts connections has no address.";
    NothingToDo "nothing-to-do" Error "There is no proxy to run.";
    MissingTimeouts "missing-timeouts" Warning "A proxy lacks a timeout, so that dead connections stay for ever.";
    NoLogTarget "no-log-target" Warning "A log format is set, but nothing says where the lines go.";
    Useless "useless" Warning "The setting has no effect beside another one.";
    CannotRead "cannot-read" Error "A file cannot be read or used.";
    Conflict "conflict" Error "Two settings exclude each other.";
    NotBuilt "not-built" Warning "hapax understands this and does not act upon it yet.";
    TunnelBefore "tunnel-before" Notice "No connection mode is set: HAProxy 1.4 would have relayed everything after the first response unseen.";
    DropIn "drop-in" Notice "Accepted because HAProxy accepts it, and probably not what was meant.";
}

impl Code {
    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
