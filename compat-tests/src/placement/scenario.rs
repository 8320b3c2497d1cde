//! What is tried.

use std::net::Ipv4Addr;

/// Weights of the servers.
pub(super) const WEIGHTS: [u32; 7] = [10, 1, 5, 30, 7, 100, 3];

/// Servers that are down in the scenarios that have some.
const DOWN: [usize; 2] = [1, 5];

/// What a request is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Nothing: servers take turns.
    None,
    /// Its path.
    Path,
    /// A parameter of its query.
    Parameter,
    /// A header.
    Header,
    /// The address that it comes from.
    Source,
    /// The cookie of a remote desktop.
    RdpCookie,
}

/// One section of the configuration, and so many requests to it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `balance`.
    pub balance: &'static str,
    /// `hash-type`; empty when the line is absent.
    pub hash_type: String,
    /// What differs between the requests.
    pub key: Key,
    /// Servers that are down.
    pub down: &'static [usize],
    /// How many requests.
    pub count: u32,
}

impl Scenario {
    /// Its name in recordings.
    pub fn name(&self) -> String {
        let hash_type = match self.hash_type.as_str() {
            "" => "-".to_owned(),
            words => words.replace(' ', "+"),
        };
        let balance = self.balance.replace(' ', "+");
        format!("{balance} {hash_type} {}-down", self.down.len())
    }

    /// Whether it is played over bare TCP.
    pub(super) fn is_tcp(&self) -> bool {
        self.key == Key::RdpCookie
    }

    /// The section, on that port.
    pub(super) fn section(&self, number: usize, port: u16, servers: &[u16]) -> String {
        let mut text = format!("listen l{number}\n    bind 127.0.0.1:{port}\n");
        if self.is_tcp() {
            text.push_str(
                "    mode tcp\n    tcp-request inspect-delay 5s\n    \
                 tcp-request content accept if RDP_COOKIE\n",
            );
        }
        text.push_str(&format!("    balance {}\n", self.balance));
        if !self.hash_type.is_empty() {
            text.push_str(&format!("    hash-type {}\n", self.hash_type));
        }
        for (index, (weight, server)) in WEIGHTS.iter().zip(servers).enumerate() {
            let down = if self.down.contains(&index) {
                " disabled"
            } else {
                ""
            };
            let redirect = if self.is_tcp() {
                String::new()
            } else {
                format!(" redir http://s{index}.")
            };
            text.push_str(&format!(
                "    server s{index} 127.0.0.1:{server} weight {weight}{redirect}{down}\n"
            ));
        }
        text
    }

    /// The address that a request comes from.
    pub(super) fn source(&self, number: u32) -> Ipv4Addr {
        match self.key {
            Key::Source | Key::RdpCookie => {
                let [_, b, c, d] = scatter(number).to_be_bytes();
                Ipv4Addr::new(127, b, c, d.clamp(1, 254))
            }
            _ => Ipv4Addr::LOCALHOST,
        }
    }

    /// The bytes of a request.
    pub(super) fn request(&self, number: u32) -> String {
        let value = scatter(number);
        let header =
            |name: &str| format!("GET / HTTP/1.1\r\nHost: t\r\n{name}: key-{value}\r\n\r\n");
        let path = |path: String| format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
        match self.key {
            Key::None => path("/".to_owned()),
            Key::Path => path(match number % 6 {
                0 => format!("/a{value}"),
                1 => format!("/dir{value}/x"),
                2 => format!("/very/long/path/{value}/with/many/parts"),
                3 => format!("/img/{value}.png?size=2"),
                4 => format!("/x%41/{value};j=1"),
                _ => format!("/{value}/"),
            }),
            Key::Parameter => path(format!("/p?x=1&uid={value}&z=2")),
            Key::Header => header("X-Key"),
            Key::Source => "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".to_owned(),
            // A connection request of the protocol, shortened to what is looked at.
            Key::RdpCookie => {
                let cookie = format!("Cookie: mstshash=u{value}\r\n");
                let length = 11 + cookie.len();
                let head = [3, 0, 0, length as u8, length as u8 - 5, 0xE0, 0, 0, 0, 0, 0];
                head.iter().map(|b| char::from(*b)).collect::<String>() + &cookie
            }
        }
    }
}

/// Numbers that look like chance and are the same every time.
fn scatter(number: u32) -> u32 {
    number
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B1)
        .rotate_left(9)
}

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for balance in ["roundrobin", "static-rr"] {
        add(&mut all, balance, Key::None, "", TURNS);
    }
    let hashed = [
        ("uri", Key::Path),
        ("uri len 12 depth 2", Key::Path),
        ("url_param uid", Key::Parameter),
        ("hdr(X-Key)", Key::Header),
        ("source", Key::Source),
        ("rdp-cookie(mstshash)", Key::RdpCookie),
    ];
    for (balance, key) in hashed {
        for hash_type in ["map-based", "consistent"] {
            add(&mut all, balance, key, hash_type, KEYS);
        }
    }
    for method in ["map-based", "consistent"] {
        for function in ["sdbm", "djb2", "wt6", "crc32"] {
            for avalanche in ["", " avalanche"] {
                let hash_type = format!("{method} {function}{avalanche}");
                add(&mut all, "hdr(X-Key)", Key::Header, &hash_type, FEWER_KEYS);
            }
        }
    }
    all
}

fn add(all: &mut Vec<Scenario>, balance: &'static str, key: Key, hash_type: &str, count: u32) {
    for down in [&[][..], &DOWN] {
        all.push(Scenario {
            balance,
            hash_type: hash_type.to_owned(),
            key,
            down,
            count,
        });
    }
}

const TURNS: u32 = 1000;
const KEYS: u32 = 10_000;
const FEWER_KEYS: u32 = 2000;
