//! What the demo saw: heads on both sides of the proxy, and who closed which connection.

/// What one mode did with a few requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModeReport {
    /// The frontend's name.
    pub(super) name: &'static str,
    /// The line that sets the mode.
    pub(super) option: &'static str,
    /// What the mode is for.
    pub(super) promise: &'static str,
    /// The requests, in order.
    pub(super) exchanges: Vec<Exchange>,
    /// How each of the client's connections ended; `None` is still open.
    pub(super) client_ends: Vec<Option<Closer>>,
    /// How each connection to a server ended.
    pub(super) server_ends: Vec<Option<Closer>>,
}

/// One request and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Number of the client's connection in its mode, from 1.
    pub(super) client_connection: usize,
    /// Number of the server connection in its mode, from 1.
    pub(super) server_connection: usize,
    /// The server's name.
    pub(super) server: String,
    /// The request's head.
    pub(super) request: Heads,
    /// The response's head.
    pub(super) response: Heads,
}

/// One head, as it was on either side of the proxy, by lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) client: Vec<String>,
    pub(super) server: Vec<String>,
}

/// Who ended a connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closer {
    /// The proxy.
    Proxy,
    /// Client or server.
    Peer,
}

/// A message cut out of recorded bytes: its head by lines, and the offset behind its body.
pub(super) fn next_message(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..head_end]);
    let lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    let length = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    let end = head_end + 4 + length;
    (end <= bytes.len()).then_some((lines, end))
}

/// The heads of all whole messages in recorded bytes.
pub(super) fn messages(mut bytes: &[u8]) -> Vec<Vec<String>> {
    let mut heads = Vec::new();
    while let Some((head, end)) = next_message(bytes) {
        heads.push(head);
        bytes = &bytes[end..];
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_by_their_lengths() {
        let bytes =
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 204 No\r\n\r\nHTTP/1.1";
        let heads = messages(bytes);
        assert_eq!(heads.len(), 2);
        assert_eq!(heads[0], ["HTTP/1.1 200 OK", "content-length: 2"]);
        assert_eq!(heads[1], ["HTTP/1.1 204 No"]);
    }

    #[test]
    fn an_unfinished_body_is_no_message() {
        assert_eq!(
            next_message(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
            None
        );
    }
}
