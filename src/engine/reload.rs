//! What a change of plan means for listening sockets: a pure comparison.

use super::listening::ListenerKey;

/// Which sockets to open and which to close.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListenerChange {
    /// In the new plan only.
    pub(crate) open: Vec<ListenerKey>,
    /// In the old plan only.
    pub(crate) close: Vec<ListenerKey>,
}

/// Compares the listening sockets that are there with those that are wanted.
pub(crate) fn compare<'a>(
    present: impl IntoIterator<Item = &'a ListenerKey>,
    wanted: impl IntoIterator<Item = &'a ListenerKey>,
) -> ListenerChange {
    let present: Vec<&ListenerKey> = present.into_iter().collect();
    let wanted: Vec<&ListenerKey> = wanted.into_iter().collect();
    let without = |from: &[&ListenerKey], what: &[&ListenerKey]| {
        from.iter()
            .filter(|key| !what.contains(key))
            .map(|key| (*key).clone())
            .collect()
    };
    ListenerChange {
        open: without(&wanted, &present),
        close: without(&present, &wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ListenAddress, Listener};

    fn key(port: u16) -> ListenerKey {
        let ip = [127, 0, 0, 1].into();
        ListenerKey::of(&Listener::new(ListenAddress::Tcp { ip, port }))
    }

    #[test]
    fn only_what_changed_is_opened_and_closed() {
        let change = compare([&key(1), &key(2)], [&key(2), &key(3)]);
        assert_eq!(
            change,
            ListenerChange {
                open: vec![key(3)],
                close: vec![key(1)]
            }
        );
    }
}
