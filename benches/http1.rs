//! What a request costs before it is sent: the scan of its head, edits, chunks, the connection mode.
//!
//! `cargo bench --bench http1`

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use hapax::http1::{Body, Framing, Head, Kind, Scan, Tolerance};
use hapax::plan::{ConnectionMode, ModeOptions};
use haproxy_cfg_grammar::Dialect;

fn main() {
    divan::main();
}

/// A request as browsers send it, with that many header lines.
fn request(lines: usize) -> Vec<u8> {
    let mut text =
        String::from("GET /articles/2026/11/a?page=2 HTTP/1.1\r\nHost: www.example.com\r\n");
    for n in 1..lines {
        text.push_str(&format!("X-Header-{n}: a value of some length, {n}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

#[divan::bench(args = [2, 10, 40])]
fn scan(bencher: Bencher<'_, '_>, lines: usize) {
    let mut bytes = request(lines);
    let mut head = Head::new(Kind::Request);
    bencher
        .counter(BytesCount::of_slice(&bytes.clone()))
        .bench_local(|| {
            head.reset(Kind::Request);
            let scan = head.scan(black_box(&mut bytes), Tolerance::default());
            assert!(matches!(scan, Scan::Complete(_)));
        });
}

/// One header found and removed, one added, all written out.
#[divan::bench(args = [2, 10, 40])]
fn edit_and_write(bencher: Bencher<'_, '_>, lines: usize) {
    let mut bytes = request(lines);
    let mut head = Head::new(Kind::Request);
    let mut out = Vec::new();
    bencher.bench_local(|| {
        head.reset(Kind::Request);
        head.scan(&mut bytes, Tolerance::default());
        head.remove_all(&bytes, b"X-Header-1");
        head.append(b"X-Forwarded-For: 192.0.2.1");
        out.clear();
        head.write_to(&bytes, &mut out);
        black_box(out.len())
    });
}

#[divan::bench(args = [64, 1024, 16384])]
fn chunks(bencher: Bencher<'_, '_>, size: usize) {
    let chunk = [
        format!("{size:x}\r\n").into_bytes(),
        vec![b'x'; size],
        b"\r\n".to_vec(),
    ]
    .concat();
    let bytes = [chunk.repeat(65_536 / size), b"0\r\n\r\n".to_vec()].concat();
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| {
            let mut body = Body::new(Framing::Chunked);
            body.advance(black_box(&bytes))
                .is_ok_and(|taken| taken == bytes.len())
        });
}

#[divan::bench]
fn connection_mode(bencher: Bencher<'_, '_>) {
    let frontend = ModeOptions {
        httpclose: true,
        ..ModeOptions::default()
    };
    let backend = ModeOptions {
        http_server_close: true,
        ..ModeOptions::default()
    };
    bencher
        .bench_local(|| ConnectionMode::of(black_box(frontend), black_box(backend), Dialect::V1_4));
}
