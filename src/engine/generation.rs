//! One plan in service, with the live objects that its proxies and servers have adopted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haproxy_cfg_grammar::Dialect;

use super::duties::Duties;
use super::listening::{self, ListenerKey};
use super::live::{Backend, Frontend, Listener, Registry, Server, TableUse};
use crate::acl::{AclSet, LiveIndex};
use crate::check::Program;
use crate::http1::{Policies, Policy};
use crate::map::Maps;
use crate::plan::{
    self, AppSession, ByteString, Fetch, FormatPart, KeyType, Mode, Plan, Proxy, ProxyId,
    SwitchingTarget, TransparentSource, UserlistId,
};
use crate::rule::{Backends, HttpRules};
use crate::stick_table::{Destination, StickTable};
use crate::userlist::is_slow;

/// A plan in service.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Its number; the one that the process started with is 1.
    pub(crate) number: u64,
    /// The plan.
    pub(crate) plan: Arc<Plan>,
    handles: Vec<Handles>,
    /// What converters look values up in.
    pub(crate) maps: Maps,
    /// Backends that rules name while they run.
    pub(crate) backends: Backends,
    policies: Policies,
    listeners: HashMap<ListenerKey, (ProxyId, usize)>,
    retired: AtomicBool,
}

/// What a proxy of the plan has adopted.
#[derive(Debug)]
pub(crate) struct Handles {
    /// Its frontend side.
    pub(crate) frontend: Arc<Frontend>,
    /// Its listeners, indexed like those of the plan.
    pub(crate) listeners: Vec<Arc<Listener>>,
    /// Its backend side.
    pub(crate) backend: Arc<Backend>,
    /// Its servers, indexed like those of the plan.
    pub(crate) servers: Vec<Arc<Server>>,
    /// Its stick table.
    pub(crate) table: Option<Arc<StickTable>>,
    /// Its sessions of `appsession`.
    pub(crate) sessions: Option<Arc<StickTable>>,
    /// What tables are told of its servers, when there is a table to tell.
    pub(crate) destinations: Vec<Arc<Destination>>,
    /// Its `use_backend` rules.
    pub(crate) switching: LiveIndex,
    /// Its ACLs.
    pub(crate) acls: AclSet,
    /// The user lists with slow hashes that its ACLs ask.
    pub(crate) userlists: Vec<UserlistId>,
    /// What it has to do in transactions.
    pub(crate) duties: Duties,
    /// It is in mode tcp, and a rule of its looks at the first bytes as HTTP.
    pub(crate) sees_http: bool,
    /// Its rules over requests and responses.
    pub(crate) rules: HttpRules,
    /// How its servers are checked.
    pub(crate) check: Arc<Program>,
    /// The header, and which of its values, that `usesrc` of the backend or of a server names.
    pub(crate) source_header: Option<(ByteString, i32)>,
}

/// The first header that a `source` of a proxy takes addresses from.
fn source_header(proxy: &Proxy) -> Option<(ByteString, i32)> {
    let own = proxy
        .servers
        .iter()
        .filter_map(|server| server.source.as_ref());
    let mut sources = own.chain(&proxy.source);
    sources.find_map(|source| match &source.transparent {
        Some(TransparentSource::Header { name, occurrence }) => Some((name.clone(), *occurrence)),
        _ => None,
    })
}

/// The user lists with slow hashes that the ACLs of a proxy ask.
fn userlists(proxy: &Proxy, plan: &Plan) -> Vec<UserlistId> {
    let mut found = Vec::new();
    for acl in &proxy.acls {
        let (Fetch::HttpAuth { userlist } | Fetch::HttpAuthGroup { userlist }) = acl.sample.fetch
        else {
            continue;
        };
        let list = plan.userlists.get(userlist.0 as usize);
        let slow = list.is_some_and(|list| list.users.iter().any(|u| is_slow(&u.password)));
        if slow && !found.contains(&userlist) {
            found.push(userlist);
        }
    }
    found
}

