//! The conformance suite of the store port, on the store in memory.

use std::sync::Arc;

use crate::store::memory::MemoryStore;
use crate::store::{Store, StoreError};

fn make() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::default()), ())
}

crate::store_conformance!(crate::tests::memory_store::make);

#[tokio::test]
async fn writes_that_are_held_back_are_done_later_and_those_that_are_refused_never() {
    let store = MemoryStore::default();
    let held = store.hold_writes();
    let mut synced = std::pin::pin!(store.sync());
    let first = std::future::poll_fn(|context| {
        std::task::Poll::Ready(synced.as_mut().poll(context).is_pending())
    });
    assert!(first.await);
    drop(held);
    synced.await.unwrap();
    let refused = store.refuse_writes();
    let error = store.sync().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
    drop(refused);
    store.sync().await.unwrap();
}
