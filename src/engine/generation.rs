//! One plan in service, with the live objects that its proxies and servers have adopted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::listening::{self, ListenerKey};
use super::live::{Backend, Frontend, Registry, Server};
use crate::acl::AclSet;
use crate::plan::{Plan, Proxy, ProxyId};
use crate::rule::HttpRules;

/// A plan in service.
#[derive(Debug)]
pub(crate) struct Generation {
    /// The plan.
    pub(crate) plan: Arc<Plan>,
    handles: Vec<Handles>,
    listeners: HashMap<ListenerKey, (ProxyId, usize)>,
    retired: AtomicBool,
}

/// What a proxy of the plan has adopted.
#[derive(Debug)]
pub(crate) struct Handles {
    /// Its frontend side.
    pub(crate) frontend: Arc<Frontend>,
    /// Its backend side.
    pub(crate) backend: Arc<Backend>,
    /// Its servers, indexed like those of the plan.
    pub(crate) servers: Vec<Arc<Server>>,
    /// Its ACLs.
    pub(crate) acls: AclSet,
    /// Its rules over requests and responses.
    pub(crate) rules: HttpRules,
}

impl Generation {
    /// Puts a plan into service: every proxy and server adopts its live object, known or new.
    ///
    /// # Errors
    /// A regular expression that cannot be compiled.
    pub(crate) fn new(
        plan: Arc<Plan>,
        registry: &Registry,
    ) -> Result<Self, crate::regular_expression::BadRegex> {
        // Everything that can fail first: adopting changes what the running plan uses.
        let acls = plan
            .proxies
            .iter()
            .map(|proxy| {
                let rules = HttpRules::compile(&proxy.http_rules)?;
                Ok((AclSet::compile(&proxy.acls)?, rules))
            })
            .collect::<Result<Vec<_>, crate::regular_expression::BadRegex>>()?;
        let handles = plan
            .proxies
            .iter()
            .zip(acls)
            .map(|(proxy, (acls, rules))| {
                let backend = registry.backend(&proxy.name);
                let servers = if proxy.role.is_backend() {
                    backend.adopt(&proxy.servers)
                } else {
                    Vec::new()
                };
                Handles {
                    frontend: registry.frontend(&proxy.name),
                    backend,
                    servers,
                    acls,
                    rules,
                }
            })
            .collect();
        let listeners = listening::wanted(&plan)
            .into_iter()
            .map(|(key, (id, index))| (key, (ProxyId(id as u32), index)))
            .collect();
        Ok(Self {
            plan,
            handles,
            listeners,
            retired: AtomicBool::new(false),
        })
    }

    /// The proxy of that id.
    pub(crate) fn proxy(&self, id: ProxyId) -> &Proxy {
        self.plan.proxy(id)
    }

    /// What a proxy has adopted.
    pub(crate) fn handles(&self, id: ProxyId) -> &Handles {
        &self.handles[id.0 as usize]
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
