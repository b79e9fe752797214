//! The open store: its connections, its threads, its lock.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use vmcontrol::store::{PendingWrite, StoreError, Urgency, WritePermit};

use crate::error::{DbError, OpenError};
use crate::failpoint;
use crate::files::{self, Files};
use crate::lock::DatabaseLock;
use crate::open;
use crate::reader::{LongReader, Readers};
use crate::wal::Checkpointer;
use crate::writer::Writer;

/// An open database. It is closed by [`close`](vmcontrol::Store::close), or when this is dropped.
pub struct SqliteStore {
    path: PathBuf,
    // Fields are dropped in this order: the lock is released after all connections are closed.
    pub(crate) writer: Writer,
    readers: Readers,
    long_reader: LongReader,
    /// `None` once the store is closed.
    lock: Mutex<Option<DatabaseLock>>,
}

impl SqliteStore {
    /// Opens the database at `path`, locks it for this process and brings its schema up to date. A
    /// missing database is created. Blocks.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is left as it was.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        failpoint::arm();
        let lock = DatabaseLock::acquire(path)?;
        // SQLite follows links as well, and keeps its other files beside the real file.
        let path = &path.canonicalize().map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
        let connection = open::writer(path, &lock)?;
        let readers = Readers::open(path)?;
        let mut checkpointer =
            Checkpointer::start(open::checkpointer(path)?, files::beside(path, files::WAL));
        checkpointer.begin(&connection);
        Ok(Self {
            path: path.clone(),
            writer: Writer::start(connection, checkpointer, Files::of(path)),
            readers,
            long_reader: LongReader::new(path),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// The path of the database file, absolute and without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that the database consists of.
    pub(crate) fn all_files(&self) -> Vec<PathBuf> {
        let beside = [files::WAL, files::WAL_INDEX, files::JOURNAL]
            .map(|ending| files::beside(&self.path, ending));
        std::iter::once(self.path.clone()).chain(beside).collect()
    }

    /// Commits the queued writes, closes the connections and unlocks the file.
    pub(crate) async fn close_all(&self) {
        self.long_reader.close().await;
        self.readers.close().await;
        self.writer.close().await;
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(lock.take());
    }

    /// Runs `job` in the next transaction and returns when that is durable.
    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        let permit = self.writer.room().reserve().await?;
        self.submit(permit, Urgency::Prompt, job)?.wait().await
    }

    /// Queues `job` for a transaction. The outcome can be waited for later.
    pub(crate) fn submit<T, F>(
        &self,
        permit: WritePermit,
        urgency: Urgency,
        job: F,
    ) -> Result<PendingWrite<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        self.writer.submit(permit, urgency, job)
    }

    /// Runs `job`, which can't be part of a transaction, between two of them.
    pub(crate) async fn between_transactions<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        let permit = self.writer.room().reserve().await?;
        self.writer.submit_alone(permit, job)?.wait().await
    }

    /// Runs `query` on a read-only connection.
    pub(crate) async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        Ok(self.readers.run(query).await?)
    }

    /// Runs a query that takes long on a read-only connection of its own; one such query at a time.
    /// The second argument of the query tells whether its result is still wanted. The query is
    /// interrupted when this future is dropped or the store is closed.
    pub(crate) async fn read_long<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &dyn Fn() -> bool) -> Result<T, DbError> + Send + 'static,
    {
        Ok(self.long_reader.run(query).await?)
    }
}
