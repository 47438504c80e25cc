//! Which operations are being worked on in this process: one executor each, whatever becomes of it.

use engine::id::OperationId;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// The operations that an executor has taken. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct AtWork(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    taken: Mutex<BTreeSet<OperationId>>,
    freed: Notify,
}

/// One of them, given back when this goes, also where the executor failed on the way (trap F15).
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) id: OperationId,
    from: AtWork,
}

impl AtWork {
    /// `None` where somebody is at it.
    pub(super) fn take(&self, id: OperationId) -> Option<Taken> {
        self.all().insert(id).then(|| Taken { id, from: self.clone() })
    }

    /// Waits until one has been given back since the last time: somebody may have resumed it before that.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// A set that somebody failed while holding is as good as before: each change to it is one call.
    fn all(&self) -> MutexGuard<'_, BTreeSet<OperationId>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.from.all().remove(&self.id);
        self.from.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f15_what_an_executor_failed_at_is_free_again() {
        let (at_work, id) = (AtWork::default(), OperationId(uuid::Uuid::from_u128(1)));
        let taken = at_work.take(id).unwrap();
        assert!(at_work.take(id).is_none(), "one executor each");
        let failed = std::thread::spawn(move || {
            let _taken = taken;
            panic!("a mistake in the product");
        });
        assert!(failed.join().is_err());
        assert!(at_work.take(id).is_some());
    }
}
