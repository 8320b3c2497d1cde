//! Long bodies in both directions, copied or spliced: every byte arrives, and the counters do not
//! show which it was.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::stand::{self, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::spawn_local;
use tokio::time::timeout;

/// What the configuration says, and whether pipes are used then.
const SETTINGS: &[(&str, &str, &str, bool)] = &[
    ("http", "", "", false),
    ("http", "nosplice", "option splice-response", false),
    ("http", "", "option splice-auto", true),
    (
        "http",
        "",
        "option splice-request\n    option splice-response",
        true,
    ),
    (
        "http",
        "maxpipes 1",
        "option splice-request\n    option splice-response",
        true,
    ),
    ("tcp", "", "", true),
    ("tcp", "nosplice", "", false),
];

const LENGTH: usize = 3 << 20;
const CHUNK: usize = 0x30000;
/// What a client sends at once.
const REQUEST_BODIES: [&str; 2] = ["length", "chunks"];

#[test]
fn bodies_arrive_whole_however_they_are_moved() {
    run(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let origin = listener.local_addr().expect("bound").port();
        spawn_local(serve(listener));
        let mut counted = Vec::new();
        for setting in SETTINGS {
            let play = play(*setting, origin);
            let counts = timeout(Duration::from_secs(60), play).await;
            counted.push((setting.0, counts.expect("bodies get through")));
        }
        for mode in ["http", "tcp"] {
            let mut of_mode = counted.iter().filter(|(other, _)| *other == mode);
            let first = of_mode.next().expect("there is one");
            assert!(first.1.0 > LENGTH as u64 * 2 && first.1.1 > LENGTH as u64 * 2);
            assert!(of_mode.all(|other| other == first), "{counted:?}");
        }
    });
}

/// Moves bodies both ways, and answers how many bytes the proxy has counted in and out.
async fn play((mode, global, options, pipes): (&str, &str, &str, bool), origin: u16) -> (u64, u64) {
    let port = free_port().expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("stats");
    let text = format!(
        "global\n    stats socket {}\n    nbthread 1\n    {global}\ndefaults\n    mode {mode}\n    \
         timeout connect 20s\n    timeout client 20s\n    timeout server 20s\n    {options}\n\
         listen l\n    bind 127.0.0.1:{port}\n    server s1 127.0.0.1:{origin}\n",
        socket.display()
    );
    let proxy = stand::serve(folder.path(), &[], &text, &[port]).await;
    for framing in REQUEST_BODIES {
        exchange(port, framing).await;
    }
    let (mut info, mut fields);
    loop {
        info = ask(&socket, "show info").await;
        let stat = ask(&socket, "show stat").await;
        let line = stat.lines().find(|line| line.starts_with("l,FRONTEND"));
        fields = line
            .expect("it is there")
            .split(',')
            .map(str::to_owned)
            .collect::<Vec<_>>();
        // A session is counted when it is over, which its client may know before.
        if fields[4] == "0" {
            break;
        }
    }
    let free = info
        .lines()
        .find_map(|line| line.strip_prefix("PipesFree: "));
    assert_eq!(
        free != Some("0"),
        pipes,
        "{mode}, {global}, {options}: {info}"
    );
    assert!(info.contains("PipesUsed: 0\n"), "{info}");
    proxy.stop().await.expect("stopped");
    let number = |n: usize| fields[n].parse().expect("a number");
    (number(8), number(9))
}

/// Sends a body and gets it back twice as fast as it leaves; every byte is compared.
async fn exchange(port: u16, framing: &str) {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("it listens");
    let (mut from, mut to) = stream.into_split();
    let head = match framing {
        "length" => {
            format!("POST /{framing} HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n")
        }
        _ => format!("POST /{framing} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    };
    let body = framed(framing);
    let expected = body.clone();
    let sender = spawn_local(async move {
        to.write_all(head.as_bytes()).await.expect("sent");
        to.write_all(&body).await.expect("sent");
        to
    });
    let mut got = Vec::new();
    let start = loop {
        assert!(
            from.read_buf(&mut got).await.expect("alive") > 0,
            "an early end"
        );
        if let Some(at) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    while got.len() - start < expected.len() {
        assert!(
            from.read_buf(&mut got).await.expect("alive") > 0,
            "an early end"
        );
    }
    assert!(got[start..] == expected[..], "other bytes than were sent");
    drop(sender.await.expect("sent"));
    // The proxy counts a transaction when it is over.
    let rest = from.read_buf(&mut got).await;
    assert!(matches!(rest, Ok(0) | Err(_)), "more than was sent");
}

/// The body with its framing: no two places of it look alike.
fn framed(framing: &str) -> Vec<u8> {
    let body: Vec<u8> = (0..LENGTH as u32 / 4)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    if framing == "length" {
        return body;
    }
    let mut chunked = Vec::new();
    for chunk in body.chunks(CHUNK) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    chunked
}

async fn ask(socket: &Path, question: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.expect("it listens");
    stream
        .write_all(format!("{question}\n").as_bytes())
        .await
        .expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

/// Receives a body, then sends it back, and ends the connection.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn_local(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) {
    let mut got = Vec::new();
    let start = loop {
        if stream.read_buf(&mut got).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(at) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let chunked = got.starts_with(b"POST /chunks");
    let (framing, field) = if chunked {
        ("chunks", "Transfer-Encoding: chunked".to_owned())
    } else {
        ("length", format!("Content-Length: {LENGTH}"))
    };
    let length = framed(framing).len();
    while got.len() - start < length {
        if stream.read_buf(&mut got).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = format!("HTTP/1.1 200 OK\r\n{field}\r\nConnection: close\r\n\r\n");
    // A proxy that has gone is noticed by the client.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&got[start..]).await;
}
