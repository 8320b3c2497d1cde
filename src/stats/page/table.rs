//! The table of one proxy.

use std::fmt::Write as _;

use super::{Page, Section, escape};
use crate::stats::{Field, Kind, Row, Value};

/// A column.
pub(super) struct Column {
    group: &'static str,
    name: &'static str,
    field: Field,
    /// In pixels; columns of all sections are equal, so that they stand below each other.
    width: u32,
    /// A telephone leaves it out.
    minor: bool,
}

const fn column(group: &'static str, name: &'static str, field: Field, width: u32) -> Column {
    Column {
        group,
        name,
        field,
        width,
        minor: false,
    }
}

const fn minor(column: Column) -> Column {
    Column {
        minor: true,
        ..column
    }
}

const COLUMNS: &[Column] = &[
    column("Queue", "Cur", Field::Qcur, 39),
    minor(column("Queue", "Max", Field::Qmax, 39)),
    minor(column("Queue", "Limit", Field::Qlimit, 39)),
    column("Rate", "Cur", Field::Rate, 39),
    minor(column("Rate", "Max", Field::RateMax, 39)),
    minor(column("Rate", "Limit", Field::RateLim, 39)),
    column("Sessions", "Cur", Field::Scur, 39),
    minor(column("Sessions", "Max", Field::Smax, 39)),
    minor(column("Sessions", "Limit", Field::Slim, 39)),
    column("Sessions", "Total", Field::Stot, 39),
    minor(column("Sessions", "LbTot", Field::Lbtot, 40)),
    column("Bytes", "In", Field::Bin, 58),
    column("Bytes", "Out", Field::Bout, 58),
    column("Denied", "Req", Field::Dreq, 39),
    column("Denied", "Resp", Field::Dresp, 39),
    column("Errors", "Req", Field::Ereq, 39),
    column("Errors", "Conn", Field::Econ, 39),
    column("Errors", "Resp", Field::Eresp, 39),
    column("Warnings", "Retr", Field::Wretr, 39),
    column("Warnings", "Redis", Field::Wredis, 39),
    column("Server", "Last check", Field::CheckStatus, 104),
    minor(column("Server", "Wght", Field::Weight, 40)),
    minor(column("Server", "Act", Field::Act, 30)),
    minor(column("Server", "Bck", Field::Bck, 30)),
    column("Server", "Chk", Field::Chkfail, 39),
    column("Server", "Dwn", Field::Chkdown, 39),
    column("Server", "Dwntme", Field::Downtime, 58),
    column("Server", "Thrtle", Field::Throttle, 46),
];

/// Together with all columns that leaves no window of 1440 pixels too narrow.
const NAME_WIDTH: u32 = 130;
const STATUS_WIDTH: u32 = 110;

/// How wide a table with these columns is, in pixels.
pub(super) fn width(columns: &[&Column]) -> u32 {
    let columns: u32 = columns.iter().map(|column| column.width).sum();
    columns + NAME_WIDTH + STATUS_WIDTH
}

/// The columns in which at least one of the rows has something to say.
pub(super) fn columns<'r>(rows: impl Iterator<Item = &'r Row> + Clone) -> Vec<&'static Column> {
    let used = |column: &&Column| rows.clone().any(|row| !value(row, column).is_empty());
    COLUMNS.iter().filter(used).collect()
}

fn value(row: &Row, column: &Column) -> Value {
    let value = &row[column.field];
    match column.field {
        Field::RateLim if *value == Value::Number(0) => Value::None,
        // Who is not checked may have an agent.
        Field::CheckStatus if value.is_empty() => row[Field::AgentStatus].clone(),
        _ => value.clone(),
    }
}

/// Appends the table.
pub(super) fn table(
    page: &Page<'_>,
    section: &Section,
    columns: &[&Column],
    form: bool,
    out: &mut String,
) {
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<div class=\"scroll\"><table style=\"--w:{}px\"><colgroup><col style=\"width:\
         {NAME_WIDTH}px\"><col style=\"width:{STATUS_WIDTH}px\">",
        width(columns)
    );
    for column in columns {
        let _ = write!(out, "<col style=\"width:{}px\">", column.width);
    }
    out.push_str("</colgroup><thead><tr><th class=\"n\"></th><th></th>");
    let mut at = 0;
    while let Some(first) = columns.get(at) {
        let width = columns[at..]
            .iter()
            .take_while(|column| column.group == first.group)
            .count();
        let _ = write!(
            out,
            "<th class=\"g\" colspan=\"{width}\">{}</th>",
            first.group
        );
        at += width;
    }
    out.push_str("</tr><tr><th class=\"n\">Name</th><th class=\"l\">Status</th>");
    let mut group = "";
    for column in columns {
        let starts = column.group != group;
        group = column.group;
        out.push_str("<th");
        class_list(
            &[(starts, "g"), (column.field == Field::CheckStatus, "l")],
            out,
        );
        let _ = write!(out, ">{}</th>", column.name);
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &section.rows {
        self::row(page, section, columns, row, form, out);
    }
    out.push_str("</tbody></table></div>\n");
}

