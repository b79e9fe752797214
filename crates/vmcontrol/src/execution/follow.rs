//! Following executions and sessions: first what is stored, then what happens, without a gap and
//! without a repetition.
//!
//! # Where a follower reads
//!
//! A follower of a running execution reads the newest events from memory (`running.rs`). If it is
//! further behind than memory keeps, it reads from the store and comes back to memory when it has
//! caught up. An event is in memory before it is submitted to the store, and in the store, unless
//! that fails, a batch later: one of the two has the next event, or will have it in a moment. A
//! follower goes by the number of the last event that it was handed, whichever of the two it came
//! from, so no event is missing or handed over twice.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Event, Execution, ExecutionStatus, Session, SessionStatus};

use crate::budget::answers::{Charged, SMALL_ANSWER_BYTES};
use crate::execution::running::{Follower, PAUSE_FOR_EACH, RunningExecution};
use crate::execution::shared_event::SharedEvent;
use crate::session::registry::{Following, NotKept, RegisteredSession};
use crate::store::{ExecutionFilter, Page, Portion, execution_as_seen};
use crate::{Control, Error, Result};

/// The largest number of events that are handed over at once.
const BATCH: usize = 500;

/// How many bytes they may take. They are held until the client has received them.
const BATCH_BYTES: usize = 64 * 1024;

/// The time between two reads of the store for events that are on their way to it.
const RETRY: Duration = Duration::from_millis(20);

/// The time between two reads of the store for an end that could not be stored yet.
const LOOK: Duration = Duration::from_secs(1);

/// Follows one execution.
pub struct EventFollower {
    control: Control,
    execution_id: Uuid,
    /// The execution in memory; `None` if it does not run, or nothing more comes from there.
    follower: Option<Follower>,
    /// The number of the last event that was handed over.
    after_seq: u64,
    /// When to look at the execution in memory again, at the earliest; `None` for no bound.
    not_before: Option<Instant>,
}

/// What a follower of an execution is handed.
#[derive(Debug)]
pub enum FollowItem {
    /// Events, by number.
    Events(Vec<Arc<SharedEvent>>),
    /// The execution has ended, and all of its events were handed over.
    End(Box<Charged<Execution>>),
}

