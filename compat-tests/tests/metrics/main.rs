//! Metrics: what a scraper gets, that it is what HAProxy's exporter gives, and that scrapers cannot
//! do harm.

mod names;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use compat_tests::exposition::{self, Family};
use compat_tests::haproxy;
use compat_tests::ports::free_port;
use compat_tests::stand::{self, run};
use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use names::{ANSWERS, COLUMNS, COMPARED};
use stage::Who::{Ours, Theirs};
use stage::{PATIENCE, Stage, THOUGHT};

#[test]
fn names_types_and_labels_are_those_of_haproxy() {
    run(async {
        let stage = Stage::set(Ours).await;
        let (old, new) = (fixture("haproxy-2.6.tsv"), fixture("haproxy-3.4.tsv"));
        let families = stage.scrape("").await;
        let mut found = BTreeSet::new();
        for family in families.iter().filter(|f| f.name.starts_with("haproxy_")) {
            found.insert(family.name.as_str());
            let known = old.get(&family.name).or_else(|| new.get(&family.name));
            let known = known.unwrap_or_else(|| panic!("HAProxy has no {}", family.name));
            assert_eq!(family.kind, known.kind, "{}", family.name);
            let labels: BTreeSet<&str> = family.label_names().into_iter().collect();
            assert_eq!(labels, words(&known.labels, ','), "{}", family.name);
            if known.values.is_empty() {
                continue;
            }
            let values: BTreeSet<&str> = family
                .samples
                .iter()
                .filter_map(|s| s.labels.get("state").or_else(|| s.labels.get("code")))
                .map(String::as_str)
                .collect();
            assert_eq!(values, words(&known.values, '|'), "{}", family.name);
        }
        // What HAProxy has and hapax has not is written down, name by name.
        let known = old.keys().chain(new.keys());
        let missing: BTreeSet<&str> = known.map(String::as_str).collect();
        let missing: BTreeSet<&str> = missing.difference(&found).copied().collect();
        let page = std::fs::read_to_string(root().join("docs/metrics.md")).expect("the page");
        let (_, list) = page
            .split_once("## What HAProxy has besides")
            .expect("the list");
        let named = Regex::new(r"`(haproxy_\w+)`").expect("a pattern");
        let listed: BTreeSet<&str> = named
            .captures_iter(list)
            .filter_map(|c| c.get(1))
            .map(|m| m.as_str())
            .collect();
        assert_eq!(listed, missing);
    });
}

#[test]
fn values_are_those_of_show_stat() {
    run(async {
        let stage = Stage::set(Ours).await;
        stage.traffic().await;
        let families = stage.scrape("").await;
        let csv = stage.show_stat().await;
        let (mut compared, mut answers) = (0, 0.0);
        for row in &csv {
            let (proxy, service) = (row["pxname"].as_str(), row["svname"].as_str());
            let (prefix, labels) = match service {
                "FRONTEND" => ("frontend", vec![("proxy", proxy)]),
                "BACKEND" => ("backend", vec![("proxy", proxy)]),
                "pub" => ("listener", vec![("proxy", proxy), ("listener", service)]),
                _ => ("server", vec![("proxy", proxy), ("server", service)]),
            };
            for (metric, column) in COLUMNS {
                let name = format!("haproxy_{prefix}_{metric}");
                let Some(family) = families.iter().find(|f| f.name == name) else {
                    continue;
                };
                let value = family.value(&labels);
                let value = value.unwrap_or_else(|| panic!("no {name} of {proxy}/{service}"));
                let expected = row[*column].parse().unwrap_or(f64::NAN);
                let same = value == expected || value.is_nan() && expected.is_nan();
                assert!(
                    same,
                    "{name} of {proxy}/{service}: {value}, {column} {expected}"
                );
                compared += 1;
            }
            if prefix == "server" {
                let answered: f64 = ANSWERS
                    .iter()
                    .filter_map(|column| row[*column].parse::<f64>().ok())
                    .sum();
                let name = "haproxy_server_http_requests_total";
                let family = families.iter().find(|f| f.name == name);
                let value = family.and_then(|family| family.value(&labels));
                // Only servers of HTTP have it.
                assert_eq!(value.unwrap_or(0.0), answered, "{name} of {service}");
                answers += answered;
            }
        }
        assert!(compared > 100, "only {compared}");
        assert!(answers >= 5.0, "only {answers}");
    });
}

