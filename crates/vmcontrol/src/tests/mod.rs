//! Tests of the service without processes and without a disk: on a store in memory and a fake
//! runtime.

mod executions;
mod memory_store;
mod outages;
mod sessions;
mod templates;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::store::memory::MemoryStore;
use crate::testing::{self, PAGE};
use crate::{Store, close_idle_sessions};

/// A service on a store in memory.
struct Fixture {
    base: testing::Fixture,
    store: Arc<MemoryStore>,
}

impl Deref for Fixture {
    type Target = testing::Fixture;

    fn deref(&self) -> &testing::Fixture {
        &self.base
    }
}

impl Fixture {
    async fn new() -> Self {
        Self::on(MemoryStore::default()).await
    }

    /// A service on a store that an earlier service may have used.
    async fn on(store: MemoryStore) -> Self {
        Self::with(store, None).await
    }

    /// A service with an idle timeout of its sessions; `None` for none.
    async fn with(store: MemoryStore, session_idle_timeout: Option<Duration>) -> Self {
        let store = Arc::new(store);
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let dir = tempfile::tempdir().unwrap();
        let base = testing::Fixture::with(shared, dir, |options| options).await;
        if let Some(timeout) = session_idle_timeout {
            close_idle_sessions(&base.control, timeout);
        }
        Self { base, store }
    }
}
