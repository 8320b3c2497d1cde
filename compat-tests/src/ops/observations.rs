//! Steps that look at servers, counters and log lines, and change servers.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use regex::{Captures, Regex};

use super::normalise::{program_name, visible};
use super::pause;
use super::stage::{Log, LogSocket, Stage};
use super::suite::Step;
use crate::recorded::SuiteError;
use crate::text::from_bytes;

impl Stage<'_> {
    /// Waits until a cell of the statistics has a value.
    pub(super) fn until(&mut self, step: &Step) -> Result<(), SuiteError> {
        let words: Vec<&str> = match &step.until {
            Some(serde_json::Value::Array(words)) => {
                words.iter().filter_map(|word| word.as_str()).collect()
            }
            _ => Vec::new(),
        };
        let [row, column, wanted] = words[..] else {
            return Err(SuiteError::Script("until needs three words".to_owned()));
        };
        let pattern = fancy_regex::Regex::new(&format!("^(?:{wanted})")).map_err(Box::new)?;
        let until = Instant::now() + Duration::from_millis(step.max.unwrap_or(4000));
        let mut last = None;
        while Instant::now() < until {
            let text = self.asked(step, "show stat\n")?.unwrap_or_default();
            let mut lines = text.strip_prefix("# ").unwrap_or("").split('\n');
            let names: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
            let index = |name| names.iter().position(|n| *n == name);
            for line in lines {
                let cells: Vec<&str> = line.split(',').collect();
                let cell = |name| index(name).and_then(|at| cells.get(at)).copied();
                let is = (cell("pxname"), cell("svname"));
                if let (Some(proxy), Some(server)) = is
                    && format!("{proxy}/{server}") == row
                {
                    last = cell(column).map(str::to_owned);
                }
            }
            let fits = match &last {
                Some(value) => pattern.is_match(value).map_err(Box::new)?,
                None => false,
            };
            if fits {
                return Ok(());
            }
            pause(30);
        }
        let last = last.unwrap_or_else(|| "None".to_owned());
        self.say(format!("{row} {column}: {last} instead of {wanted}"));
        Ok(())
    }

    pub(super) fn origin(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let origin = self.origins.get(name);
        let origin = origin.ok_or_else(|| SuiteError::Script(format!("no server {name}")))?;
        if let Some(status) = step.check {
            origin.check.store(status, Ordering::Relaxed);
        }
        match step.listen {
            Some(true) => origin.listen()?,
            Some(false) => origin.stop(),
            None => {}
        }
        if let Some(wanted) = step.reqs {
            let until = Instant::now() + Duration::from_secs(2);
            while origin.requests.load(Ordering::Relaxed) < wanted && Instant::now() < until {
                pause(10);
            }
        }
        Ok(())
    }

    pub(super) fn unix_log(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let path = self.named(name);
        let socket = UnixDatagram::bind(&path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777))?;
        let name = step.label_as.clone().unwrap_or_default();
        self.logs.insert(name, Log::new(LogSocket::Unix(socket)));
        Ok(())
    }

    fn log(&mut self, name: &str) -> Result<&mut Log, SuiteError> {
        let log = self.logs.get_mut(name);
        log.ok_or_else(|| SuiteError::Script(format!("no log {name}")))
    }

    pub(super) fn flush(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let (count, patience) = (step.n.unwrap_or(1), step.max.unwrap_or(800));
        let log = self.log(name)?;
        log.collect(count, patience)?;
        log.arrived.clear();
        Ok(())
    }

    pub(super) fn log_lines(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let (count, patience) = (step.n.unwrap_or(1), step.max.unwrap_or(1500));
        let log = self.log(name)?;
        log.collect(count, patience)?;
        let arrived = std::mem::take(&mut log.arrived);
        let program = program_name(&self.command.binary);
        let frame = Regex::new(&format!(
            r"(?s)^<(\d+)>(\w{{3}} [ \d]\d \d\d:\d\d:\d\d )(?:(haproxy|{program})|(\S+?))\[\d+\]: (.*)"
        ))
        .expect("a name does not change the pattern");
        let mut lines: Vec<String> = arrived
            .iter()
            .map(|datagram| self.log_line(step, &frame, datagram))
            .collect();
        if step.sort {
            lines.sort();
        }
        if let Some(pattern) = &step.grep {
            let pattern = Regex::new(pattern);
            lines.retain(|line| pattern.as_ref().is_ok_and(|p| p.is_match(line)));
        }
        if step.frames {
            for line in &mut lines {
                *line = AFTER_TAG.replace_all(line, "]: *").into_owned();
            }
        }
        self.say(format!("{name}: {} line(s)", lines.len()));
        for line in lines {
            self.say(format!("| {}", visible(&line)));
        }
        Ok(())
    }

    fn log_line(&self, step: &Step, frame: &Regex, datagram: &[u8]) -> String {
        let mut end = String::new();
        if datagram.ends_with(b"\0") {
            end.push_str(" + NUL");
        }
        let text = from_bytes(datagram);
        let text = text.trim_end_matches('\0');
        if text.ends_with('\n') {
            end.insert_str(0, " + LF");
        }
        let text = text.trim_end_matches('\n');
        let (frame, mut body) = match frame.captures(text) {
            Some(found) => {
                let name = match found.get(4) {
                    Some(other) => other.as_str(),
                    None => "PROG",
                };
                let frame = format!("<{}>DATE {name}[PID]: ", &found[1]);
                (frame, found[5].to_owned())
            }
            None => (String::new(), self.norm(text)),
        };
        if step.size && datagram.len() > 1000 {
            body = format!("({} bytes)", datagram.len());
        }
        let body = TIMERS.replace(&body, |found: &Captures<'_>| {
            let timers = found[1].split('/').map(|timer| {
                if timer.trim_start_matches('+') == "-1" {
                    "-1"
                } else {
                    "T"
                }
            });
            let timers: Vec<&str> = timers.collect();
            format!(" {} {}", timers.join("/"), &found[2])
        });
        let body = TCP_TIMERS.replace(&body, "$1 T/T/T $2");
        let body = COUNTS.replace(&body, " C/C/C/C/$1 $2");
        let body = CLF.replace_all(&body, "$1 PORT MS ${2}T T T T T \"");
        let body = DURATION.replace_all(&body, "check duration: Tms");
        let body = STOPPING.replace_all(&body, "Stopping $1 $2 in T ms");
        let body = BRACKETS.replace_all(&body, "[DATE]");
        format!("{frame}{}{end}", self.norm(&body))
    }
}

