//! Plays recorded behaviour of HAProxy against hapax.
