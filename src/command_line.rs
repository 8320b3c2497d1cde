//! The command line: HAProxy's flags, and our own verbs as the first word.
//!
//! Written by hand because HAProxy's flags are words behind one dash (`-db`, `-sf`, `-vv`), which
//! the usual crates read as bundled letters.

use std::net::{IpAddr, SocketAddr};

use haproxy_cfg_grammar::{Code, Dialect};

use crate::configuration::Overrides;
use crate::explain::request::Question;
use crate::stats::info::RELEASE_DATE;

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// What to do.
    pub command: Command,
    /// `--compat`, or the environment variable `HAPAX_COMPAT`.
    pub dialect: Dialect,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// No verb: HAProxy's own way.
    Run(Run),
    /// `-v` (`details` for `-vv`).
    Version {
        /// Everything that `-vv` tells.
        details: bool,
    },
    /// `check FILE...`: diagnostics for people.
    Check(Check),
    /// `explain FILE... [NAME...]`.
    Explain(Explain),
    /// `diff OLD NEW`.
    Diff {
        /// The file as it is.
        old: String,
        /// The file as it will be.
        new: String,
    },
    /// `reload`: of a running process.
    Reload(Reload),
    /// `explain request FILE... REQUEST`.
    ExplainRequest(ExplainRequest),
    /// `keywords`.
    Keywords(Keywords),
    /// `demo`.
    Demo,
    /// `--help`: print the usage because somebody asked for it.
    Help,
    /// Something was wrong, or nothing was said: print the usage, exit with 1.
    Usage {
        /// What was wrong.
        mistake: Option<String>,
    },
}

/// HAProxy's flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// `-f`, in order.
    pub files: Vec<String>,
    /// `-c`: check only.
    pub check: bool,
    /// `-D`.
    pub daemon: bool,
    /// `-d`.
    pub debug: bool,
    /// `-db`: no background, whatever the file says.
    pub foreground: bool,
    /// `-q`.
    pub quiet: bool,
    /// `-V`.
    pub verbose: bool,
    /// `-n`: process-wide `maxconn`; 0 is as not given.
    pub maxconn: u32,
    /// `-N`: default `maxconn` of proxies; 0 is as not given.
    pub proxy_maxconn: u32,
    /// `-m`: memory limit in megabytes; 0 is none.
    pub memory_mb: u32,
    /// `-p`.
    pub pidfile: Option<String>,
    /// `-dS`: no splice.
    pub no_splice: bool,
    /// `-sf` or `-st`.
    pub takeover: Option<Takeover>,
    /// `-W`, `-Ws` of later versions: HAProxy's process that stays and reloads. Any hapax does.
    pub master: bool,
    /// `-C` of later versions: the folder that file names begin in.
    pub folder: Option<String>,
    /// `--metrics`: where metrics are served, as `metrics bind` in the file says it.
    pub metrics: Option<SocketAddr>,
}

impl Run {
    /// What `-n` and `-N` put in place of values of the file.
    pub fn overrides(&self) -> Overrides {
        let some = |n: u32| (n != 0).then_some(n);
        Overrides {
            maxconn: some(self.maxconn),
            proxy_maxconn: some(self.proxy_maxconn),
            no_splice: self.no_splice,
            // Whoever leaves the terminal has nowhere to print.
            debug: (self.daemon || self.debug).then_some(!self.daemon),
            memory_mb: some(self.memory_mb),
            metrics: self.metrics,
        }
    }
}

/// What to do to the processes that are to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// `-sf`: ask them to finish. Otherwise `-st`: to stop at once.
    pub finish: bool,
    /// Their process ids.
    pub pids: Vec<i32>,
}

/// How `check` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `hapax check`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The files, read as one configuration.
    pub files: Vec<String>,
    /// `--format`.
    pub format: Format,
    /// `--deny CODE`: these are errors.
    pub deny: Vec<Code>,
    /// `--allow CODE`: these warnings are not shown.
    pub allow: Vec<Code>,
}

