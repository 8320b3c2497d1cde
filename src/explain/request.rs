//! `hapax explain request`: one request on its way through the rules, without a network.
//!
//! What is evaluated is what the engine evaluates: each rule is run alone, by the code that runs
//! them all, so that its conditions and its effect can be shown. The world around the request is
//! that of a process that has just started (see [`offline`]).

mod conditions;
mod offline;
mod persistence;
mod print;
mod rules;

use std::collections::HashMap;
use std::net::SocketAddr;

use haproxy_cfg_grammar::Dialect;
use serde::Serialize;

use crate::acl::AclSet;
use crate::http1::connection_header::{RequestConnection, RequestFacts, Stage};
use crate::http1::head::Version;
use crate::http1::{Framing, Head, Intent, Kind, Policy, Scan, Tolerance};
use crate::plan::{Condition, Mode, Plan, Proxy, ProxyId, SwitchingTarget, TcpAction, Way};
use crate::rewrite::forwarded_for;
use crate::rule::{Backends, Effects};
use crate::sample::format;
use crate::stick_table::{Span, track};
use offline::Offline;
pub use print::text;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The frontend that gets it; the only one when not given.
    pub frontend: Option<String>,
    /// The request line.
    pub line: String,
    /// The headers, as `Name: value`.
    pub headers: Vec<String>,
    /// The client.
    pub source: SocketAddr,
    /// The address that it connected to; that of the frontend's first listener when not given.
    pub destination: Option<SocketAddr>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestExplanation {
    /// The frontend.
    pub frontend: String,
    /// The client.
    pub source: SocketAddr,
    /// The address that it connected to.
    pub destination: Option<SocketAddr>,
    /// Every rule that was looked at, in order.
    pub steps: Vec<Step>,
    /// Who serves it, when a server does.
    pub backend: Option<String>,
    /// What becomes of it, in a sentence.
    pub outcome: String,
    /// The head that the server gets, line by line; empty when none gets one.
    pub request: Vec<String>,
    /// What happens to the connections afterwards.
    pub connection: Option<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The proxy that has it.
    pub proxy: String,
    /// Its keyword, and the rest of it.
    pub rule: String,
    /// Whether its condition holds.
    pub applies: bool,
    /// The ACLs that decided, in the order of evaluation.
    pub acls: Vec<AclStep>,
    /// What it has done.
    pub effects: Vec<String>,
}

/// One ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AclStep {
    /// Its name, or what it asks in braces.
    pub name: String,
    /// What it asks.
    pub asks: String,
    /// The values that it found.
    pub values: Vec<String>,
    /// Whether it holds.
    pub holds: bool,
    /// Whether the rule wants it not to hold.
    pub negated: bool,
}

/// Follows a request through a plan.
///
/// # Errors
/// When there is no such frontend, or the request is none.
pub fn explain(plan: &Plan, question: &Question) -> Result<RequestExplanation, String> {
    let frontend = frontend(plan, question.frontend.as_deref())?;
    let mut walk = Walk::new(plan, frontend, question)?;
    let outcome = walk.run();
    let served = matches!(outcome, Outcome::Served(_));
    Ok(RequestExplanation {
        frontend: plan.proxy(frontend).name.clone(),
        source: question.source,
        destination: walk.world.destination,
        backend: served.then(|| plan.proxy(walk.backend).name.clone()),
        outcome: outcome.sentence(plan, frontend, walk.backend),
        request: if served { walk.lines() } else { Vec::new() },
        connection: (served && plan.proxy(frontend).mode == Mode::Http)
            .then(|| walk.connection_words().to_owned()),
        steps: walk.steps,
    })
}

