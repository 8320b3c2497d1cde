//! What a connection mode does to one message: its `Connection` header, and what happens to the
//! connections afterwards. RFC 9112, section 9; manual 1.4, section 4.
//!
//! The configuration gives a [`ConnectionMode`] for the pair of frontend and backend. A message
//! can only weaken it: a client that says `close`, an HTTP/1.0 client that does not say
//! `keep-alive`, a body that ends with its connection, a frontend that is stopping all turn
//! keep-alive and server close into close.

use super::framing::elements;
use super::head::{Head, Version};
use super::policy::{Intent, Policy};

/// What is known about the request.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts {
    /// Its version.
    pub version: Version,
    /// Whether its body's end is known without a close.
    pub length_known: bool,
    /// Whether the frontend accepts nothing more.
    pub stopping: bool,
}

/// Tokens of `Connection` that were found in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tokens {
    /// `close` was there, kept or not.
    close: bool,
    /// `keep-alive` was there, kept or not.
    keep_alive: bool,
    /// `upgrade` is there.
    upgrade: bool,
    /// `close` is still there.
    close_kept: bool,
    /// `keep-alive` is still there.
    keep_alive_kept: bool,
}

/// What happens to the `Connection` header of a request: it is looked at once for the frontend
/// and once for both sides together, and says at the end what is wanted. Rules may edit the
/// request in between.
#[derive(Debug, Default)]
pub struct RequestConnection {
    intent: Option<Intent>,
    tokens: Option<Tokens>,
}

/// Whose options a look at the request goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The frontend's alone.
    Frontend,
    /// Those of both sides together.
    Joint,
}

impl RequestConnection {
    /// Looks at the request: notes what its `Connection` header says, and takes out what is not
    /// for the server.
    #[inline(always)]
    pub fn look(
        &mut self,
        head: &mut Head,
        bytes: &[u8],
        policy: &Policy,
        stage: Stage,
        facts: RequestFacts,
    ) {
        let is_11 = facts.version == Version::Http11;
        let (wanted, passive) = match stage {
            Stage::Frontend => (policy.frontend, policy.frontend_passive),
            Stage::Joint => (policy.joint, policy.passive_close),
        };
        // What the first look has turned into a close stays one, even where the backend would
        // have tunnelled.
        let mut intent = self.intent.unwrap_or(policy.frontend);
        if wanted != intent && policy.strength(wanted) > policy.strength(intent) {
            intent = wanted;
        }
        if self.tokens.is_none()
            && (intent != Intent::Tunnel || (policy.v1_4 && policy.passive_close))
        {
            let closes = matches!(intent, Intent::ServerClose | Intent::Close);
            let drop_keep_alive = is_11 || (closes && !policy.pretend_keepalive);
            self.tokens = Some(strip(policy.header(), head, bytes, !is_11, drop_keep_alive));
        }
        let seen = self.tokens.unwrap_or_default();
        if intent.keeps_client()
            && (seen.close
                || (!is_11 && !seen.keep_alive)
                || passive
                || !facts.length_known
                || facts.stopping)
        {
            intent = Intent::Close;
        }
        self.intent = Some(intent);
    }

    /// What the looks so far leave of the mode.
    pub fn intent(&self) -> Intent {
        self.intent.unwrap_or_default()
    }

    /// Makes the request say what is wanted, and answers what it leaves of the mode.
    pub fn finish(
        &self,
        head: &mut Head,
        bytes: &[u8],
        policy: &Policy,
        facts: RequestFacts,
    ) -> Intent {
        let intent = self.intent();
        let is_11 = facts.version == Version::Http11;
        let pretend = policy.pretend_keepalive;
        if intent == Intent::Tunnel && !policy.passive_close {
            return intent;
        }
        // Since 1.5 nothing is added to a request that asks for another protocol.
        if !policy.v1_4 && self.tokens.is_some_and(|tokens| tokens.upgrade) {
            return intent;
        }
        // HTTP/1.1 keeps by default and HTTP/1.0 closes by default: only the contrary is said.
        let closes = matches!(intent, Intent::ServerClose | Intent::Close) || policy.passive_close;
        let want_close = is_11 && closes && !pretend;
        let want_keep_alive =
            !is_11 && ((intent == Intent::KeepAlive && !policy.passive_close) || pretend);
        let name = policy.header();
        announce(name, head, bytes, self.tokens, want_close, want_keep_alive);
        intent
    }
}