/// `hapax explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explain {
    /// The files, read as one configuration.
    pub files: Vec<String>,
    /// `--proxy NAME`, `--pair FRONTEND BACKEND`: only these.
    pub proxies: Vec<String>,
    /// `--format`.
    pub format: Format,
}

/// `hapax explain request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainRequest {
    /// The files, read as one configuration.
    pub files: Vec<String>,
    /// What is asked.
    pub question: Question,
    /// `--format`.
    pub format: Format,
}

/// `hapax keywords`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    /// `--status works|accepted|refused|none`.
    pub status: Option<String>,
    /// `--format`.
    pub format: KeywordFormat,
}

/// `hapax reload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// The process: its pid, or the file that holds it.
    pub process: Process,
    /// `--dry-run`: only say what would change.
    pub dry_run: bool,
    /// `--list`: only list the configurations in service.
    pub list: bool,
}

/// A running process, as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// By its number.
    Pid(u32),
    /// By its pid file (`-p`).
    PidFile(String),
}

/// How `keywords` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeywordFormat {
    /// Columns.
    #[default]
    Text,
    /// The page of the documentation.
    Markdown,
    /// For programs.
    Json,
}

/// Reads the words after the program's name. `compat` is the value of `HAPAX_COMPAT`.
pub fn parse(words: &[String], compat: Option<&str>) -> CommandLine {
    let usage = |mistake: String| CommandLine {
        command: Command::Usage {
            mistake: Some(mistake),
        },
        dialect: Dialect::default(),
    };
    let mut dialect = match compat {
        None | Some("") => Dialect::default(),
        Some(name) => match Dialect::from_name(name) {
            Some(dialect) => dialect,
            None => return usage(format!("HAPAX_COMPAT={name}: not 1.4, 1.8 or hapax")),
        },
    };
    let mut rest = Vec::with_capacity(words.len());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = if word == "--compat" {
            words.next().map(String::as_str)
        } else if let Some(value) = word.strip_prefix("--compat=") {
            Some(value)
        } else {
            rest.push(word.as_str());
            continue;
        };
        match value.and_then(Dialect::from_name) {
            Some(named) => dialect = named,
            None => return usage("--compat needs 1.4, 1.8 or hapax".to_owned()),
        }
    }
    let command = match rest.split_first() {
        None => Ok(Command::Usage { mistake: None }),
        Some((&"--help" | &"help", [])) => Ok(Command::Help),
        Some((&"check", rest)) => check(rest),
        Some((&"explain", ["request", rest @ ..])) => explain_request(rest),
        Some((&"explain", rest)) => explain(rest),
        Some((&"keywords", rest)) => keywords(rest),
        Some((&"demo", [])) => Ok(Command::Demo),
        Some((&"demo", [word, ..])) => Err(format!("'{word}': demo takes no arguments")),
        Some((&"diff", rest)) => diff(rest),
        Some((&"reload", rest)) => reload(rest),
        Some(_) => run(&rest, dialect),
    };
    CommandLine {
        command: command.unwrap_or_else(|mistake| Command::Usage {
            mistake: Some(mistake),
        }),
        dialect,
    }
}

