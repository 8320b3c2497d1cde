//! One line of the table.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Index, IndexMut};

use super::Field;

/// What a cell holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the column does not apply.
    #[default]
    None,
    /// A count, a size, a time.
    Number(u64),
    /// A number that may be negative: -1 stands for "never".
    Signed(i64),
    /// Text.
    Text(Cow<'static, str>),
}

impl Value {
    /// The number, when it is one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Signed(n) => u64::try_from(*n).ok(),
            Self::None | Self::Text(_) => None,
        }
    }

    /// The text; empty when it is none.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::None) || matches!(self, Self::Text(text) if text.is_empty())
    }

    /// Whether there is nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Number(n) => n.fmt(f),
            Self::Signed(n) => n.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Number(n)
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Number(n.into())
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Signed(n)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// What a line is about; the number is the one in the `type` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A frontend.
    Frontend = 0,
    /// A backend.
    Backend = 1,
    /// A server.
    Server = 2,
    /// A listening socket.
    Listener = 3,
}

/// What is counted and has no column in the versions whose CSV is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// Attempts to connect to servers.
    pub attempts: Option<u64>,
    /// Requests on server connections that were there already.
    pub reuses: Option<u64>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub kind: Kind,
    /// What has no column.
    pub more: More,
    cells: Vec<Value>,
}

impl Row {
    /// A line about which nothing is known but what it is about.
    pub fn new(kind: Kind) -> Self {
        let mut row = Self {
            kind,
            more: More::default(),
            cells: vec![Value::None; Field::COUNT],
        };
        row[Field::Type] = Value::Number(kind as u64);
        row
    }

    /// Sets a cell.
    pub fn set(&mut self, field: Field, value: impl Into<Value>) {
        self[field] = value.into();
    }

    /// The number in a cell; 0 when there is none.
    pub fn number(&self, field: Field) -> u64 {
        self[field].number().unwrap_or(0)
    }

    /// The text in a cell.
    pub fn text(&self, field: Field) -> &str {
        self[field].text()
    }
}

impl Index<Field> for Row {
    type Output = Value;

    fn index(&self, field: Field) -> &Value {
        &self.cells[field as usize]
    }
}

impl IndexMut<Field> for Row {
    fn index_mut(&mut self, field: Field) -> &mut Value {
        &mut self.cells[field as usize]
    }
}

/// Which lines are wanted: `show stat IID TYPE SID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Number of the proxy; -1 for all.
    pub proxy: i64,
    /// 1 frontends, 2 backends, 4 servers, 8 listeners, added up; -1 for all.
    pub kinds: i64,
    /// Number of the server, or of the listener; -1 for all. Frontends and backends have none, and are
    /// wanted whatever it is.
    pub server: i64,
}

impl Filter {
    /// Everything.
    pub const ALL: Self = Self {
        proxy: -1,
        kinds: -1,
        server: -1,
    };

    /// Whether a line is wanted.
    pub fn wants(self, row: &Row) -> bool {
        let bit = 1_i64 << row.kind as u32;
        let is = |field, wanted: i64| {
            wanted == -1 || u64::try_from(wanted).is_ok_and(|wanted| row.number(field) == wanted)
        };
        let numbered = matches!(row.kind, Kind::Server | Kind::Listener);
        self.kinds & bit != 0
            && is(Field::Iid, self.proxy)
            && (!numbered || is(Field::Sid, self.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let mut row = Row::new(Kind::Server);
        row.set(Field::Iid, 3_u32);
        row.set(Field::Sid, 1_u32);
        let wants = |proxy, kinds, server| {
            Filter {
                proxy,
                kinds,
                server,
            }
            .wants(&row)
        };
        assert!(wants(-1, -1, -1) && wants(3, 4, 1) && wants(3, 7, -1));
        assert!(!wants(3, 3, -1) && !wants(2, -1, -1) && !wants(3, 4, 0) && !wants(-1, 0, -1));
        let filter = Filter {
            server: 7,
            ..Filter::ALL
        };
        assert!(filter.wants(&Row::new(Kind::Backend)) && !filter.wants(&Row::new(Kind::Listener)));
    }
}
