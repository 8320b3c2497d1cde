//! `errorfile`, `errorloc*`. Manual 1.4, section 4.2.

use serde::Serialize;

use super::ByteString;

/// The statuses that HAProxy answers by itself and that a page can be given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ErrorStatus {
    /// The answer to a monitor request.
    S200 = 200,
    /// Invalid request.
    S400 = 400,
    /// Forbidden.
    S403 = 403,
    /// The request did not come in time.
    S408 = 408,
    /// Internal error.
    S500 = 500,
    /// Invalid response.
    S502 = 502,
    /// No server.
    S503 = 503,
    /// The response did not come in time.
    S504 = 504,
}

/// What is sent in place of the built-in answer: whole messages, head and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorPage {
    /// `errorfile`: the bytes of the file.
    File(ByteString),
    /// `errorloc`, `errorloc302`: a redirect with 302.
    Location302(ByteString),
    /// `errorloc303`: a redirect with 303.
    Location303(ByteString),
}

/// The pages of a proxy. A status without an entry gets the built-in answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorPages {
    /// In no particular order, at most one entry for a status.
    pub pages: Vec<(ErrorStatus, ErrorPage)>,
}
