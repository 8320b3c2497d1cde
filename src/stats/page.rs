//! The statistics page: one HTML document that needs nothing else, works without scripts, and
//! is readable in the light, in the dark and on a telephone. Manual 1.4, section 4.2 "stats enable".
//!
//! What tools look for in HAProxy's page is kept: the anchors (`name=backend/server`), the form of
//! each backend with its fields, and the words `version`, `pid = ` and `uptime = `.

mod table;

use std::fmt::Write as _;

use haproxy_cfg_grammar::Dialect;

use super::{Asked, Info, Kind, Outcome, Row};
use table::Column;

/// What the page needs to know beside the rows.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// Whose page it is.
    pub dialect: Dialect,
    /// The URI as it is configured.
    pub uri: &'a str,
    /// What was asked for.
    pub asked: &'a Asked,
    /// The process.
    pub info: &'a Info,
    /// `stats refresh`, in seconds.
    pub refresh: Option<u64>,
    /// `stats hide-version`.
    pub hide_version: bool,
    /// `stats show-node`: the node.
    pub node: Option<&'a str>,
    /// `stats show-desc`: the description.
    pub description: Option<&'a str>,
    /// `stats show-legends`.
    pub legends: bool,
    /// `stats admin`: servers can be switched.
    pub admin: bool,
}

