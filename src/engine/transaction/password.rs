//! Hashes of passwords, which are slow on purpose, beside the thread that serves.

use std::cell::RefCell;

use crate::engine::session::Session;
use crate::plan::{Password, ProxyId, UserlistId};
use crate::sample::{Message, http};
use crate::userlist;

use super::Transaction;

/// A user: the list, and the place in it.
type User = (UserlistId, usize);

/// Passwords that a client has shown on a connection, the last for every list, and whether they were
/// right: what was compared once need not be compared again.
#[derive(Debug, Default)]
pub(crate) struct ShownPasswords(RefCell<Vec<(User, Vec<u8>, bool)>>);

impl ShownPasswords {
    /// Whether a password is that of a user, when it was compared before.
    pub(crate) fn known(&self, user: User, password: &[u8]) -> Option<bool> {
        let shown = self.0.borrow();
        let (_, last, fits) = shown.iter().find(|(other, ..)| *other == user)?;
        (last == password).then_some(*fits)
    }

    /// Keeps what has come of a comparison.
    pub(crate) fn note(&self, user: User, password: Vec<u8>, fits: bool) {
        let mut shown = self.0.borrow_mut();
        shown.retain(|(other, ..)| other.0 != user.0);
        shown.push((user, password, fits));
    }
}

impl Transaction {
    /// Compares the password of the request with the hashes that rules of the proxy may ask for, on
    /// another thread: no other connection waits meanwhile. The rules find the result in the session.
    pub(super) async fn compare_password(&self, session: &Session, proxy: ProxyId) {
        let generation = std::sync::Arc::clone(&session.generation);
        for id in &generation.handles(proxy).userlists {
            let request = Message {
                head: &self.request,
                bytes: self.up.buffer.bytes(),
            };
            let mut scratch = Vec::new();
            let Some((name, given)) = http::credentials(request, self.as_proxy, &mut scratch)
            else {
                return;
            };
            let Some(list) = generation.plan.userlists.get(id.0 as usize) else {
                continue;
            };
            let Some((index, user)) = userlist::find(list, name) else {
                continue;
            };
            if !userlist::is_slow(&user.password) {
                continue;
            }
            if session.shown.known((*id, index), given).is_some() {
                continue;
            }
            let (expected, given): (Password, _) = (user.password.clone(), given.to_vec());
            let compared = tokio::task::spawn_blocking(move || {
                let fits = userlist::fits(&expected, &given);
                (given, fits)
            });
            // Without a thread to do it on, the rules do it.
            let Ok((password, fits)) = compared.await else {
                return;
            };
            session.shown.note((*id, index), password, fits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_password_of_every_list_is_known() {
        let shown = ShownPasswords::default();
        let [one, two] = [UserlistId(0), UserlistId(1)];
        shown.note((one, 0), b"a".to_vec(), true);
        shown.note((two, 0), b"b".to_vec(), false);
        assert_eq!(shown.known((one, 0), b"a"), Some(true));
        assert_eq!(shown.known((two, 0), b"b"), Some(false));
        assert_eq!(shown.known((two, 0), b"a"), None);
        assert_eq!(shown.known((two, 1), b"b"), None);
        for n in 0..100 {
            shown.note((one, n), b"c".to_vec(), false);
        }
        assert_eq!(shown.known((one, 0), b"a"), None);
        assert_eq!(shown.0.borrow().len(), 2);
    }
}
