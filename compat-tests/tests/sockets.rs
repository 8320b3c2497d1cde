//! What hapax asks of its sockets, as the system knows it: keep-alive, delays, sizes, devices, and
//! the addresses that servers see. The sockets of the process are duplicated to ask them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::{self, run};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nX-Ip: 127.0.0.33, 127.0.0.34\r\n\r\n";

/// A configuration with one section, and who plays client and server.
struct Stand {
    proxy: Proxy,
    listener: TcpListener,
    port: u16,
    _folder: tempfile::TempDir,
}

/// One connection through it.
struct Through {
    client: TcpStream,
    server: TcpStream,
    /// Who the server takes the client for.
    peer: SocketAddr,
}

impl Stand {
    async fn new(dialect: &str, mode: &str, bind: &str, settings: &str, server: &str) -> Self {
        Self::with_global(dialect, "", mode, bind, settings, server).await
    }

    async fn with_global(
        dialect: &str,
        global: &str,
        mode: &str,
        bind: &str,
        settings: &str,
        server: &str,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let origin = listener.local_addr().expect("bound");
        let port = free_port().expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "global\n    {global}\ndefaults\n    mode {mode}\n    timeout connect 20s\n    timeout client 60s\n    \
             timeout server 60s\nlisten l\n    bind 127.0.0.1:{port} {bind}\n    {settings}\n    \
             server s {origin} {server}\n"
        );
        let args: &[&str] = match dialect {
            "" => &[],
            dialect => &["--compat", dialect],
        };
        let proxy = stand::serve(folder.path(), args, &text, &[port]).await;
        Self {
            proxy,
            listener,
            port,
            _folder: folder,
        }
    }

    /// A client of that address, which is at a port that others may take as well.
    fn client(&self, ip: [u8; 4]) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("set");
        let own = SocketAddr::from((ip, 0));
        socket.bind(&own.into()).expect("an address");
        let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        socket.connect(&proxy.into()).expect("it listens");
        socket.set_nonblocking(true).expect("set");
        TcpStream::from_std(socket.into()).expect("a stream")
    }

    /// A connection on which a request has got to the server.
    async fn through(&self) -> Through {
        let mut client = self.client([127, 0, 0, 5]);
        client.write_all(REQUEST).await.expect("sent");
        loop {
            let accepted = timeout(PATIENCE, self.listener.accept()).await;
            let (mut server, peer) = accepted.expect("a connection").expect("accepted");
            let mut first = [0; 4];
            // Who only looks whether the proxy is ready goes without a word.
            if server.read_exact(&mut first).await.is_ok() {
                assert_eq!(&first, b"GET ");
                return Through {
                    client,
                    server,
                    peer,
                };
            }
        }
    }

    /// The socket of the proxy that is connected to `peer`; `None` where nobody may ask.
    fn socket(&self, peer: SocketAddr) -> Option<Socket> {
        let pid = self.proxy.pid();
        let process = Pid::from_raw(i32::try_from(pid).expect("a number")).expect("not zero");
        let process = pidfd_open(process, PidfdFlags::empty()).ok()?;
        let names = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let numbers = names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok());
        for number in numbers {
            let flags = PidfdGetfdFlags::empty();
            let Ok(descriptor) = pidfd_getfd(&process, number, flags) else {
                continue;
            };
            let socket = Socket::from(descriptor);
            let connected = socket.peer_addr().ok().and_then(|other| other.as_socket());
            if connected == Some(peer) {
                return Some(socket);
            }
        }
        None
    }

    /// The two sockets of a connection.
    fn both(&self, through: &Through) -> Option<(Socket, Socket)> {
        let client = through.client.local_addr().expect("connected");
        let server = self.listener.local_addr().expect("bound");
        Some((self.socket(client)?, self.socket(server)?))
    }
}

/// Whether a process may look at the sockets of its child here: some containers forbid it.
fn may_look() -> bool {
    let own = Pid::from_raw(i32::try_from(std::process::id()).expect("a number"));
    let own = pidfd_open(own.expect("not zero"), PidfdFlags::empty());
    let can = own.is_ok_and(|own| pidfd_getfd(&own, 0, PidfdGetfdFlags::empty()).is_ok());
    stand::may("a look at the sockets of another process", can)
}

