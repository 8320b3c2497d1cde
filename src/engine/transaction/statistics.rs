//! The statistics page as an answer. Manual 1.4, section 4.2 "stats uri" and following.

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::body::{Came, Patience};
use super::{End, Next, Transaction};
use crate::admin;
use crate::engine::deadline::after;
use crate::engine::live::Counter;
use crate::engine::session::{Session, Written};
use crate::engine::statistics;
use crate::engine::trace::Step;
use crate::http1::head::Version;
use crate::http1::{Body, Method};
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, Proxy, ProxyId, StatsPage};
use crate::stats::{
    Action, Asked, Field, Form, Outcome, Page, Row, SectionOfPage, TooLong, csv, typed,
};

/// What stands in the log in place of a server that the page has answered for.
pub(super) const STATISTICS: &str = "<STATS>";

impl Transaction {
    /// Answers with the page of a proxy.
    pub(super) async fn statistics(
        &mut self,
        session: &mut Session,
        id: ProxyId,
    ) -> Result<Next, End> {
        let generation = std::sync::Arc::clone(&session.generation);
        let proxy = generation.proxy(id);
        let Some(page) = &proxy.stats else {
            return Ok(Next::Close);
        };
        let v1_4 = generation.plan.dialect == Dialect::V1_4;
        self.server_word = Some(STATISTICS);
        // The page is a server that answers at once.
        self.connecting = true;
        let asked = {
            let bytes = self.up.buffer.bytes();
            let target = self.request.second_word(bytes);
            let suffix = target.get(page.uri.as_bytes().len()..).unwrap_or(&[]);
            Asked::read(&String::from_utf8_lossy(suffix))
        };
        // The page shows itself already. What a backend answers is not intercepted.
        if session.backend == session.frontend {
            let counters = &session.frontend_handles().frontend.counters;
            counters.count(session.worker.index, Counter::Intercepted);
        }
        session
            .backend_handles()
            .backend
            .counters
            .touch(session.worker.now());
        let admin = self.is_admin(session, id, page);
        // Since 1.5 a form says how long it is.
        let is_form =
            self.method == Method::Post && (v1_4 || self.body_length().is_some_and(|n| n > 0));
        let message = if is_form {
            let outcome = self.receive_form(session, admin).await?;
            self.see_other(session, page, &asked, outcome)
        } else {
            let answer = self.page(session, proxy, page, &asked, admin);
            self.with_head(session, page, &asked, answer)
        };
        self.finish_page(session, message, if is_form { 303 } else { 200 })
            .await
    }

    /// `stats admin`: whether one of the conditions holds.
    fn is_admin(&self, session: &Session, id: ProxyId, page: &StatsPage) -> bool {
        if page.admin.is_empty() {
            return false;
        }
        let facts = self.request_facts(session, id);
        let acls = &session.generation.handles(id).acls;
        let mut conditions = page.admin.iter();
        conditions.any(|condition| acls.applies(Some(condition), &facts))
    }

    /// What `Content-Length` says; `None` for a chunked body.
    fn body_length(&self) -> Option<u64> {
        match self.body {
            Body::Done => Some(0),
            Body::Length(n) => Some(n),
            Body::Chunked(_) | Body::UntilClose => None,
        }
    }

    /// Receives a form, and does what it asks for when that is allowed.
    ///
    /// # Errors
    /// A form that does not come whole asks for nothing.
    async fn receive_form(&mut self, session: &mut Session, admin: bool) -> Result<Outcome, End> {
        if !admin || !self.comes_from_here() {
            return Ok(Outcome::Denied);
        }
        let tune = &session.generation.plan.global.tune;
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        // Since 1.5 a form may fill what is reserved for added headers, too.
        let unreserved = tune.unreserved();
        let room = if v1_4 {
            unreserved
        } else {
            tune.bufsize as usize
        };
        let head = self.request.received_len();
        let length = self.body_length().and_then(|n| usize::try_from(n).ok());
        let Some(needed) = length.and_then(|n| n.checked_add(head)) else {
            return Ok(Outcome::None);
        };
        let fits = needed <= room;
        if !fits && v1_4 {
            return Ok(Outcome::TooLong);
        }
        let timeouts = &session.generation.proxy(session.frontend).timeouts;
        let patience = Patience {
            whole: after(session.worker.now(), timeouts.http_request),
            silence: timeouts.client,
        };
        // Since 1.5 as much as there is room for is taken before it is said that it is too much.
        let limit = if fits { room } else { unreserved };
        let came = self
            .await_body(session, patience, limit, |come| head + come.len() >= needed)
            .await;
        if came != Came::Enough {
            return Err(self.incomplete_form(session, came));
        }
        if !fits {
            return Ok(Outcome::TooLong);
        }
        let bytes = self.up.buffer.bytes();
        let body = bytes.get(head..needed.min(bytes.len())).unwrap_or(&[]);
        Ok(match Action::read(body) {
            Ok(form) => admin::page::act(&session.worker.shared, &session.generation, &form),
            Err(TooLong) => Outcome::TooLong,
        })
    }

