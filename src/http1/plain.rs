//! Lines of a head as nearly all of them are, found in one go.
//!
//! [`Scanner`](super::scan::Scanner) judges a line byte by byte, wherever it is cut and whatever is
//! wrong with it. A line that lies there whole, with single spaces and nothing odd, is recognised
//! here; the states say the same of it, and of all others only they speak.

use super::class::{TOKEN, after_class, after_letters, after_visible, end_of_value};
use super::scan::{HeaderLine, Kind, StartLine};

/// A start line with both of its spaces, a version of 1.0 or 1.1, and something in each place.
#[inline]
pub(super) fn plain_start_line(kind: Kind, bytes: &[u8], start: usize) -> Option<StartLine> {
    let first_end = match kind {
        Kind::Request => after_letters(bytes, start),
        Kind::Response => after_version(bytes, start)?,
    };
    let second = first_end + 1;
    let second_end = after_visible(bytes, second);
    let third = second_end + 1;
    let spaces = [first_end, second_end].map(|at| bytes.get(at) == Some(&b' '));
    if spaces != [true; 2] || first_end == start || second_end == second {
        return None;
    }
    let third_end = match kind {
        Kind::Request => after_version(bytes, third)?,
        Kind::Response => end_of_value(bytes, third),
    };
    if is_blank(bytes.get(third)?) || third_end == third {
        return None;
    }
    Some(StartLine {
        start: start as u32,
        first_end: first_end as u32,
        second: (second as u32, second_end as u32),
        third: (third as u32, third_end as u32),
        end: after_line_end(bytes, third_end)? as u32,
    })
}

/// A header line with a value, and with the byte behind it, which does not continue it.
#[inline]
pub(super) fn plain_line(bytes: &[u8], start: usize) -> Option<HeaderLine> {
    let letters = after_letters(bytes, start);
    let colon = match bytes.get(letters)? {
        b':' => letters,
        _ => after_class(bytes, letters, TOKEN),
    };
    if *bytes.get(colon)? != b':' {
        return None;
    }
    let blanks = bytes[colon + 1..].iter().position(|byte| !is_blank(byte))?;
    let value_start = colon + 1 + blanks;
    let value_end = end_of_value(bytes, value_start);
    let end = after_line_end(bytes, value_end)?;
    if value_end == value_start || is_blank(bytes.get(end)?) {
        return None;
    }
    Some(HeaderLine {
        start: start as u32,
        colon: colon as u32,
        value_start: value_start as u32,
        value_end: value_end as u32,
        end: end as u32,
    })
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Behind `HTTP/1.0` or `HTTP/1.1`.
fn after_version(bytes: &[u8], from: usize) -> Option<usize> {
    let version = bytes.get(from..from + 8)?;
    matches!(version, b"HTTP/1.0" | b"HTTP/1.1").then_some(from + 8)
}

/// Behind LF, or CR LF.
fn after_line_end(bytes: &[u8], at: usize) -> Option<usize> {
    let lf = at + usize::from(*bytes.get(at)? == b'\r');
    (*bytes.get(lf)? == b'\n').then_some(lf + 1)
}