/// The frontend of that name, or the only one.
fn frontend(plan: &Plan, name: Option<&str>) -> Result<ProxyId, String> {
    let mut frontends = plan
        .proxies
        .iter()
        .enumerate()
        .filter(|(_, proxy)| proxy.role.is_frontend());
    let id = |n: usize| ProxyId(u32::try_from(n).unwrap_or(u32::MAX));
    match name {
        Some(name) => frontends
            .find(|(_, proxy)| proxy.name == name)
            .map(|(n, _)| id(n))
            .ok_or_else(|| format!("there is no frontend '{name}'")),
        None => match (frontends.next(), frontends.next()) {
            (Some((n, _)), None) => Ok(id(n)),
            (None, _) => Err("the file has no frontend".to_owned()),
            _ => Err("which frontend? --frontend NAME".to_owned()),
        },
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its rules are at their end, for now.
    Goes,
    /// A server gets it; the name of the server when it is known.
    Served(Option<String>),
    /// The proxy answers.
    Answered(String),
    /// The connection is closed.
    Rejected,
}

impl Outcome {
    fn sentence(&self, plan: &Plan, frontend: ProxyId, backend: ProxyId) -> String {
        match self {
            Self::Goes => String::new(),
            Self::Rejected => "the connection is closed".to_owned(),
            Self::Answered(answer) => format!("{} answers {answer}", plan.proxy(frontend).name),
            Self::Served(Some(server)) => {
                format!("server {}/{server} gets it", plan.proxy(backend).name)
            }
            Self::Served(None) => {
                let backend = plan.proxy(backend);
                let name = &backend.name;
                let address = match backend.way() {
                    Way::Balanced if backend.servers.is_empty() => {
                        return format!("{name} answers 503: it has no server");
                    }
                    Way::Balanced => {
                        return format!("a server of {name} gets it, as 'balance' decides");
                    }
                    Way::Dispatch(_) => "after 'dispatch' gets it",
                    Way::Url => "in its URL gets it ('option http_proxy')",
                    Way::Destination => "that the client asked for gets it ('option transparent')",
                };
                format!("the address {address}")
            }
        }
    }
}

/// A request under way.
struct Walk<'a> {
    plan: &'a Plan,
    frontend: ProxyId,
    backend: ProxyId,
    world: Offline<'a>,
    source: SocketAddr,
    acls: Vec<Option<AclSet>>,
    /// The rules in words, by proxy and family.
    texts: Vec<Option<HashMap<String, Vec<String>>>>,
    head: Head,
    bytes: Vec<u8>,
    as_proxy: bool,
    effects: Effects,
    connection: RequestConnection,
    policy: Policy,
    /// As received: what rules do to it does not count.
    version: Version,
    length_known: bool,
    /// It is no request that HTTP knows.
    invalid: bool,
    steps: Vec<Step>,
}

