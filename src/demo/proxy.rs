//! The proxy of the demo, in this process.

use haproxy_cfg_grammar::{Dialect, SourceSet};

use super::DemoError;
use crate::configuration::{self, Overrides};
use crate::engine::{Engine, Listeners, Local, Sockets};
use crate::report;

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    engine: Option<Engine>,
}

impl Proxy {
    /// Starts on the text of a configuration.
    pub(super) fn start(text: &str) -> Result<Self, DemoError> {
        let sources = SourceSet::from_text(NAME, text);
        let read = configuration::read(&sources, Dialect::Hapax, Overrides::default());
        let Some(plan) = read.plan else {
            let messages = report::haproxy_lines(&read.diagnostics, &read.document.sources);
            return Err(DemoError::Configuration(messages));
        };
        let listeners = Listeners::open(&plan, &Sockets::new())?;
        Ok(Self {
            engine: Some(Engine::start(plan, listeners, Box::new(Local))?),
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
    }
}

const NAME: &str = "examples/quickstart.cfg";
