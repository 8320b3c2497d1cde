//! Plays recorded behaviour of HAProxy against hapax.
//!
//! Code map:
//! - [`wire`]: what crosses the wire, byte by byte; `tests/wire.rs` and the program `wire` use it;
//! - [`verdicts`]: what `-c` says about files; `tests/verdicts.rs` and the program `verdicts`;
//! - [`ratchet`]: lists of known failures, which may only get shorter;
//! - [`corpus`]: where recordings and lists lie; [`hapax`]: the binary under test;
//! - [`process`]: a running proxy; [`ports`]: free ones; [`load`]: many requests at once;
//! - [`arguments`]: command lines of the programs here.
//!
//! Nothing here knows how hapax works inside: it is started as a process, like any other proxy.

pub mod arguments;
pub mod corpus;
pub mod hapax;
pub mod load;
pub mod ports;
pub mod process;
pub mod ratchet;
pub mod state;
pub mod verdicts;
pub mod wire;
