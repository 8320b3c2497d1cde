//! The steps of a case that wait and look.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use regex::Regex;
use tokio::time::{Instant, sleep};

use super::script::{Flag, Step};
use super::server::{Kind, Server};
use super::stage::Stage;
use crate::connection::Seen;
use crate::recorded::SuiteError;

impl Stage {
    pub(super) async fn look(&self, step: &Step) -> Result<(), SuiteError> {
        match step {
            Step::Wait {
                wait,
                pattern,
                col,
                quiet,
                max_ms,
            } => self.wait(wait, pattern, col, *quiet, *max_ms).await?,
            Step::Stat { stat, cols } => {
                for name in stat {
                    let row = self.control.row(name, cols).await;
                    self.tell(format!("{name}: {row}"));
                }
            }
            Step::Trace {
                trace,
                by,
                n,
                cols,
                max_ms,
            } => {
                let rows = self.trace(trace, self.server(by)?, *n, cols, *max_ms).await;
                let rows = rows.join(" | ");
                self.tell(format!("{trace} after each check: {rows}"));
            }
            Step::Seen {
                seen,
                quiet,
                max_ms,
            } => {
                let deadline = after(*max_ms);
                for (name, count) in seen {
                    let server = self.server(name)?;
                    let enough = || server.visitors.borrow().len() >= *count;
                    let came = until(enough, deadline).await;
                    if *quiet == Flag(false) {
                        let came = if came { "yes" } else { "no" };
                        self.tell(format!("{name} had {count} connections: {came}"));
                    }
                }
            }
            Step::Connections { conns } => {
                for (name, count) in conns {
                    self.show_connections(self.server(name)?, *count).await;
                }
            }
            Step::Counts { counts } => {
                for name in counts {
                    let counts = kinds(self.server(name)?);
                    self.tell(format!("{name} connections: {counts}"));
                }
            }
            Step::Peak { peak } => {
                for name in peak {
                    let peak = self.server(name)?.peak.get();
                    self.tell(format!("{name} at once: {peak}"));
                }
            }
            Step::Paths { paths } => {
                for name in paths {
                    let paths = self.server(name)?.paths.borrow().join(" ");
                    self.tell(format!("{name} served: {paths}"));
                }
            }
            Step::Gaps { gaps, n, of } => {
                let intervals = intervals(self.server(gaps)?, *n, of).await;
                self.tell(format!("{gaps} intervals: {}", intervals.join(" ")));
            }
            Step::Logs {
                logs,
                like,
                not,
                first,
                sort,
                max_ms,
            } => {
                let mut lines = self.logged(*logs, like, not, *max_ms).await?;
                if *first == Flag(true) {
                    lines.truncate(*logs);
                }
                if *sort == Flag(true) {
                    lines.sort_unstable();
                }
                if lines.is_empty() {
                    self.tell("no log line".to_owned());
                }
                for line in lines {
                    self.tell(format!("log: {line}"));
                }
            }
            other => return Err(self.senseless(format!("not a step that looks: {other:?}"))),
        }
        Ok(())
    }

    async fn wait(
        &self,
        name: &str,
        pattern: &str,
        column: &str,
        quiet: Flag,
        max_ms: u64,
    ) -> Result<(), SuiteError> {
        let wanted = Regex::new(&format!("^(?:{pattern})$"))?;
        let deadline = after(max_ms);
        let columns = [column.to_owned()];
        loop {
            let value = self.control.row(name, &columns).await;
            if wanted.is_match(&value) {
                let shown = if quiet == Flag(true) { pattern } else { &value };
                self.tell(format!("{name} became {shown}"));
                return Ok(());
            }
            if Instant::now() > deadline {
                self.tell(format!("{name} never became {pattern}, still {value}"));
                return Ok(());
            }
            sleep(Duration::from_millis(30)).await;
        }
    }

