//! What a request for the statistics page asks for: the suffixes of its URI. Manual 1.4, section
//! 4.2 "stats uri" and following.

/// What comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The page.
    #[default]
    Html,
    /// `;csv`
    Csv,
    /// `;json` (1.8 and later)
    Json,
}

/// The suffixes of a URI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What comes back.
    pub form: Form,
    /// `;up`: without servers that are down.
    pub only_up: bool,
    /// `;norefresh`
    pub no_refresh: bool,
    /// `;st=CODE`: how the last action went.
    pub outcome: Option<Outcome>,
    /// `scope=TEXT`: only proxies whose names contain it (1.5 and later).
    pub scope: Option<String>,
}

/// How an action on servers went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// There was nothing to do.
    None,
    /// It was done for some of the servers.
    Partial,
    /// The form was not understood.
    Error,
    /// The form is too long.
    TooLong,
    /// That is not allowed.
    Denied,
    /// Some other code.
    Unknown,
}

impl Outcome {
    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::None => "NONE",
            Self::Partial => "PART",
            Self::Error => "ERRP",
            Self::TooLong => "EXCD",
            Self::Denied => "DENY",
            Self::Unknown => "UNKN",
        }
    }

    fn of_code(code: &str) -> Self {
        let all = [
            Self::Done,
            Self::None,
            Self::Partial,
            Self::Error,
            Self::TooLong,
            Self::Denied,
        ];
        let known = all.into_iter().find(|o| code.starts_with(o.code()));
        known.unwrap_or(Self::Unknown)
    }

    /// What it means.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Done => "Done.",
            Self::None => {
                "Nothing has changed: the servers are in that state already, or none was chosen."
            }
            Self::Partial => "Done for some of the servers; others were not found.",
            Self::Error => "Not done: the form was not understood.",
            Self::TooLong => "Not done: too many servers at once. Choose fewer.",
            Self::Denied => "Not done: this is not allowed here.",
            Self::Unknown => "The result of the action is not known.",
        }
    }
}

impl Asked {
    /// Reads what stands after the configured URI.
    pub fn read(suffix: &str) -> Self {
        let mut asked = Self {
            scope: scope(suffix),
            ..Self::default()
        };
        for part in suffix.split([';', '?', '&']).skip(1) {
            match part.split_once('=').unwrap_or((part, "")) {
                ("csv", _) => asked.form = Form::Csv,
                ("json", _) => asked.form = Form::Json,
                ("up", _) => asked.only_up = true,
                ("norefresh", _) => asked.no_refresh = true,
                ("st", code) => asked.outcome = Some(Outcome::of_code(code)),
                _ => {}
            }
        }
        asked
    }

    /// Whether a proxy of that name is looked for.
    pub fn shows(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let scope = self.scope.as_ref().map(|scope| scope.to_ascii_lowercase());
        scope.is_none_or(|scope| name.contains(&scope))
    }
}

/// Longest part of a name that is looked for.
const LONGEST_SCOPE: usize = 20;

/// What is looked for: a part of a name. What no name can contain is looked for nowhere.
fn scope(suffix: &str) -> Option<String> {
    let (_, text) = suffix.split_once("scope=")?;
    let end = text.find(['&', ';']).unwrap_or(text.len());
    let text: String = text[..end].chars().take(LONGEST_SCOPE).collect();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    (!text.is_empty() && text.chars().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes() {
        assert_eq!(Asked::read(""), Asked::default());
        assert_eq!(Asked::read("foo;csv").form, Form::Csv);
        assert_eq!(Asked::read("/;csv").form, Form::Csv);
        assert_eq!(Asked::read("?x;csv").form, Form::Csv);
        assert_eq!(Asked::read(";CSV").form, Form::Html);
        let asked = Asked::read(";up;norefresh;st=DONE;scope=a.b:c");
        assert!(asked.only_up && asked.no_refresh);
        assert_eq!(asked.outcome, Some(Outcome::Done));
        assert_eq!(asked.scope.as_deref(), Some("a.b:c"));
        assert_eq!(Asked::read(";st=zzz").outcome, Some(Outcome::Unknown));
        for (suffix, scope) in [
            ("?scope=app", Some("app")),
            (";up;scope=App;csv", Some("App")),
            ("?a=b&xscope=fe&scope=no", Some("fe")),
            (
                ";scope=toolongscope0123456789",
                Some("toolongscope01234567"),
            ),
            (";scope=", None),
            (";scope=a%20b", None),
            (";scope=a+b", None),
        ] {
            assert_eq!(Asked::read(suffix).scope.as_deref(), scope, "{suffix}");
        }
        assert!(Asked::read("?scope=aPP").shows("myApp1"));
        assert!(!Asked::read("?scope=b").shows("app") && Asked::default().shows("x"));
    }
}
