//! Servers behind the proxy that is looked at.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server: answers every request of a connection after a while, or when it is let go.
pub(super) struct Origin {
    pub(super) port: u16,
    state: Arc<OriginState>,
}

#[derive(Default)]
struct OriginState {
    busy: AtomicU32,
    most: AtomicU32,
    free: AtomicBool,
}

impl Origin {
    /// Starts one that answers with that body.
    pub(super) fn start(delay: Duration, body: &'static str) -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        let state = Arc::<OriginState>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, delay, body, &state));
            }
        });
        Ok(Self { port, state })
    }

    /// How many requests it has.
    pub(super) fn busy(&self) -> u32 {
        self.state.busy.load(Ordering::SeqCst)
    }

    /// How many it had at the most.
    pub(super) fn most(&self) -> u32 {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Answers what it has, and from then on at once.
    pub(super) fn let_go(&self) {
        self.state.free.store(true, Ordering::SeqCst);
    }
}

fn serve(mut stream: TcpStream, delay: Duration, body: &str, state: &OriginState) {
    while read_head(&mut stream) {
        let busy = state.busy.fetch_add(1, Ordering::SeqCst) + 1;
        state.most.fetch_max(busy, Ordering::SeqCst);
        let start = Instant::now();
        while start.elapsed() < delay && !state.free.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        state.busy.fetch_sub(1, Ordering::SeqCst);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads up to an empty line; `false` when the stream ends before.
fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => head.extend_from_slice(&chunk[..n]),
            _ => return false,
        }
    }
    true
}
