//! Following executions and sessions: first what is stored, then what happens, without a gap and
//! without a repetition.
//!
//! # Where a follower reads
//!
//! A follower of a running execution reads the newest events from memory (`running.rs`). If it is
//! further behind than memory keeps, it reads from the store and comes back to memory when it has
//! caught up. An event is in memory before it is submitted to the store, and in the store, unless
//! that fails, a batch later: one of the two has the next event, or will have it in a moment. A
//! follower continues after the number of the last event that it has returned, whether that came
//! from memory or from the store, so no event is missing or returned twice.

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

/// The largest number of events of one item.
const BATCH: usize = 500;

/// The largest size of the events of one item, in bytes. They are held until the client has
/// received them.
const BATCH_BYTES: usize = 64 * 1024;

/// The time between two reads of the store for events that are on their way to it.
const EVENT_RETRY: Duration = Duration::from_millis(20);

/// The time between two reads of the store for an end that could not be stored yet.
const END_RETRY: Duration = Duration::from_secs(1);

/// Follows one execution.
pub struct EventFollower {
    control: Control,
    execution_id: Uuid,
    /// The execution in memory; `None` if it does not run, or memory gives nothing more.
    follower: Option<Follower>,
    /// The number of the last event that was returned.
    after_seq: u64,
    /// The earliest time of the next read from memory; `None` for no bound.
    not_before: Option<Instant>,
}

/// What a follower of an execution returns.
#[derive(Debug)]
pub enum FollowItem {
    /// The next events, by number.
    Events(Vec<Arc<SharedEvent>>),
    /// The execution has ended, and all of its events were returned.
    End(Box<Charged<Execution>>),
}

