//! The conformance suite of the store port.

use std::sync::Arc;

use tempfile::TempDir;
use vmcontrol::Store;

use crate::SqliteStore;

fn make() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("test.db")).unwrap();
    (Arc::new(store), dir)
}

vmcontrol::store_conformance!(crate::tests::conformance::make);
