//! From text to plan: what the grammar's tests cannot see.

use hapax::configuration::{self, Configuration, Overrides};
use hapax::explain;
use hapax::plan::{ConnectionMode, Fetch, ProxyId, ServerPort};
use haproxy_cfg_grammar::{Code, Dialect, SourceSet};
use proptest::prelude::*;

fn read(text: &str, dialect: Dialect) -> Configuration {
    let sources = SourceSet::from_text("haproxy.cfg", text);
    configuration::read(&sources, dialect, Overrides::default())
}

const WEB: &str = "\
defaults
    mode http
    option httpclose
    timeout client 30s
    timeout connect 5s
    timeout server 1m
    default-server inter 5s weight 7
frontend www
    bind :80,:8080-8082
    acl static path_beg /s
    use_backend static if static { nbsrv(static) gt 0 }
    default_backend app
backend static
    no option httpclose
    server s1 10.0.0.1:80 check
backend app
    option http-server-close
    server a1 10.0.0.2:+8000 weight 3 maxconn 20
";

#[test]
fn a_plan_has_what_the_file_says() {
    let plan = read(WEB, Dialect::V1_4).plan.expect("it is valid");
    let www = &plan.proxies[0];
    assert_eq!(www.listeners.len(), 4);
    assert_eq!(www.default_backend, Some(ProxyId(2)));
    assert_eq!(www.switching.len(), 1);
    assert_eq!(
        www.timeouts.server, None,
        "a frontend inherits no server timeout"
    );
    let Fetch::UsableServers(reference) = &www.acls[1].sample.fetch else {
        panic!("{:?}", www.acls);
    };
    assert_eq!(reference.id, Some(ProxyId(1)));
    let check = plan.proxies[1].servers[0].check.as_ref().expect("check");
    assert_eq!(check.inter.as_secs(), 5);
    let a1 = &plan.proxies[2].servers[0];
    assert_eq!((a1.weight, a1.maxconn), (3, 20));
    assert_eq!(a1.address.port, ServerPort::Mapped(8000));
    let mode = |f, b| plan.connection_mode(ProxyId(f), ProxyId(b));
    assert_eq!(mode(0, 1), ConnectionMode::PassiveClose);
    assert_eq!(mode(0, 2), ConnectionMode::ForcedClose);
}

/// What samples outside of ACLs name: in formats, in targets that come out of one, in keys.
#[test]
fn every_sample_finds_the_proxies_that_it_names() {
    let file = |name: &str| {
        format!(
            "defaults\n mode http\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n\
             frontend www\n bind :80\n acl a nbsrv({name}) gt 0\n \
             http-request set-header A %[nbsrv({name})] if a\n \
             http-request track-sc0 be_conn({name}) table keys\n \
             http-response set-header B %[queue({name})]\n \
             use_backend %[be_sess_rate({name}),in_table(keys)]\n default_backend app\n\
             backend app\n stick on src,in_table(keys) table app\n \
             stick-table type integer size 10\n server s 10.0.0.1:80\n\
             backend keys\n stick-table type integer size 10 store gpc0\n"
        )
    };
    let mut plan = read(&file("app"), Dialect::Hapax)
        .plan
        .expect("it is valid");
    let (mut proxies, mut tables) = (Vec::new(), Vec::new());
    for proxy in &mut plan.proxies {
        proxy.samples_mut(&mut |sample| {
            if let Some((of, _)) = sample.fetch.proxy_mut() {
                proxies.push(of.id);
            }
            tables.extend(sample.tables_mut().map(|table| table.id));
        });
    }
    assert_eq!(proxies, [Some(ProxyId(1)); 5]);
    assert_eq!(tables, [Some(ProxyId(2)); 2]);

    let refused = read(&file("nowhere"), Dialect::V1_8);
    let lines = refused
        .diagnostics
        .iter()
        .filter(|d| d.code == Code::UnknownBackend);
    assert_eq!(lines.count(), 5);
}

#[test]
fn explanations_name_the_lines() {
    let configuration = read(WEB, Dialect::V1_4);
    let plan = configuration.plan.as_ref().expect("it is valid");
    let sources = &configuration.document.sources;
    let text = explain::text(plan, &configuration.provenance, sources, &[]);
    for expected in [
        "www -> app",
        "forced close",
        "httpclose together with http-server-close",
        "haproxy.cfg:3 (defaults)",
        "haproxy.cfg:17",
        "use_backend static if static { usable_servers(static) is ge 1 }",
    ] {
        assert!(
            text.contains(expected),
            "{expected:?} is missing in\n{text}"
        );
    }
    let only = explain::explain(
        plan,
        &configuration.provenance,
        sources,
        &["www".to_owned(), "static".to_owned()],
    );
    assert_eq!(only.pairs.len(), 1);
    let json = explain::json(plan, &configuration.provenance, sources, &[]);
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
}

#[test]
fn plans_are_equal_when_their_files_say_the_same() {
    let spaced = WEB
        .replace("    ", "\t \t")
        .replace("mode http", "mode http # x\n\n");
    assert_eq!(
        read(WEB, Dialect::Hapax).plan,
        read(&spaced, Dialect::Hapax).plan
    );
}