    /// Columns of a row after each of the first connections to a server has ended.
    async fn trace(
        &self,
        row: &str,
        server: &Rc<Server>,
        count: usize,
        columns: &[String],
        max_ms: u64,
    ) -> Vec<String> {
        let mut rows = Vec::new();
        for number in 1..=count {
            let ended = || {
                let visitors = server.visitors.borrow();
                visitors
                    .get(number - 1)
                    .is_some_and(|visitor| visitor.connection.seen().ended())
            };
            until(ended, after(max_ms)).await;
            if server.visitors.borrow().len() < number {
                rows.push(format!("no check {number}"));
                break;
            }
            sleep(Duration::from_millis(50)).await;
            rows.push(self.control.row(row, columns).await);
        }
        rows
    }

    async fn show_connections(&self, server: &Rc<Server>, count: usize) {
        let name = &server.name;
        let visitors = server.visitors.borrow().clone();
        for (number, visitor) in (1..=count).zip(&visitors) {
            let connection = &visitor.connection;
            let ended = connection.wait(Seen::ended, Duration::from_secs(1)).await;
            let got = self
                .normaliser
                .bytes(&connection.seen().received, &self.places);
            self.tell(format!("{name} connection {number} got: {got}"));
            let end = if ended { "ended" } else { "stays open" };
            self.tell(format!("{name} connection {number}: {end}"));
        }
        if visitors.is_empty() {
            self.tell(format!("{name} had no connection"));
        }
    }

    async fn logged(
        &self,
        count: usize,
        like: &Option<String>,
        not: &Option<String>,
        max_ms: u64,
    ) -> Result<Vec<String>, SuiteError> {
        let compile = |text: &Option<String>| text.as_deref().map(Regex::new).transpose();
        let (like, not) = (compile(like)?, compile(not)?);
        let lines = || -> Vec<String> {
            let logs = self.logs.borrow();
            logs.iter()
                .map(|datagram| self.normaliser.log_line(datagram, &self.places))
                .filter(|line| like.as_ref().is_none_or(|like| like.is_match(line)))
                .filter(|line| not.as_ref().is_none_or(|not| !not.is_match(line)))
                .collect()
        };
        until(|| lines().len() >= count, after(max_ms)).await;
        sleep(Duration::from_millis(50)).await;
        Ok(lines())
    }
}

fn after(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

/// Waits for a condition; `false` when it never came.
async fn until(condition: impl Fn() -> bool, deadline: Instant) -> bool {
    while !condition() {
        if Instant::now() > deadline {
            return condition();
        }
        sleep(Duration::from_millis(10)).await;
    }
    true
}

/// How many connections of which kind a server had.
fn kinds(server: &Server) -> String {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for visitor in server.visitors.borrow().iter() {
        *counts.entry(visitor.kind.get()).or_default() += 1;
    }
    let counted = |(kind, count): (Kind, usize)| {
        let kind = match kind {
            Kind::Check => "check",
            Kind::Conn => "conn",
            Kind::Empty => "empty",
            Kind::Traffic => "traffic",
        };
        format!("{kind}={count}")
    };
    let counts: Vec<String> = counts.into_iter().map(counted).collect();
    if counts.is_empty() {
        "0".to_owned()
    } else {
        counts.join(" ")
    }
}

/// The times between the first connections of a server, each as the nearest of some values.
async fn intervals(server: &Server, count: usize, of: &[u64]) -> Vec<String> {
    let enough = || server.visitors.borrow().len() > count;
    until(enough, after(INTERVALS_MS)).await;
    let visitors = server.visitors.borrow();
    let times: Vec<Instant> = visitors
        .iter()
        .take(count + 1)
        .map(|visitor| visitor.accepted_at)
        .collect();
    let nearest = |pair: &[Instant]| {
        let gap = pair[1].duration_since(pair[0]).as_secs_f64() * 1000.0;
        let distance = |value: u64| (value as f64 - gap).abs() / (value as f64 + gap);
        of.iter()
            .copied()
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
            .map_or_else(|| "none".to_owned(), |value| value.to_string())
    };
    times.windows(2).map(nearest).collect()
}

const INTERVALS_MS: u64 = 6000;