/// What happens to the `Connection` header of a response. Rules may edit the response between
/// the look and the end.
#[derive(Debug)]
pub struct ResponseConnection {
    intent: Intent,
    /// `None` when there is nothing to say.
    tokens: Option<Tokens>,
    server_11: bool,
    both_11: bool,
    header: &'static [u8],
}

impl ResponseConnection {
    /// Looks at the response: notes what its `Connection` header says, and takes out what is not
    /// for the client.
    pub fn look(
        head: &mut Head,
        bytes: &[u8],
        intent: Intent,
        policy: &Policy,
        request: Version,
        response: Version,
        length_known: bool,
    ) -> Self {
        let server_11 = response == Version::Http11;
        let both_11 = server_11 && request == Version::Http11;
        if intent == Intent::Tunnel && !policy.passive_close {
            return Self {
                intent,
                tokens: None,
                server_11,
                both_11,
                header: policy.header(),
            };
        }
        let mut intent = intent;
        if !length_known && intent != Intent::Tunnel {
            intent = Intent::Close;
        }
        let tokens = if intent.keeps_client() {
            strip(policy.header(), head, bytes, true, both_11)
        } else {
            strip(policy.header(), head, bytes, !server_11, true)
        };
        // A server that closes leaves nothing to keep on its side.
        if intent == Intent::KeepAlive && (tokens.close || (!server_11 && !tokens.keep_alive)) {
            intent = Intent::ServerClose;
        }
        // Since 1.5 nothing is added to an answer about another protocol.
        let upgrades = !policy.v1_4 && tokens.upgrade;
        Self {
            intent,
            tokens: (!upgrades).then_some(tokens),
            server_11,
            both_11,
            header: policy.header(),
        }
    }

    /// Makes the response say what is wanted, and answers what it leaves of the intent.
    pub fn finish(self, head: &mut Head, bytes: &[u8]) -> Intent {
        if self.tokens.is_some() {
            let (close, keep_alive) = if self.intent.keeps_client() {
                (false, !self.both_11)
            } else {
                (self.server_11, false)
            };
            let name = self.header;
            announce(name, head, bytes, self.tokens, close, keep_alive);
        }
        self.intent
    }
}

/// Notes the tokens of every `Connection` line and takes out those that are asked for. A line of
/// which nothing is left goes.
#[inline(always)]
fn strip(
    name: &[u8],
    head: &mut Head,
    bytes: &[u8],
    drop_close: bool,
    drop_keep_alive: bool,
) -> Tokens {
    // Most messages have no such line.
    if head.may_have(name) {
        strip_lines(name, head, bytes, drop_close, drop_keep_alive)
    } else {
        Tokens::default()
    }
}

#[inline(never)]
fn strip_lines(
    name: &[u8],
    head: &mut Head,
    bytes: &[u8],
    drop_close: bool,
    drop_keep_alive: bool,
) -> Tokens {
    let mut tokens = Tokens::default();
    let mut at = None;
    while let Some(index) = head.find(bytes, name, at) {
        at = Some(index);
        let mut dropped = false;
        for token in elements(head.value(bytes, index)) {
            if token.eq_ignore_ascii_case(b"close") {
                tokens.close = true;
                tokens.close_kept |= !drop_close;
                dropped |= drop_close;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                tokens.keep_alive = true;
                tokens.keep_alive_kept |= !drop_keep_alive;
                dropped |= drop_keep_alive;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                tokens.upgrade = true;
            }
        }
        if dropped {
            remove_tokens(head, bytes, index, drop_close, drop_keep_alive);
        }
    }
    tokens
}

/// Takes `close`, `keep-alive` or both out of one line. What stays keeps the blanks before it; the
/// line goes when it said nothing else, not even an empty element.
fn remove_tokens(head: &mut Head, bytes: &[u8], index: usize, close: bool, keep_alive: bool) {
    let line = head.line(bytes, index);
    let name = head.name(bytes, index).len();
    let list = line.get(name + 1..).unwrap_or_default();
    let mut kept = line[..name].to_vec();
    kept.push(b':');
    let mut first = true;
    for piece in list.split(|byte| *byte == b',') {
        let token = piece.trim_ascii();
        if (close && token.eq_ignore_ascii_case(b"close"))
            || (keep_alive && token.eq_ignore_ascii_case(b"keep-alive"))
        {
            continue;
        }
        if !first {
            kept.push(b',');
        }
        kept.extend_from_slice(piece);
        first = false;
    }
    if first {
        head.remove(index);
    } else {
        head.replace(index, &kept);
    }
}

