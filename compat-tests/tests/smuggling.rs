//! Requests that two readers could take for different ones. Whatever a client sends, the servers
//! see exactly the requests that the proxy has counted: an origin that believes Content-Length
//! first, one that believes Transfer-Encoding first, and one that forgives more than it should must
//! all find the same number of requests in what reaches them, and as many as the client got answers
//! from a server.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::stand::{self, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_local};
use tokio::time::timeout;

/// `{}` is the path of the outer request, `{x}` the one that is to be smuggled, `{n}` the length of
/// that.
const SHAPES: &[(&str, &str)] = &[
    (
        "length and chunks",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "chunks and length",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "two lengths",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: {n}\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n",
    ),
    (
        "a list of lengths",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 0, {n}\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "the same length twice",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabcGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a signed length",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabcGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a hexadecimal length",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabcGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a length that wraps",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551619\r\n\r\nabcGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a length with a letter",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 3a\r\n\r\nabcGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "an empty length",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a blank before the colon",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a blank before the colon of a length",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length : 44\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a tab before the colon",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "another coding",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a vertical tab",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "quotes",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a coding after chunks",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "two codings on two lines",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "chunks said twice",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a semicolon behind the coding",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a folded coding",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a folded header with a length in it",
        "POST {} HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: {n}\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a bare line feed",
        "POST {} HTTP/1.1\nHost: a\nContent-Length: 5\n\nabcdeGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a bare carriage return",
        "POST {} HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: {n}\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a carriage return before the coding",
        "POST {} HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a NUL in a name",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\0: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a NUL in a value",
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\0\r\n\r\nabcdeGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a blank before the first header",
        "POST {} HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "chunks in HTTP/1.0",
        "POST {} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.0\r\nHost: a\r\n\r\n",
    ),
    (
        "a chunk extension",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "an extension that ends with a line feed",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a chunk that is larger than it says",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a chunk size that wraps",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000003\r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a negative chunk size",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a hexadecimal prefix",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a trailer that is a length",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: {n}\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "words behind a chunk size",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 x\r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a blank behind a chunk size",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a carriage return in an extension",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a\rb\r\nabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a carriage return after a chunk size",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\rabc\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a carriage return in a trailer",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\rc\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a carriage return before the end of trailers",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\rX\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a chunk without its line end",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "no coding and a length in HTTP/1.0",
        "POST {} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.0\r\nHost: a\r\n\r\n",
    ),
    (
        "no coding before chunks",
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "a body of GET",
        "GET {} HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "two requests at once",
        "GET {} HTTP/1.1\r\nHost: a\r\n\r\nGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "connection hides the length",
        "POST {} HTTP/1.1\r\nHost: a\r\nConnection: close, Content-Length\r\nContent-Length: 5\r\n\r\nabcdeGET {x} HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
];

const OPTIONS: &[(&str, &str)] = &[
    ("1.4", "option http-server-close"),
    (
        "1.4",
        "option forceclose\n    option accept-invalid-http-request",
    ),
    (
        "1.4",
        "option http-server-close\n    option accept-invalid-http-request",
    ),
    ("1.8", "option http-server-close"),
    ("1.8", "option http-keep-alive"),
    (
        "1.8",
        "option http-keep-alive\n    option accept-invalid-http-request",
    ),
    ("hapax", "option http-keep-alive"),
    (
        "hapax",
        "option http-server-close\n    option accept-invalid-http-request",
    ),
];

/// What arrived on one connection of the origin.
type Arrived = Rc<RefCell<Vec<Vec<u8>>>>;

#[test]
fn the_servers_see_the_requests_that_the_proxy_counted() {
    run(async {
        for (dialect, options) in OPTIONS {
            play(dialect, options).await;
        }
    });
}

async fn play(dialect: &str, options: &str) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let origin = listener.local_addr().expect("bound").port();
    let arrived = Arrived::default();
    spawn_local(serve(listener, Rc::clone(&arrived)));
    let port = free_port().expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "defaults\n    mode http\n    timeout connect 2s\n    timeout client 2s\n    timeout server 2s\n    timeout http-request 300ms\n    timeout http-keep-alive 300ms\n    {options}\nlisten l\n    bind 127.0.0.1:{port}\n    server s1 127.0.0.1:{origin}\n"
    );
    let proxy = stand::serve(folder.path(), &["--compat", dialect], &text, &[port]).await;

    let mut clients = JoinSet::new();
    for number in 0..SHAPES.len() {
        clients.spawn_local(async move { (number, ask(port, number).await) });
    }
    let mut answers = vec![0; SHAPES.len()];
    while let Some(done) = clients.join_next().await {
        let (number, count) = done.expect("no client fails");
        answers[number] = count;
    }
    proxy.stop().await.expect("stopped");
    // The last bytes of connections that were reset are read by now.
    let connections = arrived.borrow().clone();
    for (number, (name, _)) in SHAPES.iter().enumerate() {
        let mark = format!("/s{number}-");
        let own = connections
            .iter()
            .filter(|bytes| contains(bytes, mark.as_bytes()));
        let (mut seen, mut lacking) = (0, 0);
        for bytes in own {
            let found: Vec<usize> = READERS.iter().map(|reader| reader.count(bytes)).collect();
            assert!(
                found.iter().all(|count| *count == found[0]),
                "{dialect}, {options}: {name}: read as {found:?} requests: {:?}",
                String::from_utf8_lossy(bytes)
            );
            seen += found[0];
            lacking += found[0] - READERS[0].complete(bytes);
        }
        let answered = answers[number];
        // Nobody answers a request before its body has come.
        assert!(
            (seen - lacking..=seen).contains(&answered),
            "{dialect}, {options}: {name}: {seen} requests, {answered} answers"
        );
    }
}

