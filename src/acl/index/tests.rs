//! The index gives the answer that walking gives.

use haproxy_cfg_grammar::Dialect;
use proptest::prelude::*;

use super::*;
use crate::http1::{Head, Kind, Tolerance};
use crate::plan::{
    Acl, AclId, Conjunction, Fetch, MatchMethod, Pattern, Polarity, ProxyId, Sample, Term,
};
use crate::sample::{Content, Message, Nowhere};

fn host() -> Fetch {
    Fetch::RequestHeader {
        name: "host".into(),
        occurrence: 0,
    }
}

fn acl(fetch: Fetch, matching: MatchMethod, ignore_case: bool, patterns: &[String]) -> Acl {
    Acl {
        name: String::new(),
        sample: Sample {
            fetch,
            converters: Vec::new(),
        },
        matching,
        ignore_case,
        patterns: patterns
            .iter()
            .map(|text| Pattern::Text(text.as_bytes().into()))
            .collect(),
        exact_case: Vec::new(),
        written: Default::default(),
    }
}

fn any_acl() -> impl Strategy<Value = Acl> {
    let fetch = prop_oneof![Just(host()), Just(Fetch::Path)];
    let matching = prop_oneof![
        Just(MatchMethod::Exact),
        Just(MatchMethod::Prefix),
        Just(MatchMethod::Suffix),
        Just(MatchMethod::Substring),
        Just(MatchMethod::Directory),
        Just(MatchMethod::Domain),
        Just(MatchMethod::Found),
    ];
    let patterns = proptest::collection::vec("[abA./]{0,3}", 0..3);
    (fetch, matching, any::<bool>(), patterns)
        .prop_map(|(fetch, matching, fold, patterns)| acl(fetch, matching, fold, &patterns))
}

fn any_condition(acls: u32) -> impl Strategy<Value = Option<Condition>> {
    let term = (
        proptest::bool::weighted(0.2),
        proptest::collection::vec(0..acls, 1..3),
    )
        .prop_map(|(negated, ids)| Term {
            negated,
            acls: ids.into_iter().map(AclId).collect(),
        });
    let all = proptest::collection::vec(term, 1..3).prop_map(|all| Conjunction { all });
    let any = proptest::collection::vec(all, 1..3);
    let condition = (proptest::bool::weighted(0.9), any).prop_map(|(positive, any)| Condition {
        polarity: if positive {
            Polarity::If
        } else {
            Polarity::Unless
        },
        any,
    });
    proptest::option::weighted(0.95, condition)
}

