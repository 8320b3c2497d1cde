use super::*;
use crate::configuration::{self, Overrides};
use haproxy_cfg_grammar::{Dialect, SourceSet};

const BASE: &str = "\
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
frontend www
    bind 127.0.0.1:8001
    acl static path_beg /static
    http-request deny if { path /admin }
    use_backend files if static
    default_backend app
backend app
    server a 127.0.0.1:9001 weight 10
    server b 127.0.0.1:9002
backend files
    server f 127.0.0.1:9003
";

fn plan(text: &str) -> Plan {
    let sources = SourceSet::from_text("t.cfg", text);
    let read = configuration::read(&sources, Dialect::Hapax, Overrides::default());
    read.plan
        .unwrap_or_else(|| panic!("{:?}", read.diagnostics))
}

fn changed(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    between(&plan(BASE), &plan(&BASE.replacen(from, to, 1))).to_string()
}

#[test]
fn what_a_change_means() {
    for (from, to, expected) in [
        (
            "defaults\n",
            "# a comment\n\ndefaults\n",
            "nothing changes\n",
        ),
        (
            "    timeout client 30s\n",
            "    timeout client 30000ms\n",
            "nothing changes\n",
        ),
        (
            "bind 127.0.0.1:8001",
            "bind 127.0.0.1:8002",
            "- listener 127.0.0.1:8001 (frontend www)\n+ listener 127.0.0.1:8002 (frontend www)\n",
        ),
        (
            "backend app\n    server a 127.0.0.1:9001 weight 10\n",
            "backend app\n    server a 127.0.0.1:9001 weight 20\n",
            "~ server app/a\n      weight: 10 -> 20\n",
        ),
        (
            "    server b 127.0.0.1:9002\n",
            "    server c 127.0.0.1:9002 backup\n",
            "- server app/b 127.0.0.1:9002 (its sessions finish, its queue moves on)\n\
             + server app/c 127.0.0.1:9002\n",
        ),
        (
            "server b 127.0.0.1:9002",
            "server b 127.0.0.1:9009",
            "~ server app/b\n      address.port.fixed: 9002 -> 9009\n      it is another server: \
             its state begins anew\n",
        ),
        (
            "default_backend app",
            "default_backend files",
            "~ frontend www\n      default_backend: app -> files\n",
        ),
        (
            "defaults\n",
            "global\n    maxconn 77\n    nbproc 3\ndefaults\n",
            "~ global\n      maxconn: 2000 -> 77\n! 'nbproc' takes effect at the next start only\n",
        ),
    ] {
        assert_eq!(changed(from, to), expected, "{to}");
    }
}

/// A section in between moves the indices of all that follow, and changes none of them.
#[test]
fn a_section_in_between_changes_nothing_else() {
    assert_eq!(
        changed(
            "\nbackend app\n",
            "\nbackend new\n    server n 127.0.0.1:9010\nbackend app\n"
        ),
        "+ backend new\n+ server new/n 127.0.0.1:9010\n"
    );
}

#[test]
fn a_rule_is_shown_with_its_condition() {
    let text = changed("{ path /admin }", "{ path /secret } static");
    assert!(text.starts_with("~ frontend www\n"), "{text}");
    assert!(
        text.contains("/admin") && text.contains("/secret"),
        "{text}"
    );
    assert!(text.contains("static"), "{text}");
}

#[test]
fn what_changes_in_a_map() {
    use crate::plan::{Map, MapOutput, MatchMethod};
    let with = |content: &str| {
        let mut plan = plan(BASE);
        plan.maps.push(Map {
            file: "sites".into(),
            matching: MatchMethod::Exact,
            output: MapOutput::Text,
            entries: Vec::new(),
            content: content.as_bytes().into(),
        });
        plan
    };
    let old = with("a one\nb two\nc three\n");
    for (content, expected) in [
        ("a one\nb two\nc three\n", "nothing changes\n"),
        (
            "a one\nb 2\nd four\ne five\n",
            "~ map sites\n      2 keys are new\n      1 keys are gone\n      \
             1 keys stand for something else\n",
        ),
        (
            "# a comment\na one\nb two\nc three\n",
            "~ map sites\n      in another order, or written otherwise\n",
        ),
    ] {
        assert_eq!(between(&old, &with(content)).to_string(), expected);
    }
    assert_eq!(between(&plan(BASE), &old).to_string(), "+ map sites\n");
    assert_eq!(between(&old, &plan(BASE)).to_string(), "- map sites\n");
}
