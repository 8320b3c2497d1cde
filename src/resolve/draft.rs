//! Proxies while they are being read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use haproxy_cfg_grammar::keywords::log::{LogAddress as AddressSyntax, LogTarget as LogSyntax};
use haproxy_cfg_grammar::keywords::server::ServerSettings;
use haproxy_cfg_grammar::value::address::{Host, Network, Port};
use haproxy_cfg_grammar::value::criterion::Needs;
use haproxy_cfg_grammar::value::format::FormatSyntax;
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Span, Word};

use super::environment::Environment;
use super::listeners::UnixSettings;
use super::maps::PatternLists;
use super::provenance::{Provenance, ProxyProvenance};
use super::rules::Family;
use super::{Resolved, has_errors};
use crate::plan::{
    AclId, Condition, Facility, Global, LogAddress, LogTarget, Plan, Proxy, Sample, ServerId,
    Severity, Side, Userlist,
};

/// A proxy and what is only needed until all proxies are known.
pub(super) struct Draft {
    pub(super) proxy: Proxy,
    pub(super) provenance: ProxyProvenance,
    /// The section line was refused; no more is to be said about this proxy.
    pub(super) broken: bool,
    /// Some of its lines had a mistake: what is missing in it may have been in them.
    pub(super) mistaken: bool,
    /// It is a `defaults` section.
    pub(super) is_defaults: bool,
    /// `default_backend` by name.
    pub(super) default_backend: Option<Word>,
    /// `use_backend` in file order.
    pub(super) switching: Vec<PendingSwitch>,
    /// `use-server` in file order: the name, and the condition.
    pub(super) use_server: Vec<(Word, Condition)>,
    /// ACLs by name.
    pub(super) acl_names: HashMap<String, Vec<AclId>>,
    /// What the criterion of each ACL needs, by its index.
    pub(super) acl_needs: Vec<Needs>,
    /// Where the criterion of each ACL is.
    pub(super) acl_spans: Vec<Span>,
    /// Names of ACLs that had a mistake: conditions that use them are not to blame.
    pub(super) broken_acls: HashSet<String>,
    /// Warnings of conditions, not yet reported.
    pub(super) warnings: Vec<Diagnostic>,
    /// The families of rules seen, and where each was seen first.
    pub(super) families: Vec<(Family, Span)>,
    /// A `stats` line stands in this section itself.
    pub(super) own_stats: bool,
    /// What `default-server` says.
    pub(super) default_server: Arc<ServerSettings>,
    /// Where the words of each server are.
    pub(super) server_spans: Vec<ServerSpans>,
    /// Where each listener was written.
    pub(super) listener_spans: Vec<Span>,
    /// The lists of patterns of this section and of those before it.
    pub(super) lists: PatternLists,
    pub(super) pending_acls: Vec<PendingAcl>,
    pub(super) pending_backends: Vec<(usize, Word)>,
    pub(super) pending_sticks: Vec<PendingStick>,
    pub(super) pending_tracks: Vec<PendingTrack>,
    pub(super) pending_tables: Vec<PendingTable>,
    pub(super) pending_proxies: Vec<PendingProxy>,
}

/// Places in a `server` line.
pub(super) struct ServerSpans {
    pub(super) line: Span,
    pub(super) id: Option<Span>,
    pub(super) observe: Option<Span>,
}

/// An ACL that names a user list or a server.
pub(super) struct PendingAcl {
    pub(super) id: AclId,
    pub(super) name: String,
    pub(super) span: Span,
}

/// A `use_backend` rule without its target.
pub(super) struct PendingSwitch {
    pub(super) target: Word,
    pub(super) format: Option<FormatSyntax>,
    pub(super) condition: Option<Condition>,
}

/// A `stick` rule without its table.
pub(super) struct PendingStick {
    pub(super) matches: bool,
    pub(super) stores: bool,
    pub(super) of_response: bool,
    pub(super) key: Sample,
    pub(super) table: Option<Word>,
    pub(super) span: Span,
    pub(super) condition: Option<Condition>,
}

/// A server that tracks another one.
pub(super) struct PendingTrack {
    pub(super) server: ServerId,
    pub(super) target: Word,
}

