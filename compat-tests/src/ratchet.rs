//! Lists of cases that hapax is known to fail, which may only get shorter.
//!
//! A listed case that passes must be taken off the list, and a case that fails without being
//! listed is a regression; both fail the run. A list has one case per line; a line may go on
//! with `flaky: REASON` for a case that passes only sometimes, which is then let be either way.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The known failures of one corpus in one dialect.
#[derive(Debug)]
pub struct Ratchet {
    path: PathBuf,
    known: BTreeMap<String, Known>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Fails,
    Flaky { reason: String },
}

/// What a run says about a ratchet.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Failed without being listed.
    pub regressions: Vec<String>,
    /// Passed though listed: to be taken off the list.
    pub cured: Vec<String>,
    /// Listed, and failed as expected.
    pub known: usize,
}

impl Judgement {
    /// Whether the run agrees with the list.
    pub fn holds(&self) -> bool {
        self.regressions.is_empty() && self.cured.is_empty()
    }

    /// What has to be done, for people; empty when the run agrees with the list.
    pub fn explain(&self, list: &Path) -> String {
        let mut out = String::new();
        let list = list.display();
        if !self.regressions.is_empty() {
            out.push_str(&format!("these cases fail and are not listed in {list}:\n"));
            self.regressions
                .iter()
                .for_each(|case| out.push_str(&format!("  {case}\n")));
        }
        if !self.cured.is_empty() {
            out.push_str(&format!(
                "these cases pass: take them off {list} (or run with --bless):\n"
            ));
            self.cured
                .iter()
                .for_each(|case| out.push_str(&format!("  {case}\n")));
        }
        out
    }
}

impl Ratchet {
    /// Reads a list; a file that does not exist is an empty one.
    pub fn load(path: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        Ok(Self {
            path: path.to_owned(),
            known: parse(&text)?,
        })
    }

    /// Where the list lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listed cases.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// Compares a run, or a part of one, with the list.
    pub fn judge<'a>(
        &self,
        passed: impl Iterator<Item = &'a str>,
        failed: impl Iterator<Item = &'a str>,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        for case in failed {
            match self.known.get(case) {
                Some(_) => judgement.known += 1,
                None => judgement.regressions.push(case.to_owned()),
            }
        }
        for case in passed {
            if self.known.get(case) == Some(&Known::Fails) {
                judgement.cured.push(case.to_owned());
            }
        }
        judgement
    }

    /// Makes the list agree with a run; cases that were not run, and flaky ones, stay listed.
    pub fn bless<'a>(
        &mut self,
        passed: impl Iterator<Item = &'a str>,
        failed: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let passed: BTreeSet<&str> = passed.collect();
        self.known
            .retain(|case, known| *known != Known::Fails || !passed.contains(case.as_str()));
        for case in failed {
            self.known.entry(case.to_owned()).or_insert(Known::Fails);
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.path, print(&self.known))
    }
}

fn parse(text: &str) -> io::Result<BTreeMap<String, Known>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let entry = |line: &str| {
        let (case, known) = match line.split_once(FLAKY) {
            None => (line, Known::Fails),
            Some((case, reason)) => {
                let reason = reason.trim().to_owned();
                (case, Known::Flaky { reason })
            }
        };
        // What a merge leaves behind, for one, is no case.
        if case.contains(char::is_whitespace) || case.starts_with(['<', '=', '>']) {
            let message = format!("not a case: {line}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok((case.to_owned(), known))
    };
    lines
        .filter(|line| !line.starts_with('#'))
        .map(entry)
        .collect()
}

fn print(known: &BTreeMap<String, Known>) -> String {
    let mut out = HEADER.to_owned();
    for (case, known) in known {
        match known {
            Known::Fails => out.push_str(&format!("{case}\n")),
            Known::Flaky { reason } => out.push_str(&format!("{case}{FLAKY}{reason}\n")),
        }
    }
    out
}

const FLAKY: &str = " flaky: ";
const HEADER: &str = "\
# Cases that are known to fail. A case that passes must be taken off; `--bless` does that.
# A case that passes only sometimes is marked: CASE flaky: REASON
";

#[cfg(test)]
mod tests {
    use super::*;

    fn ratchet(text: &str) -> Ratchet {
        Ratchet {
            path: "list".into(),
            known: parse(text).expect("a list"),
        }
    }

    #[test]
    fn both_directions_are_held() {
        let ratchet = ratchet("# why\na/old\na/cured\na/odd flaky: the kernel decides\n");
        let judgement = ratchet.judge(
            ["a/cured", "a/odd", "a/fine"].into_iter(),
            ["a/old", "a/new"].into_iter(),
        );
        assert_eq!(
            judgement,
            Judgement {
                regressions: vec!["a/new".into()],
                cured: vec!["a/cured".into()],
                known: 1,
            }
        );
        assert!(!judgement.holds());
    }

    #[test]
    fn cases_that_were_not_run_are_not_judged() {
        let judgement = ratchet("a/one\nb/two\n").judge([].into_iter(), ["a/one"].into_iter());
        assert!(judgement.holds());
    }

    #[test]
    fn what_a_merge_left_behind_is_no_case() {
        assert!(parse("a/one\n<<<<<<< HEAD\n").is_err());
        assert!(parse("=======\n").is_err());
    }

    #[test]
    fn blessing_keeps_marks_and_what_was_not_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ratchet = ratchet("a/cured\na/odd flaky: timing\nb/not-run\n");
        ratchet.path = folder.path().join("new/list.txt");
        ratchet
            .bless(["a/cured", "a/odd"].into_iter(), ["a/new"].into_iter())
            .expect("written");
        let written = std::fs::read_to_string(&ratchet.path).expect("readable");
        assert_eq!(
            parse(&written)
                .expect("a list")
                .into_keys()
                .collect::<Vec<_>>(),
            ["a/new", "a/odd", "b/not-run"]
        );
        assert!(written.contains("a/odd flaky: timing\n"));
    }
}
