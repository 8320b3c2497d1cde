//! Words that may follow a keyword that 1.4 has, and predefined ACLs.

use super::row;
use crate::keyword::LaterKeyword;
use crate::version::{V1_8, V2_6, V3_4};

/// By keyword and word; a predefined ACL by its name.
pub(super) const ARGUMENTS: &[LaterKeyword] = &[
    row("HTTP_2.0", V2_6, None, None),
    row("HTTP_3.0", V3_4, None, None),
    row("balance hash", V2_6, None, Some("balance uri, hdr(NAME)")),
    row("balance random", V2_6, None, Some("balance leastconn")),
    row("balance sticky", V3_4, None, Some("stick on src")),
    row(
        "cookie dynamic",
        V1_8,
        None,
        Some("server ... cookie VALUE"),
    ),
];
