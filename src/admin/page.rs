//! What the form of the statistics page does.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;
use tokio::sync::mpsc::unbounded_channel;

use super::cli::server::{Found, in_backend};
use crate::check::agent::{Admin, Saying};
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
    if form.servers.is_empty() {
        return Outcome::None;
    }
    let mut done = 0;
    for name in &form.servers {
        let Some(found) = in_backend(proxy, handles, name) else {
            return if done == 0 {
                Outcome::Error
            } else {
                Outcome::Partial
            };
        };
        if deed.apply(shared, &found) {
            done += 1;
        }
    }
    match done {
        0 => Outcome::None,
        n if n < form.servers.len() => Outcome::Partial,
        _ => Outcome::Done,
    }
}

fn backend_of<'g>(generation: &'g Generation, name: &str) -> Option<(&'g Proxy, &'g Handles)> {
    let id = name.strip_prefix('#').map(str::parse::<u32>);
    let mut proxies = generation.plan.proxies.iter().zip(generation.all_handles());
    proxies.find(|(proxy, _)| {
        let meant = match &id {
            Some(id) => Ok(proxy.numeric_id) == *id,
            None => proxy.name == name,
        };
        proxy.role.is_backend() && meant
    })
}

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Answers whether it has changed anything, as 1.4 has it.
    Switch(Admin),
    /// The same, and it always counts as done.
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
        ("disable", _) => Deed::Switch(Admin::Maintenance),
        ("enable", _) => Deed::Switch(Admin::Ready),
        ("maint", false) => Deed::Set(Admin::Maintenance),
        ("stop", true) => Deed::Weight(false),
        ("start", true) => Deed::Weight(true),
        ("stop", false) => Deed::Switch(Admin::Drain),
        ("start", false) => Deed::Switch(Admin::Ready),
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
            Self::Switch(wish) => {
                let state = || (server.is_in_maintenance(), server.is_drained());
                let before = state();
                backend.administer(server, wish, Reason::OldPage);
                before != state()
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
                let up = Some(up);
                if settings.agent.is_some() {
                    let saying = Saying {
                        up,
                        ..Saying::default()
                    };
                    backend.agent_says(server, &saying);
                }
                settings.agent.is_some()
            }
        }
    }
}
