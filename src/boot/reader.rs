//! Reads the configuration again, with the privileges that are left or through the keeper.

use haproxy_cfg_grammar::Severity;

use super::keeper::Keeper;
use crate::configuration::{Origin, Written};
use crate::plan::Plan;
use crate::report;

/// Reads the configuration again.
#[derive(Debug)]
pub(super) struct Reader {
    origin: Origin,
    keeper: Option<Keeper>,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Reading {
    /// The plan, when there are no errors.
    pub(super) plan: Option<Plan>,
    /// What is to be said about the files, in HAProxy's line format.
    pub(super) messages: String,
    /// What is kept beside the plan.
    pub(super) written: Written,
}

impl Reader {
    /// Reads what the command line named, through the keeper when there is one.
    pub(super) fn new(origin: Origin, keeper: Option<Keeper>) -> Self {
        Self { origin, keeper }
    }

    /// Reads it now.
    pub(super) fn read(&self) -> Reading {
        let read = match &self.keeper {
            Some(keeper) => keeper.read(&self.origin),
            None => self.origin.read(),
        };
        match read {
            Ok(configuration) => Reading {
                messages: report::haproxy_lines(
                    &configuration.diagnostics,
                    &configuration.document.sources,
                ),
                written: configuration.written(),
                plan: configuration.plan,
            },
            Err(unreadable) => Reading {
                plan: None,
                written: Written::default(),
                messages: report::stamp().line(Severity::Error, &report::unreadable(&unreadable)),
            },
        }
    }
}
