//! What a document asks of the outside world, so that it can be gathered beforehand.

use std::collections::BTreeSet;

use haproxy_cfg_grammar::keywords::bind::SocketFile;
use haproxy_cfg_grammar::keywords::errors::ErrorKind;
use haproxy_cfg_grammar::keywords::global::{GlobalStatement, Text};
use haproxy_cfg_grammar::keywords::log::{LogAddress, LogStatement, LogTarget};
use haproxy_cfg_grammar::keywords::monitor::Monitor;
use haproxy_cfg_grammar::keywords::option::OptionStatement;
use haproxy_cfg_grammar::keywords::server::ServerSettings;
use haproxy_cfg_grammar::keywords::source::{SourceStatement, UseSource};
use haproxy_cfg_grammar::keywords::stats::StatsStatement;
use haproxy_cfg_grammar::keywords::tracking::TrackingAction;
use haproxy_cfg_grammar::value::address::{Host, Network};
use haproxy_cfg_grammar::value::condition::{AclSyntax, ConditionSyntax, TermKind};
use haproxy_cfg_grammar::value::converter;
use haproxy_cfg_grammar::value::expression::Call;
use haproxy_cfg_grammar::value::format::{FormatSyntax, Piece};
use haproxy_cfg_grammar::value::pattern::{self, MatchMethod, Operator, PatternSyntax};
use haproxy_cfg_grammar::{Document, Statement};

/// Names to be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files to be read.
    pub files: BTreeSet<String>,
    /// Files whose lines may be host names: they are read, then their names are looked up.
    pub host_files: BTreeSet<String>,
    /// Host names.
    pub hosts: BTreeSet<String>,
    /// User names.
    pub users: BTreeSet<String>,
    /// Group names.
    pub groups: BTreeSet<String>,
}

/// Everything that the statements of a document name.
pub fn needs(document: &Document) -> Needs {
    let mut needs = Needs::default();
    for (_, statement) in document.statements() {
        needs.statement(statement);
    }
    for section in &document.sections {
        if let Some(statement) = &section.header {
            needs.statement(statement);
        }
    }
    needs
}

impl Needs {
    /// Adds the host names in the lines of a pattern file.
    pub fn host_file(&mut self, content: &[u8]) {
        for line in content.split(|b| *b == b'\n') {
            let line = line.trim_ascii();
            if let Some(PatternSyntax::Network(network)) = pattern::parse(
                MatchMethod::Address,
                Operator::Equal,
                line,
                haproxy_cfg_grammar::Dialect::Hapax,
            ) {
                self.network(&network);
            }
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Global(global) => self.global(global),
            Statement::Bind(bind) => {
                for (endpoint, _) in &bind.addresses {
                    self.host(&endpoint.host);
                }
                self.owners(&bind.file);
            }
            Statement::Server(server) => {
                self.host(&server.address.host);
                self.settings(&server.settings);
            }
            Statement::ServerTemplate(template) => {
                self.host(&template.server.address.host);
                self.settings(&template.server.settings);
            }
            Statement::Dispatch(endpoint) => self.host(&endpoint.host),
            Statement::Log(LogStatement::Target(target)) => self.log_target(target),
            Statement::Error(error) if error.kind == ErrorKind::File => {
                self.files.insert(error.value.shown());
            }
            Statement::Monitor(Monitor::Net(network)) => self.network(network),
            Statement::Option(
                OptionStatement::ForwardFor(header) | OptionStatement::OriginalTo(header),
            ) => {
                if let Some(network) = &header.except {
                    self.network(network);
                }
            }
            Statement::Acl(acl) => self.acl(&acl.acl),
            Statement::Source(source) => self.source(source),
            Statement::DefaultServer(settings) => self.settings(settings),
            Statement::HeaderEdit(edit) => {
                self.format(edit.value.as_ref());
                self.condition(edit.condition.as_ref());
            }
            Statement::UseBackend(rule) => {
                self.format(rule.format.as_ref());
                self.condition(rule.condition.as_ref());
            }
            Statement::Tracking(rule) => {
                if let TrackingAction::Track { key, .. } = &rule.action {
                    self.converters(&key.converters);
                }
                self.condition(rule.condition.as_ref());
            }
            Statement::Stick(rule) => {
                self.converters(&rule.converters);
                self.condition(rule.condition.as_ref());
            }
            _ => self.condition(condition_of(statement)),
        }
    }

