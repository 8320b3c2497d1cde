//! One check of one file, and what the messages of the binary say about it.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;

use super::cases::{ConfigCase, Verdict};

/// What the binary answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// In one word.
    pub verdict: Verdict,
    /// The lines of the file that its messages name.
    pub lines: BTreeSet<u32>,
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Its alerts and warnings.
    pub messages: Vec<String>,
}

/// Runs the binary over files in a folder of their own.
#[derive(Debug)]
pub struct Checker {
    binary: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
}

impl Checker {
    /// Lays out `folder`: `files/` with what cases name, `cases/` for the cases themselves.
    pub fn prepare(
        binary: PathBuf,
        args: Vec<String>,
        folder: &Path,
        files: &Path,
    ) -> io::Result<Self> {
        std::fs::create_dir(folder.join("cases"))?;
        std::fs::create_dir(folder.join("files"))?;
        for entry in std::fs::read_dir(files)? {
            let entry = entry?;
            std::fs::copy(entry.path(), folder.join("files").join(entry.file_name()))?;
        }
        Ok(Self {
            binary,
            args,
            folder: folder.to_owned(),
        })
    }

    /// Checks one case.
    pub fn check(&self, case: &ConfigCase) -> io::Result<Answer> {
        let file = format!("{}.cfg", case.name);
        std::fs::write(self.folder.join("cases").join(&file), &case.configuration)?;
        // Both streams into one pipe, so that messages and their continuations keep their order.
        let (mut output, writer) = io::pipe()?;
        let mut child = {
            let mut command = Command::new(&self.binary);
            command
                .args(&self.args)
                .arg("-c")
                .arg("-f")
                .arg(Path::new("cases").join(&file))
                .current_dir(&self.folder)
                .stdin(Stdio::null())
                .stdout(writer.try_clone()?)
                .stderr(writer);
            command.spawn()?
        };
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes)?;
        let status = child.wait()?.code();
        Ok(read_answer(&file, status, &String::from_utf8_lossy(&bytes)))
    }
}

fn read_answer(file: &str, status: Option<i32>, output: &str) -> Answer {
    let mut lines = BTreeSet::new();
    let mut messages = Vec::new();
    let mut warned = false;
    // Continuation lines are indented and belong to the message above.
    let mut counts = false;
    for text in output.split('\n') {
        let body = match LEVEL.captures(text) {
            Some(found) => {
                warned |= &found[1] == "WARNING";
                counts = matches!(&found[1], "ALERT" | "WARNING");
                found.get(2).map_or("", |body| body.as_str())
            }
            None => {
                counts &= text.starts_with([' ', '\t']);
                text
            }
        };
        if counts {
            messages.push(text.to_owned());
            let places = PLACE.captures_iter(body).filter(|place| &place[1] == file);
            lines.extend(places.filter_map(|place| place[2].parse::<u32>().ok()));
        }
    }
    let verdict = match status {
        Some(0) if warned => Verdict::Warned,
        Some(0) => Verdict::Accepted,
        _ => Verdict::Rejected,
    };
    Answer {
        verdict,
        lines,
        status,
        messages,
    }
}

static LEVEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\[(ALERT|WARNING|NOTICE|DIAG)\]\s*(?:\d+/\d+\s*)?(?:\(\d+\)\s*)?:\s?(.*)$")
        .expect("a constant pattern")
});
static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\[(?:[^\]\[:\s]*/)?([^\]\[:/\s]+):(\d+)\]").expect("a constant pattern")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_tell_verdict_and_lines() {
        type Case = (
            &'static str,
            Option<i32>,
            &'static str,
            Verdict,
            &'static [u32],
        );
        let cases: &[Case] = &[
            (
                "silent",
                Some(0),
                "Configuration file is valid\n",
                Verdict::Accepted,
                &[],
            ),
            (
                "warning",
                Some(0),
                "[WARNING] 036/121414 (12) : parsing [cases/a.cfg:7] : so\n",
                Verdict::Warned,
                &[7],
            ),
            (
                "continuation, and another file",
                Some(1),
                "[ALERT] 036/121414 (12) : parsing [a.cfg:7] : so\n   | see [a.cfg:9] [b.cfg:3]\n[NOTICE] [a.cfg:1]\n",
                Verdict::Rejected,
                &[7, 9],
            ),
            ("killed", None, "", Verdict::Rejected, &[]),
            (
                "later releases",
                Some(1),
                "[ALERT]    (7) : config : [a.cfg:2] x",
                Verdict::Rejected,
                &[2],
            ),
        ];
        for (name, status, output, verdict, lines) in cases {
            let answer = read_answer("a.cfg", *status, output);
            assert_eq!(answer.verdict, *verdict, "{name}");
            assert_eq!(answer.lines, lines.iter().copied().collect(), "{name}");
        }
    }
}
