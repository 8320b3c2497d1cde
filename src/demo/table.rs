//! What crossed the wire, side by side: the client's side on the left, the servers' on the right.

use super::exchange::{Closer, Exchange, ModeReport};

/// The exchanges of one mode as text.
pub(super) fn mode(report: &ModeReport) -> String {
    let mut out = format!(
        "\n{}: {}\n  {}\n\n",
        report.name, report.option, report.promise
    );
    let mut client_connection = 0;
    let mut server_connection = 0;
    out.push_str(&row(" ", "client <-> proxy", "proxy <-> server", ""));
    out.push_str(&rule());
    for exchange in &report.exchanges {
        let new_client = exchange.client_connection != client_connection;
        let new_server = exchange.server_connection != server_connection;
        client_connection = exchange.client_connection;
        server_connection = exchange.server_connection;
        let connection = |number: usize, new: bool| {
            let state = if new { "new" } else { "same" };
            format!("[{state} connection, number {number}]")
        };
        let right = format!(
            "{} to server {}",
            connection(server_connection, new_server),
            exchange.server
        );
        out.push_str(&row(
            " ",
            &connection(client_connection, new_client),
            &right,
            "",
        ));
        push_exchange(&mut out, exchange);
    }
    out.push_str(&format!(
        "  {}; {}\n",
        endings("client connection", &report.client_ends),
        endings("server connection", &report.server_ends),
    ));
    out
}

/// One line per mode.
pub(super) fn summary(reports: &[ModeReport]) -> String {
    let mut rows = vec![SUMMARY_TITLES.map(str::to_owned)];
    rows.extend(reports.iter().map(|report| {
        [
            report.name.to_owned(),
            report.client_ends.len().to_string(),
            report.server_ends.len().to_string(),
            told(report, |exchange| &exchange.request.server),
            told(report, |exchange| &exchange.response.client),
            closers(&report.client_ends),
            closers(&report.server_ends),
        ]
    }));
    let widths: Vec<usize> = (0..SUMMARY_TITLES.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        out.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            out.push_str(&format!("  {}\n", rules.join("  ")));
        }
    }
    out
}

fn push_exchange(out: &mut String, exchange: &Exchange) {
    for (arrow, head, on_the_way) in [
        (">", &exchange.request, Direction::ToServer),
        ("<", &exchange.response, Direction::ToClient),
    ] {
        for (client, server) in align(&head.client, &head.server) {
            let mark = match (client, server, on_the_way) {
                (Some(_), Some(_), _) => "",
                (None, _, Direction::ToServer) | (_, None, Direction::ToClient) => "added",
                (None, _, Direction::ToClient) | (_, None, Direction::ToServer) => "taken out",
            };
            out.push_str(&row(
                arrow,
                client.unwrap_or(""),
                server.unwrap_or(""),
                mark,
            ));
        }
    }
    out.push_str(&row(" ", "", "", ""));
}

#[derive(Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

/// Pairs equal lines, in order; a line without an equal stands alone.
fn align<'a>(left: &'a [String], right: &'a [String]) -> Vec<(Option<&'a str>, Option<&'a str>)> {
    // lengths[i][j]: how many lines the tails from i and j have in common, in order.
    let mut lengths = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            lengths[i][j] = if left[i] == right[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        let both = i < left.len() && j < right.len();
        if both && left[i] == right[j] {
            pairs.push((Some(left[i].as_str()), Some(right[j].as_str())));
            (i, j) = (i + 1, j + 1);
        } else if i < left.len() && (!both || lengths[i + 1][j] >= lengths[i][j + 1]) {
            pairs.push((Some(left[i].as_str()), None));
            i += 1;
        } else {
            pairs.push((None, Some(right[j].as_str())));
            j += 1;
        }
    }
    pairs
}

/// The values of `Connection` headers in the heads that one party got.
fn told(report: &ModeReport, heads: impl Fn(&Exchange) -> &Vec<String>) -> String {
    let mut values: Vec<String> = Vec::new();
    for exchange in &report.exchanges {
        let lines = heads(exchange)
            .iter()
            .filter_map(|line| line.split_once(':'));
        let connection = lines.filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
        values.extend(connection.map(|(_, value)| value.trim().to_ascii_lowercase()));
    }
    values.dedup();
    if values.is_empty() {
        "nothing".to_owned()
    } else {
        values.join(", ")
    }
}

