//! Comma-separated lines. Manual 1.4, section 9.1.

use std::fmt::Write;

use haproxy_cfg_grammar::Dialect;

use super::{FIELDS, Field, Row, Value};

/// Appends the first line, which names the columns.
pub fn header(dialect: Dialect, out: &mut String) {
    out.push_str("# ");
    for field in columns(dialect) {
        out.push_str(field.name());
        out.push(',');
    }
    out.push('\n');
}

/// Appends a line.
pub fn row(row: &Row, dialect: Dialect, out: &mut String) {
    for field in columns(dialect) {
        match &row[field] {
            Value::Text(text) => quoted(text, out),
            // Writing to a String cannot fail.
            value => {
                let _ = write!(out, "{value}");
            }
        }
        out.push(',');
    }
    out.push('\n');
}

fn columns(dialect: Dialect) -> impl Iterator<Item = Field> {
    FIELDS.iter().copied().filter(move |f| f.is_in(dialect))
}

/// Text that holds a comma, a quote or a line end is put into quotes.
fn quoted(text: &str, out: &mut String) {
    if !text.contains([',', '"', '\n', '\r']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn every_line_ends_with_a_comma() {
        let mut out = String::new();
        header(Dialect::V1_4, &mut out);
        assert!(out.starts_with("# pxname,svname,qcur,") && out.ends_with(",srv_abrt,\n"));
        let mut line = Row::new(Kind::Backend);
        line.set(Field::Pxname, "a");
        line.set(Field::Bout, 7_u64);
        out.clear();
        row(&line, Dialect::V1_4, &mut out);
        assert!(out.starts_with("a,,,,,,,,,7,") && out.ends_with(",,\n"));
        assert_eq!(out.matches(',').count(), 51);
        line.set(Field::LastChk, "a \"b\", c");
        out.clear();
        row(&line, Dialect::V1_8, &mut out);
        assert!(out.contains(",\"a \"\"b\"\", c\","));
    }
}
