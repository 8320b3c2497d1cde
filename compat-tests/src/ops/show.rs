//! What is told of an HTTP answer, and of statistics as CSV.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::normalise::visible;
use super::stage::Stage;
use super::suite::Step;
use crate::recorded::SuiteError;
use crate::text::from_bytes;

impl Stage<'_> {
    pub(super) fn show(&mut self, bytes: &[u8], how: &str, step: &Step) -> Result<(), SuiteError> {
        let text = from_bytes(bytes);
        match how {
            "none" => return Ok(()),
            "all" => {
                self.block(&text);
                return Ok(());
            }
            "status" => {
                let line = text.split("\r\n").next().unwrap_or("");
                let line = visible(&self.norm(line));
                self.say(format!("| {line}"));
                return Ok(());
            }
            _ => {}
        }
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let body = if CHUNKED.is_match(head) {
            unchunked(body)
        } else {
            body.to_owned()
        };
        if matches!(how, "head" | "html" | "csv") {
            let head = self.norm(head);
            for line in head.split("\r\n") {
                self.say(format!("| {line}"));
            }
        }
        match how {
            "html" => self.html(&body, step),
            "csv" | "csvbody" => self.csv(&body, step),
            "head" => {
                let some = if body.is_empty() { "empty" } else { "some" };
                self.say(format!("body: {some}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What scripts look for in the page.
    fn html(&mut self, body: &str, step: &Step) -> Result<(), SuiteError> {
        let kind = if body.is_empty() {
            "empty"
        } else if body.to_ascii_lowercase().contains("</html>") {
            "html"
        } else {
            "other"
        };
        self.say(format!("body: {kind}"));
        if body.is_empty() {
            return Ok(());
        }
        let body = self.norm(body);
        let anchors = ANCHOR.captures_iter(&body);
        let anchors: Vec<&str> = anchors
            .filter_map(|found| Some(found.get(1)?.as_str().trim_matches(['"', '\''])))
            .collect();
        self.say(format!("anchors: {}", anchors.join(" ")));
        self.say(format!("form: {}", FORM.find_iter(&body).count()));
        let mut options: Vec<&str> = Vec::new();
        for found in OPTION.captures_iter(&body) {
            let option = found.get(1).map_or("", |m| m.as_str());
            if !options.contains(&option) {
                options.push(option);
            }
        }
        if !options.is_empty() {
            self.say(format!("options: {}", options.join(" ")));
        }
        let boxes: Vec<String> = CHECKBOX
            .captures_iter(&body)
            .map(|found| format!("{}={}", &found[1], &found[2]))
            .collect();
        if !boxes.is_empty() {
            self.say(format!("boxes: {}", boxes.join(" ")));
        }
        for text in &step.contains {
            let has = if body.contains(text.as_str()) {
                "yes"
            } else {
                "no"
            };
            self.say(format!("has {text}: {has}"));
        }
        Ok(())
    }

    /// Rows and columns of statistics.
    pub(super) fn csv(&mut self, text: &str, step: &Step) -> Result<(), SuiteError> {
        let Some(rest) = text.strip_prefix("# ") else {
            self.block(text);
            return Ok(());
        };
        let mut lines = rest.split('\n');
        let names: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
        if step.header {
            self.say(format!("columns: {}", names.join(" ")));
            let yes = |is| if is { "yes" } else { "no" };
            self.say(format!(
                "final comma: {}, empty line at the end: {}",
                yes(names.last() == Some(&"")),
                yes(text.ends_with("\n\n"))
            ));
        }
        let columns: Vec<&str> = step.cols.as_deref().unwrap_or(COLUMNS).split(' ').collect();
        let rows: Vec<Regex> = step
            .rows
            .iter()
            .filter_map(|row| Regex::new(&format!("^(?:{row})$")).ok())
            .collect();
        for line in lines.filter(|line| !line.is_empty()) {
            let cells: BTreeMap<&str, &str> = names.iter().copied().zip(line.split(',')).collect();
            let cell = |name: &str| cells.get(name).copied().unwrap_or("-");
            let row = format!("{}/{}", cell("pxname"), cell("svname"));
            if !rows.is_empty() && !rows.iter().any(|pattern| pattern.is_match(&row)) {
                continue;
            }
            if step.width {
                self.say(format!("| {row} {} fields", line.split(',').count()));
                continue;
            }
            let mut shown = format!("| {row}");
            for column in &columns {
                let mut value = cell(column).to_owned();
                if *column == "check_status" {
                    // One is under way.
                    value = value.trim_start_matches("* ").to_owned();
                }
                if *column == "addr" {
                    value = self.norm(&value);
                }
                if step.cols.is_none() && matches!(value.as_str(), "-" | "") {
                    continue;
                }
                shown.push_str(&format!(" {column}={value}"));
            }
            if columns.is_empty() || shown.len() == row.len() + 2 {
                shown.push(' ');
            }
            self.say(shown);
        }
        Ok(())
    }
}

/// A body in chunks, put together.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = size.split(';').next().unwrap_or("");
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            break;
        };
        if size == 0 {
            break;
        }
        let mut chars = rest.chars();
        whole.extend(chars.by_ref().take(size));
        body = chars.as_str().strip_prefix("\r\n").unwrap_or("");
    }
    whole
}

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

static CHUNKED: LazyLock<Regex> =
    LazyLock::new(|| constant(r"(?i)\r\ntransfer-encoding: *chunked"));
static ANCHOR: LazyLock<Regex> =
    LazyLock::new(|| constant(r#"<a [^>]*?name=("[^"]*"|'[^']*'|[^ >]+)"#));
static FORM: LazyLock<Regex> = LazyLock::new(|| constant(r"(?i)<form[ >]"));
static OPTION: LazyLock<Regex> = LazyLock::new(|| constant(r#"<option value="?([^">]*)"#));
static CHECKBOX: LazyLock<Regex> = LazyLock::new(|| {
    constant(r#"<input[^>]*type="?checkbox"?[^>]*name="?(\w+)"?[^>]*value="?([^" >]*)"#)
});

/// What is told of a row when a step does not say.
const COLUMNS: &str = "qcur qmax scur smax slim stot bin bout dreq dresp ereq econ eresp wretr \
    wredis status weight act bck chkfail chkdown qlimit pid iid sid tracked type rate_lim hrsp_1xx \
    hrsp_2xx hrsp_3xx hrsp_4xx hrsp_5xx hrsp_other hanafail req_tot cli_abrt srv_abrt lbtot";
