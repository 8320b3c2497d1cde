//! `hapax demo` shows what each connection mode does, serves on, and ends when told to.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use compat_tests::hapax;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn five_modes_are_shown_and_ctrl_c_ends_it() {
    let mut demo = Command::new(hapax::binary())
        .arg("demo")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("hapax starts");
    let output = BufReader::new(demo.stdout.take().expect("a pipe"));
    let mut lines = Vec::new();
    for line in output.lines() {
        let line = line.expect("UTF-8");
        let last = line.contains("Ctrl-C");
        lines.push(line);
        if last {
            break;
        }
    }
    kill(Pid::from_raw(demo.id().cast_signed()), Signal::SIGINT).expect("it runs");
    let status = demo.wait().expect("it ends");
    assert!(status.success(), "{status}\n{}", lines.join("\n"));

    let modes = [
        "keep-alive     1 1 nothing nothing kept kept",
        "tunnel         1 1 nothing nothing kept kept",
        "passive-close  2 2 close close proxy closed server closed",
        "server-close   1 2 close nothing kept proxy closed",
        "forced-close   2 2 close close proxy closed proxy closed",
    ];
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: Vec<String> = lines.iter().map(|line| squeezed(line)).collect();
    for mode in modes {
        assert!(
            shown.contains(&squeezed(mode)),
            "{mode}\n{}",
            lines.join("\n")
        );
    }
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.trim_start().starts_with("curl -v"))
            .count(),
        5
    );
}
