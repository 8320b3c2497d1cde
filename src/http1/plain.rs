//! Lines of a head as nearly all of them are, found in one go.
//!
//! [`Scanner`](super::scan::Scanner) judges a line byte by byte, wherever it is cut and whatever is
//! wrong with it. A line that lies there whole, with single spaces, CR LF and nothing odd, is
//! recognised here; the states say the same of it, and of all others only they speak.

use super::blocks::SIZE;
use super::class::{after_name, after_visible, end_of_value};
use super::scan::{HeaderLine, Kind, StartLine};

/// A start line with a version of 1.0 or 1.1, and something in each place.
pub(super) fn plain_start_line(kind: Kind, bytes: &[u8], start: usize) -> Option<StartLine> {
    let (first_end, second_end, third_end) = match kind {
        Kind::Request => request_line(bytes, start)?,
        Kind::Response => status_line(bytes, start)?,
    };
    Some(StartLine {
        start: start as u32,
        first_end: first_end as u32,
        second: (first_end as u32 + 1, second_end as u32),
        third: (second_end as u32 + 1, third_end as u32),
        end: third_end as u32 + 2,
    })
}

/// Where method, URI and version of a request end.
#[inline]
fn request_line(bytes: &[u8], start: usize) -> Option<(usize, usize, usize)> {
    let first_end = after_name(bytes, start);
    let second_end = after_visible(bytes, first_end + 1);
    let [b' ', version @ .., b'\r', b'\n'] = part::<11>(bytes, second_end)? else {
        return None;
    };
    let is_plain = bytes[first_end] == b' '
        && first_end > start
        && second_end > first_end + 1
        && is_plain_version(*version);
    is_plain.then_some((first_end, second_end, second_end + 9))
}

/// Where version, code and reason of a response end.
#[inline]
fn status_line(bytes: &[u8], start: usize) -> Option<(usize, usize, usize)> {
    let [version @ .., b' '] = part::<9>(bytes, start)? else {
        return None;
    };
    let first_end = start + 8;
    let second_end = after_visible(bytes, first_end + 1);
    let [b' ', reason] = part(bytes, second_end)? else {
        return None;
    };
    let third_end = end_of_value(bytes, second_end + 1);
    let is_plain = second_end > first_end + 1
        && *reason > b' '
        && is_plain_version(*version)
        && part(bytes, third_end)? == b"\r\n";
    is_plain.then_some((first_end, second_end, third_end))
}

/// Adds header lines as long as they are plain, and answers where the first other one begins, or the
/// end of the head. A function of its own: the states have no registers to spare for it.
#[inline(never)]
pub(super) fn plain_lines(bytes: &[u8], start: usize, lines: &mut Vec<HeaderLine>) -> usize {
    if bytes.len() < SIZE {
        return start;
    }
    let mut at = start;
    while let Some((line, next)) = plain_line(bytes, at) {
        // A blank continues the line.
        if matches!(next, b' ' | b'\t') {
            break;
        }
        lines.push(line);
        at = line.end as usize;
        if next == b'\r' {
            break;
        }
    }
    at
}

/// A header line with a value behind one space, and the byte behind it.
#[inline(always)]
fn plain_line(bytes: &[u8], start: usize) -> Option<(HeaderLine, u8)> {
    let colon = after_name(bytes, start);
    let [before_value @ .., value] = part::<3>(bytes, colon)?;
    if before_value != b": " {
        return None;
    }
    let value_end = end_of_value(bytes, colon + 2);
    let [line_end @ .., next] = part::<3>(bytes, value_end)?;
    if line_end != b"\r\n" {
        return None;
    }
    let line = HeaderLine {
        start: start as u32,
        colon: colon as u32,
        value_start: colon as u32 + 2,
        value_end: value_end as u32,
        end: value_end as u32 + 2,
    };
    (*value > b' ').then_some((line, *next))
}

/// As many bytes from a place on.
#[inline(always)]
fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

/// Compared as words, which a pattern would not be.
fn is_plain_version(version: [u8; 8]) -> bool {
    version == *b"HTTP/1.1" || version == *b"HTTP/1.0"
}
