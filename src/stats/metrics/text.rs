//! The text format, written piece by piece.

use std::io::Write as _;

use super::families::{CHECK_RESULTS, CODES, SERVER_STATES, Source};
use super::snapshot::{Cell, Object, Objects, Snapshot, label};
use super::{FAMILIES, Family, Scope};
use crate::stats::Field;

/// A snapshot on its way out.
#[derive(Debug)]
pub struct Text {
    snapshot: Snapshot,
    family: usize,
    /// The next object of that family.
    object: usize,
    /// The comments of that family are written.
    begun: bool,
}

impl Text {
    /// Begins.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            family: 0,
            object: 0,
            begun: false,
        }
    }

    /// Appends lines until there are about `limit` bytes, or none are left: `false` then.
    pub fn write(&mut self, out: &mut Vec<u8>, limit: usize) -> bool {
        while let Some(family) = FAMILIES.get(self.family) {
            let wanted = self.snapshot.query.wants(family.scope);
            while wanted && self.object < self.count(family.scope) {
                if out.len() >= limit {
                    return true;
                }
                let before = out.len();
                if !self.begun {
                    comments(family, out);
                }
                let head = out.len();
                self.lines(family, out);
                if out.len() == head && !self.begun {
                    // Nothing to say of the first one: perhaps of none.
                    out.truncate(before);
                } else {
                    self.begun = true;
                }
                self.object += 1;
            }
            self.family += 1;
            self.object = 0;
            self.begun = false;
        }
        false
    }

    /// Everything at once.
    pub fn whole(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.write(&mut out, usize::MAX) {}
        out
    }

    fn count(&self, scope: Scope) -> usize {
        match scope {
            Scope::Global => 1,
            Scope::StickTable => self.snapshot.tables.len(),
            scope => self.snapshot.objects(scope).map_or(0, |o| o.each.len()),
        }
    }

    /// What a family says of the next object.
    fn lines(&self, family: &Family, out: &mut Vec<u8>) {
        let process = &self.snapshot.process;
        let name = family.name;
        match family.source {
            Source::Process(number) => line(out, name, "", None, Number::Of(number(process))),
            Source::Fact(fact) => {
                let mut labels = String::new();
                for (name, value) in fact(process) {
                    label(&mut labels, name, &value);
                }
                line(out, name, &labels, None, 1_u32);
            }
            Source::ReloadResults => {
                let reloads = &process.reloads;
                line(
                    out,
                    name,
                    "",
                    Some(("result", "success")),
                    reloads.succeeded,
                );
                line(out, name, "", Some(("result", "failure")), reloads.failed);
            }
            Source::Table(number) => {
                if let Some((labels, table)) = self.snapshot.tables.get(self.object) {
                    line(out, name, labels, None, number(table));
                }
            }
            source => {
                if let Some(objects) = self.snapshot.objects(family.scope)
                    && let Some(object) = objects.each.get(self.object)
                {
                    of_object(out, name, source, objects, (self.object, object));
                }
            }
        }
    }
}

fn of_object(
    out: &mut Vec<u8>,
    name: &str,
    source: Source,
    objects: &Objects,
    (index, object): (usize, &Object),
) {
    let labels = &object.labels;
    let cell = |field: Field| objects.cell(index, field);
    match source {
        Source::Column(field) => line(out, name, labels, None, cell(field)),
        Source::Counted(count) => {
            let count = count(&object.more).map_or(Cell::NONE, Cell::from);
            line(out, name, labels, None, count);
        }
        Source::Http(field) if object.http => line(out, name, labels, None, cell(field)),
        Source::Seconds(field) => line(out, name, labels, None, Number::Millis(cell(field))),
        Source::Checked(field) if object.check.is_some() => {
            line(out, name, labels, None, Number::OrZero(cell(field)));
        }
        Source::CheckedSeconds(field) if object.check.is_some() => {
            let millis = Number::Millis(or_zero(cell(field)));
            line(out, name, labels, None, millis);
        }
        Source::Codes if object.http => {
            for (code, field) in CODES {
                line(out, name, labels, Some(("code", code)), cell(field));
            }
        }
        Source::Responses if object.http => {
            let each = CODES.iter().filter_map(|(_, field)| cell(*field).get());
            line(out, name, labels, None, each.sum::<i64>().unsigned_abs());
        }
        Source::State(states) => one_of(out, name, labels, states, object.state),
        Source::CheckResult => {
            if let Some(check) = object.check {
                one_of(out, name, labels, CHECK_RESULTS, check);
            }
        }
        Source::ServersByState | Source::ServersByCheck => {
            let Some(census) = objects.census.get(index).filter(|c| c.servers > 0) else {
                return;
            };
            let (names, counts) = match source {
                Source::ServersByState => (SERVER_STATES, &census.states[..]),
                _ => (CHECK_RESULTS, &census.checks[..]),
            };
            for (state, count) in names.iter().zip(counts) {
                line(out, name, labels, Some(("state", state)), *count);
            }
        }
        _ => {}
    }
}

/// A line for each state, with a 1 in one of them at most.
fn one_of(out: &mut Vec<u8>, name: &str, labels: &str, states: &[&str], place: Option<u8>) {
    for (index, state) in states.iter().enumerate() {
        let is = place.is_some_and(|place| usize::from(place) == index);
        line(out, name, labels, Some(("state", state)), u32::from(is));
    }
}

fn or_zero(cell: Cell) -> Cell {
    cell.get().map_or_else(|| 0_u32.into(), |_| cell)
}