    /// What a form that did not come whole ends in. Since 1.5 the page is the server that it has
    /// come to; 1.4 has no answer.
    fn incomplete_form(&mut self, session: &Session, came: Came) -> End {
        let late = came == Came::Late;
        if session.generation.plan.dialect == Dialect::V1_4 {
            let cause = if late {
                Cause::ClientTimeout
            } else {
                Cause::ClientAbort
            };
            return End::new(Termination::new(cause, Stage::Request), None);
        }
        if late {
            // The log does not say when the request was complete.
            self.timing.received = None;
        }
        let status = late.then_some(ErrorStatus::S408);
        End::new(Termination::new(Cause::Local, Stage::Request), status)
    }

    /// Where the request ends, when all of it is at hand.
    fn end(&self) -> Option<usize> {
        let head = self.request.received_len();
        let mut body = self.body;
        let taken = body.advance(self.up.buffer.bytes().get(head..)?).ok()?;
        body.is_done().then_some(head + taken)
    }

    /// Whether the client may ask for more on its connection.
    fn goes_on(&self, session: &Session) -> bool {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        !v1_4
            && self.connection.intent().keeps_client()
            && self.end().is_some()
            && !session.client.read_closed
    }

    /// Whether a form was sent from the page itself, as far as the browser says: another site must
    /// not switch servers in the name of whoever visits it. Programs that are no browsers say
    /// nothing.
    fn comes_from_here(&self) -> bool {
        let bytes = self.up.buffer.bytes();
        let header = |name: &[u8]| {
            let line = self.request.find(bytes, name, None)?;
            Some(self.request.value(bytes, line).trim_ascii())
        };
        if let Some(site) = header(b"Sec-Fetch-Site") {
            return matches!(site, b"same-origin" | b"none");
        }
        let Some(origin) = header(b"Origin") else {
            return true;
        };
        let authority = origin.splitn(2, |b| *b == b':').nth(1);
        let authority = authority.and_then(|rest| rest.strip_prefix(b"//"));
        authority.is_some_and(|authority| header(b"Host") == Some(authority))
    }

    /// The body of the answer.
    fn page(
        &self,
        session: &Session,
        proxy: &Proxy,
        page: &StatsPage,
        asked: &Asked,
        admin: bool,
    ) -> String {
        let plan = &session.generation.plan;
        let dialect = plan.dialect;
        let sections = sections(session, proxy, page, asked);
        let rows = || sections.iter().flat_map(|section| &section.rows);
        match asked.form {
            Form::Csv => {
                let mut text = String::with_capacity(4096);
                csv::header(dialect, &mut text);
                for row in rows() {
                    csv::row(row, dialect, &mut text);
                }
                text
            }
            Form::Json if dialect != Dialect::V1_4 => {
                let rows: Vec<Row> = rows().cloned().collect();
                typed::rows_json(&rows)
            }
            Form::Json | Form::Html => {
                let info = statistics::info(&session.worker.shared, plan);
                let node = page.show_node.as_ref();
                let node = node.map(|own| own.clone().unwrap_or_else(|| info.node.clone()));
                let description = page.show_desc.as_ref();
                let description =
                    description.and_then(|own| own.clone().or_else(|| info.description.clone()));
                let page = Page {
                    dialect,
                    uri: &String::from_utf8_lossy(page.uri.as_bytes()),
                    asked,
                    info: &info,
                    refresh: page.refresh.map(|refresh| refresh.as_secs()),
                    hide_version: page.hide_version,
                    node: node.as_deref(),
                    description: description.as_deref(),
                    legends: page.show_legends,
                    admin,
                };
                page.html(&sections)
            }
        }
    }