impl<'a> Walk<'a> {
    fn new(plan: &'a Plan, frontend: ProxyId, question: &Question) -> Result<Self, String> {
        let line_end = ['\r', '\n'];
        let mut bytes = question.line.trim_end().as_bytes().to_vec();
        for header in &question.headers {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(header.trim_end_matches(line_end).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        let v1_4 = plan.dialect == Dialect::V1_4;
        let tolerance = Tolerance {
            accept_invalid: plan.proxy(frontend).options.accept_invalid_http_request,
            wide_uri: v1_4,
            rtsp: !v1_4,
        };
        let mut head = Head::new(Kind::Request);
        let scanned = head.scan(&mut bytes, tolerance);
        let http = plan.proxy(frontend).mode == Mode::Http;
        if http && question.line.split_ascii_whitespace().count() < 2 {
            return Err(format!(
                "'{}' is no request: write it as 'GET /path HTTP/1.1'",
                question.line
            ));
        }
        let proxy = plan.proxy(frontend);
        let target = head.second_word(&bytes);
        let as_proxy = proxy.options.http_use_proxy_header
            && target.first().is_some_and(|b| *b != b'/' && *b != b'*');
        let version = head.request_version(&bytes);
        let framing = Framing::of_request(&head, &bytes, version, plan.dialect);
        Ok(Self {
            plan,
            frontend,
            backend: frontend,
            world: Offline::new(plan, frontend, question.destination),
            source: question.source,
            acls: plan.proxies.iter().map(|_| None).collect(),
            texts: plan.proxies.iter().map(|_| None).collect(),
            head,
            bytes,
            as_proxy,
            effects: Effects::default(),
            connection: RequestConnection::default(),
            policy: Policy::default(),
            version,
            length_known: !matches!(framing, Ok(Framing::UntilClose)),
            invalid: http && !matches!(scanned, Scan::Complete(_)),
            steps: Vec::new(),
        })
    }

    fn run(&mut self) -> Outcome {
        let proxy = self.plan.proxy(self.frontend);
        let http = proxy.mode == Mode::Http;
        if let Some(rejected) = self.inspect(proxy) {
            return rejected;
        }
        if self.invalid {
            return Outcome::Answered("400: it is not written as HTTP wants it".to_owned());
        }
        if http {
            if let Some(answer) = self.monitor(proxy) {
                return answer;
            }
            match self.http_rules(self.frontend, Stage::Frontend) {
                Outcome::Goes => {}
                other => return other,
            }
        }
        self.switch(proxy);
        self.world.backend = self.backend;
        let backend = self.plan.proxy(self.backend);
        if backend.disabled {
            return Outcome::Answered(format!("503: {} is disabled", backend.name));
        }
        if http && self.backend != self.frontend {
            match self.http_rules(self.backend, Stage::Joint) {
                Outcome::Goes => {}
                other => return other,
            }
        }
        if !backend.role.is_backend() {
            return Outcome::Answered("503: no backend is left for it".to_owned());
        }
        let server = self.persistence(backend, http);
        if http {
            self.leave(proxy, backend);
        }
        Outcome::Served(server)
    }

    /// `tcp-request connection`, `session` and `content`.
    fn inspect(&mut self, proxy: &Proxy) -> Option<Outcome> {
        let tcp = &proxy.tcp_rules;
        for (family, rules, span) in [
            ("tcp-request connection", &tcp.connection, Span::Connection),
            ("tcp-request session", &tcp.session, Span::Connection),
            ("tcp-request content", &tcp.content, Span::Request),
        ] {
            for (n, rule) in rules.iter().enumerate() {
                let text = self.rule_text(self.frontend, family, n);
                if !self.step(self.frontend, text, rule.condition.as_ref()) {
                    continue;
                }
                match &rule.action {
                    TcpAction::Accept => break,
                    TcpAction::Reject => return Some(Outcome::Rejected),
                    TcpAction::Tracking(action) => {
                        track::act(action, &self.facts(self.frontend), span);
                    }
                }
            }
        }
        None
    }

    /// `monitor-uri`, `monitor fail`.
    fn monitor(&mut self, proxy: &Proxy) -> Option<Outcome> {
        let uri = proxy.monitor_uri.as_ref()?;
        if self.head.second_word(&self.bytes) != uri.as_bytes() {
            return None;
        }
        let mut fails = false;
        for condition in &proxy.monitor_fail {
            let text = format!(
                "monitor fail {}",
                super::condition::condition(condition, &proxy.acls)
            );
            fails |= self.step(self.frontend, text, Some(condition));
        }
        let answer = if fails { "503" } else { "200" };
        Some(Outcome::Answered(format!("{answer}: it is 'monitor-uri'")))
    }

    /// `use_backend`, `default_backend`.
    fn switch(&mut self, proxy: &Proxy) {
        if let Some(backend) = self.effects.backend.take() {
            self.backend = backend;
            return;
        }
        self.backend = proxy.default_backend.unwrap_or(self.frontend);
        for (n, rule) in proxy.switching.iter().enumerate() {
            let text = self.rule_text(self.frontend, "use_backend", n);
            if self.step(self.frontend, text, rule.condition.as_ref()) {
                match &rule.target {
                    SwitchingTarget::Backend(backend) => {
                        self.backend = *backend;
                        return;
                    }
                    SwitchingTarget::Named(format) => {
                        let mut name = Vec::new();
                        format::write(format, &self.facts(self.frontend), &mut name);
                        if let Some(backend) = Backends::of(self.plan).find(&name, proxy.mode) {
                            self.backend = backend;
                            return;
                        }
                        break;
                    }
                }
            }
        }
        if proxy.default_backend.is_some() {
            let text = format!("default_backend {}", self.plan.proxy(self.backend).name);
            self.step(self.frontend, text, None);
        }
    }

    /// What is added on the way out.
    fn leave(&mut self, proxy: &Proxy, backend: &Proxy) {
        let before = self.lines();
        let (head, bytes) = (&mut self.head, &self.bytes);
        let (one, other) = (proxy.forwarded_for.as_ref(), backend.forwarded_for.as_ref());
        forwarded_for::add(head, bytes, one, other, Some(self.source));
        let effects = self.changes(&before);
        if !effects.is_empty() {
            self.note(self.backend, "option forwardfor".to_owned(), effects);
        }
        let before = self.lines();
        let (head, bytes) = (&mut self.head, &self.bytes);
        let (one, other) = (proxy.original_to.as_ref(), backend.original_to.as_ref());
        forwarded_for::add(head, bytes, one, other, self.world.destination);
        let effects = self.changes(&before);
        if !effects.is_empty() {
            self.note(self.backend, "option originalto".to_owned(), effects);
        }
        self.look(self.backend, Stage::Joint);
        let before = self.lines();
        let facts = self.request_facts();
        self.connection
            .finish(&mut self.head, &self.bytes, &self.policy, facts);
        let effects = self.changes(&before);
        if !effects.is_empty() {
            self.note(self.backend, "the connection mode".to_owned(), effects);
        }
    }

    /// The look at the `Connection` header.
    fn look(&mut self, id: ProxyId, stage: Stage) {
        let modes = |id| self.plan.proxy(id).mode_options;
        self.policy = Policy::of(modes(self.frontend), modes(id), self.plan.dialect);
        self.policy.set_as_proxy(self.as_proxy);
        let facts = self.request_facts();
        self.connection
            .look(&mut self.head, &self.bytes, &self.policy, stage, facts);
    }

    fn request_facts(&self) -> RequestFacts {
        RequestFacts {
            version: self.version,
            length_known: self.length_known,
            stopping: false,
        }
    }

    fn connection_words(&self) -> &'static str {
        match self.connection.intent() {
            Intent::KeepAlive => "both connections are kept",
            Intent::ServerClose => "the server's connection is closed, the client's is kept",
            Intent::Close => "both connections are closed",
            Intent::Tunnel => "bytes are relayed unseen",
        }
    }

    /// Evaluates a rule's condition and notes it.
    fn step(&mut self, id: ProxyId, rule: String, condition: Option<&Condition>) -> bool {
        let (acls, applies) = self.evaluate(id, condition);
        self.steps.push(Step {
            proxy: self.plan.proxy(id).name.clone(),
            rule,
            applies,
            acls,
            effects: Vec::new(),
        });
        applies
    }

    /// Notes something that is no rule.
    fn note(&mut self, id: ProxyId, rule: String, effects: Vec<String>) {
        self.steps.push(Step {
            proxy: self.plan.proxy(id).name.clone(),
            rule,
            applies: true,
            acls: Vec::new(),
            effects,
        });
    }

    /// Adds to what the last rule has done.
    fn effect(&mut self, effect: String) {
        if let Some(step) = self.steps.last_mut() {
            step.effects.push(effect);
        }
    }

    /// The head as it is now.
    fn lines(&self) -> Vec<String> {
        let mut bytes = Vec::new();
        self.head.write_to(&self.bytes, &mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.trim_end_matches(['\r', '\n']).split('\n');
        lines
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect()
    }

    /// What is different from before, in words.
    fn changes(&self, before: &[String]) -> Vec<String> {
        let now = self.lines();
        let count = |lines: &[String], line: &String| lines.iter().filter(|l| *l == line).count();
        let gone = before.iter().filter(|l| count(&now, l) < count(before, l));
        let new = now.iter().filter(|l| count(before, l) < count(&now, l));
        gone.map(|line| format!("- {line}"))
            .chain(new.map(|line| format!("+ {line}")))
            .collect()
    }

    /// A rule as `hapax explain` prints it.
    fn rule_text(&mut self, id: ProxyId, family: &str, n: usize) -> String {
        let plan = self.plan;
        let texts = self.texts[id.0 as usize].get_or_insert_with(|| {
            let mut texts: HashMap<String, Vec<String>> = HashMap::new();
            for rule in super::proxy::rules(plan, plan.proxy(id)) {
                // Rules over lines run in their order, whatever their keywords.
                let group = match &*rule.family {
                    "reqadd" | "rspadd" => &*rule.family,
                    keyword if keyword.starts_with("req") => "req*",
                    keyword if keyword.starts_with("rsp") => "rsp*",
                    keyword => keyword,
                };
                let of_group = texts.entry(group.to_owned()).or_default();
                of_group.push(format!("{} {}", rule.family, rule.text));
            }
            texts
        });
        let text = texts.get(family).and_then(|texts| texts.get(n));
        text.cloned().unwrap_or_else(|| family.to_owned())
    }
}
