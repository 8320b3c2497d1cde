//! What rules can ask about the rest of the process.

use std::sync::Arc;

use crate::engine::live::{Pace, millis};
use crate::engine::session::Session;
use crate::map::Map;
use crate::plan::{MapId, ProxyId, ServerId, UserlistId};
use crate::sample::World;
use crate::sample::facts::ProxyFact;
use crate::stick_table::{Millis, StickTable, Tracking};
use crate::userlist;

impl World for Session {
    fn destination(&self) -> Option<std::net::SocketAddr> {
        Self::destination(self)
    }

    fn proxy(&self, of: ProxyId, what: ProxyFact) -> Option<i64> {
        let handles = self.generation.handles(of);
        let proxy = self.generation.proxy(of);
        let backend = &handles.backend;
        let now = self.worker.now();
        Some(match what {
            ProxyFact::FrontendConnections => i64::from(handles.frontend.sessions.now()),
            ProxyFact::FrontendRate => {
                i64::from(handles.frontend.counters.rate(Pace::Sessions, now))
            }
            ProxyFact::BackendConnections => i64::from(backend.sessions.now()),
            ProxyFact::BackendRate => i64::from(backend.counters.rate(Pace::Sessions, now)),
            ProxyFact::ConnectionSlots => {
                let mut slots = 0;
                for (server, live) in proxy.servers.iter().zip(&handles.servers) {
                    if !live.is_up() {
                        continue;
                    }
                    // Without both limits there is no number to give.
                    let limit = live.maxconn.get();
                    if limit == 0 || server.maxqueue == 0 {
                        return Some(-1);
                    }
                    slots += i64::from(limit) - i64::from(live.sessions())
                        + i64::from(server.maxqueue)
                        - i64::from(live.waiting());
                }
                slots
            }
            ProxyFact::UsableServers => i64::from(backend.usable(proxy.options.allbackups)),
            ProxyFact::Queue => i64::from(backend.waiting()),
            ProxyFact::AverageQueue => {
                let waiting = i64::from(backend.waiting());
                match i64::from(backend.usable(proxy.options.allbackups)) {
                    0 => waiting * 2,
                    servers => (waiting + servers - 1) / servers,
                }
            }
        })
    }

    fn is_up(&self, proxy: ProxyId, server: ServerId) -> bool {
        self.generation
            .handles(proxy)
            .servers
            .get(server.0 as usize)
            .is_some_and(|server| server.is_up())
    }

    fn listener_id(&self) -> Option<u32> {
        let listener = self.proxy().listeners.get(self.listener)?;
        Some(listener.numeric_id)
    }

    fn frontend_id(&self) -> u32 {
        Self::proxy(self).numeric_id
    }

    fn backend_id(&self) -> Option<u32> {
        Some(self.backend().numeric_id)
    }

    fn server_id(&self) -> Option<u32> {
        let link = self.server.as_ref()?;
        let name = &link.server.as_ref()?.name;
        let servers = &self.backend().servers;
        let server = servers.iter().find(|s| s.name == *name)?;
        Some(server.numeric_id)
    }

    fn now(&self) -> Millis {
        millis(self.worker.now())
    }

    fn stick_table(&self, of: ProxyId) -> Option<&Arc<StickTable>> {
        self.generation.handles(of).table.as_ref()
    }

    fn tracking(&self) -> Option<&Tracking> {
        Some(&self.tracking)
    }

    fn admits(
        &self,
        id: UserlistId,
        name: &[u8],
        password: &[u8],
        groups: Option<&dyn Fn(&str) -> bool>,
    ) -> bool {
        let Some(list) = self.generation.plan.userlists.get(id.0 as usize) else {
            return false;
        };
        let Some((index, user)) = userlist::find(list, name) else {
            return false;
        };
        // A hash is slow on purpose: whoever is in no group that counts is not asked.
        if groups.is_some_and(|wanted| !userlist::in_group(list, user, wanted)) {
            return false;
        }
        if let Some(fits) = self.shown.known((id, index), password) {
            return fits;
        }
        let fits = userlist::fits(&user.password, password);
        self.shown.note((id, index), password.to_vec(), fits);
        fits
    }

    fn map(&self, id: MapId) -> Option<&Map> {
        self.generation.maps.get(id)
    }
}
