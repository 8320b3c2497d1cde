//! A HAProxy to compare with, where there is one.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::ProxyCommand;

/// Debian's HAProxy 2.6, when it is installed. With `HAPAX_REQUIRE_HAPROXY` in the environment its
/// absence is a failure.
///
/// # Panics
/// It is required and not there.
pub fn installed() -> Option<ProxyCommand> {
    let found = FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join("haproxy"))
        .find(is_2_6);
    assert!(
        found.is_some() || std::env::var_os("HAPAX_REQUIRE_HAPROXY").is_none(),
        "there is no HAProxy 2.6, and HAPAX_REQUIRE_HAPROXY asks for it"
    );
    found.map(|binary| ProxyCommand {
        binary,
        args: Vec::new(),
    })
}

fn is_2_6(binary: &PathBuf) -> bool {
    let answer = Command::new(binary).arg("-v").output();
    answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains("version 2.6"))
}

const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];