fn run(words: &[&str], dialect: Dialect) -> Result<Command, String> {
    let later = dialect != Dialect::V1_4;
    let mut run = Run::default();
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        match word {
            "-v" => return Ok(Command::Version { details: false }),
            "-vv" => return Ok(Command::Version { details: true }),
            "-c" => run.check = true,
            "-D" => run.daemon = true,
            "-d" => run.debug = true,
            "-db" => run.foreground = true,
            "-q" => run.quiet = true,
            "-V" => run.verbose = true,
            "-dS" => run.no_splice = true,
            "-sf" | "-st" => {
                let mut pids = Vec::new();
                // Options may follow the pids: today's scripts do that.
                while let Some(next) = words.peek().filter(|w| !w.starts_with('-')) {
                    pids.push(next.parse().map_err(|_| format!("'{next}' is not a pid"))?);
                    words.next();
                }
                run.takeover = Some(Takeover {
                    finish: word == "-sf",
                    pids,
                });
            }
            "-f" => run.files.push(value(word, words.next())?.to_owned()),
            "-p" => run.pidfile = Some(value(word, words.next())?.to_owned()),
            "-n" => run.maxconn = lax_number(value(word, words.next())?),
            "-N" => run.proxy_maxconn = lax_number(value(word, words.next())?),
            "-m" => run.memory_mb = lax_number(value(word, words.next())?),
            "--metrics" => run.metrics = Some(metrics(value(word, words.next())?)?),
            "-W" | "-Ws" if later => run.master = true,
            "-C" if later => run.folder = Some(value(word, words.next())?.to_owned()),
            // The name that peers know this process by, the socket of a master process, and the
            // one to ask for listening sockets: there are no peers yet, there is no master, and
            // `-sf` asks by itself.
            "-L" | "-S" | "-x" if later => {
                value(word, words.next())?;
            }
            "--" if later => run.files.extend(words.by_ref().map(str::to_owned)),
            // -de -ds -dp choose among system calls, which is not ours to choose; HAProxy takes
            // any other letter after -d as well.
            _ if word.starts_with("-d") && word.len() > 2 => {}
            _ => return Err(format!("unknown option '{word}'")),
        }
    }
    if run.files.is_empty() {
        return Err("no configuration file: use -f FILE".to_owned());
    }
    Ok(Command::Run(run))
}

fn value<'a>(flag: &str, word: Option<&'a str>) -> Result<&'a str, String> {
    word.ok_or_else(|| format!("'{flag}' needs a value"))
}

fn metrics(address: &str) -> Result<SocketAddr, String> {
    haproxy_cfg_grammar::value::address::socket(address.as_bytes())
        .ok_or_else(|| format!("'--metrics {address}': not an address and a port"))
}

/// HAProxy reads these numbers as C's `atol` does: what is not a number is 0.
fn lax_number(word: &str) -> u32 {
    let (value, _) = haproxy_cfg_grammar::value::number::atol(word.as_bytes());
    u32::try_from(value).unwrap_or(0)
}

fn check(words: &[&str]) -> Result<Command, String> {
    let mut check = Check::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--format" => check.format = format(words.next())?,
            "--deny" => check.deny.push(code(word, words.next())?),
            "--allow" => check.allow.push(code(word, words.next())?),
            "-f" => check.files.push(value(word, words.next())?.to_owned()),
            _ if word.len() > 1 && word.starts_with('-') => {
                return Err(format!("check: unknown option '{word}'"));
            }
            _ => check.files.push(word.to_owned()),
        }
    }
    if check.files.is_empty() {
        return Err("check: which file?".to_owned());
    }
    Ok(Command::Check(check))
}

fn explain(words: &[&str]) -> Result<Command, String> {
    let mut explain = Explain::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--format" => explain.format = format(words.next())?,
            "--proxy" => {
                let names = value(word, words.next())?;
                explain.proxies.extend(names.split(',').map(str::to_owned));
            }
            "-f" => explain.files.push(value(word, words.next())?.to_owned()),
            _ if word.len() > 1 && word.starts_with('-') => {
                return Err(format!("explain: unknown option '{word}'"));
            }
            _ => explain.files.push(word.to_owned()),
        }
    }
    if explain.files.is_empty() {
        return Err("explain: which file?".to_owned());
    }
    Ok(Command::Explain(explain))
}

fn diff(words: &[&str]) -> Result<Command, String> {
    match words {
        [old, new] if !old.starts_with('-') && !new.starts_with('-') => Ok(Command::Diff {
            old: (*old).to_owned(),
            new: (*new).to_owned(),
        }),
        _ => Err("diff: two files are compared: diff OLD NEW".to_owned()),
    }
}