    /// Puts a head before the body of an answer. 1.4 speaks HTTP/1.0 here; later versions say how
    /// long the body is by its chunks.
    fn with_head(
        &self,
        session: &Session,
        page: &StatsPage,
        asked: &Asked,
        body: String,
    ) -> Message {
        let dialect = session.generation.plan.dialect;
        let v1_4 = dialect == Dialect::V1_4;
        let is_head = self.method == Method::Head;
        let chunked = !v1_4 && self.version == Version::Http11;
        let keeps = chunked && self.goes_on(session);
        let kind = match asked.form {
            Form::Csv => "text/plain",
            Form::Json if !v1_4 => "application/json",
            Form::Json | Form::Html => "text/html",
        };
        let mut head = String::with_capacity(256 + body.len());
        head.push_str(if v1_4 { "HTTP/1.0" } else { "HTTP/1.1" });
        head.push_str(" 200 OK\r\nCache-Control: no-cache\r\n");
        if !keeps {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("Content-Type: ");
        head.push_str(kind);
        head.push_str("\r\n");
        if let Some(refresh) = page.refresh.filter(|_| !asked.no_refresh) {
            head.push_str("Refresh: ");
            head.push_str(&refresh.as_secs().to_string());
            head.push_str("\r\n");
        }
        if chunked && !is_head {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        head.push_str("\r\n");
        if !is_head {
            if chunked {
                head.push_str(&format!("{:x}\r\n", body.len()));
            }
            head.push_str(&body);
            if chunked {
                head.push_str("\r\n0\r\n\r\n");
            }
        }
        Message {
            bytes: head.into_bytes(),
            keeps,
        }
    }

    /// The answer to a form: back to the page, which says how it went.
    fn see_other(
        &self,
        session: &Session,
        page: &StatsPage,
        asked: &Asked,
        outcome: Outcome,
    ) -> Message {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let keeps = self.goes_on(session);
        let version = if v1_4 { "HTTP/1.0" } else { "HTTP/1.1" };
        let mut text = format!(
            "{version} 303 See Other\r\nCache-Control: no-cache\r\nContent-Type: text/plain\r\n"
        );
        if !keeps {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("Location: ");
        text.push_str(&String::from_utf8_lossy(page.uri.as_bytes()));
        text.push_str(";st=");
        text.push_str(outcome.code());
        if !v1_4 {
            let refreshes = page.refresh.is_some();
            for (wanted, suffix) in [
                (asked.only_up, ";up"),
                (asked.no_refresh && refreshes, ";norefresh"),
            ] {
                if wanted {
                    text.push_str(suffix);
                }
            }
            if let Some(scope) = &asked.scope {
                text.push_str("?scope=");
                text.push_str(scope);
            }
            text.push_str("\r\nContent-length: 0");
            if keeps && self.version != Version::Http11 {
                text.push_str("\r\nConnection: keep-alive");
            }
        }
        text.push_str("\r\n\r\n");
        Message {
            bytes: text.into_bytes(),
            keeps,
        }
    }

    /// Sends an answer, counts and logs it.
    async fn finish_page(
        &mut self,
        session: &mut Session,
        message: Message,
        status: i32,
    ) -> Result<Next, End> {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let end = self.end().unwrap_or_else(|| self.request.received_len());
        self.up.buffer.consume(end);
        if !v1_4 {
            session.close_server(true);
        }
        if !v1_4 {
            session.trace(Step::OwnAnswer(&message.bytes));
        }
        self.reply(session, message.bytes, status, message.keeps)
            .await;
        session.trace(Step::ServerClosed);
        if !v1_4 {
            // It counts as a server that has answered at once.
            let now = session.worker.now();
            self.timing.assigned = self.timing.received;
            self.timing.connected = self.timing.received;
            self.timing.answered = self.timing.received.map(|_| now);
        }
        let cause = if v1_4 { Cause::Proxy } else { Cause::Local };
        let termination = Termination::new(cause, Stage::Request);
        self.account(session, termination);
        self.log(
            session,
            termination,
            Written::after_own_answer(message.keeps),
        );
        Ok(if message.keeps && !session.client.write_closed {
            Next::Request
        } else {
            Next::Close
        })
    }
}

/// An answer of the proxy's own.
struct Message {
    bytes: Vec<u8>,
    keeps: bool,
}

/// What the page shows: the proxies in its scope.
fn sections(session: &Session, own: &Proxy, page: &StatsPage, asked: &Asked) -> Vec<SectionOfPage> {
    let generation = &session.generation;
    let now = Instant::now();
    let mut sections = Vec::new();
    for (index, proxy) in generation.plan.proxies.iter().enumerate() {
        let in_scope = page.scope.is_empty()
            || page.scope.iter().any(|name| match name.as_bytes() {
                b"." => std::ptr::eq(proxy, own),
                name => name == proxy.name.as_bytes(),
            });
        // 1.4 does not know it; the page is looked through all the same.
        let v1_4 = generation.plan.dialect == Dialect::V1_4;
        let looked_for = asked.shows(&proxy.name) || v1_4 && asked.form == Form::Csv;
        if proxy.disabled || !in_scope || !looked_for {
            continue;
        }
        let mut rows = statistics::proxy_rows(generation, ProxyId(index as u32), now);
        if asked.only_up {
            rows.retain(|row| !is_down(row));
        }
        if !page.show_legends {
            // Whoever may see the page need not know what is behind the proxy.
            for row in &mut rows {
                for field in [Field::Addr, Field::Cookie, Field::Algo] {
                    row[field] = crate::stats::Value::None;
                }
            }
        }
        sections.push(SectionOfPage {
            name: proxy.name.clone(),
            id: proxy.numeric_id.into(),
            description: proxy.description.clone(),
            rows,
        });
    }
    sections
}

/// A server that is down is left out of `;up`.
fn is_down(row: &Row) -> bool {
    row.kind == crate::stats::Kind::Server
        && ["DOWN", "MAINT"]
            .iter()
            .any(|state| row.text(Field::Status).starts_with(state))
}
