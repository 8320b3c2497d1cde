//! The table of one proxy.

use std::fmt::Write as _;

use super::{Page, Section, escape};
use crate::stats::{Field, Kind, Row, Value};

/// A column: its group, its name, the field, and whether a telephone leaves it out.
struct Column {
    group: &'static str,
    name: &'static str,
    field: Field,
    minor: bool,
}

const fn column(group: &'static str, name: &'static str, field: Field, minor: bool) -> Column {
    Column {
        group,
        name,
        field,
        minor,
    }
}

const COLUMNS: &[Column] = &[
    column("Queue", "Cur", Field::Qcur, false),
    column("Queue", "Max", Field::Qmax, true),
    column("Queue", "Limit", Field::Qlimit, true),
    column("Session rate", "Cur", Field::Rate, false),
    column("Session rate", "Max", Field::RateMax, true),
    column("Session rate", "Limit", Field::RateLim, true),
    column("Sessions", "Cur", Field::Scur, false),
    column("Sessions", "Max", Field::Smax, true),
    column("Sessions", "Limit", Field::Slim, true),
    column("Sessions", "Total", Field::Stot, false),
    column("Sessions", "LbTot", Field::Lbtot, true),
    column("Bytes", "In", Field::Bin, false),
    column("Bytes", "Out", Field::Bout, false),
    column("Denied", "Req", Field::Dreq, false),
    column("Denied", "Resp", Field::Dresp, false),
    column("Errors", "Req", Field::Ereq, false),
    column("Errors", "Conn", Field::Econ, false),
    column("Errors", "Resp", Field::Eresp, false),
    column("Warnings", "Retr", Field::Wretr, false),
    column("Warnings", "Redis", Field::Wredis, false),
    column("Server", "LastChk", Field::CheckStatus, false),
    column("Server", "Wght", Field::Weight, true),
    column("Server", "Act", Field::Act, true),
    column("Server", "Bck", Field::Bck, true),
    column("Server", "Chk", Field::Chkfail, false),
    column("Server", "Dwn", Field::Chkdown, false),
    column("Server", "Dwntme", Field::Downtime, false),
    column("Server", "Thrtle", Field::Throttle, false),
];

/// Appends the table.
pub(super) fn table(page: &Page<'_>, section: &Section, form: bool, out: &mut String) {
    out.push_str("<div class=\"scroll\"><table><thead><tr><th class=\"n\"></th><th></th>");
    let mut at = 0;
    while let Some(first) = COLUMNS.get(at) {
        let width = COLUMNS[at..]
            .iter()
            .take_while(|column| column.group == first.group)
            .count();
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<th class=\"g\" colspan=\"{width}\">{}</th>",
            first.group
        );
        at += width;
    }
    out.push_str("</tr><tr><th class=\"n\">Name</th><th class=\"n\">Status</th>");
    let mut group = "";
    for column in COLUMNS {
        let class = if column.group == group {
            ""
        } else {
            " class=\"g\""
        };
        group = column.group;
        let _ = write!(out, "<th{class}>{}</th>", column.name);
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &section.rows {
        self::row(page, section, row, form, out);
    }
    out.push_str("</tbody></table></div>\n");
}

fn row(page: &Page<'_>, section: &Section, row: &Row, form: bool, out: &mut String) {
    let (class, name) = match row.kind {
        Kind::Frontend => ("F", "Frontend"),
        Kind::Backend => ("B", "Backend"),
        Kind::Server => ("S", row.text(Field::Svname)),
        Kind::Listener => ("L", row.text(Field::Svname)),
    };
    let _ = write!(out, "<tr class=\"{class}\" data-name=\"");
    escape(name, out);
    out.push_str("\"><td class=\"n\"");
    if page.legends {
        legend(row, out);
    }
    out.push('>');
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
    for column in COLUMNS {
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
    out.push_str(" title=\"");
    let mut first = true;
    for (name, field) in facts {
        let value = row[field].to_string();
        if value.is_empty() {
            continue;
        }
        if !std::mem::replace(&mut first, false) {
            out.push_str(", ");
        }
        out.push_str(name);
        out.push_str(": ");
        escape(&value, out);
    }
    out.push('"');
}

fn status(row: &Row, out: &mut String) {
    let text = row.text(Field::Status);
    let class = match text.split(' ').next().unwrap_or("") {
        "OPEN" => "up",
        "UP" if text.len() == 2 => "up",
        "UP" | "NOLB" | "FULL" => "warn",
        "DOWN" if text.len() > 4 => "warn",
        "DOWN" => "down",
        "MAINT" | "DRAIN" | "STOP" => "off",
        _ => "idle",
    };
    let _ = write!(out, "<td class=\"s\"><span class=\"state {class}\">");
    escape(text, out);
    out.push_str("</span>");
    if let Some(seconds) = row[Field::Lastchg].number() {
        let _ = write!(out, "<span class=\"since\">{}</span>", ago(seconds));
    }
    out.push_str("</td>");
}

fn cell(row: &Row, column: &Column, starts: bool, out: &mut String) {
    let mut value = row[column.field].clone();
    // The weight, and whether it is active, say nothing of a frontend.
    if column.field == Field::RateLim && value == Value::Number(0) {
        value = Value::None;
    }
    let empty = value.to_string().is_empty();
    let zero = value == Value::Number(0);
    let classes = [
        (starts, "g"),
        (empty, "e"),
        (zero, "z"),
        (column.minor, "m"),
    ];
    let classes: Vec<&str> = classes
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, c)| *c)
        .collect();
    out.push_str("<td");
    if !classes.is_empty() {
        let _ = write!(out, " class=\"{}\"", classes.join(" "));
    }
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
            if !row.text(Field::LastChk).is_empty() || !row.text(Field::CheckDesc).is_empty() {
                out.push_str(" title=\"");
                escape(row.text(Field::CheckDesc), out);
                if !row.text(Field::LastChk).is_empty() {
                    out.push_str(": ");
                    escape(row.text(Field::LastChk), out);
                }
                out.push('"');
            }
            out.push('>');
            escape(value.text(), out);
            if let Some(code) = row[Field::CheckCode].number() {
                let _ = write!(out, "/{code}");
            }
            if let Some(millis) = row[Field::CheckDuration].number() {
                let _ = write!(out, " in {millis}ms");
            }
            out.push_str("</td>");
        }
        (Value::Number(1), Field::Act | Field::Bck) if row.kind == Kind::Server => {
            out.push_str(">Y</td>");
        }
        (Value::Number(0), Field::Act | Field::Bck) if row.kind == Kind::Server => {
            out.push_str(">-</td>");
        }
        _ => {
            out.push('>');
            escape(&value.to_string(), out);
            out.push_str("</td>");
        }
    }
}

/// Bytes with one of the larger units.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            return format!("{value:.1} {unit}");
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
        for (seconds, text) in [(5, "5s"), (65, "1m5s"), (3660, "1h1m"), (90_000, "1d1h")] {
            assert_eq!(ago(seconds), text);
        }
    }
}