#[test]
fn connections_are_kept_alive_where_it_is_asked_for() {
    if !may_look() {
        return;
    }
    run(async {
        for mode in ["http", "tcp"] {
            for (setting, client, server) in [
                ("", false, false),
                ("option clitcpka", true, false),
                ("option srvtcpka", false, true),
                ("option tcpka", true, true),
            ] {
                let stand = Stand::new("", mode, "", setting, "").await;
                let through = stand.through().await;
                let (one, other) = stand.both(&through).expect("both are there");
                let alive = |socket: &Socket| socket.keepalive().expect("asked");
                assert_eq!(
                    (alive(&one), alive(&other)),
                    (client, server),
                    "{mode}, {setting}"
                );
                for socket in [one, other] {
                    assert!(socket.tcp_nodelay().expect("asked"), "{mode}, {setting}");
                    assert_eq!(socket.linger().expect("asked"), None, "{mode}, {setting}");
                }
                stand.proxy.stop().await.expect("stopped");
            }
        }
    });
}

#[test]
fn the_system_keeps_as_much_of_each_side_as_it_is_told() {
    if !may_look() {
        return;
    }
    let global = "tune.rcvbuf.client 20000\n    tune.sndbuf.client 30000\n    \
                  tune.rcvbuf.server 40000\n    tune.sndbuf.server 50000";
    run(async {
        for (dialect, mode) in [("1.4", "http"), ("1.8", "http"), ("", "tcp")] {
            let stand = Stand::with_global(dialect, global, mode, "", "", "").await;
            let through = stand.through().await;
            let (client, server) = stand.both(&through).expect("both are there");
            let sizes = |socket: &Socket| {
                let received = socket.recv_buffer_size().expect("asked");
                (received, socket.send_buffer_size().expect("asked"))
            };
            // The system takes twice as much, for what it has to remember beside the bytes.
            assert_eq!(sizes(&client), (40_000, 60_000), "{dialect}, {mode}");
            assert_eq!(sizes(&server), (80_000, 100_000), "{dialect}, {mode}");
            stand.proxy.stop().await.expect("stopped");
        }
    });
}

#[test]
fn segments_are_as_large_as_the_bind_line_says() {
    run(async {
        let stand = Stand::new("", "http", "mss 1000", "", "").await;
        let through = stand.through().await;
        let size = |stream: &TcpStream| SockRef::from(stream).tcp_mss().expect("asked");
        // What the client was told when it connected; options of packets take their part.
        let client = size(&through.client);
        assert!((900..=1000).contains(&client), "{client}");
        assert!(size(&through.server) > 1000);
        stand.proxy.stop().await.expect("stopped");
    });
}