    fn settings(&mut self, settings: &ServerSettings) {
        if let Some((endpoint, _)) = &settings.addr {
            self.host(&endpoint.host);
        }
        if let Some(source) = &settings.source {
            self.source(source);
        }
    }

    fn source(&mut self, source: &SourceStatement) {
        self.host(&source.address.host);
        if let Some(UseSource::Address(endpoint, _)) = &source.usesrc {
            self.host(&endpoint.host);
        }
    }

    fn global(&mut self, statement: &GlobalStatement) {
        match statement {
            GlobalStatement::Text(Text::User, word) => {
                self.users.insert(word.shown());
            }
            GlobalStatement::Text(Text::Group, word) => {
                self.groups.insert(word.shown());
            }
            GlobalStatement::Log(target) => self.log_target(target),
            GlobalStatement::StatsSocket(socket) => {
                for (address, _) in &socket.addresses {
                    self.host(&address.host);
                }
                self.owners(&socket.file);
            }
            GlobalStatement::UnixBind(unix) => self.owners(&unix.file),
            _ => {}
        }
    }

    fn owners(&mut self, file: &SocketFile) {
        self.users.extend(file.user.iter().map(|w| w.shown()));
        self.groups.extend(file.group.iter().map(|w| w.shown()));
    }

    fn log_target(&mut self, target: &LogTarget) {
        if let LogAddress::Socket(endpoint) = &target.address {
            self.host(&endpoint.host);
        }
    }

    fn host(&mut self, host: &Host) {
        if let Host::Name(name) = host {
            self.hosts.insert(name.clone());
        }
    }

    fn network(&mut self, network: &Network) {
        self.host(&network.host);
    }

    fn condition(&mut self, condition: Option<&ConditionSyntax>) {
        let terms = condition.iter().flat_map(|c| c.any.iter().flatten());
        for term in terms {
            if let TermKind::Anonymous(acl) = &term.what {
                self.acl(acl);
            }
        }
    }

    fn format(&mut self, format: Option<&FormatSyntax>) {
        for piece in format.iter().flat_map(|format| &format.pieces) {
            if let Piece::Sample(expression) = piece {
                self.converters(&expression.converters);
            }
        }
    }

    fn converters(&mut self, calls: &[Call]) {
        let files = converter::files(calls);
        self.files
            .extend(files.map(|name| String::from_utf8_lossy(&name).into_owned()));
    }

    fn acl(&mut self, acl: &AclSyntax) {
        self.converters(&acl.converters);
        for pattern in &acl.patterns {
            if let PatternSyntax::Network(network) = pattern {
                self.network(network);
            }
        }
        for file in &acl.files {
            self.files.insert(file.name.shown());
            if acl.method == MatchMethod::Address {
                self.host_files.insert(file.name.shown());
            }
        }
    }
}

/// The condition of a rule.
pub(crate) fn condition_of(statement: &Statement) -> Option<&ConditionSyntax> {
    match statement {
        Statement::UseBackend(rule) => rule.condition.as_ref(),
        Statement::UseServer(rule) => Some(&rule.condition),
        Statement::HttpRequest(rule) => rule.condition.as_ref(),
        Statement::HeaderEdit(rule) => rule.condition.as_ref(),
        Statement::Redirect(rule) => rule.condition.as_ref(),
        Statement::LineRule(rule) => rule.condition.as_ref(),
        Statement::AddLine(rule) => rule.condition.as_ref(),
        Statement::TcpRequest(rule) => rule.condition.as_ref(),
        Statement::Tracking(rule) => rule.condition.as_ref(),
        Statement::Stick(rule) => rule.condition.as_ref(),
        Statement::Stats(StatsStatement::HttpRequest(rule)) => rule.condition.as_ref(),
        Statement::Block(condition)
        | Statement::ForcePersist(condition)
        | Statement::IgnorePersist(condition)
        | Statement::Stats(StatsStatement::Admin(condition))
        | Statement::Monitor(Monitor::Fail(condition)) => Some(condition),
        _ => None,
    }
}
