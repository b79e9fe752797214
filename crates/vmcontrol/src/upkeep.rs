//! Keeping the database small and sound: what is old goes, copies are made, damage is found.

use std::fs::File;
use std::sync::Weak;
use std::time::Duration;

use vmapi_types::{CheckReport, Pruned, Timestamp, Vacuumed};

use crate::control::Inner;
use crate::store::{self, StoreError};
use crate::{Control, Error, Result};

/// How many executions go in one transaction: answers wait no longer than for any other.
const PORTION: u32 = 200;

/// How often what is old is looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// What is kept: what ended longer ago goes. Where there is no such time it stays for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// How long executions are kept after their end.
    pub executions: Option<Duration>,
    /// How long sessions are kept after their end; their executions go with them.
    pub sessions: Option<Duration>,
}

impl Retention {
    fn keeps_all(&self) -> bool {
        *self == Self::default()
    }
}

impl Control {
    /// Removes what ended too long ago, or only counts it.
    ///
    /// # Errors
    /// [`Error::Validation`] when nothing says what is too long, [`Error::Unavailable`].
    pub async fn prune(&self, retention: Retention, dry_run: bool) -> Result<Pruned> {
        if retention.keeps_all() {
            return Err(Error::validation(
                "say what is kept: retain_executions_s, retain_sessions_s, or both",
            ));
        }
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
        let dry_run = pruned.dry_run;
        let mut after = Some(0);
        while let Some(number) = after {
            let portion = self
                .change_or_look(dry_run, move |connection| {
                    store::upkeep::prune_executions(
                        connection,
                        before,
                        sessions_before,
                        number,
                        PORTION,
                        dry_run,
                    )
                })
                .await?;
            pruned.executions += portion.rows;
            pruned.events += portion.events;
            after = portion.next;
        }
        Ok(())
    }

    async fn prune_sessions(&self, before: Timestamp, pruned: &mut Pruned) -> Result<()> {
        let dry_run = pruned.dry_run;
        let mut after = 0;
        loop {
            let ended = self
                .store()
                .read(move |connection| {
                    store::upkeep::ended_sessions(connection, before, after, PORTION)
                })
                .await?;
            let Some(last) = ended.last() else {
                return Ok(());
            };
            after = *last;
            for session in ended {
                let mut left = Some(session);
                while left.is_some() {
                    let portion = self
                        .change_or_look(dry_run, move |connection| {
                            store::upkeep::prune_session(connection, session, PORTION, dry_run)
                        })
                        .await?;
                    pruned.executions += portion.rows;
                    pruned.events += portion.events;
                    left = portion.next;
                }
                pruned.sessions += 1;
            }
        }
    }

    /// Writes, or reads where nothing is to change.
    async fn change_or_look<T, F>(&self, look: bool, job: F) -> std::result::Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> std::result::Result<T, StoreError> + Send + 'static,
    {
        if look {
            self.store().read(job).await
        } else {
            self.store().write(job).await
        }
    }

    /// A copy of the database as it is now, in a file that goes away when it is closed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has no room for it.
    pub async fn back_up(&self) -> Result<File> {
        let database = self.store().path().to_owned();
        let copied = self.store().read(move |connection| {
            let failed = |error: std::io::Error| {
                StoreError::Unreachable(format!("no copy can be made beside the database: {error}"))
            };
            // Beside the database, since that is where there is room for one.
            let directory = database
                .parent()
                .filter(|path| !path.as_os_str().is_empty());
            let directory = directory.unwrap_or_else(|| std::path::Path::new("."));
            let file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
            store::upkeep::back_up(connection, file.path())?;
            file.reopen().map_err(failed)
        });
        Ok(copied.await?)
    }

    /// Looks whether the database is sound, and whether what it says of executions can be.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't be read.
    pub async fn check(&self) -> Result<CheckReport> {
        Ok(self.store().read(store::upkeep::check).await?)
    }

    /// Gives the room of what was removed back to the disk. Answers wait until that is done.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has no room for another copy.
    pub async fn vacuum(&self) -> Result<Vacuumed> {
        let vacuumed = self.store().between_transactions(store::upkeep::vacuum);
        Ok(vacuumed.await?)
    }
}

fn moment_before(kept: Duration) -> Timestamp {
    let micros = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(Timestamp::now().as_micros().saturating_sub(micros))
}

/// Removes what ended too long ago, now and then, for as long as the service is there.
pub(crate) fn keep_pruning(control: &Control, retention: Retention) {
    if retention.keeps_all() {
        return;
    }
    let inner = std::sync::Arc::downgrade(control.inner());
    let longest = [retention.executions, retention.sessions];
    let shortest = longest.into_iter().flatten().min().unwrap_or(PRUNE_EVERY);
    let pause = PRUNE_EVERY.min(shortest);
    tokio::spawn(async move {
        while let Some(control) = Weak::<Inner>::upgrade(&inner).map(Control::from) {
            match control.prune(retention, false).await {
                Ok(pruned) if pruned.sessions + pruned.executions > 0 => {
                    tracing::info!(?pruned, "removed what was kept for long enough");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "what is old could not be removed"),
            }
            drop(control);
            tokio::time::sleep(pause).await;
        }
    });
}