impl Log {
    /// Waits for so many datagrams, and takes what comes right behind them.
    fn collect(&mut self, count: usize, millis: u64) -> io::Result<()> {
        let until = Instant::now() + Duration::from_millis(millis);
        while self.arrived.len() < count {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.receive(left)? {
                break;
            }
        }
        while self.receive(Duration::from_millis(120))? {}
        Ok(())
    }

    fn receive(&mut self, patience: Duration) -> io::Result<bool> {
        let mut buffer = vec![0; 65536];
        let patience = Some(patience.max(Duration::from_millis(1)));
        let received = match &self.socket {
            LogSocket::Udp(socket) => {
                socket.set_read_timeout(patience)?;
                socket.recv(&mut buffer)
            }
            LogSocket::Unix(socket) => {
                socket.set_read_timeout(patience)?;
                socket.recv(&mut buffer)
            }
        };
        let Ok(n) = received else {
            return Ok(false);
        };
        buffer.truncate(n);
        self.arrived.push(buffer);
        Ok(true)
    }
}

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

static AFTER_TAG: LazyLock<Regex> = LazyLock::new(|| constant(r"\]: .*"));
static TIMERS: LazyLock<Regex> = LazyLock::new(|| constant(r" ((?:-?\d+/){4}\+?-?\d+) (-?\d+ )"));
static TCP_TIMERS: LazyLock<Regex> =
    LazyLock::new(|| constant(r"(/\S+) -?\d+/-?\d+/\+?\d+ (\+?\d+ \S\S )"));
static COUNTS: LazyLock<Regex> =
    LazyLock::new(|| constant(r" -?\d+/-?\d+/-?\d+/-?\d+/(\+?\d+) (\d+/\d+)"));
static CLF: LazyLock<Regex> =
    LazyLock::new(|| constant(r#"("[^"]*" "[^"]*") \d+ \d\d\d (("[^"]*" ){3})(?:-?\d+ ){5}""#));
static DURATION: LazyLock<Regex> = LazyLock::new(|| constant(r"check duration: \d+ms"));
static STOPPING: LazyLock<Regex> = LazyLock::new(|| constant(r"Stopping (\S+) (\S+) in \d+ ms"));
static BRACKETS: LazyLock<Regex> = LazyLock::new(|| constant(r"\[\d\d/\w{3}/\d{4}:[^\]]*\]"));
