//! The command lines of this crate's programs: `--name value`, `--name`, nothing else.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What a command line said.
#[derive(Debug, Default)]
pub struct Arguments {
    values: BTreeMap<&'static str, Vec<String>>,
}

/// An option of a program.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// With its dashes.
    pub name: &'static str,
    /// What its value stands for, when it takes one.
    pub value: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
}

impl Flag {
    /// An option with a value.
    pub const fn with_value(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self {
            name,
            value: Some(value),
            help,
        }
    }

    /// An option without a value.
    pub const fn switch(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            value: None,
            help,
        }
    }
}

/// Why a command line cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    /// No such option.
    #[error("unknown option {0}")]
    Unknown(String),
    /// An option lacks its value.
    #[error("{0} needs a value")]
    NoValue(&'static str),
    /// A value is not what it should be.
    #[error("{0} {1}: not understood")]
    BadValue(&'static str, String),
}

impl Arguments {
    /// Reads the arguments that follow the program's name.
    pub fn parse(
        flags: &[Flag],
        mut words: impl Iterator<Item = String>,
    ) -> Result<Self, ArgumentError> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let (name, joined) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let Some(flag) = flags.iter().find(|flag| flag.name == name) else {
                return Err(ArgumentError::Unknown(name));
            };
            let value = match flag.value {
                None => String::new(),
                Some(_) => joined
                    .or_else(|| words.next())
                    .ok_or(ArgumentError::NoValue(flag.name))?,
            };
            arguments.values.entry(flag.name).or_default().push(value);
        }
        Ok(arguments)
    }

    /// Whether the option was given.
    pub fn has(&self, name: &'static str) -> bool {
        self.values.contains_key(name)
    }

    /// All values of an option.
    pub fn all(&self, name: &'static str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The last value of an option.
    pub fn last(&self, name: &'static str) -> Option<&str> {
        self.all(name).last().map(String::as_str)
    }

    /// The last value of an option as a number or the like.
    pub fn parsed<T: FromStr>(&self, name: &'static str, default: T) -> Result<T, ArgumentError> {
        match self.last(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| ArgumentError::BadValue(name, text.to_owned())),
        }
    }

    /// The words of an option whose value is a command line, as in `--args "--compat 1.4"`.
    pub fn words(&self, name: &'static str) -> Vec<String> {
        let text = self.last(name).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }
}

/// A help text.
pub fn usage(program: &str, about: &str, flags: &[Flag]) -> String {
    let mut out = format!("{program}: {about}\n\n");
    for flag in flags {
        let shown = match flag.value {
            Some(value) => format!("{} {value}", flag.name),
            None => flag.name.to_owned(),
        };
        out.push_str(&format!("  {shown:<22} {}\n", flag.help));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::with_value("--jobs", "N", "at once"),
        Flag::switch("--quiet", "say less"),
    ];

    fn parse(words: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(FLAGS, words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn values_may_be_joined_and_repeated() {
        let arguments = parse(&["--jobs", "1", "--jobs=2", "--quiet"]).expect("fine");
        assert_eq!(arguments.all("--jobs"), ["1", "2"]);
        assert_eq!(arguments.parsed("--jobs", 0).expect("a number"), 2);
        assert!(arguments.has("--quiet"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(matches!(parse(&["--what"]), Err(ArgumentError::Unknown(_))));
        assert!(matches!(
            parse(&["--jobs"]),
            Err(ArgumentError::NoValue("--jobs"))
        ));
        let arguments = parse(&["--jobs", "x"]).expect("fine so far");
        assert!(arguments.parsed("--jobs", 0).is_err());
    }
}
