//! The world around a request that is not on a network: a process that has just started. Servers
//! are up unless the file disables them, nobody is connected, nothing waits.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::map::{Map, Maps};
use crate::plan::{ListenAddress, MapId, Plan, ProxyId, ServerId, UserlistId};
use crate::sample::World;
use crate::sample::facts::ProxyFact;
use crate::stick_table::{Millis, StickTable, Tracking};
use crate::userlist;

/// See the module.
#[derive(Debug)]
pub(super) struct Offline<'a> {
    plan: &'a Plan,
    frontend: ProxyId,
    /// The backend, once it is known.
    pub(super) backend: ProxyId,
    /// The address that the client connected to.
    pub(super) destination: Option<SocketAddr>,
    /// The stick tables, in which nothing is yet.
    tables: Vec<Option<Arc<StickTable>>>,
    tracking: Tracking,
    maps: Maps,
}

impl<'a> Offline<'a> {
    pub(super) fn new(plan: &'a Plan, frontend: ProxyId, destination: Option<SocketAddr>) -> Self {
        let listener = plan.proxy(frontend).listeners.first();
        let own = listener.and_then(|listener| match listener.address {
            ListenAddress::Tcp { ip, port } => Some(SocketAddr::new(ip, port)),
            _ => None,
        });
        Self {
            plan,
            frontend,
            backend: frontend,
            destination: destination.or(own),
            tables: plan
                .proxies
                .iter()
                .map(|proxy| {
                    let table = proxy.persistence.table.as_ref()?;
                    Some(Arc::new(StickTable::new(table, plan.dialect)))
                })
                .collect(),
            tracking: Tracking::default(),
            // They were compiled when the plan was made.
            maps: Maps::compile(&plan.maps).unwrap_or_default(),
        }
    }
}

impl World for Offline<'_> {
    fn destination(&self) -> Option<SocketAddr> {
        self.destination
    }

    fn proxy(&self, of: ProxyId, what: ProxyFact) -> Option<i64> {
        let proxy = self.plan.proxy(of);
        let up = |backup: bool| {
            let servers = proxy.servers.iter();
            servers
                .filter(|s| !s.disabled && s.weight > 0 && s.backup == backup)
                .count() as i64
        };
        Some(match what {
            ProxyFact::UsableServers => match (up(false), proxy.options.allbackups) {
                (0, true) => up(true),
                (0, false) => up(true).min(1),
                (active, _) => active,
            },
            ProxyFact::ConnectionSlots => {
                let mut slots = 0;
                for server in proxy.servers.iter().filter(|server| !server.disabled) {
                    if server.maxconn == 0 || server.maxqueue == 0 {
                        return Some(-1);
                    }
                    slots += i64::from(server.maxconn) + i64::from(server.maxqueue);
                }
                slots
            }
            // This client is connected.
            ProxyFact::FrontendConnections | ProxyFact::FrontendRate => {
                i64::from(of == self.frontend)
            }
            ProxyFact::BackendConnections
            | ProxyFact::BackendRate
            | ProxyFact::Queue
            | ProxyFact::AverageQueue => 0,
        })
    }

    fn is_up(&self, proxy: ProxyId, server: ServerId) -> bool {
        let servers = &self.plan.proxy(proxy).servers;
        servers
            .get(server.0 as usize)
            .is_some_and(|server| !server.disabled)
    }

    fn listener_id(&self) -> Option<u32> {
        let listener = self.plan.proxy(self.frontend).listeners.first()?;
        Some(listener.numeric_id)
    }

    fn frontend_id(&self) -> u32 {
        self.plan.proxy(self.frontend).numeric_id
    }

    fn backend_id(&self) -> Option<u32> {
        Some(self.plan.proxy(self.backend).numeric_id)
    }

    fn server_id(&self) -> Option<u32> {
        None
    }

    fn now(&self) -> Millis {
        1
    }

    fn stick_table(&self, of: ProxyId) -> Option<&Arc<StickTable>> {
        self.tables.get(of.0 as usize)?.as_ref()
    }

    fn tracking(&self) -> Option<&Tracking> {
        Some(&self.tracking)
    }

    fn admits(
        &self,
        list: UserlistId,
        name: &[u8],
        password: &[u8],
        groups: Option<&dyn Fn(&str) -> bool>,
    ) -> bool {
        let Some(list) = self.plan.userlists.get(list.0 as usize) else {
            return false;
        };
        userlist::find(list, name).is_some_and(|(_, user)| {
            groups.is_none_or(|wanted| userlist::in_group(list, user, wanted))
                && userlist::fits(&user.password, password)
        })
    }

    fn map(&self, id: MapId) -> Option<&Map> {
        self.maps.get(id)
    }
}