/// Sends one shape, and answers how many responses of a server came back.
async fn ask(port: u16, number: usize) -> usize {
    let text = SHAPES[number].1;
    let text = text
        .replace("{}", &format!("/s{number}-a"))
        .replace("{x}", &format!("/s{number}-x"));
    let inner = format!("GET /s{number}-x HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = text.replace("{n}", &inner.len().to_string());
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    answer.windows(MARK.len()).filter(|w| *w == MARK).count()
}

const MARK: &[u8] = b"X-Origin: yes";

async fn serve(listener: TcpListener, arrived: Arrived) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let place = {
            let mut all = arrived.borrow_mut();
            all.push(Vec::new());
            all.len() - 1
        };
        spawn_local(record(stream, place, Rc::clone(&arrived)));
    }
}

/// Writes down what arrives, and answers when a first reader takes it for one more request.
async fn record(mut stream: TcpStream, place: usize, arrived: Arrived) {
    let mut answered = 0;
    let mut buffer = [0; 4096];
    loop {
        let Ok(count) = stream.read(&mut buffer).await else {
            return;
        };
        if count == 0 {
            return;
        }
        let complete = {
            let mut all = arrived.borrow_mut();
            all[place].extend_from_slice(&buffer[..count]);
            READERS[0].complete(&all[place])
        };
        while answered < complete {
            answered += 1;
            let response = b"HTTP/1.1 200 OK\r\nX-Origin: yes\r\nContent-Length: 2\r\n\r\nok";
            if stream.write_all(response).await.is_err() {
                return;
            }
        }
    }
}

/// How an origin finds the end of a request.
#[derive(Clone, Copy)]
struct Reader {
    coding_first: bool,
    /// Of several lengths, the first counts.
    first_length: bool,
    /// Whatever looks like `chunked` is.
    forgiving: bool,
}

const READERS: [Reader; 4] = [
    Reader {
        coding_first: true,
        first_length: true,
        forgiving: false,
    },
    Reader {
        coding_first: false,
        first_length: true,
        forgiving: false,
    },
    Reader {
        coding_first: false,
        first_length: false,
        forgiving: true,
    },
    Reader {
        coding_first: true,
        first_length: false,
        forgiving: true,
    },
];

impl Reader {
    /// How many requests begin in the bytes. The last may lack a body: a reader that waits for one
    /// on a connection that ends does not find another request.
    fn count(self, bytes: &[u8]) -> usize {
        let (count, rest) = self.whole(bytes);
        count + usize::from(!rest.is_empty())
    }

    /// How many whole requests the bytes begin with.
    fn complete(self, bytes: &[u8]) -> usize {
        self.whole(bytes).0
    }

    fn whole(self, mut bytes: &[u8]) -> (usize, &[u8]) {
        let mut count = 0;
        while !bytes.is_empty() {
            let Some(rest) = self.one(bytes) else { break };
            bytes = rest;
            count += 1;
        }
        (count, bytes)
    }

    /// What follows the first request.
    fn one(self, bytes: &[u8]) -> Option<&[u8]> {
        let (mut lengths, mut chunked) = (Vec::new(), false);
        let (_, mut rest) = line(bytes)?;
        loop {
            let (header, after) = line(rest)?;
            rest = after;
            if header.is_empty() {
                break;
            }
            let text = String::from_utf8_lossy(header).to_ascii_lowercase();
            // A forgiving reader takes a lone carriage return for the end of a line.
            let parts: Vec<&str> = if self.forgiving {
                text.split('\r').collect()
            } else {
                vec![&text]
            };
            for part in parts {
                let (name, value) = part.split_once(':').unwrap_or((part, ""));
                let name = if self.forgiving {
                    name.trim_matches(|c: char| c <= ' ')
                } else {
                    name
                };
                match name {
                    "content-length" => {
                        let digits: String = value
                            .trim()
                            .chars()
                            .take_while(char::is_ascii_digit)
                            .collect();
                        lengths.push(digits.parse::<usize>().unwrap_or(0));
                    }
                    "transfer-encoding" if self.forgiving => chunked |= value.contains("chunked"),
                    "transfer-encoding" => {
                        chunked = value.split(',').any(|v| v.trim() == "chunked")
                    }
                    _ => {}
                }
            }
        }
        let length = if self.first_length {
            lengths.first()
        } else {
            lengths.last()
        };
        match length {
            Some(length) if !(self.coding_first && chunked) => rest.get(*length..),
            _ if chunked => chunks(rest),
            _ => Some(rest),
        }
    }
}

/// What follows a chunked body.
fn chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (size, rest) = line(bytes)?;
        let size = String::from_utf8_lossy(size);
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = rest;
        if size == 0 {
            break;
        }
        let (end, rest) = line(bytes.get(size..)?)?;
        if !end.is_empty() {
            return None;
        }
        bytes = rest;
    }
    loop {
        let (trailer, rest) = line(bytes)?;
        bytes = rest;
        if trailer.is_empty() {
            return Some(bytes);
        }
    }
}

/// A line without its end, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let text = &bytes[..end];
    Some((text.strip_suffix(b"\r").unwrap_or(text), &bytes[end + 1..]))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
