//! `option smtpchk`. Manual 1.4, section 4.2.

use super::probe::Answer;
use super::report::{Report, Status, three_digits, trimmed};

/// Reads the greeting. What the server says to the `HELO` is not waited for.
pub(super) fn answer(bytes: &[u8], ended: bool) -> Answer {
    if bytes.len() < 4 && !ended {
        return Answer::Wait;
    }
    let code = bytes
        .get(3)
        .filter(|byte| matches!(byte, b' ' | b'\r'))
        .and_then(|_| three_digits(bytes));
    let Some(code) = code else {
        return Answer::Done(Report::new(Status::L7Invalid).saying(bytes));
    };
    let status = if code / 100 == 2 {
        Status::L7Ok
    } else {
        Status::L7Wrong
    };
    Answer::Done(Report::new(status).code(code).saying(trimmed(&bytes[3..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        for (bytes, status, code, said) in [
            ("220 mail ready\r\n", Status::L7Ok, 220, "mail ready"),
            ("421 busy\r\n", Status::L7Wrong, 421, "busy"),
            ("250\r\n", Status::L7Ok, 250, ""),
            ("220-a\r\n220 b\r\n", Status::L7Invalid, 0, "220-a"),
            ("xx", Status::L7Invalid, 0, "xx"),
            ("", Status::L7Invalid, 0, ""),
        ] {
            let Answer::Done(report) = answer(bytes.as_bytes(), true) else {
                panic!("{bytes:?}");
            };
            let wanted = Report::new(status).code(code).saying(said.as_bytes());
            assert_eq!(report, wanted, "{bytes:?}");
        }
        assert!(matches!(answer(b"22", false), Answer::Wait));
    }
}
