//! `option ldap-check`: an anonymous bind of LDAP version 3. Manual 1.4, section 4.2.

use super::probe::Answer;
use super::report::{Report, Status};

/// The bind: message 1, version 3, no name, no password.
pub(super) const REQUEST: &[u8] = b"0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\0\x80\0";

/// Reads the answer to it.
pub(super) fn answer(bytes: &[u8], ended: bool) -> Answer {
    if bytes.len() < 14 && !ended {
        return Answer::Wait;
    }
    let invalid = |words: &[u8]| Answer::Done(Report::new(Status::L7Invalid).saying(words));
    if bytes.len() < 14 || bytes[0] != 0x30 {
        return invalid(b"Not LDAPv3 protocol");
    }
    // A long length is told in as many bytes as its first one says.
    let more = if bytes[1] & 0x80 != 0 {
        usize::from(bytes[1] & 0x7f)
    } else {
        0
    };
    let Some(message) = bytes.get(2 + more..) else {
        return invalid(b"Not LDAPv3 protocol");
    };
    if !message.starts_with(&[2, 1, 1, 0x61]) {
        return invalid(b"Not LDAPv3 protocol");
    }
    match message.get(7) {
        Some(0) => Answer::Done(Report::new(Status::L7Ok).saying(b"Success")),
        Some(code) => Answer::Done(
            Report::new(Status::L7Wrong)
                .code((*code).into())
                .saying(b"See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9"),
        ),
        None => invalid(b"Not LDAPv3 protocol"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let of = |bytes: &[u8]| match answer(bytes, true) {
            Answer::Done(report) => (report.status, report.code),
            other => panic!("{other:?}"),
        };
        let ok = b"0\x0c\x02\x01\x01\x61\x07\n\x01\0\x04\0\x04\0";
        let long = b"0\x84\0\0\0\x10\x02\x01\x01\x61\x07\n\x01\0\x04\0\x04\0";
        let denied = b"0\x0c\x02\x01\x01\x61\x07\n\x01\x31\x04\0\x04\0";
        assert_eq!(of(ok), (Status::L7Ok, 0));
        assert_eq!(of(long), (Status::L7Ok, 0));
        assert_eq!(of(denied), (Status::L7Wrong, 49));
        assert_eq!(of(b"HTTP/1.0 400 Bad"), (Status::L7Invalid, 0));
        assert_eq!(
            of(b"0\xff\x02\x01\x01\x61\x07\n\x01\0\x04\0\x04\0").0,
            Status::L7Invalid
        );
        assert!(matches!(answer(b"0\x0c", false), Answer::Wait));
    }
}
