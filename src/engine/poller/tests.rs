//! Crowded rounds, one after the other, with the peers in the same thread; and a thread that waits.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::Timespec;

use super::{CROWD, POLLER, install, run};
use crate::engine::socket::Socket;
use crate::engine::{runner, timers};

/// Connections whose other ends are in the hands of the test.
struct Stage {
    sockets: Vec<Socket>,
    peers: Vec<TcpStream>,
}

impl Stage {
    /// As many connections as make a round crowded, all of them waiting to receive.
    fn new() -> Self {
        install().expect("a poller");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let (mut sockets, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..CROWD {
            peers.push(TcpStream::connect(address).expect("connected"));
            let (stream, _) = listener.accept().expect("accepted");
            stream.set_nonblocking(true).expect("non-blocking");
            sockets.push(Socket::new(stream.into()));
        }
        for peer in &peers {
            let patience = Some(Duration::from_secs(10));
            peer.set_read_timeout(patience).expect("patience");
        }
        let mut stage = Self { sockets, peers };
        for number in 0..CROWD {
            assert_eq!(stage.receive(number), None);
        }
        round(true);
        stage
    }

    /// What a task that waits to receive would get.
    fn receive(&mut self, number: usize) -> Option<String> {
        self.receive_some(number, 100).map(|got| got.expect("open"))
    }

    fn receive_some(&mut self, number: usize, most: usize) -> Option<io::Result<String>> {
        let mut room = vec![0; most];
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(got) = self.sockets[number].poll_recv(&mut cx, &mut room) else {
            return None;
        };
        Some(got.map(|n| String::from_utf8_lossy(&room[..n]).into_owned()))
    }

    /// Whether the socket takes a message. In a crowded round it is posted.
    fn send(&mut self, number: usize, message: &[u8]) -> Option<io::Result<usize>> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.sockets[number].poll_send(&mut cx, message, &[], false) {
            Poll::Ready(sent) => Some(sent),
            Poll::Pending => None,
        }
    }

    /// Has the peers say something, the last of them the last word, and one round go by in which all
    /// were heard.
    fn tell(&mut self, words: &[&str]) {
        let last = words.last().expect("a word");
        let words = words.iter().chain(std::iter::repeat(last));
        for (peer, word) in self.peers.iter_mut().zip(words) {
            peer.write_all(word.as_bytes()).expect("said");
        }
        assert_eq!(round(true), self.peers.len());
    }

    /// Fills the socket until the system takes no more. Answers how much it took.
    fn fill(&self, number: usize) -> usize {
        let fd = self.sockets[number].fd();
        rustix::net::sockopt::set_socket_send_buffer_size(fd, 1).expect("a small buffer");
        let mut taken = 0;
        while let Ok(n) = rustix::net::send(fd, &[b'f'; 4096], rustix::net::SendFlags::NOSIGNAL) {
            taken += n;
        }
        taken
    }