fn with_facts<R>(request: &str, ask: impl FnOnce(&Facts<'_>) -> R) -> R {
    let mut bytes = request.as_bytes().to_vec();
    let mut head = Head::new(Kind::Request);
    head.scan(&mut bytes, Tolerance::default());
    ask(&Facts {
        proxy: ProxyId(0),
        dialect: Dialect::V1_4,
        request: Some(Message {
            head: &head,
            bytes: &bytes,
        }),
        sent: None,
        response: None,
        content: Content {
            bytes: &[],
            may_grow: false,
        },
        source: None,
        as_proxy: false,
        first_request: true,
        world: &Nowhere,
    })
}

fn walk(rules: &[Option<Condition>], acls: &AclSet, facts: &Facts<'_>) -> Option<usize> {
    rules
        .iter()
        .position(|condition| acls.applies(condition.as_ref(), facts))
}

proptest! {
    #[test]
    fn the_index_agrees_with_walking(
        acls in proptest::collection::vec(any_acl(), 12),
        rules in proptest::collection::vec(any_condition(12), 4..80),
        requests in proptest::collection::vec(("[abA./]{1,5}", "[abA./]{0,5}"), 6),
    ) {
        let set = AclSet::compile(&acls).unwrap();
        let index = RuleIndex::new(rules.iter().map(Option::as_ref), &acls);
        for (host, path) in requests {
            let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nhost: b,{path}\r\n\r\n");
            with_facts(&request, |facts| {
                let expected = walk(&rules, &set, facts);
                if let Some(index) = &index {
                    let first = index.first(|n| rules[n].as_ref(), &set, facts);
                    prop_assert_eq!(first, expected);
                }
                Ok(())
            })?;
        }
    }
}

fn only(id: u32) -> Conjunction {
    both(&[id])
}

fn both(ids: &[u32]) -> Conjunction {
    let term = |id: &u32| Term {
        negated: false,
        acls: vec![AclId(*id)],
    };
    Conjunction {
        all: ids.iter().map(term).collect(),
    }
}

fn when(any: Vec<Conjunction>) -> Option<Condition> {
    Some(Condition {
        polarity: Polarity::If,
        any,
    })
}

#[test]
fn rules_are_found_by_what_they_do_not_share() {
    // One host for all, a path for each, and one rule without condition at the end.
    let mut acls = vec![acl(host(), MatchMethod::Exact, false, &["a".to_owned()])];
    let mut rules = Vec::new();
    for n in 0..100 {
        let path = format!("/{n}/");
        acls.push(acl(Fetch::Path, MatchMethod::Prefix, false, &[path]));
        rules.push(when(vec![both(&[0, n + 1])]));
    }
    rules.push(None);
    let set = AclSet::compile(&acls).unwrap();
    let index = RuleIndex::new(rules.iter().map(Option::as_ref), &acls).unwrap();
    assert_eq!(index.mapped(), 100);
    for (request, expected, looks) in [
        ("GET /42/x HTTP/1.1\r\nHost: a\r\n\r\n", 42, 1),
        ("GET /42/x HTTP/1.1\r\nHost: b\r\n\r\n", 100, 1),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 100, 0),
    ] {
        with_facts(request, |facts| {
            let first = index.first(|n| rules[n].as_ref(), &set, facts);
            assert_eq!(first, Some(expected), "{request}");
            assert_eq!(index.worth(facts).len(), looks, "{request}");
        });
    }
}

#[test]
fn rules_that_share_hosts_and_paths_are_told_apart_by_both() {
    let name = |n: usize| format!("host-{n}");
    let path = |n: usize| format!("/{n}/");
    let mut acls = Vec::new();
    acls.extend((0..30).map(|n| acl(host(), MatchMethod::Exact, true, &[name(n)])));
    acls.extend((0..30).map(|n| acl(Fetch::Path, MatchMethod::Prefix, false, &[path(n)])));
    let mut rules = Vec::new();
    for n in 0..900 {
        rules.push(when(vec![both(&[n / 30, 30 + n % 30])]));
    }
    // What has no second term, and what has alternatives, is found too.
    rules.push(when(vec![only(7)]));
    rules.push(when(vec![both(&[8, 9]), both(&[8, 59])]));
    let set = AclSet::compile(&acls).unwrap();
    let index = RuleIndex::new(rules.iter().map(Option::as_ref), &acls).unwrap();
    for (request, expected) in [
        ("GET /17/x HTTP/1.1\r\nHost: Host-4\r\n\r\n", Some(137)),
        ("GET /99/x HTTP/1.1\r\nHost: host-4\r\n\r\n", None),
        ("GET /99/x HTTP/1.1\r\nHost: host-7\r\n\r\n", Some(900)),
        ("GET /29/x HTTP/1.1\r\nHost: host-8\r\n\r\n", Some(269)),
    ] {
        with_facts(request, |facts| {
            let first = index.first(|n| rules[n].as_ref(), &set, facts);
            assert_eq!(first, expected, "{request}");
            // Of 30 rules for the host, and as many for the path.
            let worth = index.worth(facts);
            assert!(worth.len() < 5, "{request}: {worth:?}");
        });
    }
}

#[test]
fn few_rules_are_walked() {
    let acls = [acl(host(), MatchMethod::Exact, false, &["a".to_owned()])];
    let rules = [when(vec![only(0)]), None];
    assert!(RuleIndex::new(rules.iter().map(Option::as_ref), &acls).is_none());
    // Regular expressions, and what must not hold, say nothing in advance.
    let acls = [acl(host(), MatchMethod::Found, false, &[])];
    let rules: Vec<_> = (0..10).map(|_| when(vec![only(0)])).collect();
    assert!(RuleIndex::new(rules.iter().map(Option::as_ref), &acls).is_none());
}
