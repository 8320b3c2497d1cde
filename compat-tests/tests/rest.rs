//! What a worker knows that has had nothing to do for a while.

use std::net::Ipv4Addr;
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::stand;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// The time-outs of a client begin when it comes, not when the worker was last awake.
#[tokio::test]
async fn a_client_of_a_rested_worker_has_its_time() {
    let port = free_port().expect("a free port");
    let text = format!(
        "global\n    nbthread 1\ndefaults\n    mode http\n    timeout client 1s\n    \
         timeout http-request 1s\nfrontend f\n    bind 127.0.0.1:{port}\n    monitor-uri /m\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let _proxy = stand::serve(folder.path(), &[], &text, &[port]).await;
    for _ in 0..2 {
        // Longer than the time-outs: that is what the worker sleeps through.
        sleep(Duration::from_millis(1200)).await;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        let mut stream = stream.expect("accepted");
        let request = stream.write_all(b"GET /m HTTP/1.0\r\n\r\n").await;
        request.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answered");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    }
}
