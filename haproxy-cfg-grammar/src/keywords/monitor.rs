//! `monitor-uri`, `monitor-net`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::keywords::switching::required_condition;
use crate::section::{BACKEND, DFL, FL};
use crate::value::address::{self, Network};
use crate::value::condition::ConditionSyntax;
use crate::{Statement, version};

/// What is answered without a backend.
#[derive(Clone, Debug)]
pub enum Monitor {
    /// `monitor-uri`: requests for exactly this.
    Uri(Vec<u8>),
    /// `monitor-net`: everything from this network.
    Net(Network),
    /// `monitor fail`: when the answer is 503 instead of 200.
    Fail(Box<ConditionSyntax>),
}

/// The family.
pub const MONITOR: &[Keyword] = &[
    Keyword {
        ignored_in: BACKEND,
        arguments: "uri",
        accepts: &["monitor-uri /alive"],
        refuses: &["monitor-uri"],
        ..Keyword::new("monitor-uri", DFL, |a| {
            let uri = a.require("a URI")?.bytes.to_vec();
            a.end(version::V1_8)?;
            Ok(Statement::Monitor(Monitor::Uri(uri)))
        })
    },
    Keyword {
        ignored_in: BACKEND,
        arguments: "network",
        accepts: &["monitor-net 192.168.0.252/31", "monitor-net 10.0.0.1"],
        refuses: &["monitor-net", "monitor-net 10.0.0.0/33"],
        ..Keyword::new("monitor-net", DFL, net)
    },
    Keyword {
        ignored_in: BACKEND,
        arguments: "if|unless condition",
        accepts: &["monitor fail if { nbsrv lt 2 }"],
        refuses: &["monitor fail", "monitor fail TRUE"],
        ..Keyword::new("monitor fail", FL, |a| {
            let condition = required_condition(a)?;
            Ok(Statement::Monitor(Monitor::Fail(Box::new(condition))))
        })
    },
];

fn net(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("a network")?;
    let Some(network) = address::network_v4(&word.bytes) else {
        return Err(Diagnostic::new(
            Code::BadAddress,
            word.span,
            format!("'{}' is not an IPv4 network", word.shown()),
        )
        .help("write address/mask, as 192.168.0.0/16"));
    };
    arguments.end(version::V1_8)?;
    Ok(Statement::Monitor(Monitor::Net(network)))
}
