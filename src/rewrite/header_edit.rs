//! `http-request set-header` and its like, since 1.5.

use crate::http1::Head;
use crate::plan::{Edit, HeaderEdit};
use crate::sample::{Facts, format};

/// The line that an edit adds, made from what is there before the edit. Nothing to delete.
pub fn line(edit: &HeaderEdit, facts: &Facts<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    if edit.edit != Edit::Delete {
        line.extend_from_slice(&edit.name);
        line.extend_from_slice(b": ");
        format::write(&edit.value, facts, &mut line);
    }
    line
}

/// Applies an edit with its line.
pub fn apply(edit: &HeaderEdit, line: &[u8], head: &mut Head, bytes: &[u8]) {
    if edit.edit != Edit::Add {
        head.remove_all(bytes, &edit.name);
    }
    if edit.edit != Edit::Delete {
        head.append(line);
    }
}
