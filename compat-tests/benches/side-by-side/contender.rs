//! Who is measured.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::relay::ARGUMENT;

/// A binary to measure.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) binary: PathBuf,
    /// The first line of what `-v` says.
    pub(crate) version: String,
    pub(crate) kind: Kind,
    /// It is this program, as [`relay`](crate::relay), and reads no configuration.
    pub(crate) is_relay: bool,
}

/// Whose words a configuration has to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Hapax,
    Haproxy { major: u32, minor: u32 },
}

impl Contender {
    /// From `NAME=PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let (name, path) = text
            .split_once('=')
            .ok_or_else(|| format!("{text}: no NAME=PATH"))?;
        Self::new(name, path.into())
    }

    /// The relay.
    pub(crate) fn relay() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            name: "relay".to_owned(),
            binary: std::env::current_exe()?,
            version: "moves bytes and does nothing else".to_owned(),
            kind: Kind::Hapax,
            is_relay: true,
        })
    }

    /// The arguments that it needs before those of a proxy.
    pub(crate) fn arguments(&self, port: u16, origin: u16) -> Vec<String> {
        if self.is_relay {
            vec![ARGUMENT.to_owned(), port.to_string(), origin.to_string()]
        } else {
            Vec::new()
        }
    }

    pub(crate) fn new(name: &str, binary: PathBuf) -> Result<Self, Box<dyn Error>> {
        let binary = std::path::absolute(binary)?;
        let version = version(&binary)?;
        let kind = kind(&version)
            .ok_or_else(|| format!("{}: neither hapax nor haproxy: {version}", binary.display()))?;
        Ok(Self {
            name: name.to_owned(),
            binary,
            version,
            kind,
            is_relay: false,
        })
    }
}

fn version(binary: &Path) -> Result<String, Box<dyn Error>> {
    let output = Command::new(binary)
        .arg("-v")
        .output()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn kind(version: &str) -> Option<Kind> {
    if version.starts_with("hapax") {
        return Some(Kind::Hapax);
    }
    let numbers = version.split_once("version ")?.1;
    let mut numbers = numbers.split(['.', '-', ' ']).map(str::parse);
    let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Kind::Haproxy { major, minor })
}
