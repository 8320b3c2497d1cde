//! What the form of the statistics page does.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;
use haproxy_cfg_grammar::value::number::atol;
use tokio::sync::mpsc::unbounded_channel;

use super::cli::server::{Found, in_backend};
use crate::check::agent::Admin;
use crate::check::log::Reason;
use crate::engine::generation::{Generation, Handles};
use crate::engine::roster::Whom;
use crate::engine::worker::{Command, Shared};
use crate::plan::Proxy;
use crate::stats::{Action, Outcome};

/// Does what a form asks for.
pub(crate) fn act(shared: &Shared, generation: &Generation, form: &Action) -> Outcome {
    let v1_4 = generation.plan.dialect == Dialect::V1_4;
    let (Some(backend), Some(action)) = (&form.backend, &form.action) else {
        return Outcome::None;
    };
    let Some(deed) = deed(action, v1_4) else {
        return Outcome::Error;
    };
    let Some((proxy, handles)) = backend_of(generation, backend) else {
        return Outcome::Error;
    };
    let (mut changed, mut unknown) = (false, false);
    for name in &form.servers {
        // A number is no name here.
        let found = in_backend(proxy, handles, name).filter(|found| found.server.name == *name);
        match found {
            Some(found) => changed |= deed.apply(shared, &found),
            None => unknown = true,
        }
    }
    match (changed, unknown) {
        (true, false) => Outcome::Done,
        (true, true) => Outcome::Partial,
        (false, true) => Outcome::Error,
        (false, false) => Outcome::None,
    }
}

fn backend_of<'g>(generation: &'g Generation, name: &str) -> Option<(&'g Proxy, &'g Handles)> {
    // 1.4 reads a number as C does: as much as is one.
    let v1_4 = generation.plan.dialect == Dialect::V1_4;
    let number = |text: &str| match v1_4 {
        true => Some(atol(text.trim_start().as_bytes()).0),
        false => text.parse().ok(),
    };
    let id = name.strip_prefix('#').map(number);
    let mut proxies = generation.plan.proxies.iter().zip(generation.all_handles());
    proxies.find(|(proxy, _)| {
        let meant = match &id {
            Some(id) => Some(i64::from(proxy.numeric_id)) == *id,
            None => proxy.name == name,
        };
        proxy.role.is_backend() && meant
    })
}

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Out of use or not, and drained or not: one does not change the other.
    Maintenance(bool),
    Drain(bool),
    /// Both at once. It always counts as done.
    Set(Admin),
    /// 1.4's soft stop and start.
    Weight(bool),
    Checks(bool),
    Health {
        up: bool,
        stopping: bool,
    },
    AgentChecks(bool),
    Agent(bool),
    Shutdown,
}

fn deed(action: &str, v1_4: bool) -> Option<Deed> {
    Some(match (action, v1_4) {
        ("disable", _) => Deed::Maintenance(true),
        ("enable", _) => Deed::Maintenance(false),
        ("maint", false) => Deed::Set(Admin::Maintenance),
        ("stop", true) => Deed::Weight(false),
        ("start", true) => Deed::Weight(true),
        ("stop", false) => Deed::Drain(true),
        ("start", false) => Deed::Drain(false),
        ("ready", false) => Deed::Set(Admin::Ready),
        ("drain", false) => Deed::Set(Admin::Drain),
        ("dhlth", false) => Deed::Checks(false),
        ("ehlth", false) => Deed::Checks(true),
        ("hrunn", false) => Deed::Health {
            up: true,
            stopping: false,
        },
        ("hnolb", false) => Deed::Health {
            up: true,
            stopping: true,
        },
        ("hdown", false) => Deed::Health {
            up: false,
            stopping: false,
        },
        ("dagent", false) => Deed::AgentChecks(false),
        ("eagent", false) => Deed::AgentChecks(true),
        ("arunn", false) => Deed::Agent(true),
        ("adown", false) => Deed::Agent(false),
        ("shutdown", false) => Deed::Shutdown,
        _ => return None,
    })
}

impl Deed {
    /// Does it. Answers whether that has changed anything.
    fn apply(self, shared: &Shared, found: &Found) -> bool {
        let (backend, server) = (&found.backend, &found.server);
        let settings = server.settings();
        match self {
            Self::Maintenance(on) => {
                let changes = server.is_in_maintenance() != on;
                let wish = match (on, server.is_drained()) {
                    (true, _) => Admin::Maintenance,
                    (false, true) => Admin::Drain,
                    (false, false) => Admin::Ready,
                };
                if changes {
                    backend.administer(server, wish, Reason::OldPage);
                }
                changes
            }
            Self::Drain(on) => {
                let changes = server.is_drained() != on;
                let wish = if on { Admin::Drain } else { Admin::Ready };
                match server.is_in_maintenance() {
                    // It shows once the maintenance is over.
                    true => server.drain_later(on),
                    false if changes => backend.administer(server, wish, Reason::OldPage),
                    false => {}
                }
                changes
            }
            Self::Set(wish) => {
                backend.administer(server, wish, Reason::Page);
                true
            }
            Self::Weight(on) => {
                let weight = if on { server.weights().1 } else { 0 };
                backend.set_weight(server, weight);
                true
            }
            Self::Health { up, stopping } => {
                if server.is_checked() {
                    backend.set_health(server, up, stopping, Reason::Page);
                }
                server.is_checked()
            }
            Self::Shutdown => {
                // Nobody waits for the number of sessions.
                let (reply, _) = unbounded_channel();
                shared
                    .tell_workers(|| Command::End(Whom::Server(Arc::clone(server)), reply.clone()));
                true
            }
            Self::Checks(on) => {
                if settings.check.is_some() {
                    server.pause_checks(!on);
                }
                settings.check.is_some()
            }
            Self::AgentChecks(on) => {
                if settings.agent.is_some() {
                    server.pause_agent(!on);
                }
                settings.agent.is_some()
            }
            Self::Agent(up) => {
                if server.asks_agent() {
                    backend.set_agent(server, up);
                }
                server.asks_agent()
            }
        }
    }
}
