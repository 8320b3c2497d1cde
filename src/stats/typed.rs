//! Values with what they mean: `show stat typed` and `json`, `show info typed` and `json`, and
//! `;json` of the page. Since 1.7 (`typed`) and 1.8 (`json`).

use std::fmt::Write as _;

use haproxy_cfg_grammar::Dialect;
use serde_json::{Value as Json, json};

use super::{FIELDS, Field, Info, Kind, Row, Value};

/// Appends the fields of a row, one on each line.
pub fn row_lines(row: &Row, out: &mut String) {
    let letter = match row.kind {
        Kind::Frontend => 'F',
        Kind::Backend => 'B',
        Kind::Server => 'S',
        Kind::Listener => 'L',
    };
    for (position, field, value) in fields(row) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{letter}.{}.{}.{position}.{}.1:{}:{}:{value}",
            row.number(Field::Iid),
            row.number(Field::Sid),
            field.name(),
            field.tags(),
            field.kind(),
        );
    }
}

/// The rows as JSON.
pub fn rows_json(rows: &[Row]) -> String {
    Json::Array(rows.iter().map(row_json).collect()).to_string()
}

fn row_json(row: &Row) -> Json {
    let object = match row.kind {
        Kind::Frontend => "Frontend",
        Kind::Backend => "Backend",
        Kind::Server => "Server",
        Kind::Listener => "Listener",
    };
    fields(row)
        .map(|(position, field, value)| {
            json!({
                "objType": object,
                "proxyId": row.number(Field::Iid),
                "id": row.number(Field::Sid),
                "field": {"pos": position, "name": field.name()},
                "processNum": 1,
                "tags": tags(field.tags()),
                "value": {"type": field.kind(), "value": plain(value)},
            })
        })
        .collect()
}

fn fields(row: &Row) -> impl Iterator<Item = (usize, Field, &Value)> {
    let shown = FIELDS.iter().copied().enumerate();
    shown.filter_map(|(position, field)| {
        let value = &row[field];
        (!value.is_none()).then_some((position, field, value))
    })
}

fn plain(value: &Value) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Number(n) => (*n).into(),
        Value::Signed(n) => (*n).into(),
        Value::Text(text) => text.to_string().into(),
    }
}

/// Appends the lines of `show info typed`.
pub fn info_lines(info: &Info, dialect: Dialect, out: &mut String) {
    for (position, name, tags, value) in info_fields(info, dialect) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{position}.{name}.1:{tags}:{}:{value}", kind(&value));
    }
}

/// `show info json`.
pub fn info_json(info: &Info, dialect: Dialect) -> String {
    let fields = info_fields(info, dialect).map(|(position, name, letters, value)| {
        let number = value.parse::<u64>().map(Json::from);
        json!({
            "field": {"pos": position, "name": name},
            "processNum": 1,
            "tags": tags(letters),
            "value": {
                "type": kind(&value),
                "value": number.unwrap_or_else(|_| value.clone().into()),
            },
        })
    });
    Json::Array(fields.collect()).to_string()
}

fn kind(value: &str) -> &'static str {
    if value.parse::<u64>().is_ok() {
        "u32"
    } else {
        "str"
    }
}

/// Names, with the positions and tags that 1.8 gives them.
fn info_fields(
    info: &Info,
    dialect: Dialect,
) -> impl Iterator<Item = (usize, &'static str, &'static str, String)> {
    let entries = info.entries(dialect).into_iter();
    entries.enumerate().map(|(n, (name, value))| {
        let known = INFO.iter().find(|(_, known, _)| *known == name);
        let (position, tags) = known.map_or((100 + n, "MGP"), |(at, _, tags)| (*at, *tags));
        (position, name, tags, value)
    })
}

fn tags(letters: &str) -> Json {
    let mut letters = letters.chars();
    let mut next = || letters.next().unwrap_or(' ');
    let origin = match next() {
        'M' => "Metric",
        'S' => "Status",
        'K' => "Key",
        'C' => "Config",
        _ => "Product",
    };
    let nature = match next() {
        'A' => "Age",
        'a' => "Avg",
        'C' => "Counter",
        'D' => "Duration",
        'G' => "Gauge",
        'L' => "Limit",
        'M' => "Max",
        'N' => "Name",
        'R' => "Rate",
        _ => "Output",
    };
    let scope = if next() == 'P' { "Process" } else { "Service" };
    json!({"origin": origin, "nature": nature, "scope": scope})
}

const INFO: &[(usize, &str, &str)] = &[
    (0, "Name", "POS"),
    (1, "Version", "POS"),
    (2, "Release_date", "POS"),
    (3, "Nbproc", "CGS"),
    (4, "Process_num", "KGP"),
    (5, "Pid", "SGP"),
    (6, "Uptime", "MDP"),
    (7, "Uptime_sec", "MDP"),
    (8, "Memmax_MB", "CLP"),
    (9, "PoolAlloc_MB", "MGP"),
    (10, "PoolUsed_MB", "MGP"),
    (11, "PoolFailed", "MCP"),
    (12, "Ulimit-n", "CLP"),
    (13, "Maxsock", "CLP"),
    (14, "Maxconn", "CLP"),
    (15, "Hard_maxconn", "CLP"),
    (16, "CurrConns", "MGP"),
    (17, "CumConns", "MCP"),
    (18, "CumReq", "MCP"),
    (22, "Maxpipes", "CLP"),
    (23, "PipesUsed", "MGP"),
    (24, "PipesFree", "MGP"),
    (25, "ConnRate", "MRP"),
    (26, "ConnRateLimit", "CLP"),
    (27, "MaxConnRate", "MMP"),
    (28, "SessRate", "MRP"),
    (29, "SessRateLimit", "CLP"),
    (30, "MaxSessRate", "MRP"),
    (41, "CompressBpsIn", "MRP"),
    (42, "CompressBpsOut", "MRP"),
    (43, "CompressBpsRateLim", "CLP"),
    (44, "ZlibMemUsage", "MGP"),
    (45, "MaxZlibMemUsage", "CLP"),
    (46, "Tasks", "MGP"),
    (47, "Run_queue", "MGP"),
    (48, "Idle_pct", "MaP"),
    (49, "node", "COS"),
    (50, "description", "COS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let mut row = Row::new(Kind::Backend);
        row.set(Field::Pxname, "a");
        row.set(Field::Iid, 3_u32);
        let mut out = String::new();
        row_lines(&row, &mut out);
        assert!(out.starts_with("B.3.0.0.pxname.1:KNS:str:a\nB.3.0.27.iid.1:KGS:u32:3\n"));
        let json = rows_json(&[row]);
        assert!(json.contains(r#""tags":{"nature":"Name","origin":"Key","scope":"Service"}"#));
    }

    #[test]
    fn info() {
        let mut out = String::new();
        info_lines(&Info::default(), Dialect::V1_8, &mut out);
        assert!(out.starts_with("0.Name.1:POS:str:HAProxy\n"));
        assert!(out.contains("\n17.CumConns.1:MCP:u32:0\n"));
    }
}
