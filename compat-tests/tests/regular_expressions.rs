//! A pattern that would be searched for without end is given up, counted and logged, and does not
//! hold up the other connections of its worker.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::stand::{self, run};

#[test]
fn a_search_without_end_is_given_up_counted_and_logged() {
    run(play());
}

async fn play() {
    let syslog = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    syslog.set_read_timeout(Some(PATIENCE)).expect("it can");
    let log = syslog.local_addr().expect("bound").port();
    let port = free_port().expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    // One worker: whoever holds it up holds up everybody. A group, and a look ahead.
    let text = format!(
        "global\n    nbthread 1\n    stats socket {socket}\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\
         frontend www\n    bind 127.0.0.1:{port}\n    log 127.0.0.1:{log} local0\n    option httplog\n    \
         redirect location /greedy if {{ path_reg ^/(?=((a|aa)+)+$)a }}\n    \
         redirect location /plain if {{ path_reg ^/(b+)+$ }}\n    redirect location /other\n",
        socket = folder.path().join(SOCKET).display(),
    );
    let proxy = stand::serve(folder.path(), &[], &text, &[port]).await;

    let hopeless = format!("/{}!", "a".repeat(4000));
    assert!(ask(port, &hopeless).contains("\r\nLocation: /other\r\n"));
    // The pattern without a look ahead runs on the other matcher, to the end.
    let fair = format!("/{}", "b".repeat(4000));
    assert!(ask(port, &fair).contains("\r\nLocation: /plain\r\n"));
    assert!(ask(port, "/").contains("\r\nLocation: /other\r\n"));

    // At least the first one was given up, and each that was has a line; the line of the last
    // request ends the search, as the log is in order.
    let mut given_up = 0;
    loop {
        let mut datagram = [0; 4096];
        let length = syslog.recv(&mut datagram).expect("a line");
        let line = String::from_utf8_lossy(&datagram[..length]).into_owned();
        if line.contains("Proxy www: searching for '^/(?=((a|aa)+)+$)a' was given up") {
            // local0, warning.
            assert!(line.starts_with("<132>"), "{line}");
            given_up += 1;
        } else if line.contains("\"GET / ") {
            break;
        }
    }
    assert!(given_up >= 1);
    let mut socket = UnixStream::connect(folder.path().join(SOCKET)).expect("it listens");
    socket.write_all(b"show info\n").expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answered");
    let count = format!("\nGivenUpRegexes: {given_up}\n");
    assert!(answer.contains(&count), "{answer}");
    proxy.stop().await.expect("it ends");
}

/// The answer to a request, which has to come in a time in which no search without end is done.
fn ask(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it can");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

const SOCKET: &str = "socket";
const PATIENCE: Duration = Duration::from_secs(10);