#[test]
fn later_modes_replace_earlier_ones() {
    let of = |options: &str, dialect| {
        let text = format!("listen a\n mode http\n bind :80\n timeout client 1s\n{options}\n");
        let plan = read(&text, dialect).plan.expect("it is valid");
        plan.connection_mode(ProxyId(0), ProxyId(0))
    };
    let both = " option httpclose\n option http-server-close";
    assert_eq!(of(both, Dialect::V1_4), ConnectionMode::ForcedClose);
    assert_eq!(of(both, Dialect::Hapax), ConnectionMode::ForcedClose);
    assert_eq!(of(both, Dialect::V1_8), ConnectionMode::ServerClose);
    let kept = " option forceclose\n option http-keep-alive";
    assert_eq!(of(kept, Dialect::Hapax), ConnectionMode::KeepAlive);
    assert_eq!(of(kept, Dialect::V1_8), ConnectionMode::KeepAlive);
    let closed = " option http-tunnel\n option httpclose";
    assert_eq!(of(closed, Dialect::Hapax), ConnectionMode::PassiveClose);
}

#[test]
fn what_has_no_effect_yet_is_said() {
    let text = "listen a\n bind :80\n mode http\n timeout client 1s\n grace 1s\n grace 2s\n";
    let configuration = read(text, Dialect::V1_4);
    let count = configuration
        .diagnostics
        .iter()
        .filter(|d| d.code == Code::NotBuilt)
        .count();
    assert!(count <= 1, "once for each keyword");
}

/// Lines of a backend whose order means nothing.
const INDEPENDENT: [&str; 8] = [
    "timeout server 5s",
    "timeout connect 1s",
    "balance leastconn",
    "retries 5",
    "option abortonclose",
    "fullconn 100",
    "option httpchk /alive",
    "cookie SRV insert",
];

proptest! {
    #[test]
    fn order_of_independent_lines(order in Just((0..INDEPENDENT.len()).collect::<Vec<_>>()).prop_shuffle()) {
        let build = |lines: &[usize]| {
            let mut text = "backend b\n mode http\n server s1 10.0.0.1:80\n".to_owned();
            for n in lines {
                text.push_str(&format!(" {}\n", INDEPENDENT[*n]));
            }
            read(&text, Dialect::V1_4).plan
        };
        let first: Vec<usize> = (0..INDEPENDENT.len()).collect();
        prop_assert!(build(&first).is_some());
        prop_assert_eq!(build(&first), build(&order));
    }

    /// A document that is printed and read again means the same, whatever the blanks and comments.
    #[test]
    fn a_printed_document_gives_the_same_plan(
        lines in prop::collection::vec(0..INDEPENDENT.len(), 0..INDEPENDENT.len()),
        blanks in "[ \t]{1,4}",
        comment in "#[ -~]{0,20}",
    ) {
        let mut text = format!("{WEB}backend b {comment}\n mode http\n server s1 10.0.0.1:80\n");
        for n in lines {
            text.push_str(&format!("{blanks}{} {comment}\n\n", INDEPENDENT[n]));
        }
        for dialect in [Dialect::V1_4, Dialect::V1_8, Dialect::Hapax] {
            let first = read(&text, dialect);
            prop_assert!(first.plan.is_some() || dialect == Dialect::V1_8);
            let printed = first.document.print();
            prop_assert_eq!(&printed, text.as_bytes());
            let printed = String::from_utf8_lossy(&printed).into_owned();
            prop_assert_eq!(read(&printed, dialect).plan, first.plan);
        }
    }

    #[test]
    fn any_text_gives_diagnostics(text in "[ -~\n]{0,300}") {
        for dialect in [Dialect::V1_4, Dialect::V1_8, Dialect::Hapax] {
            let configuration = read(&format!("listen a\n{text}"), dialect);
            let _ = configuration.plan;
        }
    }
}

/// `option tcplog` after `option httplog`: in 1.4 the longer line stays.
#[test]
fn formats_of_the_log() {
    let text = "defaults\n    mode http\n    option httplog\nlisten a :80\n    option tcplog\n    \
                server s :8000\n";
    let format = |dialect| read(text, dialect).plan.expect("it is valid").proxies[0].log_format;
    assert_eq!(format(Dialect::V1_4), hapax::plan::LogFormat::Http);
    assert_eq!(format(Dialect::Hapax), hapax::plan::LogFormat::Tcp);
}

/// Who has a statistics page: a `frontend` too, although 1.4 says otherwise, and in 1.4 no `backend`
/// by inheritance.
#[test]
fn statistics_pages() {
    let text = "defaults\n    mode http\n    stats uri /d\nfrontend own\n    bind :80\n    \
                stats uri /f\nfrontend inherits\n    bind :81\nbackend b\n    server s :8000\n";
    let pages = |dialect| {
        let plan = read(text, dialect).plan.expect("it is valid");
        let uri = |proxy: &hapax::plan::Proxy| {
            let page = proxy.stats.as_ref()?;
            Some(String::from_utf8_lossy(page.uri.as_bytes()).into_owned())
        };
        plan.proxies.iter().map(uri).collect::<Vec<_>>()
    };
    let page = |uri: &str| Some(uri.to_owned());
    assert_eq!(pages(Dialect::V1_4), [page("/f"), page("/d"), None]);
    assert_eq!(pages(Dialect::V1_8), [page("/f"), page("/d"), page("/d")]);
    assert_eq!(pages(Dialect::Hapax), pages(Dialect::V1_8));
}

#[test]
fn a_section_that_leads_back_to_itself_is_refused() {
    for rule in [
        "default_backend l",
        "use_backend l if TRUE",
        "reqsetbe ^x l",
    ] {
        let text = format!("listen l\n bind :80\n mode http\n {rule}\n");
        let configuration = read(&text, Dialect::V1_4);
        assert!(configuration.plan.is_none(), "{rule}");
        let mut codes = configuration.diagnostics.iter().map(|d| d.code);
        assert!(codes.any(|code| code == Code::Conflict), "{rule}");
    }
}
