//! Owner and permissions of the file of a Unix socket: `user`, `group`, `uid`, `gid`, `mode`. Manual
//! 1.4, section 3.1 "stats socket"; of `bind` since 1.5.

use crate::arguments::Arguments;
use crate::{Diagnostic, Dialect, Word};

/// To whom the file belongs and who may use it.
#[derive(Clone, Debug, Default)]
pub struct SocketFile {
    /// `user`.
    pub user: Option<Word>,
    /// `group`.
    pub group: Option<Word>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
    /// `mode`, an octal number; 0 is none.
    pub mode: Option<u32>,
}

/// The names of these options.
pub const NAMES: [&str; 5] = ["user", "uid", "group", "gid", "mode"];

impl SocketFile {
    /// Reads the value of one of the options; `false` when it is none of them. Of a name and a
    /// number the later one holds.
    pub(super) fn option(
        &mut self,
        arguments: &mut Arguments<'_>,
        name: &str,
    ) -> Result<bool, Diagnostic> {
        match name {
            "user" => {
                self.user = Some(arguments.require("a user after 'user'")?.clone());
                self.uid = None;
            }
            "group" => {
                self.group = Some(arguments.require("a group after 'group'")?.clone());
                self.gid = None;
            }
            "uid" => {
                self.uid = id(arguments)?;
                self.user = None;
            }
            "gid" => {
                self.gid = id(arguments)?;
                self.group = None;
            }
            "mode" => self.mode = mode(arguments)?.filter(|mode| *mode != 0),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn id(arguments: &mut Arguments<'_>) -> Result<Option<u32>, Diagnostic> {
    Ok(u32::try_from(arguments.lax_integer("a number")?).ok())
}

/// 1.4 reads the octal digits that there are, and minds nothing.
fn mode(arguments: &mut Arguments<'_>) -> Result<Option<u32>, Diagnostic> {
    if arguments.dialect == Dialect::V1_4 {
        let Some(word) = arguments.next_word() else {
            return Ok(None);
        };
        let text = word.text();
        let end = text.find(|c| !matches!(c, '0'..='7')).unwrap_or(text.len());
        return Ok(u32::from_str_radix(&text[..end], 8).ok());
    }
    let word = arguments.require("an octal number after 'mode'")?;
    match u32::from_str_radix(word.text(), 8) {
        Ok(mode) => Ok(Some(mode)),
        Err(_) => Err(arguments.bad(word, "an octal number, as 660")),
    }
}
