//! What is compiled, and may be changed while it is in use.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

/// How many entries are taken one by one before all are compiled together: each of them costs a look
/// at the recent ones, and those that are compiled may be a hundred thousand.
const RECENT: usize = 256;

/// Something compiled of many entries. Requests look at it without a lock.
#[derive(Debug)]
pub(crate) struct Layered<T, E> {
    base: Arc<T>,
    /// What stands in once there were changes.
    changed: OnceLock<ArcSwap<Layers<T, E>>>,
}

/// What was compiled together, and what came after.
#[derive(Debug)]
struct Layers<T, E> {
    base: Arc<T>,
    recent: Option<T>,
    added: Vec<E>,
}

impl<T, E: Clone> Layered<T, E> {
    pub(crate) fn new(base: T) -> Self {
        Self {
            base: Arc::new(base),
            changed: OnceLock::new(),
        }
    }

    /// Puts something else in its place.
    pub(crate) fn replace(&self, base: T) {
        self.put(Layers {
            base: Arc::new(base),
            recent: None,
            added: Vec::new(),
        });
    }

    /// One entry more: what has come of late is compiled anew. `false` when it is so much that it
    /// wants to be compiled with the rest: see [`Self::replace`].
    ///
    /// # Errors
    /// What `compile` says; nothing changes then.
    pub(crate) fn add<Bad>(
        &self,
        entry: E,
        compile: impl FnOnce(&[E]) -> Result<T, Bad>,
    ) -> Result<bool, Bad> {
        let (base, mut added) = match self.changed.get() {
            Some(changed) => {
                let now = changed.load();
                (Arc::clone(&now.base), now.added.clone())
            }
            None => (Arc::clone(&self.base), Vec::new()),
        };
        if added.len() >= RECENT {
            return Ok(false);
        }
        added.push(entry);
        let recent = compile(&added)?;
        self.put(Layers {
            base,
            recent: Some(recent),
            added,
        });
        Ok(true)
    }

    fn put(&self, layers: Layers<T, E>) {
        let layers = Arc::new(layers);
        self.changed
            .get_or_init(|| ArcSwap::new(Arc::clone(&layers)))
            .store(layers);
    }

    /// Whether it has been changed.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed.get().is_some()
    }

    /// Looks at what there is now: what was compiled together, and what has come of late.
    pub(crate) fn look<R>(&self, at: impl FnOnce(&T, Option<&T>) -> R) -> R {
        match self.changed.get() {
            None => at(&self.base, None),
            Some(changed) => {
                let layers = changed.load();
                at(&layers.base, layers.recent.as_ref())
            }
        }
    }
}