/// A value.
enum Number {
    Of(Cell),
    OrZero(Cell),
    /// Milliseconds, to be shown in seconds.
    Millis(Cell),
}

impl<T: Into<Cell>> From<T> for Number {
    fn from(value: T) -> Self {
        Self::Of(value.into())
    }
}

fn line(
    out: &mut Vec<u8>,
    name: &str,
    labels: &str,
    one_more: Option<(&str, &str)>,
    number: impl Into<Number>,
) {
    out.extend_from_slice(name.as_bytes());
    if !labels.is_empty() || one_more.is_some() {
        out.push(b'{');
        out.extend_from_slice(labels.as_bytes());
        if let Some((name, value)) = one_more {
            if !labels.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            out.extend_from_slice(value.as_bytes());
            out.push(b'"');
        }
        out.push(b'}');
    }
    out.push(b' ');
    let shown = match number.into() {
        Number::Of(cell) => cell.get().map(|n| write!(out, "{n}")),
        Number::OrZero(cell) => Some(write!(out, "{}", cell.get().unwrap_or(0))),
        Number::Millis(cell) => cell.get().map(|n| {
            let n = n.max(0);
            write!(out, "{}.{:03}", n / 1000, n % 1000)
        }),
    };
    // Writing to memory cannot fail.
    if shown.is_none() {
        out.extend_from_slice(b"NaN");
    }
    out.push(b'\n');
}

fn comments(family: &Family, out: &mut Vec<u8>) {
    for (word, text) in [("HELP", family.help), ("TYPE", family.kind.name())] {
        for part in ["# ", word, " ", family.name, " ", text, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Process, Query, Table};
    use super::*;
    use crate::stats::{Kind, Row};

    fn snapshot(query: &str) -> Snapshot {
        let query = Query::read(query).expect("a query");
        let mut snapshot = Snapshot::new(query, Process::default());
        for (name, status, check) in [("s1", "UP", "* L7OK"), ("s2", "MAINT", "")] {
            let mut row = Row::new(Kind::Server);
            row.set(Field::Pxname, "be");
            row.set(Field::Svname, name);
            row.set(Field::Mode, "http");
            row.set(Field::Status, status);
            row.set(Field::Scur, 3_u32);
            row.set(Field::Qtime, 1234_u32);
            row.set(Field::Lastsess, -1_i64);
            if !check.is_empty() {
                row.set(Field::CheckStatus, check);
                row.set(Field::CheckDuration, 7_u64);
            }
            snapshot.add(&row);
        }
        let mut row = Row::new(Kind::Backend);
        row.set(Field::Pxname, "be");
        row.set(Field::Status, "UP");
        snapshot.add(&row);
        snapshot.add_table(Table {
            name: "be".to_owned(),
            key: "ip",
            size: 10,
            used: 2,
        });
        snapshot
    }

    fn text(query: &str) -> String {
        String::from_utf8(Text::new(snapshot(query)).whole()).expect("text")
    }

    #[test]
    fn values() {
        let text = text("");
        for line in [
            "haproxy_server_current_sessions{proxy=\"be\",server=\"s1\"} 3",
            "haproxy_server_status{proxy=\"be\",server=\"s1\",state=\"UP\"} 1",
            "haproxy_server_status{proxy=\"be\",server=\"s2\",state=\"UP\"} 0",
            "haproxy_server_status{proxy=\"be\",server=\"s2\",state=\"MAINT\"} 1",
            "haproxy_server_check_status{proxy=\"be\",server=\"s1\",state=\"L7OK\"} 1",
            "haproxy_server_check_code{proxy=\"be\",server=\"s1\"} 0",
            "haproxy_server_check_duration_seconds{proxy=\"be\",server=\"s1\"} 0.007",
            "haproxy_server_queue_time_average_seconds{proxy=\"be\",server=\"s2\"} 1.234",
            "haproxy_server_last_session_seconds{proxy=\"be\",server=\"s1\"} -1",
            "haproxy_server_limit_sessions{proxy=\"be\",server=\"s1\"} NaN",
            "haproxy_backend_agg_server_status{proxy=\"be\",state=\"MAINT\"} 1",
            "haproxy_backend_agg_check_status{proxy=\"be\",state=\"L7OK\"} 1",
            "haproxy_backend_status{proxy=\"be\",state=\"UP\"} 1",
            "haproxy_sticktable_used{name=\"be\",type=\"ip\"} 2",
            "hapax_reloads_total{result=\"success\"} 0",
            "hapax_last_reload_successful 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("server_check_status{proxy=\"be\",server=\"s2\""));
        // There is no frontend: nothing is said of frontends.
        assert!(!text.contains("haproxy_frontend_"));
    }

    #[test]
    fn scopes_and_maintenance() {
        assert_eq!(text("scope="), "");
        let servers = text("scope=server&no-maint");
        let mut names = servers
            .lines()
            .map(|line| line.trim_start_matches("# HELP "));
        assert!(names.all(|l| l.starts_with("haproxy_server_") || l.starts_with("# TYPE")));
        assert!(servers.contains("\"s1\"") && !servers.contains("\"s2\""));
    }

    #[test]
    fn pieces_make_the_whole() {
        let mut text = Text::new(snapshot(""));
        let (mut all, mut pieces) = (Vec::new(), 0);
        loop {
            let mut piece = Vec::new();
            let more = text.write(&mut piece, 1000);
            assert!(piece.len() < 3000);
            all.extend_from_slice(&piece);
            pieces += 1;
            if !more {
                break;
            }
        }
        assert!(pieces > 10);
        assert_eq!(all, Text::new(snapshot("")).whole());
    }
}