#[test]
fn who_sends_a_request_in_pieces_is_not_kept_waiting() {
    if !may_look() {
        return;
    }
    run(async {
        for piece in [
            "GET / HTT",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        ] {
            let stand = Stand::new("", "http", "", "", "").await;
            let mut client = stand.client([127, 0, 0, 1]);
            client.write_all(piece.as_bytes()).await.expect("sent");
            let own = client.local_addr().expect("connected");
            let asked = async {
                // Until it is accepted, and looked at, there is nothing to see.
                while !stand
                    .socket(own)
                    .is_some_and(|socket| socket.tcp_quickack().expect("asked"))
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(PATIENCE, asked).await.expect(piece);
            stand.proxy.stop().await.expect("stopped");
        }
    });
}

#[test]
fn connections_end_with_a_reset_where_nobody_may_linger() {
    run(async {
        for (dialect, setting, client) in [
            ("1.4", "option forceclose", None),
            (
                "1.8",
                "option forceclose\n    option nolinger",
                Some(io::ErrorKind::ConnectionReset),
            ),
        ] {
            let stand = Stand::new(dialect, "http", "", setting, "").await;
            let mut through = stand.through().await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            through.server.write_all(answer).await.expect("sent");
            let mut got = Vec::new();
            let end = timeout(PATIENCE, through.client.read_to_end(&mut got)).await;
            let end = end.expect("it ends").err().map(|error| error.kind());
            assert_eq!(end, client, "{setting}");
            assert!(got.ends_with(b"ok"), "{setting}");
            stand.proxy.stop().await.expect("stopped");
        }
    });
}

/// Who the server takes the client at 127.0.0.5 for, by HAProxy's own word.
const SOURCES: &[(&str, &str, [u8; 4])] = &[
    ("", "", [127, 0, 0, 1]),
    ("", "source 127.0.0.9", [127, 0, 0, 9]),
    ("", "source 127.0.0.9 usesrc clientip", [127, 0, 0, 5]),
    ("", "source 127.0.0.9 usesrc client", [127, 0, 0, 5]),
    ("", "source 127.0.0.9 usesrc 127.0.0.77", [127, 0, 0, 77]),
    ("", "source 0.0.0.0 usesrc hdr_ip(x-ip)", [127, 0, 0, 34]),
    ("", "source 0.0.0.0 usesrc hdr_ip(x-ip,1)", [127, 0, 0, 33]),
    ("", "source 0.0.0.0 usesrc hdr_ip(x-ip,-2)", [127, 0, 0, 33]),
    (
        "1.4",
        "source 127.0.0.9 usesrc hdr_ip(x-no)",
        [127, 0, 0, 1],
    ),
    (
        "1.8",
        "source 127.0.0.9 usesrc hdr_ip(x-no)",
        [127, 0, 0, 9],
    ),
    ("", "source 127.0.0.9 usesrc hdr_ip(x-no)", [127, 0, 0, 9]),
    ("", "source * interface lo", [127, 0, 0, 1]),
];

#[test]
fn servers_see_the_address_that_source_says() {
    // Addresses and devices that are chosen freely.
    let root = stand::is_root();
    run(async {
        for &(dialect, source, expected) in SOURCES {
            if !root && (source.contains("usesrc") || source.contains("interface")) {
                continue;
            }
            for (settings, server) in [(source, ""), ("", source)] {
                let stand = Stand::new(dialect, "http", "", settings, server).await;
                let through = stand.through().await;
                assert_eq!(through.peer.ip(), IpAddr::from(expected), "{source}");
                let client = through.client.local_addr().expect("connected").port();
                let whole = source.ends_with("client");
                assert_eq!(through.peer.port() == client, whole, "{source}");
                if source.ends_with("lo") && may_look() {
                    let (_, server) = stand.both(&through).expect("both are there");
                    let device = server.device().expect("asked");
                    assert_eq!(device.as_deref(), Some(&b"lo"[..]));
                }
                stand.proxy.stop().await.expect("stopped");
            }
        }
    });
}

#[test]
fn a_connection_that_has_no_own_end_is_given_up_at_once() {
    run(async {
        // An address that is nobody's, and attempts of which each pause would take a second.
        let settings = "source 192.0.2.9\n    retries 1000";
        let stand = Stand::new("1.4", "http", "", settings, "").await;
        let mut client = stand.client([127, 0, 0, 1]);
        client.write_all(REQUEST).await.expect("sent");
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, client.read_to_end(&mut answer)).await;
        end.expect("it ends").expect("in peace");
        assert!(answer.starts_with(b"HTTP/1.0 503 "));
        stand.proxy.stop().await.expect("stopped");
    });
}

#[test]
fn dispatch_stands_above_servers_unless_they_are_balanced() {
    run(async {
        for (balance, reaches) in [("", true), ("balance roundrobin\n    ", false)] {
            let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .expect("a port");
            let address = origin.local_addr().expect("bound");
            let settings = format!("{balance}dispatch {address}");
            let stand = Stand::new("", "tcp", "", &settings, "").await;
            let mut client = stand.client([127, 0, 0, 1]);
            client.write_all(b"GET ").await.expect("sent");
            let listener = if reaches { &origin } else { &stand.listener };
            loop {
                let accepted = timeout(PATIENCE, listener.accept()).await;
                let (mut server, _) = accepted.expect("a connection").expect("accepted");
                // Who only looks whether the proxy is ready goes without a word.
                if server.read_exact(&mut [0; 4]).await.is_ok() {
                    break;
                }
            }
            stand.proxy.stop().await.expect("stopped");
        }
    });
}
