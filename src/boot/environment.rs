//! Gathers every fact from outside that a configuration names: files, host names, users.
//!
//! This is the only place that reads them; parsing and resolving are pure.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read as _};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

use haproxy_cfg_grammar::{Dialect, Document, SourceSet};

use crate::resolve::{Environment, FileContent, needs};

/// The files that the command line names. Since 1.8 a folder stands for the files in it whose names
/// end in `.cfg`, in the order of their bytes.
///
/// # Errors
/// The name of the folder that cannot be read, and why.
pub fn expand(names: &[String], dialect: Dialect) -> Result<Vec<String>, (String, io::Error)> {
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let folder = std::path::Path::new(name);
        if dialect == Dialect::V1_4 || !folder.is_dir() {
            files.push(name.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|e| (name.clone(), e))? {
            let path = entry.map_err(|e| (name.clone(), e))?.path();
            let hidden = |n: &str| n.starts_with('.') || !n.ends_with(".cfg");
            let file = path.file_name().and_then(|n| n.to_str());
            if file.is_some_and(|n| !hidden(n)) && path.is_file() {
                found.push(path.to_string_lossy().into_owned());
            }
        }
        found.sort_unstable();
        files.append(&mut found);
    }
    Ok(files)
}

/// Reads configuration files in order, with the environment variables that they may use.
///
/// # Errors
/// The name of the file that cannot be read, and why.
pub fn sources(files: &[String]) -> Result<SourceSet, (String, io::Error)> {
    let mut sources = SourceSet::default();
    for name in files {
        let text = read(name).map_err(|e| (name.clone(), e))?;
        sources.add(name, text);
    }
    sources.variables = std::env::vars_os()
        .filter_map(|(name, value)| {
            use std::os::unix::ffi::OsStringExt as _;
            Some((name.into_string().ok()?, value.into_vec()))
        })
        .collect();
    Ok(sources)
}

fn read(name: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if name == "-" {
        io::stdin().lock().read_to_end(&mut text)?;
    } else {
        text = std::fs::read(name)?;
    }
    Ok(text)
}

/// Looks up everything that a document names. Host names take the time that the resolver takes.
pub fn gather(document: &Document) -> Environment {
    let mut needs = needs(document);
    let files: HashMap<String, FileContent> = needs
        .files
        .iter()
        .map(|name| {
            let content = std::fs::read(name)
                .map(Arc::from)
                .map_err(|e| e.to_string());
            (name.clone(), content)
        })
        .collect();
    let host_files: Vec<_> = needs.host_files.iter().cloned().collect();
    for name in host_files {
        if let Some(Ok(content)) = files.get(&name) {
            needs.host_file(content);
        }
    }
    Environment {
        files,
        hosts: hosts(&needs.hosts),
        users: needs
            .users
            .iter()
            .map(|name| (name.clone(), user(name)))
            .collect(),
        groups: needs
            .groups
            .iter()
            .map(|name| (name.clone(), group(name)))
            .collect(),
        ..Environment::default()
    }
}

fn hosts(names: &BTreeSet<String>) -> HashMap<String, Vec<IpAddr>> {
    names
        .iter()
        .map(|name| {
            let found = (name.as_str(), 0).to_socket_addrs();
            let addresses = found.map(|list| list.map(|a| a.ip()).collect());
            (name.clone(), addresses.unwrap_or_default())
        })
        .collect()
}

fn user(name: &str) -> Option<u32> {
    nix::unistd::User::from_name(name)
        .ok()
        .flatten()
        .map(|u| u.uid.as_raw())
}

fn group(name: &str) -> Option<u32> {
    nix::unistd::Group::from_name(name)
        .ok()
        .flatten()
        .map(|g| g.gid.as_raw())
}