    /// Reads what the peer gets, with rounds in between, until it has that much or the end comes.
    fn drain(&mut self, number: usize, most: usize) -> Vec<u8> {
        let peer = &mut self.peers[number];
        peer.set_nonblocking(true).expect("non-blocking");
        let deadline = Instant::now() + Duration::from_secs(10);
        let (mut got, mut room) = (Vec::new(), [0; 65536]);
        while got.len() < most {
            match peer.read(&mut room) {
                Ok(0) => break,
                Ok(n) => got.extend_from_slice(&room[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "{} bytes and no more", got.len());
                    round(false);
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        }
        got
    }
}

/// One round, and whether it counts as crowded.
fn round(crowded: bool) -> usize {
    let mut events = Vec::with_capacity(64);
    POLLER.with(|cell| {
        let poller = cell.get().expect("installed");
        let found = poller
            .round(&mut events, Some(Timespec::default()))
            .expect("a round");
        poller.crowded.set(crowded);
        found
    })
}

fn watched() -> usize {
    POLLER.with(|cell| cell.get().expect("installed").entries.borrow().len())
}

/// What the peer can read without waiting.
fn at_hand(peer: &mut TcpStream) -> Option<String> {
    peer.set_nonblocking(true).expect("non-blocking");
    let mut room = [0; 100];
    let got = peer.read(&mut room).ok()?;
    Some(String::from_utf8_lossy(&room[..got]).into_owned())
}

#[test]
fn messages_are_received_before_tasks_run_and_sent_after() {
    let mut stage = Stage::new();
    stage.tell(&["zero", "one", "two", "three"]);
    assert!(stage.sockets.iter().all(Socket::has_arrived));
    for (number, word) in ["zero", "one", "two", "three"].into_iter().enumerate() {
        assert_eq!(stage.receive(number).as_deref(), Some(word));
        assert_eq!(stage.receive(number), None);
        assert_eq!(
            stage.send(number, word.as_bytes()).map(Result::ok),
            Some(Some(word.len()))
        );
        assert_eq!(at_hand(&mut stage.peers[number]), None);
    }
    round(true);
    for (number, word) in ["zero", "one", "two", "three"].into_iter().enumerate() {
        assert_eq!(at_hand(&mut stage.peers[number]).as_deref(), Some(word));
    }
}

#[test]
fn a_second_message_follows_the_first() {
    let mut stage = Stage::new();
    assert!(stage.send(0, b"first, ").is_some());
    assert!(stage.send(0, b"second").is_some());
    round(true);
    assert_eq!(stage.drain(0, 13), b"first, second");
}

#[test]
fn what_is_not_wanted_at_once_is_kept() {
    let mut stage = Stage::new();
    stage.tell(&["a long word", "b", "c", "d"]);
    let part = stage.receive_some(0, 2).and_then(Result::ok);
    assert_eq!(part.as_deref(), Some("a "));
    round(true);
    round(true);
    assert!(!stage.sockets[0].is_quiet());
    let part = stage.receive_some(0, 4).and_then(Result::ok);
    assert_eq!(part.as_deref(), Some("long"));
    // What comes meanwhile comes behind it.
    stage.peers[0].write_all(b", and more").expect("said");
    assert_eq!(stage.receive(0).as_deref(), Some(" word"));
    let mut rest = None;
    while rest.is_none() {
        round(true);
        rest = stage.receive(0);
    }
    assert_eq!(rest.as_deref(), Some(", and more"));
    assert_eq!(stage.receive(0), None);
    assert!(stage.sockets[0].is_quiet());
}

#[test]
fn a_long_message_is_received_to_its_end() {
    let mut stage = Stage::new();
    let long = "x".repeat(10_000);
    stage.tell(&[&long, "b", "c", "d"]);
    // In one go, as if it had not been received in part.
    let got = stage.receive_some(0, 20_000).and_then(Result::ok);
    assert_eq!(got.map(|got| got.len()), Some(long.len()));
    assert_eq!(stage.receive(0), None);
}

#[test]
fn a_socket_that_is_closed_with_something_unread_is_reset() {
    let mut stage = Stage::new();
    stage.tell(&["unread", "b", "c", "d"]);
    stage.sockets.remove(0);
    let error = stage.peers[0].read(&mut [0; 10]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // And one whose message was taken is not.
    assert_eq!(stage.receive(0).as_deref(), Some("b"));
    stage.sockets.remove(0);
    assert_eq!(stage.peers[1].read(&mut [0; 10]).expect("an end"), 0);
}

#[test]
fn a_message_posted_before_a_close_leaves() {
    let mut stage = Stage::new();
    assert!(stage.send(0, b"last words").is_some());
    stage.sockets.remove(0);
    assert_eq!(stage.drain(0, usize::MAX), b"last words");
}

#[test]
fn what_the_system_does_not_take_is_held_and_keeps_the_order() {
    let mut stage = Stage::new();
    let filled = stage.fill(0);
    assert_eq!(
        stage.send(0, &[b'h'; 3000]).map(Result::ok),
        Some(Some(3000))
    );
    round(true);
    // Nothing can be sent, or posted, before that has left.
    assert!(stage.send(0, b"behind").is_none());
    round(true);
    assert!(stage.send(0, b"behind").is_none());
    let mut got = stage.drain(0, filled + 3000);
    assert_eq!(got.split_off(filled), [b'h'; 3000]);
    assert_eq!(stage.send(0, b"behind").map(Result::ok), Some(Some(6)));
    assert_eq!(stage.drain(0, 6), b"behind");
}

#[test]
fn an_end_waits_for_what_is_held() {
    let mut stage = Stage::new();
    let filled = stage.fill(0);
    assert!(stage.send(0, &[b'h'; 3000]).is_some());
    stage.sockets[0].shutdown_write();
    let got = stage.drain(0, usize::MAX);
    assert_eq!(got.len(), filled + 3000);
    // The other direction is open.
    stage.peers[0].write_all(b"answer").expect("said");
    let mut answer = None;
    while answer.is_none() {
        round(true);
        answer = stage.receive(0);
    }
    assert_eq!(answer.as_deref(), Some("answer"));
}

#[test]
fn a_socket_that_is_closed_stays_until_what_is_held_has_left() {
    let mut stage = Stage::new();
    let filled = stage.fill(0);
    assert!(stage.send(0, &[b'h'; 3000]).is_some());
    stage.sockets.remove(0);
    assert_eq!(watched(), CROWD);
    let got = stage.drain(0, usize::MAX);
    assert_eq!(got.len(), filled + 3000);
    assert_eq!(watched(), CROWD - 1);
}

#[test]
fn who_is_reset_leaves_nothing_behind() {
    let mut stage = Stage::new();
    stage.fill(0);
    assert!(stage.send(0, &[b'h'; 3000]).is_some());
    stage.sockets[0].reset_on_close();
    stage.sockets.remove(0);
    assert_eq!(watched(), CROWD - 1);
}

#[test]
fn a_peer_that_has_gone_is_noticed_by_who_receives() {
    let mut stage = Stage::new();
    let peer = stage.peers.remove(0);
    socket2::SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .expect("lingers");
    drop(peer);
    // No round has told of it: the message counts as sent.
    assert_eq!(stage.send(0, b"to nobody").map(Result::ok), Some(Some(9)));
    round(true);
    assert!(stage.receive_some(0, 10).is_some_and(|got| got.is_err()));
}

#[test]
fn a_thread_sleeps_until_its_next_timer_and_no_longer() {
    install().expect("a poller");
    runner::install().expect("a runner");
    let over = Rc::new(Cell::new(false));
    let begun = Instant::now();
    runner::spawn(timers::sleep(Duration::from_secs(3_600)));
    let ends = Rc::clone(&over);
    runner::spawn(async move {
        // Each is sooner than what the thread was told to wait for.
        timers::sleep(Duration::from_millis(20)).await;
        timers::sleep(Duration::from_millis(5)).await;
        ends.set(true);
    });
    run(&over).expect("no failure");
    assert!(begun.elapsed() >= Duration::from_millis(25));
    let rounds = POLLER.with(|poller| poller.get().map(|poller| poller.number.get()));
    assert!(rounds.is_some_and(|rounds| rounds < 10), "{rounds:?}");
    runner::clear();
}