/// Makes the message say exactly what is wanted. `None` when its tokens were not looked at: then
/// what stands there stays, unless something is to be said.
#[inline(always)]
fn announce(
    name: &[u8],
    head: &mut Head,
    bytes: &[u8],
    tokens: Option<Tokens>,
    close: bool,
    keep_alive: bool,
) {
    let seen = tokens.unwrap_or_default();
    if close != seen.close_kept || keep_alive != seen.keep_alive_kept {
        rewrite(name, head, bytes, close, keep_alive);
    }
}

#[inline(never)]
fn rewrite(name: &[u8], head: &mut Head, bytes: &[u8], close: bool, keep_alive: bool) {
    // Rules may have written the header since it was looked at.
    let there = strip(name, head, bytes, !close, !keep_alive);
    if close && !there.close_kept {
        head.append_parts(&[name, b": close"]);
    }
    if keep_alive && !there.keep_alive_kept {
        head.append_parts(&[name, b": keep-alive"]);
    }
}

#[cfg(test)]
mod tests {
    use haproxy_cfg_grammar::Dialect;

    use super::*;
    use crate::http1::scan::{Kind, Tolerance};
    use crate::plan::ModeOptions;

    const NONE: ModeOptions = ModeOptions {
        httpclose: false,
        forceclose: false,
        http_server_close: false,
        http_pretend_keepalive: false,
        http_keep_alive: false,
        http_tunnel: false,
    };
    const HC: ModeOptions = ModeOptions {
        httpclose: true,
        ..NONE
    };
    const FC: ModeOptions = ModeOptions {
        forceclose: true,
        ..NONE
    };
    const SC: ModeOptions = ModeOptions {
        http_server_close: true,
        ..NONE
    };
    const PRETEND: ModeOptions = ModeOptions {
        http_pretend_keepalive: true,
        ..NONE
    };
    const SC_PRETEND: ModeOptions = ModeOptions {
        http_pretend_keepalive: true,
        ..SC
    };

    fn request(policy: Policy, version: &str, lines: &str) -> (Intent, String) {
        let mut bytes = format!("GET / HTTP/{version}\r\n{lines}\r\n").into_bytes();
        let mut head = Head::new(Kind::Request);
        head.scan(&mut bytes, Tolerance::default());
        let facts = RequestFacts {
            version: head.request_version(&bytes),
            length_known: true,
            stopping: false,
        };
        let mut connection = RequestConnection::default();
        connection.look(&mut head, &bytes, &policy, Stage::Frontend, facts);
        connection.look(&mut head, &bytes, &policy, Stage::Joint, facts);
        let intent = connection.finish(&mut head, &bytes, &policy, facts);
        let mut out = Vec::new();
        head.write_to(&bytes, &mut out);
        let start = "GET / HTTP/1.1\r\n".len();
        let text = String::from_utf8_lossy(&out[start..out.len() - 2]).into_owned();
        (intent, text)
    }

