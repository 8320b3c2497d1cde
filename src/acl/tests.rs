use std::net::Ipv4Addr;

use haproxy_cfg_grammar::Dialect;

use super::*;
use crate::http1::{Head, Kind, Tolerance};
use crate::plan::{Fetch, MatchMethod, ProxyId, Sample};
use crate::sample::{Content, Message, Nowhere};

fn matches(fetch: Fetch, matching: MatchMethod, ignore_case: bool, pattern: Pattern) -> bool {
    let text = b"GET /Images/a.png?x=1 HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
    let mut bytes = text.to_vec();
    let mut head = Head::new(Kind::Request);
    head.scan(&mut bytes, Tolerance::default());
    let acl = Acl {
        name: String::new(),
        sample: Sample {
            fetch,
            converters: Vec::new(),
        },
        matching,
        ignore_case,
        exact_case: Vec::new(),
        written: Default::default(),
        patterns: vec![pattern],
    };
    let facts = Facts {
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
        source: Some("10.1.2.3:99".parse().unwrap()),
        as_proxy: false,
        first_request: true,
        world: &Nowhere,
    };
    Compiled::new(&acl).unwrap().matches(&facts) == Verdict::Holds
}

#[test]
fn criteria() {
    use MatchMethod::*;
    let text = |text: &str| Pattern::Text(text.into());
    let host = || Fetch::RequestHeader {
        name: "host".into(),
        occurrence: 0,
    };
    for (name, fetch, matching, ignore_case, pattern, expected) in [
        (
            "path_beg",
            Fetch::Path,
            Prefix,
            false,
            text("/Images/"),
            true,
        ),
        (
            "path_beg case",
            Fetch::Path,
            Prefix,
            false,
            text("/images/"),
            false,
        ),
        (
            "path_beg -i",
            Fetch::Path,
            Prefix,
            true,
            text("/images/"),
            true,
        ),
        ("path_end", Fetch::Path, Suffix, false, text(".png"), true),
        (
            "path_dir",
            Fetch::Path,
            Directory,
            false,
            text("Images"),
            true,
        ),
        (
            "path_dir part",
            Fetch::Path,
            Directory,
            false,
            text("Image"),
            false,
        ),
        ("url_sub", Fetch::Url, Substring, false, text("?x="), true),
        ("hdr", host(), Exact, false, text("www.example.com"), true),
        ("hdr_dom", host(), Domain, false, text("example"), true),
        (
            "hdr_reg",
            host(),
            Regex,
            false,
            Pattern::Regex("^www\\.".into()),
            true,
        ),
        ("method", Fetch::Method, Exact, false, text("GET"), true),
        (
            "src_port",
            Fetch::SourcePort,
            Integer,
            false,
            Pattern::Range {
                min: Some(90),
                max: None,
            },
            true,
        ),
        (
            "src",
            Fetch::Source,
            Address,
            false,
            Pattern::Network {
                address: Ipv4Addr::new(10, 0, 0, 0),
                mask: Ipv4Addr::new(255, 0, 0, 0),
            },
            true,
        ),
    ] {
        assert_eq!(
            matches(fetch, matching, ignore_case, pattern),
            expected,
            "{name}"
        );
    }
}
