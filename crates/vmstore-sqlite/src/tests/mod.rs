//! Tests of what only this store has: durability, damage, and the checks when a database is opened.
//! The conformance suite, which every store runs, is among them.

mod conformance;
mod damage;
mod imports;
mod opening;
mod pages;
mod writing;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use vmcontrol::{Control, Result, Store, testing};

use crate::SqliteStore;

/// A service of its own, on a database in a temporary directory.
pub(crate) struct Fixture {
    base: testing::Fixture,
    store: Arc<SqliteStore>,
}

impl Deref for Fixture {
    type Target = testing::Fixture;

    fn deref(&self) -> &testing::Fixture {
        &self.base
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap()).await
    }

    /// On a directory that may hold an earlier database.
    pub(crate) async fn on(dir: TempDir) -> Self {
        let store = Arc::new(SqliteStore::open(&dir.path().join("test.db")).unwrap());
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let base = testing::Fixture::on(shared, dir).await;
        Self { base, store }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("test.db")
    }

    /// Closes the store and returns the directory with its files.
    pub(crate) async fn close(self) -> TempDir {
        self.store.close().await;
        self.base.dir
    }

    /// Prevents writes to the store until the returned connection is dropped.
    async fn lock_store(&self) -> Connection {
        let at_once = |connection: &Connection| Ok(connection.busy_timeout(Duration::ZERO)?);
        self.store.write(at_once).await.unwrap();
        let other = Connection::open(self.path()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }
}

/// A service on a store.
pub(crate) async fn control_of(store: SqliteStore, dir: &Path) -> Result<Control> {
    let opened = testing::open(Arc::new(store), dir, |options| options).await;
    opened.map(|(control, _)| control)
}
