//! The numbers of one moment, packed: a row of the table takes kilobytes, and there may be ten
//! thousand.

use super::families::{CHECK_RESULTS, CODES, LISTENER_STATES, PROXY_STATES, SERVER_STATES, Source};
use super::{FAMILIES, Query, Scope};
use crate::stats::{self, Field, Info, More, Row, Value};

/// A number, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell(i64);

impl Cell {
    pub(super) const NONE: Self = Self(i64::MIN);

    pub(super) fn get(self) -> Option<i64> {
        (self != Self::NONE).then_some(self.0)
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Number(n) => (*n).into(),
            Value::Signed(n) => Self(*n),
            Value::None | Value::Text(_) => Self::NONE,
        }
    }
}

impl From<u64> for Cell {
    fn from(n: u64) -> Self {
        Self(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Cell {
    fn from(n: u32) -> Self {
        Self(n.into())
    }
}

/// What there is to know of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// What `show info` knows.
    pub info: Info,
    /// The version that is spoken, as `show info` has it.
    pub version: String,
    /// The name of the dialect.
    pub dialect: &'static str,
    /// Threads that serve clients.
    pub threads: u32,
    /// Listening addresses.
    pub listeners: u32,
    /// When it began to serve, in seconds since 1970.
    pub started: u64,
    /// It finishes its last sessions.
    pub stopping: bool,
    /// How reloads went.
    pub reloads: Reloads,
}

/// How reloads went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    /// Those that put another configuration into service.
    pub succeeded: u64,
    /// Those that changed nothing.
    pub failed: u64,
    /// When the last one was, in seconds since 1970; the start counts.
    pub last: u64,
    /// When the last successful one was; the start counts.
    pub last_success: u64,
    /// The last one has failed.
    pub last_failed: bool,
}

/// A stick table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The proxy that has it.
    pub name: String,
    /// The type of its keys, as the configuration has it.
    pub key: &'static str,
    /// Entries that it may have.
    pub size: u64,
    /// Entries that it has.
    pub used: u64,
}

/// The numbers of one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) query: Query,
    pub(super) process: Process,
    pub(super) frontends: Objects,
    pub(super) listeners: Objects,
    pub(super) backends: Objects,
    pub(super) servers: Objects,
    pub(super) tables: Vec<(String, Table)>,
    /// What was seen of the servers of the backend whose row comes next.
    census: Census,
}

impl Snapshot {
    /// Nothing yet but what is known of the process.
    pub fn new(query: Query, process: Process) -> Self {
        let objects = |scope| Objects::new(scope, query);
        Self {
            query,
            process,
            frontends: objects(Scope::Frontend),
            listeners: objects(Scope::Listener),
            backends: objects(Scope::Backend),
            servers: objects(Scope::Server),
            tables: Vec::new(),
            census: Census::default(),
        }
    }

    /// Adds a row of the table. The row of a backend comes after those of its servers.
    pub fn add(&mut self, row: &Row) {
        match row.kind {
            stats::Kind::Frontend => {
                let up = row.text(Field::Status) != "STOP";
                self.frontends.add(row, "", state_of_proxy(up), None);
            }
            stats::Kind::Listener => {
                let state = place(LISTENER_STATES, row.text(Field::Status));
                self.listeners.add(row, "listener", state, None);
            }
            stats::Kind::Server => {
                let state = server_state(row.text(Field::Status));
                let check = check_result(row);
                self.census.count(state, check);
                let hidden = self.query.no_maintenance && SERVER_STATES[state] == "MAINT";
                if !hidden {
                    self.servers.add(row, "server", Some(state), check);
                }
            }
            stats::Kind::Backend => {
                let up = row.text(Field::Status) == "UP";
                self.backends.add(row, "", state_of_proxy(up), None);
                let census = std::mem::take(&mut self.census);
                if self.backends.wanted {
                    self.backends.census.push(census);
                }
            }
        }
    }

    /// Adds a stick table.
    pub fn add_table(&mut self, table: Table) {
        if self.query.wants(Scope::StickTable) {
            let mut labels = String::with_capacity(table.name.len() + 24);
            label(&mut labels, "name", &table.name);
            label(&mut labels, "type", table.key);
            self.tables.push((labels, table));
        }
    }

    pub(super) fn objects(&self, scope: Scope) -> Option<&Objects> {
        match scope {
            Scope::Frontend => Some(&self.frontends),
            Scope::Listener => Some(&self.listeners),
            Scope::Backend => Some(&self.backends),
            Scope::Server => Some(&self.servers),
            Scope::Global | Scope::StickTable => None,
        }
    }
}

/// All frontends, or all servers, and so on.
#[derive(Debug)]
pub(super) struct Objects {
    wanted: bool,
    pub(super) columns: Vec<Field>,
    /// `columns.len()` of them for each object.
    cells: Vec<Cell>,
    pub(super) each: Vec<Object>,
    /// For backends alone.
    pub(super) census: Vec<Census>,
}

