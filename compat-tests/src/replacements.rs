//! Patterns of the corpora that are replaced in what is compared.

/// Patterns, in order, with what is put for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replacements {
    pairs: Vec<(fancy_regex::Regex, String)>,
}

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
#[error("pattern {pattern:?}: {source}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub source: Box<fancy_regex::Error>,
}

impl Replacements {
    /// Compiles the patterns of a file; `.` matches line ends too.
    pub(crate) fn new<'a>(
        pairs: impl IntoIterator<Item = &'a (String, String)>,
    ) -> Result<Self, PatternError> {
        let compile = |(pattern, replacement): &(String, String)| {
            let compiled =
                fancy_regex::Regex::new(&format!("(?s){pattern}")).map_err(|source| {
                    PatternError {
                        pattern: pattern.clone(),
                        source: Box::new(source),
                    }
                })?;
            Ok((compiled, replacement.clone()))
        };
        Ok(Self {
            pairs: pairs.into_iter().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// Replaces all of them.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, replacement) in &self.pairs {
            text = pattern
                .replace_all(&text, |found: &fancy_regex::Captures<'_>| {
                    substitute(replacement, |group| {
                        found.get(group).map(|part| part.as_str())
                    })
                })
                .into_owned();
        }
        text
    }
}

/// A replacement in which `\1` stands for the first group.
fn substitute<'a>(replacement: &str, group: impl Fn(usize) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut rest = replacement.chars().peekable();
    while let Some(c) = rest.next() {
        let number = if c == '\\' {
            rest.peek().and_then(|next| next.to_digit(10))
        } else {
            None
        };
        match number {
            Some(number) => {
                rest.next();
                out.push_str(group(number as usize).unwrap_or_default());
            }
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_put_into_replacements() {
        let found = |group| [None, Some("one"), Some("two")][group];
        assert_eq!(substitute(r"\2-\1P.", found), "two-oneP.");
    }
}