/// One proxy with what is shown of it.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u64,
    /// `description`.
    pub description: Option<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Page<'_> {
    /// The document.
    pub fn html(&self, sections: &[Section]) -> String {
        let mut out = String::with_capacity(16_384);
        out.push_str(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'\">\n<title>Statistics",
        );
        if let Some(node) = self.node {
            out.push_str(" on ");
            escape(node, &mut out);
        }
        out.push_str("</title>\n<style>");
        out.push_str(STYLE);
        let shown = || sections.iter().filter(|section| self.wants(section));
        let columns = table::columns(shown().flat_map(|section| &section.rows));
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "@media (min-width:{}px){{{STYLE_WHEN_IT_FITS}}}",
            table::width(&columns) + MARGINS
        );
        out.push_str("</style></head>\n<body><header>\n");
        self.title(&mut out);
        self.facts(&mut out);
        self.bar(sections, &mut out);
        out.push_str("</header><main>\n");
        self.said(&mut out);
        for section in shown() {
            self.section(section, &columns, &mut out);
        }
        out.push_str("</main>\n");
        self.footer(&mut out);
        out.push_str("<script>");
        out.push_str(SCRIPT);
        out.push_str("</script></body></html>\n");
        out
    }

    fn wants(&self, section: &Section) -> bool {
        self.asked.shows(&section.name)
    }

    fn title(&self, out: &mut String) {
        out.push_str("<h1>Statistics");
        if let Some(node) = self.node {
            out.push_str(" on ");
            escape(node, out);
        }
        out.push_str("</h1>\n<p>");
        if let Some(description) = self.description {
            escape(description, out);
            out.push_str(" &middot; ");
        }
        if !self.hide_version {
            let version = super::info::version(self.dialect);
            let _ = write!(
                out,
                "HAProxy version {version}, released {} &middot; ",
                super::info::RELEASE_DATE
            );
        }
        let _ = writeln!(
            out,
            "pid = {} (process #1, nbproc = 1) &middot; uptime = {}</p>",
            self.info.pid,
            super::info::uptime(self.info.uptime)
        );
    }

    fn facts(&self, out: &mut String) {
        let info = self.info;
        let memory = match info.memory_limit {
            0 => "unlimited".to_owned(),
            megabytes => format!("{megabytes} MB"),
        };
        out.push_str("<div class=\"facts\">");
        let connections = format!("{} <small>of {}</small>", info.connections, info.maxconn);
        let (rate, _, most) = info.session_rate;
        let rate = format!("{rate}/s <small>at most {most}/s</small>");
        let mut facts: Vec<(&str, String, bool)> = vec![
            ("Connections", connections, info.connections >= info.maxconn),
            ("Sessions", rate, false),
            ("Connections so far", count(info.total_connections), false),
            ("Requests so far", count(info.total_requests), false),
            ("Memory limit", memory, false),
            ("File descriptors", count(info.descriptors), false),
            (
                "Log lines dropped",
                count(info.dropped_logs),
                info.dropped_logs > 0,
            ),
        ];
        if self.dialect == Dialect::Hapax {
            let draining = match info.draining {
                0 => String::new(),
                n => format!(" <small>{n} draining</small>"),
            };
            let configuration = format!("#{}{draining}", info.generation);
            facts.push(("Configuration", configuration, false));
            let refused = info.failed_reloads;
            facts.push(("Reloads refused", refused.to_string(), refused > 0));
        }
        for (name, value, bad) in facts {
            let class = if bad { " class=\"bad\"" } else { "" };
            let _ = write!(out, "<div{class}>{name} <b>{value}</b></div>");
        }
        out.push_str("</div>\n");
    }

    /// How many servers are in which state.
    fn summary(&self, sections: &[Section], out: &mut String) {
        out.push_str("<span class=\"sum\">");
        let servers = || {
            let wanted = sections.iter().filter(|section| self.wants(section));
            let rows = wanted.flat_map(|section| &section.rows);
            rows.filter(|row| row.kind == Kind::Server)
        };
        for (class, text) in STATES {
            let n = servers()
                .filter(|row| table::state_class(row) == *class)
                .count();
            if n > 0 {
                let _ = write!(out, "<span class=\"state {class}\">{n} {text}</span>");
            }
        }
        out.push_str("</span>");
    }

    /// Links to the other views, and the search.
    fn bar(&self, sections: &[Section], out: &mut String) {
        out.push_str("<nav id=\"bar\">");
        self.summary(sections, out);
        let asked = self.asked;
        let link = |up: bool, no_refresh: bool, more: &str, text: &str, out: &mut String| {
            out.push_str("<a href=\"");
            escape(&self.address(up, no_refresh, more), out);
            let _ = write!(out, "\">{text}</a>");
        };
        if asked.only_up {
            link(false, asked.no_refresh, "", "All servers", out);
        } else {
            link(true, asked.no_refresh, "", "Only servers that are up", out);
        }
        if self.refresh.is_some() {
            if asked.no_refresh {
                link(asked.only_up, false, "", "Enable refresh", out);
            } else {
                link(asked.only_up, true, "", "Disable refresh", out);
            }
        }
        link(asked.only_up, asked.no_refresh, "", "Refresh now", out);
        link(false, asked.refresh_word(), ";csv", "CSV", out);
        if self.dialect != Dialect::V1_4 {
            link(false, asked.refresh_word(), ";json", "JSON", out);
            self.search(out);
        }
        out.push_str("</nav>\n");
    }

    /// A search that works without scripts: the server chooses the proxies.
    fn search(&self, out: &mut String) {
        let (path, query) = self.uri.split_once('?').unwrap_or((self.uri, ""));
        out.push_str("<form role=\"search\" method=\"get\" action=\"");
        escape(path, out);
        out.push_str("\">");
        // What the URI itself asks for goes along, or it would be another one.
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            out.push_str("<input type=\"hidden\" name=\"");
            escape(name, out);
            out.push_str("\" value=\"");
            escape(value, out);
            out.push_str("\">");
        }
        out.push_str(
            "<input type=\"search\" name=\"scope\" placeholder=\"Search\" aria-label=\"Search\" \
             value=\"",
        );
        escape(self.asked.scope.as_deref().unwrap_or(""), out);
        out.push_str("\"></form>");
    }

    /// The address of a view.
    fn address(&self, up: bool, no_refresh: bool, more: &str) -> String {
        let mut address = self.uri.to_owned();
        for (wanted, suffix) in [(up, ";up"), (no_refresh, ";norefresh")] {
            if wanted {
                address.push_str(suffix);
            }
        }
        address + more
    }

    fn said(&self, out: &mut String) {
        let Some(outcome) = self.asked.outcome else {
            return;
        };
        let class = if outcome == Outcome::Done {
            "good"
        } else {
            "bad"
        };
        let _ = writeln!(
            out,
            "<p class=\"said {class}\" role=\"status\">{}</p>",
            outcome.sentence()
        );
    }

    fn section(&self, section: &Section, columns: &[&Column], out: &mut String) {
        let has_servers = section.rows.iter().any(|row| row.kind == Kind::Server);
        let form = self.admin && has_servers;
        out.push_str("<section data-name=\"");
        escape(&section.name, out);
        out.push_str("\">");
        if form {
            out.push_str("<form method=\"post\" action=\"");
            escape(
                &self.address(self.asked.only_up, self.asked.no_refresh, ""),
                out,
            );
            out.push_str("\" data-name=\"");
            escape(&section.name, out);
            let _ = write!(
                out,
                "\"><input type=\"hidden\" name=\"b\" value=\"#{}\">",
                section.id
            );
        }
        out.push_str("<h2><a name=\"");
        escape(&section.name, out);
        out.push_str("\" href=\"#");
        escape(&section.name, out);
        out.push_str("\">");
        escape(&section.name, out);
        out.push_str("</a>");
        if let Some(description) = &section.description {
            out.push_str("<small>");
            escape(description, out);
            out.push_str("</small>");
        }
        out.push_str("</h2>\n");
        table::table(self, section, columns, form, out);
        if form {
            out.push_str(
                "<div class=\"act\"><label>With the chosen servers <select name=\"action\">\
                 <option value=\"\">do nothing</option>",
            );
            for (value, text) in actions(self.dialect) {
                let _ = write!(out, "<option value=\"{value}\">{text}</option>");
            }
            out.push_str("</select></label><button>Apply</button></div></form>");
        }
        out.push_str("</section>\n");
    }

    fn footer(&self, out: &mut String) {
        out.push_str("<footer><div class=\"legend\">");
        for (class, text) in STATES {
            let _ = write!(out, "<span class=\"state {class}\">{text}</span>");
        }
        out.push_str("</div></footer>\n");
    }
}