fn class_list(classes: &[(bool, &str)], out: &mut String) {
    let mut chosen = classes.iter().filter(|(on, _)| *on).map(|(_, c)| *c);
    if let Some(first) = chosen.next() {
        let _ = write!(out, " class=\"{first}");
        for class in chosen {
            let _ = write!(out, " {class}");
        }
        out.push('"');
    }
}

fn row(
    page: &Page<'_>,
    section: &Section,
    columns: &[&Column],
    row: &Row,
    form: bool,
    out: &mut String,
) {
    let (class, name) = match row.kind {
        Kind::Frontend => ("F", "Frontend"),
        Kind::Backend => ("B", "Backend"),
        Kind::Server => ("S", row.text(Field::Svname)),
        Kind::Listener => ("L", row.text(Field::Svname)),
    };
    let _ = write!(
        out,
        "<tr class=\"{class} {}\" data-name=\"",
        state_class(row)
    );
    escape(name, out);
    out.push_str("\"><td class=\"n\" title=\"");
    escape(name, out);
    if page.legends {
        legend(row, out);
    }
    out.push_str("\">");
    let chosen = form && row.kind == Kind::Server;
    if chosen {
        out.push_str("<label><input type=\"checkbox\" name=\"s\" value=\"");
        escape(name, out);
        out.push_str("\"> ");
    }
    out.push_str("<a name=\"");
    escape(&section.name, out);
    out.push('/');
    if row.kind == Kind::Listener {
        out.push('+');
    }
    escape(name, out);
    out.push_str("\">");
    escape(name, out);
    out.push_str("</a>");
    if chosen {
        out.push_str("</label>");
    }
    out.push_str("</td>");
    status(row, out);
    let mut group = "";
    for column in columns {
        let starts = column.group != group;
        group = column.group;
        cell(row, column, starts, out);
    }
    out.push_str("</tr>\n");
}

/// Identity, address and settings, shown when the pointer rests on the name.
fn legend(row: &Row, out: &mut String) {
    let facts = [
        ("id", Field::Sid),
        ("address", Field::Addr),
        ("cookie", Field::Cookie),
        ("mode", Field::Mode),
        ("balance", Field::Algo),
        ("tracks", Field::Tracked),
    ];
    for (name, field) in facts {
        let value = row[field].to_string();
        if value.is_empty() {
            continue;
        }
        out.push_str(", ");
        out.push_str(name);
        out.push_str(": ");
        escape(&value, out);
    }
}

/// The class of a row's state, which gives it its colour.
pub(super) fn state_class(row: &Row) -> &'static str {
    let text = row.text(Field::Status);
    match text.split(' ').next().unwrap_or("") {
        "OPEN" => "up",
        "UP" if text.len() == 2 => "up",
        "UP" | "NOLB" | "FULL" => "warn",
        "DOWN" if text.ends_with(char::is_numeric) => "warn",
        "DOWN" => "down",
        "DRAIN" | "STOP" => "off",
        text if text.starts_with("MAINT") => "off",
        _ => "idle",
    }
}

fn status(row: &Row, out: &mut String) {
    let class = state_class(row);
    let _ = write!(out, "<td class=\"s\"><span class=\"state {class}\">");
    escape(row.text(Field::Status), out);
    out.push_str("</span>");
    if let Some(seconds) = row[Field::Lastchg].number() {
        let _ = write!(out, "<span class=\"since\">{}</span>", ago(seconds));
    }
    out.push_str("</td>");
}