    #[test]
    fn requests() {
        use Dialect::{V1_4, V1_8};
        let close = "Connection: close\r\n";
        let keep = "Connection: keep-alive\r\n";
        let both = "Connection: upgrade, keep-alive\r\n";
        let upgrade_close = "Connection: upgrade\r\nConnection: close\r\n";
        for (name, dialect, frontend, backend, version, lines, intent, expected) in [
            (
                "nothing tunnels in 1.4",
                V1_4,
                NONE,
                NONE,
                "1.1",
                close,
                Intent::Tunnel,
                close,
            ),
            (
                "nothing keeps in 1.8",
                V1_8,
                NONE,
                NONE,
                "1.1",
                "",
                Intent::KeepAlive,
                "",
            ),
            (
                "client closes",
                V1_8,
                NONE,
                NONE,
                "1.1",
                close,
                Intent::Close,
                close,
            ),
            ("1.0 closes", V1_8, NONE, NONE, "1.0", "", Intent::Close, ""),
            (
                "1.0 keeps",
                V1_8,
                NONE,
                NONE,
                "1.0",
                keep,
                Intent::KeepAlive,
                keep,
            ),
            ("passive", V1_4, NONE, HC, "1.1", "", Intent::Tunnel, close),
            (
                "passive 1.0",
                V1_4,
                HC,
                NONE,
                "1.0",
                keep,
                Intent::Tunnel,
                "",
            ),
            (
                "passive 1.0, unseen",
                V1_8,
                HC,
                NONE,
                "1.0",
                keep,
                Intent::Tunnel,
                keep,
            ),
            (
                "passive 1.0, seen",
                V1_8,
                NONE,
                HC,
                "1.0",
                keep,
                Intent::Tunnel,
                "",
            ),
            (
                "passive behind keep-alive",
                V1_8,
                NONE,
                HC,
                "1.0",
                "",
                Intent::Close,
                "",
            ),
            (
                "server close",
                V1_4,
                SC,
                NONE,
                "1.1",
                keep,
                Intent::ServerClose,
                close,
            ),
            (
                "server close 1.0",
                V1_8,
                NONE,
                SC,
                "1.0",
                keep,
                Intent::ServerClose,
                "",
            ),
            (
                "server close and httpclose",
                V1_4,
                SC,
                HC,
                "1.1",
                "",
                Intent::Close,
                close,
            ),
            (
                "forced",
                V1_4,
                FC,
                NONE,
                "1.1",
                both,
                Intent::Close,
                upgrade_close,
            ),
            (
                "pretend",
                V1_4,
                SC_PRETEND,
                NONE,
                "1.1",
                "",
                Intent::ServerClose,
                "",
            ),
            (
                "pretend alone",
                V1_4,
                PRETEND,
                NONE,
                "1.1",
                "",
                Intent::Tunnel,
                "",
            ),
        ] {
            let policy = Policy::of(frontend, backend, dialect);
            let found = request(policy, version, lines);
            assert_eq!(found, (intent, expected.to_string()), "{name}");
        }
    }

    #[test]
    fn responses() {
        let sc = Policy::of(SC, NONE, Dialect::V1_4);
        let hc = Policy::of(HC, NONE, Dialect::V1_4);
        let (h10, h11) = (Version::Http10, Version::Http11);
        for (name, policy, intent, request, known, text, after, expected) in [
            (
                "kept",
                sc,
                Intent::ServerClose,
                h11,
                true,
                "HTTP/1.1 200 OK\r\nConnection: close\r\n",
                Intent::ServerClose,
                "HTTP/1.1 200 OK\r\n",
            ),
            (
                "kept 1.0",
                sc,
                Intent::ServerClose,
                h10,
                true,
                "HTTP/1.1 200 OK\r\n",
                Intent::ServerClose,
                "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n",
            ),
            (
                "no length",
                sc,
                Intent::ServerClose,
                h11,
                false,
                "HTTP/1.1 200 OK\r\n",
                Intent::Close,
                "HTTP/1.1 200 OK\r\nConnection: close\r\n",
            ),
            (
                "passive",
                hc,
                Intent::Tunnel,
                h11,
                true,
                "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n",
                Intent::Tunnel,
                "HTTP/1.1 200 OK\r\nConnection: close\r\n",
            ),
            (
                "passive 1.0",
                hc,
                Intent::Tunnel,
                h11,
                true,
                "HTTP/1.0 200 OK\r\nConnection: close\r\n",
                Intent::Tunnel,
                "HTTP/1.0 200 OK\r\n",
            ),
        ] {
            let mut bytes = format!("{text}\r\n").into_bytes();
            let mut head = Head::new(Kind::Response);
            head.scan(&mut bytes, Tolerance::default());
            let version = head.response_version(&bytes);
            let connection = ResponseConnection::look(
                &mut head, &bytes, intent, &policy, request, version, known,
            );
            let found = connection.finish(&mut head, &bytes);
            let mut out = Vec::new();
            head.write_to(&bytes, &mut out);
            assert_eq!(found, after, "{name}");
            assert_eq!(
                String::from_utf8_lossy(&out),
                format!("{expected}\r\n"),
                "{name}"
            );
        }
    }
}
