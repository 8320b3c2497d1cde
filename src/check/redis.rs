//! `option redis-check` of 1.5 and later: `PING` and `+PONG`.

use super::probe::Answer;
use super::report::{Report, Status};

/// `PING` in the server's protocol.
pub(super) const REQUEST: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Reads the answer.
pub(super) fn answer(bytes: &[u8], ended: bool) -> Answer {
    if bytes.len() < 7 && !ended {
        return Answer::Wait;
    }
    Answer::Done(if bytes.starts_with(b"+PONG\r\n") {
        Report::new(Status::L7Ok).saying(b"Redis server is ok")
    } else {
        Report::new(Status::L7Wrong).saying(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let status = |bytes: &[u8], ended| match answer(bytes, ended) {
            Answer::Done(report) => Some(report.status),
            _ => None,
        };
        assert_eq!(status(b"+PONG\r\n", false), Some(Status::L7Ok));
        assert_eq!(status(b"-ERR no\r\n", false), Some(Status::L7Wrong));
        assert_eq!(status(b"+PO", false), None);
        assert_eq!(status(b"", true), Some(Status::L7Wrong));
    }
}