/// Whether a rule over the first bytes of a connection asks about a request.
fn sees_http(proxy: &Proxy, dialect: Dialect) -> bool {
    let content = proxy.tcp_rules.content.iter().map(|rule| &rule.condition);
    let tcp = proxy.mode == Mode::Tcp;
    let switching = proxy.switching.iter().map(|rule| &rule.condition);
    let switching = switching.filter(|_| tcp);
    let terms = content
        .chain(switching)
        .flatten()
        .flat_map(|condition| &condition.any)
        .flat_map(|conjunction| &conjunction.all);
    let acls = terms
        .flat_map(|term| &term.acls)
        .filter_map(|id| proxy.acls.get(id.0 as usize));
    let of_acls = acls.map(|acl| &acl.sample);
    let named = proxy
        .switching
        .iter()
        .filter_map(|rule| match &rule.target {
            SwitchingTarget::Named(format) if tcp => Some(&format.parts),
            _ => None,
        });
    let of_names = named.flatten().filter_map(|part| match part {
        FormatPart::Sample(sample) => Some(sample),
        FormatPart::Literal(_) => None,
    });
    of_acls.chain(of_names).any(|sample| {
        let fetch = &sample.fetch;
        *fetch == Fetch::RequestIsHttp || (dialect != Dialect::V1_4 && fetch.is_of_request())
    })
}

/// Tells servers whom they track.
fn link_followers(plan: &Plan, handles: &[Handles]) {
    for server in handles.iter().flat_map(|handles| &handles.servers) {
        server.unlink();
    }
    for (proxy, own) in plan.proxies.iter().zip(handles) {
        for (server, live) in proxy.servers.iter().zip(&own.servers) {
            let Some(tracked) = server.track else {
                continue;
            };
            let to = &handles[tracked.proxy.0 as usize];
            if let Some(followed) = to.servers.get(tracked.server.0 as usize)
                && !followed.comes_from(live)
            {
                let backend = &plan.proxy(tracked.proxy).name;
                live.follow(backend, followed, &own.backend);
            }
        }
    }
    for handles in handles {
        handles.backend.refresh_all();
    }
}