impl Control {
    /// Follows an execution from the event after number `after_seq`.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn follow(&self, execution_id: Uuid, after_seq: u64) -> Result<EventFollower> {
        let live = self.inner().executions.get(execution_id);
        if live.is_none() {
            self.execution_head(execution_id).await?;
            // A stream that would end with an unreadable record is not begun. A record that is too
            // large to be read here is rare; that it is unreadable is reported at its end.
            self.store()
                .get_execution(execution_id, SMALL_ANSWER_BYTES)
                .await?;
        }
        Ok(self.feed(execution_id, live, after_seq))
    }

    /// Follows an execution that runs in memory, or, with `None`, one that does not.
    fn feed(
        &self,
        execution_id: Uuid,
        live: Option<Arc<RunningExecution>>,
        after_seq: u64,
    ) -> EventFollower {
        let follower = live.map(Follower::of);
        EventFollower {
            control: self.clone(),
            execution_id,
            after_seq,
            not_before: follower.as_ref().and_then(Follower::next_look),
            follower,
        }
    }

    /// Follows the status of a session, without its executions.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn follow_session_status(&self, session_id: Uuid) -> Result<SessionFollower> {
        let following = self.following(session_id);
        self.get_session(session_id).await?;
        Ok(SessionFollower {
            control: self.clone(),
            session_id,
            status_only: true,
            after: None,
            current: None,
            status: None,
            caught_up: None,
            _following: following,
        })
    }

    /// Counts a client that follows a session; `None` if the session is not live.
    fn following(&self, session_id: Uuid) -> Option<Following> {
        self.inner().registry.get(session_id).map(Following::of)
    }

    /// Follows a session: its status, and its executions after a cursor with their events. `None`
    /// is the cursor behind the last execution that has ended.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`]; [`Error::ExecutionNotFound`] when the cursor names an execution
    /// of another session.
    pub async fn follow_session(
        &self,
        session_id: Uuid,
        after: Option<SessionCursor>,
    ) -> Result<SessionFollower> {
        let following = self.following(session_id);
        self.get_session(session_id).await?;
        let (after, current) = match after {
            None => (self.newest(session_id).await?, None),
            Some(SessionCursor::Start) => (None, None),
            Some(SessionCursor::Within { execution_id, seq }) => {
                self.check_execution_of(session_id, execution_id).await?;
                let feed = self.follow(execution_id, seq).await?;
                (Some(execution_id), Some(feed))
            }
            Some(SessionCursor::After { execution_id }) => {
                self.check_execution_of(session_id, execution_id).await?;
                (Some(execution_id), None)
            }
        };
        Ok(SessionFollower {
            control: self.clone(),
            session_id,
            status_only: false,
            after,
            current,
            status: None,
            caught_up: None,
            _following: following,
        })
    }

    async fn check_execution_of(&self, session_id: Uuid, execution_id: Uuid) -> Result<()> {
        let (of, _) = self.execution_head(execution_id).await?;
        if of == session_id {
            Ok(())
        } else {
            Err(Error::ExecutionNotFound { execution_id })
        }
    }

    /// The newest execution of a session that has ended.
    async fn newest(&self, session_id: Uuid) -> Result<Option<Uuid>> {
        let page = Page {
            limit: 2,
            before: None,
            after: None,
        };
        let newest = self
            .list_executions(session_id, ExecutionFilter::default(), page)
            .await?;
        // A running one is handed over from its start.
        let is_over = |execution: &Execution| execution.status != ExecutionStatus::Running;
        let newest = newest.items.iter().find(|execution| is_over(execution));
        Ok(newest.map(|execution| execution.id))
    }
}

impl EventFollower {
    /// Waits for the next events, or for the end. It is cancel safe.
    ///
    /// # Errors
    /// When the store fails, and when the service stops.
    pub async fn next(&mut self) -> Result<FollowItem> {
        let mut stopped = self.control.inner().stopped.subscribe();
        tokio::select! {
            item = self.wait() => item,
            _ = stopped.wait_for(|stopped| *stopped) => Err(stopping()),
        }
    }