/// The classes of states, and what they mean.
const STATES: &[(&str, &str)] = &[
    ("up", "up"),
    ("warn", "changing"),
    ("down", "down"),
    ("off", "in maintenance or drained"),
    ("idle", "not checked"),
];

/// A number, in a larger unit when it is long.
pub(super) fn count(n: u64) -> String {
    let (value, unit) = match n {
        0..100_000 => return n.to_string(),
        100_000..1_000_000 => (n as f64 / 1e3, "k"),
        1_000_000..1_000_000_000 => (n as f64 / 1e6, "M"),
        _ => (n as f64 / 1e9, "G"),
    };
    format!("{value:.1}{unit}")
}

impl Asked {
    fn refresh_word(&self) -> bool {
        self.no_refresh
    }
}

/// What can be done with servers.
pub fn actions(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    if dialect == Dialect::V1_4 {
        &[
            ("disable", "Disable"),
            ("enable", "Enable"),
            ("stop", "Soft stop"),
            ("start", "Soft start"),
        ]
    } else {
        &[
            ("ready", "State: ready"),
            ("drain", "State: drain"),
            ("maint", "State: maintenance"),
            ("dhlth", "Checks: pause"),
            ("ehlth", "Checks: go on"),
            ("hrunn", "Health: up"),
            ("hnolb", "Health: no new clients"),
            ("hdown", "Health: down"),
            ("dagent", "Agent: pause"),
            ("eagent", "Agent: go on"),
            ("arunn", "Agent: up"),
            ("adown", "Agent: down"),
            ("shutdown", "End sessions"),
        ]
    }
}

/// Appends text in which nothing is markup.
pub(super) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// What stands left and right of the tables, with room for the bar that scrolls the page.
const MARGINS: u32 = 52;

/// Where the tables are as wide as the window allows, their heads stay in sight; where they are not,
/// they scroll by themselves.
const STYLE_WHEN_IT_FITS: &str = ".scroll{overflow:visible}\
    thead th{position:sticky;top:0;z-index:2}\
    thead tr+tr th{top:23px}\
    thead tr:first-child th{height:23px}";

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

#[cfg(test)]
mod tests {
    use super::super::Field;
    use super::*;

    fn page(dialect: Dialect, admin: bool) -> String {
        let mut server = Row::new(Kind::Server);
        server.set(Field::Svname, "s<1>".to_owned());
        server.set(Field::Status, "UP");
        let section = Section {
            name: "a&b".to_owned(),
            id: 3,
            description: None,
            rows: vec![server],
        };
        let page = Page {
            dialect,
            uri: "/haproxy?stats",
            asked: &Asked::read(";st=DONE"),
            info: &Info::default(),
            refresh: Some(5),
            hide_version: false,
            node: Some("n1"),
            description: None,
            legends: false,
            admin,
        };
        page.html(&[section])
    }

    #[test]
    fn names_are_text() {
        let html = page(Dialect::V1_8, true);
        assert!(html.contains("<a name=\"a&amp;b/s&lt;1&gt;\""));
        assert!(html.contains("name=\"s\" value=\"s&lt;1&gt;\""));
        assert!(!html.contains("s<1>"));
    }

    #[test]
    fn forms_are_there_for_those_who_may() {
        let forms = |dialect, admin| page(dialect, admin).matches("<form ").count();
        assert_eq!(forms(Dialect::V1_4, false), 0);
        assert_eq!(forms(Dialect::V1_4, true), 1);
        assert_eq!(forms(Dialect::V1_8, false), 1);
        assert_eq!(forms(Dialect::V1_8, true), 2);
        // A search in the default URI must stay within it.
        let html = page(Dialect::V1_8, false);
        assert!(
            html.contains("action=\"/haproxy\"><input type=\"hidden\" name=\"stats\" value=\"\">")
        );
    }

    #[test]
    fn words_that_tools_look_for() {
        let html = page(Dialect::V1_4, false);
        for word in [
            "HAProxy version",
            "pid = ",
            "uptime = ",
            "process #1",
            "Done.",
        ] {
            assert!(html.contains(word), "{word}");
        }
        assert!(html.ends_with("</html>\n"));
    }
}