fn reload(words: &[&str]) -> Result<Command, String> {
    let (mut process, mut dry_run, mut list) = (None, false, false);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--dry-run" => dry_run = true,
            "--list" => list = true,
            "-p" => process = Some(Process::PidFile(value(word, words.next())?.to_owned())),
            _ if word.starts_with('-') => return Err(format!("reload: unknown option '{word}'")),
            _ => {
                let pid = word.parse().map_err(|_| format!("'{word}' is not a pid"))?;
                process = Some(Process::Pid(pid));
            }
        }
    }
    let process = process.ok_or("reload: which process? Its pid, or -p PIDFILE")?;
    Ok(Command::Reload(Reload {
        process,
        dry_run,
        list,
    }))
}

fn explain_request(words: &[&str]) -> Result<Command, String> {
    let mut format_of = Format::default();
    let mut files = Vec::new();
    let mut question = Question {
        frontend: None,
        line: String::new(),
        headers: Vec::new(),
        source: ([127, 0, 0, 1], 40_000).into(),
        destination: None,
    };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--format" => format_of = format(words.next())?,
            "--frontend" => question.frontend = Some(value(word, words.next())?.to_owned()),
            "-H" => question.headers.push(value(word, words.next())?.to_owned()),
            "--src" => question.source = client(value(word, words.next())?)?,
            "--dst" => {
                let text = value(word, words.next())?;
                let address = text
                    .parse()
                    .map_err(|_| format!("'{text}' is not ADDRESS:PORT"))?;
                question.destination = Some(address);
            }
            "-f" => files.push(value(word, words.next())?.to_owned()),
            _ if word.len() > 1 && word.starts_with('-') => {
                return Err(format!("explain request: unknown option '{word}'"));
            }
            // A request line has blanks in it.
            _ if word.contains(' ') => word.clone_into(&mut question.line),
            _ => files.push(word.to_owned()),
        }
    }
    if files.is_empty() {
        return Err("explain request: which file?".to_owned());
    }
    if question.line.is_empty() {
        return Err("explain request: which request? 'GET / HTTP/1.1'".to_owned());
    }
    Ok(Command::ExplainRequest(ExplainRequest {
        files,
        question,
        format: format_of,
    }))
}

/// An address with or without a port.
fn client(text: &str) -> Result<SocketAddr, String> {
    let port = 40_000;
    text.parse::<SocketAddr>()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)))
        .map_err(|_| format!("'{text}' is not an address"))
}

fn keywords(words: &[&str]) -> Result<Command, String> {
    let mut keywords = Keywords::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--status" => keywords.status = Some(value(word, words.next())?.to_owned()),
            "--format" => {
                keywords.format = match words.next() {
                    Some("text") => KeywordFormat::Text,
                    Some("markdown") => KeywordFormat::Markdown,
                    Some("json") => KeywordFormat::Json,
                    _ => return Err("--format needs text, markdown or json".to_owned()),
                }
            }
            _ => return Err(format!("keywords: unknown option '{word}'")),
        }
    }
    Ok(Command::Keywords(keywords))
}

fn format(word: Option<&str>) -> Result<Format, String> {
    match word {
        Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        _ => Err("--format needs text or json".to_owned()),
    }
}

fn code(flag: &str, word: Option<&str>) -> Result<Code, String> {
    let word = value(flag, word)?;
    Code::from_name(word).ok_or_else(|| format!("'{flag}': there is no code '{word}'"))
}

