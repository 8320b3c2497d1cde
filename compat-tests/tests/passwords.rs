//! Who knows a password is the same as on HAProxy 2.6, which asks the system's crypt(3): hashes of
//! every form, with rounds, odd salts, cut, too long, and what is no hash at all.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::process::{Proxy, ProxyCommand};
use compat_tests::{corpus, hapax, haproxy};

/// A user of the list.
struct User {
    name: String,
    password: String,
    hash: String,
    /// What HAProxy says to the password, to it with a letter more, and where that is quick to
    /// nothing and to the hash.
    answers: String,
}

#[test]
fn the_same_passwords_are_right() {
    let users = users();
    let ours = answers(
        &ProxyCommand {
            binary: hapax::binary(),
            args: Vec::new(),
        },
        &users,
    );
    let theirs: Vec<String> = match haproxy::installed() {
        Some(command) => answers(&command, &users),
        None => users.iter().map(|user| user.answers.clone()).collect(),
    };
    let differ = |(user, (ours, theirs)): &(&User, (&String, &String))| {
        ours != theirs && !NOT_READ.contains(&user.name.as_str())
    };
    let differences: Vec<String> = users
        .iter()
        .zip(ours.iter().zip(&theirs))
        .filter(differ)
        .map(|(user, (ours, theirs))| {
            format!("{} {}: {ours}, HAProxy {theirs}", user.name, user.hash)
        })
        .collect();
    println!("{} users, {} differ", users.len(), differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    if std::env::var_os("HAPAX_BLESS").is_some() {
        save(&users, &theirs);
        return;
    }
    for (user, theirs) in users.iter().zip(&theirs) {
        assert_eq!(user.answers, *theirs, "{} was recorded", user.name);
    }
}

/// A salt of no letters is none to hapax.
const NOT_READ: [&str; 1] = ["yescrypt.6"];

fn answers(command: &ProxyCommand, users: &[User]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let port = free_port().expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let mut text = String::from(
            "defaults\n    mode http\n    timeout connect 9s\n    timeout client 60s\n    \
             timeout server 60s\nuserlist people\n",
        );
        for user in users {
            writeln!(text, "    user {} password {}", user.name, user.hash).expect("a string");
        }
        write!(
            text,
            "frontend www\n    bind 127.0.0.1:{port}\n    \
             redirect location /in if {{ http_auth(people) }}\n    redirect location /out\n"
        )
        .expect("a string");
        let file = folder.path().join("proxy.cfg");
        std::fs::write(&file, text).expect("written");
        let mut proxy = Proxy::start(command, &file, folder.path()).expect("it starts");
        let ready = proxy.ready([port].into_iter()).await.expect("it is asked");
        assert!(ready, "{}", proxy.output().unwrap_or_default());
        let found = users
            .iter()
            .map(|user| {
                let more = format!("{}x", user.password);
                let all = [&user.password, &more, &String::new(), &user.hash];
                // The others are slow on purpose.
                let quick = ["des", "md5", "no-hash"].iter();
                let many = quick.clone().any(|form| user.name.starts_with(form));
                all.into_iter()
                    .take(if many { 4 } else { 2 })
                    .map(|password| ask(port, &user.name, password))
                    .collect()
            })
            .collect();
        proxy.stop().await.expect("it ends");
        found
    })
}

fn ask(port: u16, name: &str, password: &str) -> char {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("it can");
    let credentials = base64(format!("{name}:{password}").as_bytes());
    let request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Basic {credentials}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    match answer.to_ascii_lowercase() {
        text if text.contains("location: /in\r\n") => 'Y',
        text if text.contains("location: /out\r\n") => 'n',
        _ => panic!("{name}: {answer:?}"),
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = [0, 1, 2].map(|n| chunk.get(n).copied().map_or(0, u32::from));
        let group = group[0] << 16 | group[1] << 8 | group[2];
        for n in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * n)) as usize % 64];
            text.push(if n > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

fn users() -> Vec<User> {
    let text = std::fs::read_to_string(corpus::passwords()).expect("the recording is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            let mut column = || columns.next().unwrap_or_default();
            User {
                name: column(),
                password: column(),
                hash: column(),
                answers: column(),
            }
        })
        .collect()
}

fn save(users: &[User], answers: &[String]) {
    let mut text = String::from(HEADER);
    for (user, answers) in users.iter().zip(answers) {
        let User {
            name,
            password,
            hash,
            ..
        } = user;
        writeln!(text, "{name}\t{password}\t{hash}\t{answers}").expect("a string");
    }
    std::fs::write(corpus::passwords(), text).expect("written");
}

const HEADER: &str = "\
# Users, passwords, hashes, and whether HAProxy 2.6 of Debian 12 takes: the password, it with an x
# more, and where that is quick no password and the hash itself.
";
