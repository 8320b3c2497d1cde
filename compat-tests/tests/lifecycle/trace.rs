//! Debug mode: what `-d` and `-V` print.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use nix::sys::signal::Signal;

use super::port;
use super::stage::{PATIENCE, Stage, until};

/// One answer to a connection, then its end. The thread ends with the program.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                request.extend_from_slice(&byte);
            }
            // The client may have gone.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok");
        }
    });
    address
}

/// The lines about a section, with the number of its first session as 0 and without descriptors.
fn about(section: &str, output: &str) -> Vec<String> {
    let mut first = None;
    let mut lines = Vec::new();
    for line in output.lines() {
        let Some((number, rest)) = line.split_once(':') else {
            continue;
        };
        let Some(rest) = rest.strip_prefix(section).and_then(|r| r.strip_prefix('.')) else {
            continue;
        };
        let number = u32::from_str_radix(number, 16).expect("a number");
        let number = number - *first.get_or_insert(number);
        let (step, rest) = rest.split_at(rest.find(['(', '[']).expect("descriptors"));
        let rest = match step {
            "accept" => rest.split_once(" from ").expect("a client").1,
            _ => rest.split_once(']').expect("descriptors").1,
        };
        // The client's port is any.
        let rest = match rest.split_once("127.0.0.1:") {
            Some((_, rest)) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        };
        lines.push(format!("{number} {step}{rest}"));
    }
    lines
}

#[test]
fn debug_mode_shows_sessions_step_by_step() {
    let server = origin();
    for dialect in ["1.4", "1.8"] {
        let stage = Stage::new();
        let (keep, closed, tcp, dead, last) = (port(), port(), port(), port(), port());
        let nobody = port();
        let configuration = format!(
            "defaults\n    mode http\n    retries 0\n    timeout connect 5s\n    timeout client 5s\n    \
             timeout server 5s\nlisten keep\n    bind 127.0.0.1:{keep}\n    \
             option http-server-close\n    reqadd Seen:\\ no\n    server s {server}\nlisten closed\n    \
             bind 127.0.0.1:{closed}\n    option forceclose\n    server s {server}\nlisten tcp\n    \
             mode tcp\n    bind 127.0.0.1:{tcp}\n    server s {server}\nlisten dead\n    \
             bind 127.0.0.1:{dead}\n    server s 127.0.0.1:{nobody}\nlisten last\n    \
             bind 127.0.0.1:{last}\n    redirect location /\n"
        );
        stage.write("file.cfg", &configuration);
        let arguments = ["--compat", dialect, "-d", "-f", "file.cfg"];
        let mut process = stage.start("output", &arguments);
        // Others listen before it.
        process.listens(last);
        let talk = |port: u16, requests: usize| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("it is ours");
            let mut answer = [0; 500];
            for _ in 0..requests {
                stream
                    .write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                    .expect("it is read");
                // Its end is what is waited for below.
                let _ = stream.read(&mut answer);
            }
        };
        let shown = |section: &str, lines: &[&str]| {
            let mut seen = Vec::new();
            let end = |seen: &[String]| seen.last().is_some_and(|l| l.ends_with(" closed"));
            until("the session ends in the trace", || {
                seen = about(section, &process.output());
                end(&seen)
            });
            assert_eq!(seen, lines, "{dialect}");
        };
        let later = dialect != "1.4";
        let accept = if later {
            "0 accept] ALPN=<none>"
        } else {
            "0 accept]"
        };
        let exchange = [
            "0 clireq: GET /x HTTP/1.1",
            "0 clihdr: Host: a",
            "0 srvrep: HTTP/1.1 200 OK",
            "0 srvhdr: Content-Length: 2",
            "0 srvhdr: X: y",
        ];
        let ending = ["0 srvcls", "0 clicls", "0 closed"];

        talk(closed, 1);
        shown("closed", &[&[accept], &exchange[..], &ending].concat());
        talk(tcp, 1);
        shown("tcp", &[&[accept], &ending[..]].concat());
        talk(dead, 1);
        shown("dead", &[&[accept], &exchange[..2], &ending[1..]].concat());
        talk(keep, 2);
        // 1.4 shows one session; later versions one for each request, and one that waits for more.
        let second = exchange.map(|line| line.replacen('0', if later { "1" } else { "0" }, 1));
        let mut lines = [&[accept], &exchange[..]].concat();
        lines.extend(later.then_some("0 srvcls"));
        lines.extend(second.iter().map(String::as_str));
        lines.extend(later.then_some("1 srvcls"));
        lines.extend(match later {
            true => ["2 clicls", "2 closed"],
            false => ["0 clicls", "0 closed"],
        });
        shown("keep", &lines);
    }
}

