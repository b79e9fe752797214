//! The SQLite store: every piece of SQL of the project is below this module.
//!
//! One thread owns the only connection that writes. It takes what has queued up, runs it in one transaction with a
//! savepoint for each job, commits with `synchronous=FULL`, and only then answers: what has been answered is on disk,
//! and many writers share one sync. Jobs that nobody waits for yet (the record that an execution runs, a batch of its
//! events) may wait a moment for company, see [`writer::LAZY_DELAY`]. A few read-only connections serve queries on the
//! blocking pool. Times are stored as whole microseconds since the Unix epoch, ids as text.

mod changes;
pub(crate) mod check;
mod checkpointer;
mod error;
pub(crate) mod event;
pub(crate) mod execution;
mod failpoint;
mod files;
pub(crate) mod id;
mod import;
mod lock;
pub(crate) mod maintenance;
mod open;
mod page;
mod read_only;
mod reader;
mod record;
mod schema;
pub(crate) mod session;
pub(crate) mod template;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

pub(crate) use changes::Version;
pub use check::check_file;
pub use error::{OpenError, StoreError};
pub(crate) use execution::ExecutionEnd;
pub use execution::ExecutionFilter;
pub use import::{ImportError, ImportReport, import};
pub use lock::LockError;
pub(crate) use page::Within;
pub use page::{Page, Portion};
pub(crate) use record::OnUnreadable;
pub use record::UnreadableRecord;
pub use session::SessionFilter;
pub(crate) use writer::Pending;

use changes::Changes;
use checkpointer::Checkpointer;
use files::Files;
use reader::{LongReader, Readers};
use writer::Writer;

/// An open store. Clones share it; it is closed when [`close`](Self::close) has been called, or the last clone is gone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    long_reader: LongReader,
    template_changes: Arc<Changes>,
    /// Given back once the connections are closed.
    lock: Mutex<Option<lock::DatabaseLock>>,
}

impl Store {
    /// Opens the database at `path`, makes it if it is missing, brings its schema up to date and locks it for this
    /// process. Blocks.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is left as it was.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        failpoint::arm();
        let lock = lock::DatabaseLock::acquire(path)?;
        // As SQLite does: what stands beside a database stands beside the file itself.
        let path = &path.canonicalize().map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
        let connection = open::writer(path, &lock)?;
        let readers = Readers::open(path)?;
        let mut checkpointer =
            Checkpointer::start(open::checkpointer(path)?, files::beside(path, files::LOG));
        checkpointer.begin(&connection);
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                writer: Writer::start(connection, checkpointer, Files::of(path)),
                readers,
                long_reader: LongReader::new(path),
                template_changes: Arc::default(),
                lock: Mutex::new(Some(lock)),
            }),
        })
    }

    /// The path of the database file, absolute and without links.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The files that the database consists of.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let path = self.path();
        let beside = [files::LOG, "-shm", "-journal"].map(|end| files::beside(path, end));
        std::iter::once(path.to_owned()).chain(beside).collect()
    }

    /// Commits what is queued and closes the connections; later operations fail.
    pub async fn close(&self) {
        self.inner.long_reader.close().await;
        self.inner.readers.close().await;
        self.inner.writer.close().await;
        drop(
            self.inner
                .lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    /// Runs `job` in the next transaction and answers once that is on disk.
    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.place().await?.write(job)?.wait().await
    }

    /// As [`write`](Self::write), for what changes a template.
    pub(crate) async fn write_template<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let changes = Arc::clone(&self.inner.template_changes);
        let job = move |connection: &Connection| {
            let change = Changes::begin(&changes);
            Ok((job(connection)?, change))
        };
        let (answer, _change) = self.write(job).await?;
        Ok(answer)
    }

    /// The version of all templates together, of now; none while one is written. What was read after this was asked for is
    /// current for as long as this gives the same. Of what others write to the database, which is locked against other
    /// daemons, it knows nothing.
    pub(crate) fn template_version(&self) -> Option<Version> {
        self.inner.template_changes.version()
    }

    /// Waits for a place among the jobs for the next transaction.
    pub(crate) async fn place(&self) -> Result<Place, StoreError> {
        Ok(Place {
            place: self.inner.writer.place().await?,
            inner: Arc::clone(&self.inner),
        })
    }

    /// Runs `job` in one of the next transactions, soon; the answer can be waited for later.
    pub(crate) async fn write_soon<T, F>(&self, job: F) -> Result<Pending<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let place = self.inner.writer.place().await?;
        self.inner.writer.submit(place, job, true)
    }

    /// Runs something that can't be part of a transaction, between two of them.
    pub(crate) async fn between_transactions<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let place = self.inner.writer.place().await?;
        self.inner.writer.alone(place, work)?.wait().await
    }

    /// Runs a query that takes long on a read-only connection of its own; one such query at a time. It hears whether anybody
    /// still wants it, and is interrupted when nobody does, or when the store is closed.
    pub(crate) async fn read_long<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &dyn Fn() -> bool) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.long_reader.run(query).await
    }

    /// Runs `query` on a read-only connection.
    pub(crate) async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.readers.run(query).await
    }
}

/// A place among the jobs for the next transaction: what is written there need not be waited for on the spot.
pub(crate) struct Place {
    place: writer::Place,
    inner: Arc<Inner>,
}

impl Place {
    /// Runs `job` in the next transaction; the answer can be waited for later.
    pub(crate) fn write<T, F>(self, job: F) -> Result<Pending<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.writer.submit(self.place, job, false)
    }
}
