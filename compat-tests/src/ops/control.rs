//! What is told of an answer of the statistics socket.

use std::sync::LazyLock;

use regex::Regex;

use super::normalise::visible;
use super::stage::Stage;
use super::suite::Step;
use crate::recorded::SuiteError;

impl Stage<'_> {
    pub(super) fn answer(&mut self, text: &str, how: &str, step: &Step) -> Result<(), SuiteError> {
        let mut text = text.to_owned();
        let unknown = text.starts_with("Unknown command");
        if matches!(how, "state" | "all") && !unknown && LIST.is_match(&text) {
            text = HELP.replace_all(&text, "$1 : *").into_owned();
        }
        match how {
            "csv" => return self.csv(&text, step),
            "info" => {
                let info = information(&text, step);
                self.block(&info);
            }
            "sess" => self.sessions(&text),
            "sesscount" => {
                let mut names: Vec<&str> = FRONTEND
                    .captures_iter(&text)
                    .filter_map(|found| Some(found.get(1)?.as_str()))
                    .collect();
                names.sort_unstable();
                self.say(format!("sessions: {}", names.join(" ")));
            }
            "names" => self.command_names(&text),
            "first" => {
                let line = text.split('\n').next().unwrap_or("").to_owned();
                self.block(&format!("{line}\n"));
            }
            "shape" => {
                let inner = text.trim_matches('\n').matches('\n').count();
                self.say(match text.as_str() {
                    "\n" => "answer: empty line only",
                    "" => "answer: nothing",
                    _ if inner == 0 => "answer: 1 line(s)",
                    _ => "answer: several line(s)",
                });
            }
            "state" => {
                let text = STATE_AGE.replace_all(&text, "${1}AGE ").into_owned();
                self.block(&text);
            }
            "fields" => {
                for line in text.split('\n') {
                    let names: Vec<&str> = FIELD
                        .captures_iter(line)
                        .filter_map(|found| Some(found.get(1)?.as_str()))
                        .collect();
                    self.say(if line.is_empty() {
                        "|".to_owned()
                    } else {
                        format!("| {}", names.join(" "))
                    });
                }
            }
            _ if unknown => {
                let line = text.split('\n').next().unwrap_or("").to_owned();
                self.block(&format!("{line}\n"));
                let mut names: Vec<String> = Vec::new();
                for found in COMMAND.captures_iter(&text) {
                    let name = ARGUMENTS.replace(&found[1], "").trim().to_owned();
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                self.say(format!("commands: {}", names.join(", ")));
                let mut last: Vec<char> = text.chars().rev().take(2).collect();
                last.reverse();
                let last: String = last.into_iter().collect();
                self.say(format!("ends with: '{}'", visible(&last)));
            }
            _ => self.block(&text),
        }
        Ok(())
    }

    fn sessions(&mut self, text: &str) {
        let text = POINTER.replace_all(text, "${1}PTR");
        let mut rows = String::new();
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            let line = if line.contains(" age=") || line.contains(" fe=") {
                let line = BUFFERS.replace_all(line, "$1=*");
                VARYING.replace_all(&line, " $1=*").into_owned()
            } else {
                line.to_owned()
            };
            rows.push_str(&UNIX_CLIENT.replace_all(&line, "src=unix:N"));
            rows.push('\n');
        }
        if rows.is_empty() {
            rows.push('\n');
        }
        self.block(&rows);
    }

    fn command_names(&mut self, text: &str) {
        for line in text.split('\n') {
            let name = if let Some(found) = NAMED.captures(line) {
                Some(ARGUMENTS.replace(&found[1], "").into_owned())
            } else if line.starts_with("  ") {
                Some(CONTINUED.replace(line.trim(), "").into_owned())
            } else {
                None
            };
            self.say(match name {
                Some(name) => format!("| command {name}"),
                None => format!("| {}", line.chars().take(60).collect::<String>()),
            });
        }
    }
}

/// `show info` with the values that do not differ from run to run.
fn information(text: &str, step: &Step) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let Some((key, value)) = line.split_once(": ") else {
            lines.push(line.to_owned());
            continue;
        };
        let value = if KEPT.contains(&key) { value } else { "*" };
        lines.push(format!("{key}: {value}"));
    }
    if !step.keys.is_empty() {
        lines.retain(|line| {
            let key = line.split(':').next().unwrap_or("");
            step.keys.iter().any(|wanted| wanted == key)
        });
    }
    lines.join("\n")
}

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

const KEPT: &[&str] = &[
    "Nbproc",
    "Process_num",
    "Maxconn",
    "Hard_maxconn",
    "Maxpipes",
    "CurrConns",
    "CumConns",
    "CumReq",
    "PipesUsed",
    "PipesFree",
    "Memmax_MB",
    "node",
    "description",
    "ConnRateLimit",
    "SessRateLimit",
    "SslRateLimit",
    "MaxSslConns",
    "CurrSslConns",
    "CumSslConns",
    "Nbthread",
    "Stopping",
    "Jobs",
    "Listeners",
];

static LIST: LazyLock<Regex> =
    LazyLock::new(|| constant(r"(?m)^(Unknown command|The following commands)"));
static HELP: LazyLock<Regex> = LazyLock::new(|| constant(r"(?m)^(  [a-z][^:\n]*?) *: .*$"));
static FRONTEND: LazyLock<Regex> = LazyLock::new(|| constant(r" fe=(\S+)"));
static STATE_AGE: LazyLock<Regex> =
    LazyLock::new(|| constant(r"(?m)^(\d+ \S+ \d+ \S+ \S+ \d+ \d+ \d+ \d+ )\d+ "));
static FIELD: LazyLock<Regex> = LazyLock::new(|| constant(r"([A-Za-z_]\w*)[=:]"));
static COMMAND: LazyLock<Regex> = LazyLock::new(|| constant(r"(?m)^  (\S[^:]*?) *: "));
static NAMED: LazyLock<Regex> = LazyLock::new(|| constant(r"^  (\S.*?) *: "));
static ARGUMENTS: LazyLock<Regex> = LazyLock::new(|| constant(r"(?s) *[\[<(].*"));
static CONTINUED: LazyLock<Regex> = LazyLock::new(|| constant(r" *[\[<(:].*"));
static POINTER: LazyLock<Regex> = LazyLock::new(|| constant(r"(?m)^( *)(?:PTR|0x[0-9a-f]+)"));
static BUFFERS: LazyLock<Regex> = LazyLock::new(|| constant(r"(rq|rp|s0|s1)\[[^\]]*\]"));
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    constant(r" (ts|age|calls|lat|rate|cpu|rq|rp|s0|s1|exp|uid|uri|sx)=\S*(?: \S+\])?")
});
static UNIX_CLIENT: LazyLock<Regex> = LazyLock::new(|| constant(r"src=unix:\d+"));
