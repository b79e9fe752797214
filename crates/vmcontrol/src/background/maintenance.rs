//! Keeping the database small and sound: what is old goes, copies are made, damage is found.

use std::fs::File;
use std::time::Duration;

use vmapi_types::{CheckReport, Pruned, Timestamp, Vacuumed};

use crate::store;
use crate::{Control, Error, Result};

/// How many executions are looked for at once.
const PORTION: u32 = 500;

/// How long one transaction may take, about: answers wait until it is over.
const PORTION_TIME: Duration = Duration::from_millis(20);

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
        // The number of a row that has gone may be given to a new one: what was found by its number must not go by that when
        // somebody else has removed it meanwhile.
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
        // Those of sessions have gone with them, unless they are only counted.
        let sessions_before = sessions_before.filter(|_| pruned.dry_run);
        let mut after = Some(0);
        while let Some(number) = after {
            let old = self
                .store()
                .read(move |connection| {
                    store::maintenance::old_executions(
                        connection,
                        before,
                        sessions_before,
                        number,
                        PORTION,
                    )
                })
                .await?;
            self.remove_executions(old.numbers, pruned).await?;
            after = old.next;
        }
        Ok(())
    }

    async fn prune_sessions(&self, before: Timestamp, pruned: &mut Pruned) -> Result<()> {
        let mut after = 0;
        loop {
            let old = self
                .store()
                .read(move |connection| {
                    store::maintenance::old_sessions(connection, before, after, PORTION)
                })
                .await?;
            let Some(last) = old.last() else {
                return Ok(());
            };
            after = *last;
            for session in old {
                self.prune_session(session, pruned).await?;
            }
        }
    }

    async fn prune_session(&self, session: i64, pruned: &mut Pruned) -> Result<()> {
        let mut after = Some(0);
        while let Some(number) = after {
            let of_session = self
                .store()
                .read(move |connection| {
                    store::maintenance::executions_of(connection, session, number, PORTION)
                })
                .await?;
            self.remove_executions(of_session.numbers, pruned).await?;
            after = of_session.next;
        }
        let is_gone = pruned.dry_run
            || self
                .store()
                .write(move |connection| store::maintenance::remove_session(connection, session))
                .await?;
        pruned.sessions += u64::from(is_gone);
        Ok(())
    }

    /// Removes executions, a few in each transaction; or counts them.
    async fn remove_executions(&self, mut numbers: Vec<i64>, pruned: &mut Pruned) -> Result<()> {
        if pruned.dry_run {
            pruned.executions += numbers.len() as u64;
            let count =
                move |connection: &_| store::maintenance::count_events(connection, &numbers);
            pruned.events += self.store().read(count).await?;
            return Ok(());
        }
        while !numbers.is_empty() {
            let some = numbers.clone();
            let gone = self
                .store()
                .write(move |connection| {
                    store::maintenance::remove_executions(connection, &some, PORTION_TIME)
                })
                .await?;
            numbers.drain(..gone.dealt_with);
            pruned.executions += gone.executions;
            pruned.events += gone.events;
        }
        Ok(())
    }

    /// A copy of the database as it is now, in a file that goes away when it is closed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has no room for it.
    pub async fn back_up(&self) -> Result<File> {
        let database = self.store().path().to_owned();
        let copied = self.store().read_long(move |connection, is_wanted| {
            store::maintenance::back_up(connection, &database, is_wanted)
        });
        Ok(copied.await?)
    }

    /// Looks whether the database is sound, and whether what it says of executions can be.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't be read.
    pub async fn check(&self) -> Result<CheckReport> {
        let inner = std::sync::Arc::clone(self.inner());
        let checked = self.store().read_long(move |connection, _| {
            let live = || inner.executions.all();
            store::check::check(connection, &store::check::Live::Known(&live))
        });
        Ok(checked.await?)
    }

    /// Gives the room of what was removed back to the disk. Answers wait until that is done.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the disk has no room for another copy.
    pub async fn vacuum(&self) -> Result<Vacuumed> {
        let vacuumed = self
            .store()
            .between_transactions(store::maintenance::vacuum);
        Ok(vacuumed.await?)
    }
}

fn moment_before(kept: Duration) -> Timestamp {
    let micros = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(Timestamp::now().as_micros().saturating_sub(micros))
}

/// Starts a task that removes what ended too long ago: at once, then every ten minutes, or as often
/// as the shortest time that something is kept. It ends with the service. Without a time in
/// `retention` there is no task.
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
