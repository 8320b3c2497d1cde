//! Hashes of passwords, which are slow on purpose, beside the thread that serves.

use crate::engine::session::{Session, ShownPassword};
use crate::plan::{Password, ProxyId};
use crate::sample::{Message, http};
use crate::userlist;

use super::Transaction;

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
            let key = (std::ptr::from_ref(list) as usize, index);
            let known = session
                .shown
                .borrow()
                .as_ref()
                .is_some_and(|shown| shown.user == key && shown.password == given);
            if known {
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
            *session.shown.borrow_mut() = Some(ShownPassword {
                user: key,
                password,
                fits,
            });
        }
    }
}
