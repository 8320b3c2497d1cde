//! The tools that administrators have around HAProxy do their work around hapax: monitoring plugins,
//! libraries, log readers, syslog. Each is Debian's or PyPI's own, run where it is installed; with
//! `HAPAX_REQUIRE_CLIENTS` in the environment its absence is a failure. `HAPAX_CLIENTS` names the
//! folder with the programs that come from PyPI.
#![allow(clippy::print_stdout, reason = "what is absent is told")]

mod site;

use std::path::{Path, PathBuf};
use std::process::Command;

use compat_tests::ports::free_port;
use site::{Ended, Site, http, until};

/// Finds a program, among those of PyPI first.
fn find(name: &str) -> Option<PathBuf> {
    let own = std::env::var_os("HAPAX_CLIENTS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/lib/nagios/plugins", "/usr/share/munin/plugins"];
    let sbin = ["/usr/sbin", "/sbin"];
    let folders = own
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(usual.iter().chain(&sbin).map(PathBuf::from));
    let found = folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    absent(name, found.is_none());
    found
}

/// A Python that has this module.
fn python_with(module: &str) -> Option<PathBuf> {
    let python = find("python3")?;
    let imports = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .output()
        .is_ok_and(|output| output.status.success());
    absent(module, !imports);
    imports.then_some(python)
}

