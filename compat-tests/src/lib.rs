//! Plays recorded behaviour of HAProxy against hapax.
//!
//! Code map:
//! - [`wire`]: what crosses the wire, byte by byte; `tests/wire.rs` and the program `wire` use it;
//! - [`servers`]: balancing, queues and checks; `tests/servers.rs` and the program `servers`;
//! - [`ops`]: command line, signals, statistics, logs; `tests/ops.rs` and the program `ops`;
//! - [`recorded`]: what these three have in common: the choice of cases, retries, reports, programs;
//! - [`placement`]: who gets which key, beside a HAProxy; [`haproxy`]: where that is;
//! - [`verdicts`]: what `-c` says about files; `tests/verdicts.rs` and the program `verdicts`;
//! - [`ratchet`]: lists of known failures, which may only get shorter;
//! - [`corpus`]: where recordings and lists lie; [`hapax`]: the binary under test;
//! - `connection`: one socket of a scripted peer; `text`: placeholders in suites;
//! - `log_line`, [`replacements`]: what differs from run to run;
//! - [`exposition`]: reads metrics, strictly; `tests/metrics/main.rs` uses it;
//! - [`browser`]: the statistics page as people see it;
//! - [`stand`]: what tests of a running hapax begin with;
//! - [`process`]: a running proxy; [`ports`]: free ones; [`load`]: many requests at once;
//! - [`arguments`]: command lines of the programs here.
//!
//! Nothing here knows how hapax works inside: it is started as a process, like any other proxy.

pub mod arguments;
pub mod browser;
mod connection;
pub mod corpus;
pub mod exposition;
pub mod faults;
pub mod hapax;
pub mod haproxy;
pub mod load;
mod log_line;
pub mod ops;
pub mod placement;
pub mod ports;
pub mod process;
pub mod ratchet;
pub mod recorded;
pub mod replacements;
pub mod servers;
pub mod stand;
pub mod state;
mod text;
pub mod verdicts;
pub mod wire;