/// The same configuration and traffic on both: the same names but for those that are listed, the
/// same values where they do not hang on time.
#[test]
fn values_are_those_of_haproxy() {
    let Some(other) = haproxy::installed() else {
        return;
    };
    run(async {
        let (ours, theirs) = (Stage::set(Ours).await, Stage::set(Theirs(other)).await);
        ours.traffic().await;
        theirs.traffic().await;
        let (ours, theirs) = (ours.scrape("").await, theirs.scrape("").await);
        let mut different = Vec::new();
        let mut compared = 0;
        for name in COMPARED {
            let of = |families: &[Family]| {
                let found = families.iter().find(|f| f.name == *name);
                let family = found.unwrap_or_else(|| panic!("no {name}"));
                let samples = family.samples.iter().filter(|s| {
                    // HAProxy serves its metrics there.
                    s.labels.get("proxy").is_none_or(|proxy| proxy != "metrics")
                });
                let shown = |s: &exposition::Sample| (s.labels.clone(), s.value.to_string());
                samples.map(shown).collect::<BTreeMap<_, _>>()
            };
            let (a, b) = (of(&ours), of(&theirs));
            compared += a.len();
            if a != b {
                different.push(format!("{name}:\n  {a:?}\n  {b:?}"));
            }
        }
        assert!(different.is_empty(), "{}", different.join("\n"));
        assert!(compared > 150, "only {compared}");
    });
}

/// Times are those that requests took: this server thinks for a while.
#[test]
fn times_are_measured() {
    run(async {
        let stage = Stage::set(Ours).await;
        let mut stream = stage.connect(stage.port).await;
        let request = b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let families = stage.scrape("").await;
        let thought = THOUGHT.as_secs_f64();
        for (phase, least) in [
            ("queue", 0.0),
            ("connect", 0.0),
            ("response", thought),
            ("total", thought),
        ] {
            for (scope, labels) in [
                ("backend", vec![("proxy", "slow")]),
                ("server", vec![("proxy", "slow"), ("server", "only")]),
            ] {
                let name = format!("haproxy_{scope}_{phase}_time_average_seconds");
                let family = families.iter().find(|f| f.name == name);
                let value = family.and_then(|f| f.value(&labels));
                let value = value.unwrap_or_else(|| panic!("no {name}"));
                // The proxy reads its clock in whole milliseconds.
                let fits = value + 0.002 >= least && value < PATIENCE.as_secs_f64();
                assert!(fits, "{name} {value}");
            }
        }
    });
}

#[test]
fn scopes_and_mistakes() {
    run(async {
        let stage = Stage::set(Ours).await;
        for (query, prefixes) in [
            ("?scope=global", &["haproxy_process_", "hapax_"][..]),
            ("?scope=server", &["haproxy_server_"]),
            (
                "?scope=frontend&scope=listener",
                &["haproxy_frontend_", "haproxy_listener_"],
            ),
            ("?scope=backend&x=1", &["haproxy_backend_"]),
            ("?scope=sticktable", &["haproxy_sticktable_"]),
        ] {
            let families = stage.scrape(query).await;
            for prefix in prefixes {
                assert!(
                    families.iter().any(|f| f.name.starts_with(prefix)),
                    "{query}"
                );
            }
            for family in &families {
                let fits = prefixes.iter().any(|p| family.name.starts_with(p));
                assert!(fits, "{query}: {}", family.name);
            }
        }
        let servers = |families: &[Family]| -> BTreeSet<String> {
            let status = families.iter().find(|f| f.name == "haproxy_server_status");
            let samples = &status.expect("servers").samples;
            samples.iter().map(|s| s.labels["server"].clone()).collect()
        };
        assert!(servers(&stage.scrape("").await).contains("off"));
        assert!(!servers(&stage.scrape("?no-maint").await).contains("off"));
        for (request, status) in [
            ("GET /metrics?scope=none HTTP/1.1", "400"),
            ("GET /metrics?scope= HTTP/1.1", "200"),
            ("GET / HTTP/1.1", "404"),
            ("POST /metrics HTTP/1.1", "405"),
            ("HEAD /metrics HTTP/1.1", "200"),
            ("GET /metrics?scope=global HTTP/1.0", "200"),
        ] {
            let answer = stage.ask(request).await;
            let got = answer.split(' ').nth(1);
            assert_eq!(got, Some(status), "{request}: {answer}");
            let head = answer.split("\r\n\r\n").next().unwrap_or_default();
            assert!(
                status != "200" || head.contains("text/plain; version=0.0.4"),
                "{head}"
            );
        }
    });
}

/// The file decides where metrics are served; a reload is seen in them, a bad one above all.
#[test]
fn reloads() {
    run(async {
        let mut stage = Stage::set(Ours).await;
        let value = |families: &[Family], name: &str, labels: &[(&str, &str)]| {
            let found = families.iter().find(|f| f.name == name);
            found.and_then(|f| f.value(labels)).expect("it is there")
        };
        let families = stage.scrape("?scope=global").await;
        assert_eq!(value(&families, "hapax_generation", &[]), 1.0);
        assert_eq!(value(&families, "hapax_last_reload_successful", &[]), 1.0);
        let at_start = value(
            &families,
            "hapax_last_reload_success_timestamp_seconds",
            &[],
        );
        assert!(at_start > 1e9);

        std::fs::write(stage.file(), "listen nonsense\n  nonsense\n").expect("written");
        let families = stage
            .reload_until("hapax_reloads_total", &[("result", "failure")], 1.0)
            .await;
        assert_eq!(value(&families, "hapax_last_reload_successful", &[]), 0.0);
        assert_eq!(value(&families, "hapax_generation", &[]), 1.0);

        let before = stage.metrics;
        stage.metrics = free_port().expect("free");
        std::fs::write(stage.file(), stage.configuration(&Ours)).expect("written");
        let families = stage.reload_until("hapax_generation", &[], 2.0).await;
        assert_eq!(value(&families, "hapax_last_reload_successful", &[]), 1.0);
        let done = value(&families, "hapax_reloads_total", &[("result", "success")]);
        assert_eq!(done, 1.0);
        let old = TcpStream::connect((Ipv4Addr::LOCALHOST, before)).await;
        assert!(old.is_err(), "the old address is still served");
    });
}