/// One line that names the program and its version, as HAProxy words it.
pub fn banner() -> String {
    format!(
        "hapax version {} {RELEASE_DATE} - runs HAProxy 1.4 configurations\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// How to call the program.
pub const USAGE: &str = "\
Usage : hapax [--compat 1.4|1.8|hapax] -f FILE [-f FILE]... [options]
        hapax check FILE...      say what is wrong in a file, and what to write instead
        hapax explain FILE...    say what a file means: modes, timeouts, order of rules
        hapax diff OLD NEW       say what changes from one file to another
        hapax reload PID         have a running hapax read its files again, and say how that went;
                                 -p PIDFILE instead of PID; --dry-run: only say what would change;
                                 --list: list the configurations in service
        hapax explain request FILE... --frontend NAME 'GET /x HTTP/1.1' -H 'Host: a'
                                 follow a request through the rules; --src IP, --dst IP:PORT
        hapax keywords           list what is understood
        hapax demo               show the proxy at work on this machine

  -c          check the files and exit
  -D          go into the background
  -d          foreground, and print the traffic
  -db         foreground, whatever the file says
  -q, -V      say less, say more
  -n N        connections of the whole process
  -N N        default connections of one proxy
  -m MB       memory limit
  -p FILE     write the process ids there
  -sf PID...  take over, and ask these processes to finish
  -st PID...  take over, and ask these processes to stop
  -de -ds -dp accepted; the way of waiting is chosen by the system
  -dS         no splice
  -W, -Ws     stay in the foreground and write the pid file (as HAProxy's master process does)
  -C DIR      file names begin in this folder
  --metrics ADDRESS:PORT
              serve metrics for Prometheus there, at /metrics
  -v, -vv     version, and how it was built
";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Command {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words, None).command
    }

    fn is_usage(line: &str) -> bool {
        matches!(read(line), Command::Usage { .. })
    }

    #[test]
    fn haproxy_flags() {
        let Command::Run(run) = read("-f a -f b -D -p /pid -n 10 -sf 12 34 -q") else {
            panic!("not a run");
        };
        assert_eq!(run.files, ["a", "b"]);
        assert!(run.daemon && run.quiet);
        assert_eq!(run.maxconn, 10);
        assert_eq!(
            run.takeover,
            Some(Takeover {
                finish: true,
                pids: vec![12, 34]
            })
        );
        assert!(matches!(read("-c -f a -dx -de"), Command::Run(_)));
        assert_eq!(read("-vv"), Command::Version { details: true });
        assert_eq!(read("--help"), Command::Help);
    }

    #[test]
    fn metrics_have_an_address() {
        let Command::Run(run) = read("-f a --metrics :9101") else {
            panic!("not a run");
        };
        assert_eq!(run.metrics, "0.0.0.0:9101".parse().ok());
        assert_eq!(run.overrides().metrics, run.metrics);
        assert!(is_usage("-f a --metrics") && is_usage("-f a --metrics 9101"));
    }

    #[test]
    fn mistakes() {
        for line in [
            "",
            "-c",
            "-f",
            "word",
            "-",
            "-cf a",
            "-fa",
            "-f a -p",
            "-f a -sf x",
        ] {
            assert!(is_usage(line), "{line}");
        }
    }

    #[test]
    fn dialects() {
        let words = ["--compat", "1.4", "check", "a"].map(str::to_owned);
        assert_eq!(parse(&words, Some("1.8")).dialect, Dialect::V1_4);
        assert_eq!(parse(&words[2..], Some("1.8")).dialect, Dialect::V1_8);
        assert_eq!(parse(&words[2..], None).dialect, Dialect::Hapax);
    }

    #[test]
    fn verbs() {
        let Command::Check(check) = read("check a --format json --deny junk-ignored") else {
            panic!("not a check");
        };
        assert_eq!(check.format, Format::Json);
        assert_eq!(check.deny, [Code::JunkIgnored]);
        assert!(is_usage("check a --deny nosuch"));
        assert!(is_usage("explain"));
        assert!(is_usage("diff a"));
        assert!(is_usage("reload --dry-run"));
        let Command::Reload(reload) = read("reload --dry-run -p /run/hapax.pid") else {
            panic!("not a reload");
        };
        assert!(reload.dry_run);
        assert_eq!(
            reload.process,
            Process::PidFile("/run/hapax.pid".to_owned())
        );
    }

    #[test]
    fn flags_of_later_versions() {
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        for line in [
            "-W -f a",
            "-Ws -f a -S /m",
            "-L me -f a",
            "-c -- a b",
            "-C / -f a",
        ] {
            let read = |compat| parse(&words(line), Some(compat)).command;
            assert!(matches!(read("1.8"), Command::Run(_)), "{line}");
            assert!(matches!(read("1.4"), Command::Usage { .. }), "{line}");
        }
    }
}