/// A proxy that a sample asks about.
pub(super) struct PendingProxy {
    /// Empty is the proxy itself.
    pub(super) name: String,
    pub(super) side: Side,
    pub(super) span: Span,
}

/// A stick table that a rule names.
pub(super) struct PendingTable {
    /// `None` is the proxy's own.
    pub(super) name: Option<String>,
    pub(super) span: Span,
    pub(super) used: TableUse,
}

/// What a stick table is named for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TableUse {
    /// `track-sc0` and its like.
    Track,
    /// A fetch or a converter looks into it.
    Sample,
}

impl Draft {
    /// Notes the tables that a sample looks into, and the proxy that it asks about.
    pub(super) fn note_names(&mut self, sample: &mut Sample, span: Span) {
        if let Some((proxy, side)) = sample.fetch.proxy_mut() {
            self.pending_proxies.push(PendingProxy {
                name: proxy.name.clone(),
                side,
                span,
            });
        }
        let tables = sample.tables_mut().map(|table| PendingTable {
            name: (!table.name.is_empty()).then(|| table.name.clone()),
            span,
            used: TableUse::Sample,
        });
        self.pending_tables.extend(tables);
    }

    /// Notes that a line decided a setting.
    pub(super) fn note(&mut self, name: &'static str, span: Span) {
        self.provenance.own.push((name, span));
    }
}

/// Everything that has been read so far.
pub(super) struct Drafts<'a> {
    pub(super) dialect: Dialect,
    pub(super) environment: &'a Environment,
    pub(super) global: Global,
    pub(super) global_provenance: Vec<(&'static str, Span)>,
    /// The `defaults` in force.
    pub(super) defaults: Draft,
    pub(super) proxies: Vec<Draft>,
    pub(super) userlists: Vec<Userlist>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The global section set this by itself.
    pub(super) maxrewrite_set: bool,
    /// `maxconn` of the global section is there.
    pub(super) maxconn_set: bool,
    /// A setting of the statistics socket was seen.
    pub(super) stats_settings: bool,
    /// `unix-bind`.
    pub(super) unix: UnixSettings,
    /// The lists of patterns of all sections, but while one is read.
    pub(super) lists: PatternLists,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(dialect: Dialect, environment: &'a Environment) -> Self {
        Self {
            dialect,
            environment,
            global: super::global::built_in(dialect),
            global_provenance: Vec::new(),
            defaults: super::proxy::built_in(environment, crate::plan::Role::Listen),
            proxies: Vec::new(),
            userlists: Vec::new(),
            diagnostics: Vec::new(),
            maxrewrite_set: false,
            maxconn_set: false,
            stats_settings: false,
            unix: UnixSettings::default(),
            lists: PatternLists::default(),
        }
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports what is only looked for once all lines are read.
    pub(super) fn report_late(&mut self, mut diagnostics: Vec<Diagnostic>) {
        for diagnostic in &mut diagnostics {
            diagnostic.late = true;
        }
        self.diagnostics.append(&mut diagnostics);
    }

    /// The plan, if there is no error.
    pub(super) fn finish(mut self) -> Resolved {
        let mut proxies = Vec::with_capacity(self.proxies.len());
        let mut provenance = Vec::with_capacity(self.proxies.len());
        // From the end, so that the room of what was taken is given back on the way: a file may
        // have 50,000 proxies, and each is two kilobytes here and in the plan.
        while let Some(mut draft) = self.proxies.pop() {
            draft.provenance.listeners = draft.listener_spans;
            draft.provenance.acls = draft.acl_spans;
            proxies.push(draft.proxy);
            provenance.push(draft.provenance);
            if self.proxies.len().is_multiple_of(1024) {
                self.proxies.shrink_to_fit();
            }
        }
        proxies.reverse();
        provenance.reverse();
        let plan = (!has_errors(&self.diagnostics)).then_some(Plan {
            dialect: self.dialect,
            global: self.global,
            proxies,
            userlists: self.userlists,
            maps: self.lists.maps,
            pattern_users: self.lists.users,
        });
        Resolved {
            plan,
            provenance: Provenance {
                global: self.global_provenance,
                proxies: provenance,
                pattern_users: self.lists.spans,
            },
            diagnostics: self.diagnostics,
        }
    }
}

/// A name that has no address.
pub(super) fn unknown_host(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::UnknownHost,
        span,
        format!("the host name '{name}' has no address"),
    )
    .help("names are looked up once, at start: check the name, or write its address")
}

