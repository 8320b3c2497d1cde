//! What is the same for lists that change while requests are compared with them: the patterns of ACLs,
//! and maps.

use std::path::PathBuf;

use super::commands::Served;
use super::stage::{ask, request, until};

/// The place that a request is redirected to.
pub(crate) fn location(port: u16, target: &str) -> String {
    let answer = request(port, &format!("GET {target} HTTP/1.0\r\n\r\n"));
    let line = answer.lines().find_map(|l| l.strip_prefix("Location: "));
    line.unwrap_or("none").to_owned()
}

/// Requests for these are redirected to those.
pub(crate) fn assert_locations(port: u16, expected: &[(&str, &str)]) {
    for (target, place) in expected {
        assert_eq!(location(port, target), *place, "{target}");
    }
}

impl Served {
    /// What `show` has of a list (`acl NAME` or `map NAME`), without the numbers of the entries.
    pub(crate) fn held(&self, list: &str) -> Vec<String> {
        let text = self.ask(&format!("show {list}"));
        let entries = text.lines().filter_map(|line| line.split_once(' '));
        entries.map(|(_, entry)| entry.to_owned()).collect()
    }

    /// The number of its first entry.
    pub(crate) fn first_entry(&self, list: &str) -> String {
        let text = self.ask(&format!("show {list}"));
        let number = text.split(' ').next().expect("an entry");
        number.to_owned()
    }

    /// Gives commands about so many entries, a hundred at a time.
    pub(crate) fn ask_often(&self, times: usize, command: impl Fn(usize) -> String) {
        for first in (0..times).step_by(100) {
            let commands: Vec<String> = (first..first + 100).map(&command).collect();
            self.ask(&commands.join(";"));
        }
    }

    /// Opens a socket for users, who may look at things and change nothing, and waits until a command is
    /// answered there with that.
    pub(crate) fn open_to_users(&self, (command, answer): (&str, &str)) -> PathBuf {
        let socket = self.stage.path("users");
        let more = format!("\n    stats socket {}\ndefaults", socket.display());
        let text = self.stage.read("file.cfg");
        self.stage
            .write("file.cfg", &text.replacen("\ndefaults", &more, 1));
        self.reload();
        until("it takes commands", || {
            ask(&socket, command).contains(answer)
        });
        socket
    }
}