impl Control {
    /// Follows an execution from the event after number `after_seq`.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn follow(&self, execution_id: Uuid, after_seq: u64) -> Result<EventFollower> {
        let running = self.inner().executions.get(execution_id);
        if running.is_none() {
            self.execution_head(execution_id).await?;
            // A stream that would end with an unreadable record is not begun. A large record, which
            // is rare, is not read here: if it is unreadable, that is reported at the end.
            self.store()
                .get_execution(execution_id, SMALL_ANSWER_BYTES)
                .await?;
        }
        Ok(self.event_follower(execution_id, running, after_seq))
    }

    /// A follower of an execution. `running` is the execution in memory; `None` if it does not run.
    fn event_follower(
        &self,
        execution_id: Uuid,
        running: Option<Arc<RunningExecution>>,
        after_seq: u64,
    ) -> EventFollower {
        let follower = running.map(Follower::of);
        EventFollower {
            control: self.clone(),
            execution_id,
            after_seq,
            not_before: follower.as_ref().and_then(Follower::next_read),
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
    /// is the cursor after the last execution that has ended.
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
                let follower = self.follow(execution_id, seq).await?;
                (Some(execution_id), Some(follower))
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

    /// The newest execution of a session that has ended; `None` if none has.
    async fn newest(&self, session_id: Uuid) -> Result<Option<Uuid>> {
        let page = Page {
            limit: 2,
            before: None,
            after: None,
        };
        let newest = self
            .list_executions(session_id, ExecutionFilter::default(), page)
            .await?;
        // One execution of a session runs at a time. The follower returns it from its start.
        let has_ended = |execution: &Execution| execution.status != ExecutionStatus::Running;
        let newest = newest.items.iter().find(|execution| has_ended(execution));
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
                tokio::time::sleep(END_RETRY).await;
                continue;
            };
            if let Some(at) = self.not_before {
                tokio::time::sleep_until(at).await;
            }
            let running = follower.execution();
            let mut progress = running.progress();
            let is_over = *progress.borrow();
            match running.after(self.after_seq, BATCH, BATCH_BYTES) {
                Some(events) if !events.is_empty() => {
                    self.not_before = follower.next_read();
                    return Ok(self.hand_over(events));
                }
                Some(_) => match running.ended() {
                    Some(execution) if is_over => {
                        let execution = Charged::free(execution.clone());
                        return Ok(FollowItem::End(Box::new(execution)));
                    }
                    // The end is only in the store, or could not be stored.
                    None if is_over => self.follower = None,
                    _ => {
                        // The sender is part of the execution, which the follower holds.
                        let _ = progress.changed().await;
                        self.not_before = follower.next_read();
                    }
                },
                None => {
                    let events = self.read().await?;
                    if !events.is_empty() {
                        return Ok(self.hand_over(events));
                    }
                    if is_over {
                        // Nothing more is submitted to the store.
                        self.follower = None;
                    } else {
                        tokio::time::sleep(EVENT_RETRY).await;
                    }
                }
            }
        }
    }

    /// The next item of an execution that does not run; `None` if its end is not stored yet.
    async fn stored(&mut self) -> Result<Option<FollowItem>> {
        // The record is read first: the second read finds events that are stored between the two.
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

    /// The next events of the store. An event that is larger than an item may be is returned alone,
    /// and holds a share of the budget of answers until the client has received it.
    async fn read(&self) -> Result<Vec<Arc<SharedEvent>>> {
        let portion = self.read_within(BATCH, BATCH_BYTES).await?;
        match portion.left_out_bytes {
            Some(bytes) if portion.items.is_empty() => {
                // The event is in memory twice: as it is stored, and as it is sent.
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

    /// The item of these events, after which the follower continues.
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
    /// Whether the executions are left out.
    status_only: bool,
    /// The newest execution that was returned; `None` before the first.
    after: Option<Uuid>,
    /// Follows that execution; `None` once its end was returned.
    current: Option<EventFollower>,
    /// The status that was returned last; `None` before the first.
    status: Option<SessionStatus>,
    /// The number of executions of the live session that had begun before the next one; `None`
    /// while the next one is sought in the store.
    caught_up: Option<u64>,
    /// Counts this follower, since the service may close sessions without followers; `None` if the
    /// session was not live at the start.
    _following: Option<Following>,
}

/// What a follower of a session returns.
#[derive(Debug)]
pub enum SessionItem {
    /// The session, at the start and whenever its status has changed.
    Session(Box<Session>),
    /// An execution begins.
    Begin(Box<Charged<Execution>>),
    /// The next events of the execution, or its end.
    Execution(FollowItem),
}

impl SessionFollower {
    /// Waits for the next item; `None` when the session has ended and everything was returned.
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

    /// The position after the last item.
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

    /// The next item of a live session; `None` when the caller has to try again.
    async fn of_live(&mut self, live: &Arc<RegisteredSession>) -> Result<Option<SessionItem>> {
        let mut changes = live.changes();
        if !self.status_only
            && let ControlFlow::Break(item) = self.next_of_live(live).await?
        {
            return Ok(item);
        }
        // The other statuses are returned when they are stored.
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

    /// The next execution of a live session, or `None` when the caller has to try again; `Continue`
    /// when no further execution has begun.
    async fn next_of_live(
        &mut self,
        live: &RegisteredSession,
    ) -> Result<ControlFlow<Option<SessionItem>>> {
        let Some(count) = self.caught_up else {
            // The records of these executions were submitted: after a sync the store has them.
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

    /// The next item of a session that is not live; `None` at the end.
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

    /// Begins to follow an execution, and returns its record as an item.
    fn begin(
        &mut self,
        execution: Charged<Execution>,
        running: Option<Arc<RunningExecution>>,
    ) -> SessionItem {
        let running = running.or_else(|| self.control.inner().executions.get(execution.id));
        self.after = Some(execution.id);
        self.current = Some(self.control.event_follower(execution.id, running, 0));
        let begun = execution.map(|execution| execution_as_seen(execution, true));
        SessionItem::Begin(Box::new(begun))
    }

    /// Begins to follow the execution that the store has after the last one; `None` if there is
    /// none.
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