/// The IPv4 network of a rule.
pub(super) fn network(
    network: &Network,
    environment: &Environment,
    span: Span,
) -> Result<(std::net::Ipv4Addr, std::net::Ipv4Addr), Diagnostic> {
    let address = match &network.host {
        Host::Any => std::net::Ipv4Addr::UNSPECIFIED,
        Host::V4(address) => *address,
        Host::Name(name) => environment
            .ipv4(name)
            .ok_or_else(|| unknown_host(name, span))?,
        Host::V6(_) | Host::Unix(_) | Host::Abstract(_) => {
            return Err(Diagnostic::new(
                Code::BadAddress,
                span,
                "an IPv4 network is expected here",
            ));
        }
    };
    Ok((address, network.mask))
}

/// The number of a user or group that is named, if one is.
pub(super) fn number_of(
    word: Option<&Word>,
    known: &HashMap<String, Option<u32>>,
    what: &str,
) -> Result<Option<u32>, Diagnostic> {
    let Some(word) = word else { return Ok(None) };
    match known.get(&word.shown()) {
        Some(Some(id)) => Ok(Some(*id)),
        _ => Err(Diagnostic::new(
            Code::UnknownUser,
            word.span,
            format!("the system has no {what} '{}'", word.shown()),
        )),
    }
}

/// A log target with its host looked up.
pub(super) fn log_target(
    target: &LogSyntax,
    environment: &Environment,
) -> Result<LogTarget, Diagnostic> {
    let endpoint = match &target.address {
        AddressSyntax::Socket(endpoint) => endpoint,
        AddressSyntax::Stdout => return Ok(log_target_at(LogAddress::Stdout, target)),
        AddressSyntax::Stderr => return Ok(log_target_at(LogAddress::Stderr, target)),
    };
    let port = match endpoint.port {
        Port::Fixed(port) if port != 0 => port,
        _ => 514,
    };
    let address = match &endpoint.host {
        Host::Unix(path) => LogAddress::Unix(path.into()),
        Host::Abstract(_) => {
            return Err(Diagnostic::new(
                Code::BadAddress,
                target.span,
                "hapax does not send logs to sockets without a file",
            ));
        }
        Host::Any => LogAddress::Udp((std::net::Ipv4Addr::UNSPECIFIED, port).into()),
        Host::V4(ip) => LogAddress::Udp((*ip, port).into()),
        Host::V6(ip) => LogAddress::Udp((*ip, port).into()),
        Host::Name(name) => {
            let ip = environment
                .address(name)
                .ok_or_else(|| unknown_host(name, target.span))?;
            LogAddress::Udp((ip, port).into())
        }
    };
    Ok(log_target_at(address, target))
}

fn log_target_at(address: LogAddress, target: &LogSyntax) -> LogTarget {
    LogTarget {
        address,
        len: target.len,
        frame: target.frame,
        facility: Facility(target.facility),
        max_level: Severity(target.level),
        min_level: Severity(target.min_level),
    }
}

/// The content of a file that the configuration names by a word.
pub(super) fn file<'a>(
    name: &Word,
    what: &str,
    environment: &'a Environment,
) -> Result<&'a Arc<[u8]>, Diagnostic> {
    content(&name.shown(), what, name.span, environment)
}

/// The content of a file that the configuration names.
pub(super) fn content<'a>(
    name: &str,
    what: &str,
    span: Span,
    environment: &'a Environment,
) -> Result<&'a Arc<[u8]>, Diagnostic> {
    let why = match environment.files.get(name) {
        Some(Ok(content)) => return Ok(content),
        Some(Err(why)) => why.as_str(),
        None => "it was not read",
    };
    Err(Diagnostic::new(
        Code::CannotRead,
        span,
        format!("cannot read {what} '{name}': {why}"),
    ))
}