/// More connections than there are places, all of which never get to the end of their request, and
/// some that never read the answer: the next scraper is answered, and so are clients meanwhile.
#[test]
fn slow_scrapers_are_not_in_the_way() {
    run(async {
        let stage = Stage::set(Ours).await;
        let mut slow = Vec::new();
        for number in 0..60 {
            let mut stream = stage.connect(stage.metrics).await;
            let part = match number % 8 {
                0 => "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                1 => "",
                2 => "GET /metrics HTTP/1.1\r\n",
                _ => "GET /metrics HTTP/1.1\r\nHost: a\r\nX-Long: aaaaaaaaaa",
            };
            stream.write_all(part.as_bytes()).await.expect("sent");
            slow.push(stream);
        }
        stage.traffic().await;
        assert!(!stage.scrape("").await.is_empty());
        drop(slow);
    });
}

/// Nothing listens where nobody asked for it; the command line can ask, in every dialect.
#[test]
fn only_when_asked_for() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, metrics) = (free_port().expect("free"), free_port().expect("free"));
        let text = format!(
            "defaults\n  timeout client 9s\n  timeout server 9s\n  timeout connect 9s\n\
             listen a\n  bind 127.0.0.1:{port}\n  server s 127.0.0.1:1\n"
        );
        for asked in [false, true] {
            let address = format!("127.0.0.1:{metrics}");
            let mut args = vec!["--compat", "1.4"];
            let mut ports = vec![port];
            if asked {
                args.extend(["--metrics", &address]);
                ports.push(metrics);
            }
            let proxy = stand::serve(folder.path(), &args, &text, &ports).await;
            let answer = TcpStream::connect((Ipv4Addr::LOCALHOST, metrics)).await;
            assert_eq!(answer.is_ok(), asked);
            proxy.stop().await.expect("it stops");
        }
    });
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let path = root().join("examples/grafana-dashboard.json");
    let text = std::fs::read_to_string(path).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().expect("an expression"))
        .collect();
    assert!(expressions.len() > 30);
    let lists = [
        &dashboard["annotations"]["list"],
        &dashboard["templating"]["list"],
    ];
    for entry in lists
        .iter()
        .flat_map(|list| list.as_array().expect("a list"))
    {
        let query = entry["expr"]
            .as_str()
            .or_else(|| entry["query"]["query"].as_str());
        expressions.extend(query);
    }
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(
            ids.insert(panel["id"].as_u64().expect("an id")),
            "an id comes twice"
        );
        assert!(
            panel["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
    }
    run(async {
        let stage = Stage::set(Ours).await;
        let families = stage.scrape("").await;
        let name = Regex::new(r"\b(?:haproxy|hapax)_\w+").expect("a pattern");
        let mut asked = BTreeSet::new();
        for expression in &expressions {
            let balanced =
                |open, close| expression.matches(open).count() == expression.matches(close).count();
            assert!(balanced('(', ')') && balanced('{', '}'), "{expression}");
            for found in name.find_iter(expression) {
                let known = families.iter().any(|f| f.name == found.as_str());
                assert!(known, "{expression}: there is no {}", found.as_str());
                asked.insert(found.as_str());
            }
        }
        assert!(asked.len() > 30, "only {asked:?}");
    });
}

/// What a recorded HAProxy says of a metric.
struct Known {
    kind: String,
    labels: String,
    values: String,
}

fn fixture(name: &str) -> BTreeMap<String, Known> {
    let path = root().join("compat-tests/corpus/metrics").join(name);
    let text = std::fs::read_to_string(path).expect("the recording");
    let rows = text.lines().skip(1).map(|line| {
        let mut cells = line.split('\t').map(str::to_owned);
        let mut next = || cells.next().unwrap_or_default();
        let name = next();
        let (kind, labels, values) = (next(), next(), next());
        let known = Known {
            kind,
            labels,
            values,
        };
        (name, known)
    });
    rows.collect()
}

fn words(text: &str, separator: char) -> BTreeSet<&str> {
    text.split(separator)
        .filter(|word| !word.is_empty())
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
