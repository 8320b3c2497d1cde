//! The configuration that the demo runs on: the shipped example, with ports that are free.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// `examples/quickstart.cfg`.
pub(super) const QUICKSTART: &str = include_str!("../../examples/quickstart.cfg");

/// What a frontend of the example is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Door {
    /// The frontend's name.
    pub(super) name: &'static str,
    /// The port in the example.
    pub(super) written_port: u16,
    /// The line that sets the mode.
    pub(super) option: &'static str,
    /// The remark above the frontend.
    pub(super) promise: &'static str,
}

/// The frontends of the example, in file order.
pub(super) fn doors() -> Vec<Door> {
    let mut doors: Vec<Door> = Vec::new();
    let mut remark = "";
    for line in QUICKSTART.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["#", ..] => remark = line.trim_start_matches(['#', ' ']),
            ["frontend", name] => {
                doors.push(Door {
                    name,
                    written_port: 0,
                    option: "",
                    promise: remark,
                });
            }
            ["bind", address] => {
                if let (Some(door), Some(port)) = (doors.last_mut(), port_of(address)) {
                    door.written_port = port;
                }
            }
            ["option", _] => {
                if let Some(door) = doors.last_mut() {
                    door.option = line.trim();
                }
            }
            _ => {}
        }
    }
    doors
}

/// The example's servers, each once, by name, with the ports that are written.
pub(super) fn servers() -> BTreeMap<&'static str, u16> {
    let words = QUICKSTART
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    words
        .filter_map(|words| match words[..] {
            ["server", name, address, ..] => Some((name, port_of(address)?)),
            _ => None,
        })
        .collect()
}

/// The written port when nobody uses it, or else any free one.
pub(super) fn free_port(written: u16) -> io::Result<u16> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, written))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(bound.local_addr()?.port())
}

/// The example with other ports.
pub(super) fn with_ports(ports: &BTreeMap<u16, u16>) -> String {
    let mut out = String::with_capacity(QUICKSTART.len());
    for line in QUICKSTART.lines() {
        let changed = ports.iter().find_map(|(written, chosen)| {
            let suffix = format!(":{written}");
            let line = line.strip_suffix(&suffix)?;
            let first = line.split_whitespace().next()?;
            ["bind", "server"]
                .contains(&first)
                .then(|| format!("{line}:{chosen}"))
        });
        out.push_str(changed.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
}

fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_a_door_for_each_mode() {
        let doors = doors();
        let names: Vec<_> = doors
            .iter()
            .map(|door| (door.name, door.written_port))
            .collect();
        assert_eq!(
            names,
            [
                ("keep-alive", 8001),
                ("tunnel", 8002),
                ("passive-close", 8003),
                ("server-close", 8004),
                ("forced-close", 8005)
            ]
        );
        assert_eq!(doors[3].option, "option http-server-close");
        assert!(
            doors.iter().all(|door| door.promise.ends_with('.')),
            "{doors:?}"
        );
        assert_eq!(servers(), BTreeMap::from([("one", 9001), ("two", 9002)]));
    }

    #[test]
    fn ports_are_changed_where_they_are_meant() {
        let text = with_ports(&BTreeMap::from([(8001, 18001), (9002, 19002)]));
        assert!(text.contains("    bind 127.0.0.1:18001\n"));
        assert!(text.contains("    server two 127.0.0.1:19002\n"));
        assert!(text.contains("    bind 127.0.0.1:8002\n"));
        assert_eq!(text.lines().count(), QUICKSTART.lines().count());
    }
}