/// The lines of a client that has said `request` and waits for the end, with the descriptors.
fn descriptors(dialect: &str, server: &str, request: &str) -> Vec<String> {
    let stage = Stage::new();
    let port = port();
    let configuration = format!(
        "listen l\n    mode http\n    bind 127.0.0.1:{port}\n    retries 0\n    \
         timeout connect 5s\n    timeout client 20s\n    timeout server 20s\n    {server}\n"
    );
    stage.write("file.cfg", &configuration);
    let arguments = ["--compat", dialect, "-d", "-f", "file.cfg"];
    let mut process = stage.start("output", &arguments);
    process.listens(port);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is ours");
    stream.write_all(request.as_bytes()).expect("it is read");
    // How it ends is not what is asked.
    let _ = stream.read_to_end(&mut Vec::new());
    let own = stream.local_addr().expect("it is bound").to_string();
    let mut lines = Vec::new();
    until("the session ends in the trace", || {
        let output = process.output();
        // Who has looked whether it listens was another session.
        let number = output.lines().find(|line| line.contains(&own));
        let number = number
            .and_then(|line| line.split(':').next())
            .unwrap_or("-");
        let ours = output.lines().filter(|line| line.starts_with(number));
        lines = ours.skip(1).map(str::to_owned).collect();
        lines.last().is_some_and(|line| line.contains(".closed["))
    });
    lines
}

#[test]
fn the_trace_shows_the_socket_of_a_server_that_was_only_tried() {
    let nobody = format!("server s 127.0.0.1:{}", port());
    let request = "GET / HTTP/1.1\r\n\r\n";
    for (dialect, server, gone) in [
        ("1.4", &nobody[..], None),
        ("1.4", "", Some("ffff]")),
        ("1.8", &nobody, Some("adfd:adfd]")),
        ("1.8", "", Some("adfd:ffffffff]")),
    ] {
        let lines = descriptors(dialect, server, request);
        for line in &lines[lines.len() - 2..] {
            match gone {
                Some(gone) => assert!(line.ends_with(gone), "{dialect}, {server}: {line}"),
                None => assert!(!line.ends_with(":ffff]"), "{dialect}, {server}: {line}"),
            }
        }
    }
}

#[test]
fn the_trace_of_1_4_shows_as_much_of_a_request_as_is_one() {
    for (request, shown) in [
        ("GET / HTTQ/1.1\r\n\r\n", &[".clireq"][..]),
        ("\r\nG@T / HTTP/1.1\r\n\r\n", &[".clireq"]),
        ("GET / HTTP/1.1\rA: b\r\n\r\n", &[".clireq GET / HTTP/1.1"]),
        (
            "GET / HTTP/1.1\r\nA: b\r\nc\r\n\r\n",
            &[".clireq GET / HTTP/1.1", ".clihdr A: b"],
        ),
    ] {
        let lines = descriptors("1.4", "", request);
        let texts = lines[..lines.len() - 2].iter().map(|line| {
            let (step, text) = line.split_once("]: ").expect("a line of a head");
            let step = &step[step.find('.').expect("a step")..step.find('[').expect("a socket")];
            format!("{step} {text}").trim_end().to_owned()
        });
        assert_eq!(texts.collect::<Vec<_>>(), shown, "{request:?}");
    }
}

#[test]
fn the_poller_is_named_with_v_and_in_debug_mode() {
    let stage = Stage::new();
    let port = port();
    stage.write("file.cfg", &super::redirecting(port, "x"));
    for flag in ["-V", "-d", "-db"] {
        let mut command = stage.hapax("errors", &["-f", "file.cfg", flag]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        until("it listens", listens);
        super::send(child.id().cast_signed(), Signal::SIGTERM);
        let mut said = String::new();
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut said).expect("text");
        child.wait().expect("it ends");
        let errors = stage.read("errors");
        let named = flag != "-db";
        assert_eq!(
            said.starts_with("Using epoll() as the polling mechanism.\n"),
            named,
            "{flag}: {said}"
        );
        let list = "Available polling systems :\n      epoll : pref=300,  test result OK\n";
        assert_eq!(errors.contains(list), named, "{flag}: {errors}");
    }
}