/// What is no number of one object.
#[derive(Debug)]
pub(super) struct Object {
    /// The labels, ready to be written.
    pub(super) labels: Box<str>,
    /// What has no column.
    pub(super) more: More,
    /// The proxy is of `mode http`.
    pub(super) http: bool,
    /// The state, by its place in the list of them.
    pub(super) state: Option<u8>,
    /// The result of the last check, in the same way; there are servers without checks, and results
    /// that have no place.
    pub(super) check: Option<Option<u8>>,
}

impl Objects {
    fn new(scope: Scope, query: Query) -> Self {
        let mut columns = Vec::new();
        for family in FAMILIES.iter().filter(|family| family.scope == scope) {
            match family.source {
                Source::Column(field)
                | Source::Http(field)
                | Source::Checked(field)
                | Source::Seconds(field)
                | Source::CheckedSeconds(field) => columns.push(field),
                Source::Codes => columns.extend(CODES.map(|(_, field)| field)),
                _ => {}
            }
        }
        Self {
            wanted: query.wants(scope),
            columns,
            cells: Vec::new(),
            each: Vec::new(),
            census: Vec::new(),
        }
    }

    /// `named` is the label that names it within its proxy.
    fn add(
        &mut self,
        row: &Row,
        named: &'static str,
        state: Option<usize>,
        check: Option<Option<usize>>,
    ) {
        if !self.wanted {
            return;
        }
        let mut labels = String::with_capacity(64);
        label(&mut labels, "proxy", row.text(Field::Pxname));
        if !named.is_empty() {
            label(&mut labels, named, row.text(Field::Svname));
        }
        let small = |place: usize| u8::try_from(place).ok();
        self.each.push(Object {
            labels: labels.into(),
            more: row.more,
            http: row.text(Field::Mode) == "http",
            state: state.and_then(small),
            check: check.map(|check| check.and_then(small)),
        });
        self.cells
            .extend(self.columns.iter().map(|field| Cell::of(&row[*field])));
    }

    /// A number of an object.
    pub(super) fn cell(&self, object: usize, field: Field) -> Cell {
        let column = self.columns.iter().position(|known| *known == field);
        let cell = column.and_then(|column| self.cells.get(object * self.columns.len() + column));
        cell.copied().unwrap_or(Cell::NONE)
    }
}

/// How many servers a backend has, by state and by result of the last check.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Census {
    pub(super) servers: u32,
    pub(super) states: [u32; SERVER_STATES.len()],
    pub(super) checks: [u32; CHECK_RESULTS.len()],
}

impl Census {
    fn count(&mut self, state: usize, check: Option<Option<usize>>) {
        self.servers += 1;
        self.states[state] += 1;
        if let Some(count) = check.flatten().and_then(|check| self.checks.get_mut(check)) {
            *count += 1;
        }
    }
}

fn place(list: &[&str], word: &str) -> Option<usize> {
    list.iter().position(|known| *known == word)
}

fn state_of_proxy(up: bool) -> Option<usize> {
    place(PROXY_STATES, if up { "UP" } else { "DOWN" })
}

/// The state that the words of the `status` column begin with; a server that nobody checks is up.
fn server_state(status: &str) -> usize {
    let known = SERVER_STATES
        .iter()
        .position(|state| status.starts_with(state));
    known.or_else(|| place(SERVER_STATES, "UP")).unwrap_or(0)
}

/// `None` for a server without checks.
fn check_result(row: &Row) -> Option<Option<usize>> {
    if row[Field::CheckStatus].is_none() {
        return None;
    }
    // A star says that another check runs.
    let status = row.text(Field::CheckStatus).trim_start_matches("* ");
    Some(place(CHECK_RESULTS, status))
}

/// Appends a label to others.
pub(super) fn label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            c => labels.push(c),
        }
    }
    labels.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_servers() {
        for (status, state) in [
            ("UP", "UP"),
            ("UP 1/3", "UP"),
            ("no check", "UP"),
            ("DOWN", "DOWN"),
            ("DOWN 1/2", "DOWN"),
            ("DOWN (agent)", "DOWN"),
            ("MAINT(via)", "MAINT"),
            ("MAINT (via a/b)", "MAINT"),
            ("NOLB 2/3", "NOLB"),
            ("DRAIN", "DRAIN"),
        ] {
            assert_eq!(SERVER_STATES[server_state(status)], state, "{status}");
        }
    }

    #[test]
    fn labels_are_escaped() {
        let mut labels = String::new();
        label(&mut labels, "proxy", "a\\b");
        label(&mut labels, "server", "x\"y\nz");
        assert_eq!(labels, r#"proxy="a\\b",server="x\"y\nz""#);
    }
}