fn absent(what: &str, is: bool) {
    if is {
        assert!(
            std::env::var_os("HAPAX_REQUIRE_CLIENTS").is_none(),
            "{what} is absent, and HAPAX_REQUIRE_CLIENTS asks for it"
        );
        println!("{what} is absent: not tested");
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// `haproxy_exporter` over the socket and over HTTP, in both dialects.
#[test]
fn exporter() {
    let Some(exporter) = find("prometheus-haproxy-exporter") else {
        return;
    };
    for dialect in ["1.4", "1.8"] {
        let site = Site::open(dialect);
        site.traffic();
        let uris = [
            format!("unix:{}", site.socket().display()),
            format!("http://127.0.0.1:{}/stats;csv", site.page),
        ];
        for uri in uris {
            let port = free_port().expect("free");
            let mut command = Command::new(&exporter);
            command
                .arg(format!("--haproxy.scrape-uri={uri}"))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"));
            let _exporter = Ended::start(&mut command);
            until("the exporter answers", || {
                http(port, "/metrics").contains("haproxy_up")
            });
            let bytes = site.cell("be,BACKEND", "bout");
            has(
                &http(port, "/metrics"),
                &[
                    "haproxy_up 1\n",
                    "haproxy_backend_http_responses_total{backend=\"be\",code=\"2xx\"} 5\n",
                    "haproxy_backend_http_responses_total{backend=\"be\",code=\"4xx\"} 1\n",
                    &format!("haproxy_backend_bytes_out_total{{backend=\"be\"}} {bytes}\n"),
                    "haproxy_server_up{backend=\"be\",server=\"s1\"} 1\n",
                    "haproxy_server_up{backend=\"be\",server=\"s2\"} 0\n",
                ],
            );
        }
    }
}

/// Both Nagios plugins see which servers are down.
#[test]
fn nagios_plugins() {
    let site = Site::open("1.8");
    if let Some(plugin) = find("check_haproxy_stats") {
        let socket = site.socket();
        let (status, said) = site.run(
            Command::new(&plugin)
                .arg("-s")
                .arg(&socket)
                .args(["-p", "st"]),
        );
        assert_eq!(status, 0, "{said}");
        has(&said, &["OK - checked proxies: st", "st-FRONTEND="]);
        let (status, said) = site.run(
            Command::new(&plugin)
                .arg("-s")
                .arg(&socket)
                .args(["-p", "be"]),
        );
        assert_eq!(status, 2, "{said}");
        has(&said, &["be:s2 is DOWN", "be:s3 is MAINT"]);
    }
    if let Some(plugin) = find("check_haproxy") {
        let url = format!("http://127.0.0.1:{}/stats;csv", site.page);
        let (status, said) = site.run(Command::new(plugin).args(["-u", &url]));
        assert_eq!(status, 2, "{said}");
        has(&said, &["'s2' is DOWN on 'be'"]);
    }
}

#[test]
fn munin() {
    let Some(plugin) = find("haproxy_ng") else {
        return;
    };
    let site = Site::open("1.4");
    site.traffic();
    let url = format!("http://127.0.0.1:{}/stats;csv;norefresh", site.page);
    let mut command = Command::new("perl");
    command
        .arg(plugin)
        .env("url", url)
        .env("MUNIN_CAP_MULTIGRAPH", "1");
    let (status, said) = site.run(&mut command);
    assert_eq!(status, 0, "{said}");
    let bytes = format!("s1_bout.value {}\n", site.cell("be,s1", "bout"));
    has(
        &said,
        &[
            "multigraph HAPSessionRateBack.be\ns1_stot.value 6\n",
            &bytes,
        ],
    );
}

#[test]
fn hatop() {
    if find("hatop").is_none() {
        return;
    }
    let Some(python) = find("python3") else {
        return;
    };
    for dialect in ["1.4", "1.8"] {
        let site = Site::open(dialect);
        let mut command = Command::new(&python);
        command.arg(script("on_a_terminal.py")).arg(site.socket());
        let (status, said) = site.run(&mut command);
        assert_eq!((status, said.contains("not shown")), (0, false), "{said}");
        has(&said, &["servers: shown\n", "exit: 0\n"]);
    }
}

#[test]
fn haproxyadmin() {
    let Some(python) = python_with("haproxyadmin") else {
        return;
    };
    let site = Site::open("1.8");
    site.traffic();
    let mut command = Command::new(python);
    command
        .arg(script("with_haproxyadmin.py"))
        .arg(site.socket());
    let (status, said) = site.run(&mut command);
    assert_eq!(
        (status, said.as_str()),
        (
            0,
            "backends: ['be', 'st']\nrequests: 6\nweight: 10\nweight: 5\nstatus: MAINT\n\
             status: UP\nfrontend: STOP\nfrontend: OPEN\nmaxconn: 50\ntotal: True\n"
        )
    );
}

#[test]
fn haproxy_cli() {
    let Some(program) = find("haproxy-cli") else {
        return;
    };
    let site = Site::open("1.8");
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        let (status, said) = site.run(command.arg("-k").arg(site.socket()).args(arguments));
        assert_eq!(status, 0, "{said}");
        said
    };
    has(&ask(&["-c", "info"]), &["Name: HAProxy\n", "Nbproc: 1\n"]);
    has(&ask(&["-c", "backends"]), &["be\nst\n"]);
    let of = ["-b", "be", "-s", "s1"];
    has(
        &ask(&[&["-c", "get-weight"], &of[..]].concat()),
        &["10 (initial 10)"],
    );
    ask(&[&["-c", "set-weight", "-w", "5"], &of[..]].concat());
    has(
        &ask(&[&["-c", "get-weight"], &of[..]].concat()),
        &["5 (initial 10)"],
    );
    ask(&[&["-c", "disable"], &of[..]].concat());
    assert_eq!(site.cell("be,s1", "status"), "MAINT");
}

#[test]
fn haproxy_stats() {
    let Some(python) = python_with("haproxystats") else {
        return;
    };
    let site = Site::open("1.4");
    site.traffic();
    let mut command = Command::new(python);
    command
        .arg(script("with_haproxy_stats.py"))
        .arg(format!("127.0.0.1:{}/stats", site.page));
    let (status, said) = site.run(&mut command);
    assert_eq!(status, 0, "{said}");
    has(&said, &["failed: False\n", "be UP 6 ['s1', 's2', 's3']\n"]);
}

/// Readers of HTTP log lines understand every one of them.
#[test]
fn log_readers() {
    let site = Site::open("1.4");
    site.traffic();
    let log = site.write_log(6);
    if let Some(halog) = find("halog") {
        let ask = |argument: &str| {
            let file = std::fs::File::open(&log).expect("a log");
            site.run(Command::new(&halog).arg(argument).stdin(file)).1
        };
        has(
            &ask("-st"),
            &["6 lines in", " 0 parsing errors", "200 5\n", "404 1\n"],
        );
        has(&ask("-srv"), &["be/s1 0 5 0 1 0 0 6 "]);
    }
    if let Some(program) = find("haproxy_log_analysis") {
        let mut command = Command::new(program);
        command
            .arg("-l")
            .arg(&log)
            .args(["-c", "counter,status_codes_counter"]);
        let (status, said) = site.run(&mut command);
        assert_eq!(status, 0, "{said}");
        // Releases differ in the way in which they print a table.
        let said = said.replace('\'', "");
        has(&said, &["\n6\n", "200: 5", "404: 1"]);
    }
}

/// rsyslog takes the lines over UDP, and from a chroot over the socket that lies in it.
#[test]
fn rsyslog() {
    let Some(program) = find("rsyslogd") else {
        return;
    };
    for chrooted in [false, true] {
        if chrooted && !compat_tests::stand::is_root() {
            return;
        }
        let port = free_port().expect("free");
        let folder = tempfile::tempdir().expect("a folder");
        let jail = folder.path().join("jail");
        std::fs::create_dir_all(jail.join("dev")).expect("made");
        let file = folder.path().join("log");
        let configuration = folder.path().join("rsyslog.conf");
        let text = format!(
            "module(load=\"imudp\")\nmodule(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             input(type=\"imuxsock\" Socket=\"{jail}/dev/log\")\n\
             template(name=\"plain\" type=\"string\" \
             string=\"%TIMESTAMP% %HOSTNAME% %syslogtag%%msg%\\n\")\n\
             if $programname == 'haproxy' and $syslogfacility-text == 'local0' then \
             action(type=\"omfile\" file=\"{}\" template=\"plain\")\n",
            file.display(),
            jail = jail.display(),
        );
        std::fs::write(&configuration, text).expect("written");
        let mut command = Command::new(&program);
        command
            .arg("-n")
            .arg("-f")
            .arg(&configuration)
            .arg("-i")
            .arg(folder.path().join("pid"));
        let _rsyslog = Ended::start(&mut command);
        until("rsyslog listens", || jail.join("dev/log").exists());
        let target = if chrooted {
            "/dev/log".to_owned()
        } else {
            format!("127.0.0.1:{port}")
        };
        let site = Site::logging("1.4", &target, chrooted.then_some(jail.as_path()));
        site.traffic();
        let lines = || std::fs::read_to_string(&file).unwrap_or_default();
        until("six lines", || lines().matches(" web be/s1 ").count() == 6);
        has(
            &lines(),
            &["\"GET /missing?st=404 HTTP/1.0\"\n", "]: 127.0.0.1:"],
        );
    }
}