impl Generation {
    /// Puts a plan into service: every proxy and server adopts its live object, known or new.
    ///
    /// # Errors
    /// A regular expression that cannot be compiled.
    pub(crate) fn new(
        number: u64,
        plan: Arc<Plan>,
        registry: &Registry,
    ) -> Result<Self, crate::regular_expression::BadRegex> {
        // Everything that can fail first: adopting changes what the running plan uses.
        let maps = Maps::compile(&plan.maps)?;
        let compiled = plan
            .proxies
            .iter()
            .map(|proxy| {
                let rules = HttpRules::compile(&proxy.http_rules, &proxy.acls)?;
                let check = Program::compile(&proxy.check, plan.dialect)?;
                Ok((AclSet::compile(&proxy.acls)?, rules, check))
            })
            .collect::<Result<Vec<_>, crate::regular_expression::BadRegex>>()?;
        let handles: Vec<Handles> = plan
            .proxies
            .iter()
            .zip(compiled)
            .enumerate()
            .map(|(id, (proxy, (acls, rules, check)))| {
                let frontend = if proxy.role.is_frontend() {
                    registry.frontend(&proxy.name)
                } else {
                    Arc::new(Frontend::new(registry.counting()))
                };
                let addresses = proxy.listeners.iter().map(|listener| &listener.address);
                let listeners = frontend.adopt(addresses, registry.counting());
                // A frontend may share its name with a backend.
                let (backend, servers) = if proxy.role.is_backend() {
                    let backend = registry.backend(&proxy.name);
                    let servers = backend.adopt(&plan, ProxyId(id as u32));
                    (backend, servers)
                } else {
                    (Arc::new(Backend::new(registry.counting())), Vec::new())
                };
                let userlists = userlists(proxy, &plan);
                Handles {
                    frontend,
                    listeners,
                    backend,
                    servers,
                    table: proxy.persistence.table.as_ref().map(|table| {
                        registry.table(&proxy.name, TableUse::Stick, table, plan.dialect)
                    }),
                    sessions: proxy.persistence.appsession.as_ref().map(|sessions| {
                        let table = sessions_table(sessions);
                        registry.table(&proxy.name, TableUse::AppSession, &table, plan.dialect)
                    }),
                    destinations: destinations(proxy),
                    switching: LiveIndex::new(
                        proxy.switching.iter().map(|rule| rule.condition.as_ref()),
                        &proxy.acls,
                    ),
                    duties: Duties::of(proxy, &plan.global, &rules, !userlists.is_empty()),
                    userlists,
                    sees_http: sees_http(proxy, plan.dialect),
                    acls,
                    rules,
                    check: Arc::new(check),
                    source_header: source_header(proxy),
                }
            })
            .collect();
        link_followers(&plan, &handles);
        for (proxy, handles) in plan.proxies.iter().zip(&handles) {
            let limit = handles.frontend.maxconn.configure(proxy.maxconn);
            handles.frontend.sessions.set_limit(limit);
            for (listener, live) in proxy.listeners.iter().zip(&handles.listeners) {
                live.sessions.set_limit(listener.maxconn);
            }
        }
        let global = &plan.global;
        let rates = [
            (&registry.connection_rate, global.connection_rate),
            (&registry.session_rate, global.session_rate),
        ];
        for (rate, limit) in rates {
            rate.limit.configure(limit);
        }
        let limit = registry.maxconn.configure(plan.global.maxconn);
        registry.process.set_limit(limit);
        let listeners = listening::wanted(&plan)
            .into_iter()
            .map(|(key, (id, index))| (key, (ProxyId(id as u32), index)))
            .collect();
        let modes = plan.proxies.iter().map(|proxy| proxy.mode_options);
        Ok(Self {
            number,
            backends: Backends::of(&plan),
            policies: Policies::new(modes, plan.dialect),
            plan,
            handles,
            maps,
            listeners,
            retired: AtomicBool::new(false),
        })
    }

    /// The proxy of that id.
    pub(crate) fn proxy(&self, id: ProxyId) -> &Proxy {
        self.plan.proxy(id)
    }

    /// What the mode options of a frontend and the backend that it switched to ask for.
    pub(crate) fn policy(&self, frontend: ProxyId, backend: ProxyId) -> &Policy {
        self.policies.of(frontend.0 as usize, backend.0 as usize)
    }

    /// What a proxy has adopted.
    pub(crate) fn handles(&self, id: ProxyId) -> &Handles {
        &self.handles[id.0 as usize]
    }

    /// What the proxies have adopted, in the order of the plan.
    pub(crate) fn all_handles(&self) -> &[Handles] {
        &self.handles
    }

    /// Which frontend a listening socket belongs to in this generation.
    pub(crate) fn listener(&self, key: &ListenerKey) -> Option<(ProxyId, usize)> {
        self.listeners.get(key).copied()
    }

    /// Says that another generation has taken over: kept client connections end at their next
    /// response.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Whether another generation has taken over.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }
}

/// How many sessions of `appsession` are known at most; HAProxy has no limit but memory.
const MAX_SESSIONS: u32 = 1 << 20;

/// The table that keeps the sessions of `appsession`.
fn sessions_table(sessions: &AppSession) -> plan::StickTable {
    plan::StickTable {
        key: KeyType::String(sessions.len),
        size: MAX_SESSIONS,
        expire: Some(sessions.timeout),
        nopurge: false,
        store: Vec::new(),
    }
}

/// What tables are told of the servers of a proxy.
fn destinations(proxy: &Proxy) -> Vec<Arc<Destination>> {
    if proxy.persistence.stick.is_empty() && proxy.persistence.appsession.is_none() {
        return Vec::new();
    }
    let servers = proxy.servers.iter().map(|server| {
        Arc::new(Destination {
            backend: proxy.name.clone(),
            server: server.name.clone(),
            id: server.numeric_id,
        })
    });
    servers.collect()
}
