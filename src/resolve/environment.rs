//! Every fact from outside of the configuration.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The content of a file, or why it could not be read.
pub type FileContent = Result<Arc<[u8]>, String>;

/// What was found out about the names in a configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Environment {
    /// Files that are read at start: error pages, patterns of ACLs.
    pub files: HashMap<String, FileContent>,
    /// Addresses of host names; none when the name is unknown.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// Numbers of users; `None` when there is no such user.
    pub users: HashMap<String, Option<u32>>,
    /// Numbers of groups; `None` when there is no such group.
    pub groups: HashMap<String, Option<u32>>,
    /// `-N`: the default of `maxconn` in proxies.
    pub default_proxy_maxconn: Option<u32>,
    /// `-n`: stands in for `maxconn` of the global section, and wins over it.
    pub global_maxconn: Option<u32>,
    /// `-m`: how much memory the process may use, in megabytes.
    pub memory_mb: Option<u32>,
}

impl Environment {
    /// The first IPv4 address of a host name.
    pub fn ipv4(&self, name: &str) -> Option<std::net::Ipv4Addr> {
        self.hosts.get(name)?.iter().find_map(|a| match a {
            IpAddr::V4(a) => Some(*a),
            IpAddr::V6(_) => None,
        })
    }

    /// The first address of a host name, IPv4 first.
    pub fn address(&self, name: &str) -> Option<IpAddr> {
        self.ipv4(name)
            .map(IpAddr::V4)
            .or_else(|| self.hosts.get(name)?.first().copied())
    }
}