fn endings(what: &str, ends: &[Option<Closer>]) -> String {
    let plural = if ends.len() == 1 { "" } else { "s" };
    format!("{} {what}{plural}: {}", ends.len(), closers(ends))
}

fn closers(ends: &[Option<Closer>]) -> String {
    let mut words: Vec<&str> = ends
        .iter()
        .map(|end| match end {
            None => "kept",
            Some(Closer::Proxy) => "proxy closed",
            Some(Closer::Peer) => "server closed",
        })
        .collect();
    words.dedup();
    words.join(", then ")
}

fn row(arrow: &str, left: &str, right: &str, mark: &str) -> String {
    let left = clipped(left);
    let right = clipped(right);
    let line = format!("  {arrow} {left:<COLUMN$} | {right:<COLUMN$} {mark}");
    format!("{}\n", line.trim_end())
}

fn rule() -> String {
    let dashes = "-".repeat(COLUMN);
    format!("    {dashes}-+-{dashes}\n")
}

fn clipped(text: &str) -> String {
    if text.chars().count() <= COLUMN {
        return text.to_owned();
    }
    let kept: String = text.chars().take(COLUMN - 3).collect();
    format!("{kept}...")
}

const COLUMN: usize = 42;
const SUMMARY_TITLES: [&str; 7] = [
    "mode",
    "client conns",
    "server conns",
    "server told",
    "client told",
    "client side",
    "server side",
];

#[cfg(test)]
mod tests {
    use super::super::exchange::Heads;
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    fn server_close() -> ModeReport {
        let exchange = |number: usize, server: &str| Exchange {
            client_connection: 1,
            server_connection: number,
            server: server.to_owned(),
            request: Heads {
                client: lines(&["GET / HTTP/1.1", "Host: a"]),
                server: lines(&["GET / HTTP/1.1", "Host: a", "Connection: close"]),
            },
            response: Heads {
                client: lines(&["HTTP/1.1 200 OK", "content-length: 3"]),
                server: lines(&["HTTP/1.1 200 OK", "connection: close", "content-length: 3"]),
            },
        };
        ModeReport {
            name: "server-close",
            option: "option http-server-close",
            promise: "Promised.",
            exchanges: vec![exchange(1, "one"), exchange(2, "two")],
            client_ends: vec![None],
            server_ends: vec![Some(Closer::Peer), Some(Closer::Proxy)],
        }
    }

    #[test]
    fn heads_stand_side_by_side() {
        let expected = "
server-close: option http-server-close
  Promised.

    client <-> proxy                           | proxy <-> server
    -------------------------------------------+-------------------------------------------
    [new connection, number 1]                 | [new connection, number 1] to server one
  > GET / HTTP/1.1                             | GET / HTTP/1.1
  > Host: a                                    | Host: a
  >                                            | Connection: close                          added
  < HTTP/1.1 200 OK                            | HTTP/1.1 200 OK
  <                                            | connection: close                          taken out
  < content-length: 3                          | content-length: 3
                                               |
    [same connection, number 1]                | [new connection, number 2] to server two
  > GET / HTTP/1.1                             | GET / HTTP/1.1
  > Host: a                                    | Host: a
  >                                            | Connection: close                          added
  < HTTP/1.1 200 OK                            | HTTP/1.1 200 OK
  <                                            | connection: close                          taken out
  < content-length: 3                          | content-length: 3
                                               |
  1 client connection: kept; 2 server connections: server closed, then proxy closed
";
        assert_eq!(mode(&server_close()), expected);
    }

    #[test]
    fn modes_are_summed_up_in_a_line() {
        let text = summary(&[server_close()]);
        let row = text.lines().nth(2).expect("a row");
        let words: Vec<&str> = row
            .split("  ")
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        assert_eq!(
            words,
            [
                "server-close",
                "1",
                "2",
                "close",
                "nothing",
                "kept",
                "server closed, then proxy closed"
            ]
        );
    }

    #[test]
    fn lines_without_an_equal_stand_alone() {
        let left = lines(&["a", "b", "d"]);
        let right = lines(&["a", "c", "d", "e"]);
        let expected = [
            (Some("a"), Some("a")),
            (Some("b"), None),
            (None, Some("c")),
            (Some("d"), Some("d")),
            (None, Some("e")),
        ];
        assert_eq!(align(&left, &right), expected);
    }
}
