//! What a proxy does when something breaks: overload, hostile or dead peers, full and missing files,
//! bad reloads. The same is played on hapax and on HAProxy.
//!
//! A scenario is passed when what it looks at is as it should be, and when the proxy, in the end,
//! still lives and answers a plain request.

mod scenarios;
mod stand;

use std::path::PathBuf;

pub use scenarios::SCENARIOS;
use stand::Stand;

/// The proxy that is looked at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The binary.
    pub binary: PathBuf,
    /// It is HAProxy, with a master process, which is reloaded by SIGUSR2.
    pub haproxy: bool,
}

/// One thing that breaks.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What breaks.
    pub what: &'static str,
    /// Breaks it; answers with what was seen, or with what should not have been.
    play: fn(&mut Stand) -> Result<String, String>,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Scenario {
    /// Plays it in a fresh process.
    ///
    /// # Errors
    /// What should not have been seen.
    pub fn play(&self, subject: &Subject) -> Result<String, String> {
        let mut stand = Stand::new(subject)?;
        let seen = (self.play)(&mut stand);
        let output = stand.output();
        if output.contains("panicked") {
            return Err(format!("it has panicked: {output}"));
        }
        let seen = seen?;
        stand.is_well()?;
        Ok(seen)
    }
}