    async fn wait(&mut self) -> Result<FollowItem> {
        loop {
            let Some(follower) = &self.follower else {
                if let Some(item) = self.stored().await? {
                    return Ok(item);
                }
                tokio::time::sleep(LOOK).await;
                continue;
            };
            if let Some(at) = self.not_before {
                tokio::time::sleep_until(at).await;
            }
            let live = follower.execution();
            let mut progress = live.progress();
            let is_over = *progress.borrow();
            match live.after(self.after_seq, BATCH, BATCH_BYTES) {
                Some(events) if !events.is_empty() => {
                    self.not_before = follower.next_look();
                    return Ok(self.hand_over(events));
                }
                Some(_) => match live.ended() {
                    Some(execution) if is_over => {
                        let execution = Charged::free(execution.clone());
                        return Ok(FollowItem::End(Box::new(execution)));
                    }
                    // Its end is only in the store, or could not be stored.
                    None if is_over => self.follower = None,
                    _ => {
                        // The sender is part of the execution, which the follower holds.
                        let _ = progress.changed().await;
                        self.not_before = follower.next_look();
                    }
                },
                None => {
                    let events = self.read().await?;
                    if !events.is_empty() {
                        return Ok(self.hand_over(events));
                    }
                    if is_over {
                        // The store has all that will ever be submitted.
                        self.follower = None;
                    } else {
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        }
    }

    /// What is stored of an execution that does not run; `None` if its end is not stored yet.
    async fn stored(&mut self) -> Result<Option<FollowItem>> {
        // The record first: events that are stored between the two reads are found by the second.
        let (_, has_ended) = self.control.execution_head(self.execution_id).await?;
        let events = self.read().await?;
        if !events.is_empty() {
            return Ok(Some(self.hand_over(events)));
        }
        if !has_ended {
            return Ok(None);
        }
        let execution = self.control.get_execution(self.execution_id).await?;
        Ok(Some(FollowItem::End(Box::new(execution))))
    }

    /// The next events of the store. An event that is larger than what is handed over at once comes
    /// alone, and counts as an answer until the client has received it.
    async fn read(&self) -> Result<Vec<Arc<SharedEvent>>> {
        let portion = self.read_within(BATCH, BATCH_BYTES).await?;
        match portion.left_out_bytes {
            Some(bytes) if portion.items.is_empty() => {
                // Once as it is stored, and once as it is sent.
                let lease = self.control.answer_share(2 * bytes).await?;
                let large = self.read_within(1, bytes).await?.items.into_iter();
                Ok(large
                    .zip(Some(lease))
                    .map(|(event, lease)| Arc::new(SharedEvent::charged(event, lease)))
                    .collect())
            }
            _ => Ok(portion
                .items
                .into_iter()
                .map(|event| Arc::new(SharedEvent::new(event)))
                .collect()),
        }
    }

    async fn read_within(&self, limit: usize, max_bytes: usize) -> Result<Portion<Event>> {
        let (id, after) = (self.execution_id, self.after_seq);
        let store = self.control.store();
        Ok(store.events_after(id, after, limit, max_bytes).await?)
    }

    fn hand_over(&mut self, events: Vec<Arc<SharedEvent>>) -> FollowItem {
        if let Some(last) = events.last() {
            self.after_seq = last.event.seq;
        }
        FollowItem::Events(events)
    }
}

fn stopping() -> Error {
    Error::Unavailable {
        message: "the service is shutting down".into(),
    }
}

/// A position in the executions of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCursor {
    /// Before the first execution.
    Start,
    /// In an execution.
    Within {
        /// The execution.
        execution_id: Uuid,
        /// The number of the last event that the client has.
        seq: u64,
    },
    /// After an execution.
    After {
        /// The execution.
        execution_id: Uuid,
    },
}

/// Follows a session.
pub struct SessionFollower {
    control: Control,
    session_id: Uuid,
    /// Whether its executions are left out.
    status_only: bool,
    /// The newest execution of which something was handed over; `None` before the first.
    after: Option<Uuid>,
    /// Follows that execution; `None` once its end was handed over.
    current: Option<EventFollower>,
    /// The status that was handed over last.
    status: Option<SessionStatus>,
    /// How many executions of the live session had begun before the next one to be handed over;
    /// `None` while the next one has to be looked for in the store.
    caught_up: Option<u64>,
    /// Keeps the session from being closed for want of followers; `None` when it was not live at
    /// the start.
    _following: Option<Following>,
}

/// What a follower of a session is handed.
#[derive(Debug)]
pub enum SessionItem {
    /// The session, at the start and whenever its status has changed.
    Session(Box<Session>),
    /// An execution begins.
    Begin(Box<Charged<Execution>>),
    /// What happens in the execution.
    Execution(FollowItem),
}

impl SessionFollower {
    /// Waits for what happens next; `None` when the session has ended and all was handed over.
    ///
    /// # Errors
    /// When the store fails, and when the service stops.
    pub async fn next(&mut self) -> Result<Option<SessionItem>> {
        loop {
            if let Some(current) = &mut self.current {
                let item = current.next().await?;
                if matches!(item, FollowItem::End(_)) {
                    self.current = None;
                }
                return Ok(Some(SessionItem::Execution(item)));
            }
            let live = self.control.inner().registry.get(self.session_id);
            let item = match &live {
                Some(live) => self.of_live(live).await?,
                None => self.of_store().await?,
            };
            if item.is_some() || live.is_none() {
                return Ok(item);
            }
        }
    }

    /// The position behind what was handed over last.
    pub fn cursor(&self) -> SessionCursor {
        match (self.after, &self.current) {
            (None, _) => SessionCursor::Start,
            (Some(execution_id), Some(current)) => SessionCursor::Within {
                execution_id,
                seq: current.after_seq,
            },
            (Some(execution_id), None) => SessionCursor::After { execution_id },
        }
    }

    /// What happened in a live session; `None` when the caller has to look again.
    async fn of_live(&mut self, live: &Arc<RegisteredSession>) -> Result<Option<SessionItem>> {
        let mut changes = live.changes();
        if !self.status_only
            && let ControlFlow::Break(item) = self.next_of_live(live).await?
        {
            return Ok(item);
        }
        // Its other statuses are handed over when they are stored.
        if live.status() == SessionStatus::Ready && self.status.is_none() {
            let session = self.control.get_session(self.session_id).await?;
            self.status = Some(session.status);
            return Ok(Some(SessionItem::Session(Box::new(session))));
        }
        let mut stopped = self.control.inner().stopped.subscribe();
        tokio::select! {
            // The sender is part of the session, which `live` holds.
            _ = changes.changed() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return Err(stopping()),
        }
        tokio::time::sleep(PAUSE_FOR_EACH * live.change_receivers()).await;
        Ok(None)
    }

    /// The next execution of a live session, or `None` when the caller has to look again;
    /// `Continue` when no further one has begun.
    async fn next_of_live(
        &mut self,
        live: &RegisteredSession,
    ) -> Result<ControlFlow<Option<SessionItem>>> {
        let Some(count) = self.caught_up else {
            // The records of those that have begun by now were submitted: once the store has done
            // that, it has them.
            let count = live.begun();
            self.control.store().sync().await?;
            if let Some(begun) = self.begin_following().await? {
                return Ok(ControlFlow::Break(Some(begun)));
            }
            self.caught_up = Some(count);
            return Ok(ControlFlow::Break(None));
        };
        let item = match live.begun_after(count) {
            Ok(None) => return Ok(ControlFlow::Continue(())),
            Ok(Some(execution)) => {
                let begun = execution.begun().cloned();
                begun.map(|begun| self.begin(Charged::free(begun), Some(execution)))
            }
            Err(NotKept) => None,
        };
        self.caught_up = item.is_some().then_some(count + 1);
        Ok(ControlFlow::Break(item))
    }

    /// What is left to be handed over of a session that is not live; `None` at the end.
    async fn of_store(&mut self) -> Result<Option<SessionItem>> {
        if !self.status_only
            && let Some(begun) = self.begin_following().await?
        {
            return Ok(Some(begun));
        }
        let session = self.control.get_session(self.session_id).await?;
        if self.status.replace(session.status) == Some(session.status) {
            return Ok(None);
        }
        Ok(Some(SessionItem::Session(Box::new(session))))
    }

    /// Begins to hand over an execution.
    fn begin(
        &mut self,
        execution: Charged<Execution>,
        live: Option<Arc<RunningExecution>>,
    ) -> SessionItem {
        let live = live.or_else(|| self.control.inner().executions.get(execution.id));
        self.after = Some(execution.id);
        self.current = Some(self.control.feed(execution.id, live, 0));
        let begun = execution.map(|execution| execution_as_seen(execution, true));
        SessionItem::Begin(Box::new(begun))
    }

    /// Begins with the execution that follows the last one in the store; `None` if there is none.
    async fn begin_following(&mut self) -> Result<Option<SessionItem>> {
        let (session, after) = (self.session_id, self.after);
        let store = self.control.store();
        let found = self
            .control
            .read_charged(|most| store.execution_after(session, after, most));
        let Charged { value, lease } = found.await?;
        Ok(value.map(|value| self.begin(Charged { value, lease }, None)))
    }
}