fn cell(row: &Row, column: &Column, starts: bool, out: &mut String) {
    let value = value(row, column);
    let empty = value.is_empty();
    let zero = value == Value::Number(0);
    let check = column.field == Field::CheckStatus;
    out.push_str("<td");
    class_list(
        &[
            (starts, "g"),
            (empty, "e"),
            (zero, "z"),
            (column.minor, "m"),
            (check, "l c"),
        ],
        out,
    );
    if !empty && !zero && !column.minor {
        let label = match column.group {
            "Server" => column.name.to_owned(),
            group => format!("{group} {}", column.name.to_lowercase()),
        };
        let _ = write!(out, " data-l=\"{label}\"");
    }
    match (&value, column.field) {
        (Value::Number(bytes), Field::Bin | Field::Bout) if *bytes >= 10_000 => {
            let _ = write!(out, " title=\"{bytes}\">{}</td>", size(*bytes));
        }
        (Value::Number(seconds), Field::Downtime) => {
            let _ = write!(out, " title=\"{seconds}s\">{}</td>", ago(*seconds));
        }
        (Value::Text(_), Field::CheckStatus) => {
            last_check(row, value.text(), out);
        }
        (Value::Number(1), Field::Act | Field::Bck) if row.kind == Kind::Server => {
            out.push_str(">Y</td>");
        }
        (Value::Number(0), Field::Act | Field::Bck) if row.kind == Kind::Server => {
            out.push_str(">-</td>");
        }
        (Value::Number(n), Field::Stot) if row[Field::Hrsp2xx].number().is_some() => {
            let _ = write!(out, " title=\"{n} sessions");
            responses(row, out);
            let _ = write!(out, "\">{}</td>", short(*n));
        }
        (Value::Number(n), _) if *n >= 10_000 => {
            let _ = write!(out, " title=\"{n}\">{}</td>", short(*n));
        }
        _ => {
            out.push('>');
            escape(&value.to_string(), out);
            out.push_str("</td>");
        }
    }
}

/// The last check, or what the agent has said last, in a few letters; in words when the pointer rests
/// on it.
fn last_check(row: &Row, status: &str, out: &mut String) {
    let (words, said, code, duration) = if row[Field::CheckStatus].is_empty() {
        let (words, said) = (Field::AgentDesc, Field::LastAgt);
        (words, said, Field::AgentCode, Field::AgentDuration)
    } else {
        let (words, said) = (Field::CheckDesc, Field::LastChk);
        (words, said, Field::CheckCode, Field::CheckDuration)
    };
    let (words, said) = (row.text(words), row.text(said));
    if !said.is_empty() || !words.is_empty() {
        out.push_str(" title=\"");
        escape(words, out);
        if !said.is_empty() {
            out.push_str(": ");
            escape(said, out);
        }
        out.push('"');
    }
    out.push('>');
    escape(status, out);
    if let Some(code) = row[code].number().filter(|code| *code != 0) {
        let _ = write!(out, "/{code}");
    }
    if let Some(millis) = row[duration].number() {
        let _ = write!(out, " {millis}ms");
    }
    out.push_str("</td>");
}

/// A number in four places at most: a figure that a narrow column cuts off would be another one.
fn short(n: u64) -> String {
    let (value, unit) = match n {
        0..10_000 => return n.to_string(),
        10_000..1_000_000 => (n as f64 / 1e3, "k"),
        1_000_000..1_000_000_000 => (n as f64 / 1e6, "M"),
        _ => (n as f64 / 1e9, "G"),
    };
    // Rounded down: 999,999 is no 1000k.
    let decimals = usize::from(value < 9.95);
    let value = if decimals == 0 { value.floor() } else { value };
    format!("{value:.decimals$}{unit}")
}

/// Responses by status, shown when the pointer rests on the number of sessions.
fn responses(row: &Row, out: &mut String) {
    for (name, field) in [
        ("1xx", Field::Hrsp1xx),
        ("2xx", Field::Hrsp2xx),
        ("3xx", Field::Hrsp3xx),
        ("4xx", Field::Hrsp4xx),
        ("5xx", Field::Hrsp5xx),
        ("other", Field::HrspOther),
    ] {
        if let Some(n) = row[field].number() {
            let _ = write!(out, ", {name}: {n}");
        }
    }
}

/// Bytes with one of the larger units.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            let decimals = usize::from(value < 99.95);
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} PB")
}

/// A time in its largest unit or two.
fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        assert_eq!(size(12_345), "12.3 kB");
        assert_eq!(size(9_999_999_999), "10.0 GB");
        assert_eq!(size(123_456), "123 kB");
        for (n, text) in [
            (9_999, "9999"),
            (12_345, "12k"),
            (999_999, "999k"),
            (1_234_567, "1.2M"),
            (9_960_000, "9M"),
            (123_456_789, "123M"),
            (2_000_000_000, "2.0G"),
        ] {
            assert_eq!(short(n), text);
        }
        for (seconds, text) in [(5, "5s"), (65, "1m5s"), (3660, "1h1m"), (90_000, "1d1h")] {
            assert_eq!(ago(seconds), text);
        }
    }
}
