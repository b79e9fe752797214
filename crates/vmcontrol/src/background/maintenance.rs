//! Maintenance of the store: removing expired records, copies, the search for damage.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use vmapi_types::{CheckReport, Pruned, Timestamp, Vacuumed};

use crate::store::{ExpiredExecutions, RecordNumber};
use crate::{Control, Error, Result};

/// How many records one search for expired records reads.
const PORTION: u32 = 500;

/// The approximate length of one transaction of a removal: other writes wait until it is over.
const PORTION_TIME: Duration = Duration::from_millis(20);

/// The longest time between two removals.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// How long records are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// How long executions are kept after their end; `None` keeps them for ever.
    pub executions: Option<Duration>,
    /// How long sessions are kept after their end, with their executions; `None` keeps them for
    /// ever.
    pub sessions: Option<Duration>,
}

impl Retention {
    fn keeps_all(&self) -> bool {
        *self == Self::default()
    }
}

impl Control {
    /// Removes the executions and sessions that ended longer ago than `retention` keeps them. With
    /// `dry_run` it only counts them.
    ///
    /// # Errors
    /// [`Error::Validation`] when `retention` keeps everything, [`Error::Unavailable`].
    pub async fn prune(&self, retention: Retention, dry_run: bool) -> Result<Pruned> {
        if retention.keeps_all() {
            return Err(Error::validation(
                "say what is kept: retain_executions_s, retain_sessions_s, or both",
            ));
        }
        // A new record may get the number of a removed one. No other removal may run between the
        // search and the removal.
        let _alone = if dry_run {
            None
        } else {
            Some(self.inner().pruning.lock().await)
        };
        let mut pruned = Pruned {
            dry_run,
            ..Pruned::default()
        };
        if let Some(kept) = retention.sessions {
            self.prune_sessions(moment_before(kept), &mut pruned)
                .await?;
        }
        if let Some(kept) = retention.executions {
            let sessions = retention.sessions.map(moment_before);
            self.prune_executions(moment_before(kept), sessions, &mut pruned)
                .await?;
        }
        Ok(pruned)
    }

    async fn prune_executions(
        &self,
        before: Timestamp,
        sessions_before: Option<Timestamp>,
        pruned: &mut Pruned,
    ) -> Result<()> {
        // A removal has removed the executions of expired sessions by now; a dry run has counted
        // them.
        let sessions_before = sessions_before.filter(|_| pruned.dry_run);
        let mut after = Some(RecordNumber::START);
        while let Some(number) = after {
            let store = self.store();
            let expired = store.expired_executions(before, sessions_before, number, PORTION);
            let ExpiredExecutions { numbers, next } = expired.await?;
            self.remove_executions(numbers, pruned).await?;
            after = next;
        }
        Ok(())
    }

    async fn prune_sessions(&self, before: Timestamp, pruned: &mut Pruned) -> Result<()> {
        let mut after = RecordNumber::START;
        loop {
            let expired = self.store().expired_sessions(before, after, PORTION);
            let expired = expired.await?;
            let Some(last) = expired.last() else {
                return Ok(());
            };
            after = *last;
            for session in expired {
                self.prune_session(session, pruned).await?;
            }
        }
    }

    async fn prune_session(&self, session: RecordNumber, pruned: &mut Pruned) -> Result<()> {
        let mut after = Some(RecordNumber::START);
        while let Some(number) = after {
            let of_session = self.store().executions_of_session(session, number, PORTION);
            let ExpiredExecutions { numbers, next } = of_session.await?;
            self.remove_executions(numbers, pruned).await?;
            after = next;
        }
        let is_removed = pruned.dry_run || self.store().remove_session(session).await?;
        pruned.sessions += u64::from(is_removed);
        Ok(())
    }

    /// Removes executions, a few in each transaction, and counts them; a dry run only counts.
    async fn remove_executions(
        &self,
        mut numbers: Vec<RecordNumber>,
        pruned: &mut Pruned,
    ) -> Result<()> {
        if pruned.dry_run {
            pruned.executions += numbers.len() as u64;
            pruned.events += self.store().count_events(numbers).await?;
            return Ok(());
        }
        while !numbers.is_empty() {
            let removed = self
                .store()
                .remove_executions(numbers.clone(), PORTION_TIME)
                .await?;
            numbers.drain(..removed.handled);
            pruned.executions += removed.executions;
            pruned.events += removed.events;
        }
        Ok(())
    }

    /// A copy of the database as of one moment, in a file that goes away when it is closed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has no room for it.
    pub async fn back_up(&self) -> Result<File> {
        Ok(self.store().back_up().await?)
    }

    /// Checks whether the database is sound and its records are consistent. Damage is not an error
    /// but a part of the report.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database can't be read.
    pub async fn check(&self) -> Result<CheckReport> {
        let inner = Arc::clone(self.inner());
        let running = Box::new(move || inner.executions.all());
        Ok(self.store().check(running).await?)
    }

    /// Gives the room of removed records back to the file system. Other writes wait until that is
    /// done.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has no room for another copy.
    pub async fn vacuum(&self) -> Result<Vacuumed> {
        Ok(self.store().vacuum().await?)
    }
}

fn moment_before(kept: Duration) -> Timestamp {
    let micros = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(Timestamp::now().as_micros().saturating_sub(micros))
}

/// Starts a task that removes expired records: at once, then every ten minutes, or at the shortest
/// time in `retention` if that is less. The task ends with the service. Without a time in
/// `retention` no task is started.
pub fn prune_periodically(control: &Control, retention: Retention) {
    if retention.keeps_all() {
        return;
    }
    let control = control.downgrade();
    let longest = [retention.executions, retention.sessions];
    let shortest = longest.into_iter().flatten().min().unwrap_or(PRUNE_EVERY);
    let pause = PRUNE_EVERY.min(shortest);
    tokio::spawn(async move {
        while let Some(control) = control.upgrade() {
            match control.prune(retention, false).await {
                Ok(pruned) if pruned.sessions + pruned.executions > 0 => {
                    tracing::info!(?pruned, "removed expired records");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "expired records could not be removed"),
            }
            drop(control);
            tokio::time::sleep(pause).await;
        }
    });
}
