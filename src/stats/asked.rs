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
        let mut asked = Self::default();
        for part in suffix.split([';', '?', '&']).skip(1) {
            match part.split_once('=').unwrap_or((part, "")) {
                ("csv", _) => asked.form = Form::Csv,
                ("json", _) => asked.form = Form::Json,
                ("up", _) => asked.only_up = true,
                ("norefresh", _) => asked.no_refresh = true,
                ("st", code) => asked.outcome = Some(Outcome::of_code(code)),
                ("scope", text) if !text.is_empty() => asked.scope = Some(decode(text)),
                _ => {}
            }
        }
        asked
    }
}

/// A form that was posted: what to do with which servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// `b`: the backend, by name or as `#` and its number.
    pub backend: Option<String>,
    /// `action`.
    pub action: Option<String>,
    /// `s`: the servers.
    pub servers: Vec<String>,
}

impl Action {
    /// Reads a body of `application/x-www-form-urlencoded`.
    pub fn read(body: &str) -> Self {
        let mut action = Self::default();
        for pair in body.split('&') {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let value = decode(value);
            match name {
                "b" => action.backend = Some(value),
                "action" => action.action = Some(value),
                "s" => action.servers.push(value),
                _ => {}
            }
        }
        action
    }
}

/// Takes `+` for a space and `%XX` for a byte.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |n: usize| bytes.get(at + n).and_then(|b| (*b as char).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'+', ..) => out.push(b' '),
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
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
        let asked = Asked::read(";up;norefresh;st=DONE;scope=a+b%2f");
        assert!(asked.only_up && asked.no_refresh);
        assert_eq!(asked.outcome, Some(Outcome::Done));
        assert_eq!(asked.scope.as_deref(), Some("a b/"));
        assert_eq!(Asked::read(";st=zzz").outcome, Some(Outcome::Unknown));
        assert_eq!(Asked::read("?scope=app").scope.as_deref(), Some("app"));
    }

    #[test]
    fn forms() {
        let action = Action::read("s=s1&s=%73%32&b=%233&action=disable&x=y");
        assert_eq!(action.servers, ["s1", "s2"]);
        assert_eq!(action.backend.as_deref(), Some("#3"));
        assert_eq!(action.action.as_deref(), Some("disable"));
        assert_eq!(Action::read("garbage"), Action::default());
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
