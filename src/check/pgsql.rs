//! `option pgsql-check` of 1.5 and later: a session is begun as a user.

use super::probe::Answer;
use super::report::{Report, Status};

/// The start of a session of protocol 3.0.
pub(super) fn request(user: &[u8]) -> Vec<u8> {
    let content = [&[0, 3, 0, 0], &b"user\0"[..], user, &[0, 0]].concat();
    let mut bytes = (content.len() as u32 + 4).to_be_bytes().to_vec();
    bytes.extend_from_slice(&content);
    bytes
}

/// Reads the answer: being asked for a password is enough.
pub(super) fn answer(bytes: &[u8], ended: bool) -> Answer {
    if bytes.len() < 9 && !ended {
        return Answer::Wait;
    }
    Answer::Done(match bytes.first() {
        Some(b'R') => Report::new(Status::L7Ok).saying(b"PostgreSQL server is ok"),
        Some(b'E') => {
            // The kind of mistake, behind the length.
            let text = bytes.get(6..).unwrap_or_default();
            Report::new(Status::L7Wrong).saying(text)
        }
        _ => Report::new(Status::L7Wrong).saying(b"PostgreSQL unknown error"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_and_answers() {
        assert_eq!(request(b"bob"), b"\0\0\0\x12\0\x03\0\0user\0bob\0\0");
        let status = |bytes: &[u8]| match answer(bytes, true) {
            Answer::Done(report) => report.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status(b"R\0\0\0\x08\0\0\0\0"), Status::L7Ok);
        assert_eq!(status(b"E\0\0\0\x0eSFATAL\0\0"), Status::L7Wrong);
        assert_eq!(status(b""), Status::L7Wrong);
    }
}
