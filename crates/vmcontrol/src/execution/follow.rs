//! Following executions: what is stored first, and then what happens, without a gap and without a repetition.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Event, Execution, ExecutionStatus, Session, SessionStatus};

use crate::budget::answers::{Charged, SMALL_ANSWER_BYTES};
use crate::execution::running::{Follower, PAUSE_FOR_EACH, RunningExecution};
use crate::execution::shared_event::SharedEvent;
use crate::session::registry::{Following, NotKept, RegisteredSession};
use crate::store::{ExecutionFilter, Page, Portion};
use crate::{Control, Error, Result, store};

/// How many events are handed over at once, at most.
const BATCH: usize = 500;

/// How many bytes they may take. What is handed over is kept for as long as its follower takes to receive it.
const BATCH_BYTES: usize = 64 * 1024;

/// How long until the store is asked again for what is on its way there.
const RETRY: Duration = Duration::from_millis(20);

/// How often the store is asked for an end that could not be stored yet.
const LOOK: Duration = Duration::from_secs(1);

/// Follows one execution.
pub struct EventFollower {
    control: Control,
    execution_id: Uuid,
    /// The execution in memory, if it was running when it was asked for.
    follower: Option<Follower>,
    after_seq: u64,
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
            // A stream that ends with a record which can't be read is not begun. What is too large to be looked at here is rare, and
            // told when the end is reached.
            let looked = move |connection: &Connection| {
                store::execution::get_within(connection, execution_id, SMALL_ANSWER_BYTES)
            };
            self.store().read(looked).await?;
        }
        Ok(self.feed(execution_id, live, after_seq))
    }

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

    /// Follows the state of a session, and nothing of its executions.
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

    /// Counts a client that follows a session, if that is live.
    fn following(&self, session_id: Uuid) -> Option<Following> {
        self.inner().registry.get(session_id).map(Following::of)
    }

    /// Follows a session: the executions after that one, with their events, and the session's own state.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`]; [`Error::ExecutionNotFound`] when the cursor is none of the session's.
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

    async fn newest(&self, session_id: Uuid) -> Result<Option<Uuid>> {
        let page = Page {
            limit: 2,
            before: None,
            after: None,
        };
        let newest = self
            .list_executions(session_id, ExecutionFilter::default(), page)
            .await?;
        // One that runs is handed over from its start.
        let is_over = |execution: &Execution| execution.status != ExecutionStatus::Running;
        let newest = newest.items.iter().find(|execution| is_over(execution));
        Ok(newest.map(|execution| execution.id))
    }
}

impl EventFollower {
    /// Waits for the next events, or for the end. Loses nothing when it is dropped before it is ready.
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
                    // Its end is in the store alone, or could not be stored.
                    None if is_over => self.follower = None,
                    _ => {
                        // Whoever runs it lives as long as the execution does.
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
                        // The store holds all that it will ever be given.
                        self.follower = None;
                    } else {
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        }
    }

    /// What is stored of an execution that does not run.
    async fn stored(&mut self) -> Result<Option<FollowItem>> {
        // The record first: events that come between the two questions are found by the second.
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

    /// The next events of the store; one that is larger than what is handed over at once comes alone, and counts as an
    /// answer until it was received.
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
        Ok(store
            .read(move |connection| store::event::list(connection, id, after, limit, max_bytes))
            .await?)
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

/// A place in the executions of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCursor {
    /// Before the first.
    Start,
    /// In one of them.
    Within {
        /// The execution.
        execution_id: Uuid,
        /// The number of its last event that is known.
        seq: u64,
    },
    /// After one of them.
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
    /// The last execution that was begun to be handed over.
    after: Option<Uuid>,
    current: Option<EventFollower>,
    status: Option<SessionStatus>,
    /// How many executions of the live session were handed over, once the store has no others.
    caught_up: Option<u64>,
    /// Keeps the session from being closed for want of followers; `None` when it was not live at
    /// the start.
    _following: Option<Following>,
}

/// What a follower of a session is handed.
#[derive(Debug)]
pub enum SessionItem {
    /// The session, at first and whenever its status has changed.
    Session(Box<Session>),
    /// An execution begins.
    Begin(Box<Charged<Execution>>),
    /// What happens in it.
    Execution(FollowItem),
}

impl SessionFollower {
    /// Waits for what happens next; nothing when the session has ended and all was handed over.
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

    /// The place after what was handed over last.
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

    /// What happened in a live session; nothing when that is to be asked again.
    async fn of_live(&mut self, live: &Arc<RegisteredSession>) -> Result<Option<SessionItem>> {
        let mut changes = live.changes();
        if !self.status_only
            && let ControlFlow::Break(item) = self.next_of_live(live).await?
        {
            return Ok(item);
        }
        // Its other states are told when they are stored.
        if live.status() == SessionStatus::Ready && self.status.is_none() {
            let session = self.control.get_session(self.session_id).await?;
            self.status = Some(session.status);
            return Ok(Some(SessionItem::Session(Box::new(session))));
        }
        let mut stopped = self.control.inner().stopped.subscribe();
        tokio::select! {
            // The session is there as long as this.
            _ = changes.changed() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return Err(stopping()),
        }
        tokio::time::sleep(PAUSE_FOR_EACH * live.change_receivers()).await;
        Ok(None)
    }

    /// The next execution of a live session, or nothing when that is to be asked again; `Continue`
    /// when none has begun.
    async fn next_of_live(
        &mut self,
        live: &RegisteredSession,
    ) -> Result<ControlFlow<Option<SessionItem>>> {
        let Some(count) = self.caught_up else {
            // What has begun by now is in the store, once that has written what is queued.
            let count = live.begun();
            self.control.store().write(|_| Ok(())).await?;
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

    /// What is left of a session that does not live; nothing at the end.
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

    fn begin(
        &mut self,
        execution: Charged<Execution>,
        live: Option<Arc<RunningExecution>>,
    ) -> SessionItem {
        let live = live.or_else(|| self.control.inner().executions.get(execution.id));
        self.after = Some(execution.id);
        self.current = Some(self.control.feed(execution.id, live, 0));
        let begun = execution.map(|execution| store::execution::as_seen(execution, true));
        SessionItem::Begin(Box::new(begun))
    }

    /// Begins with the execution that the store has after the last one, if there is one.
    async fn begin_following(&mut self) -> Result<Option<SessionItem>> {
        let (session, after) = (self.session_id, self.after);
        let found = self.control.read_charged(move |connection, most| {
            store::execution::following(connection, session, after, most)
        });
        let Charged { value, lease } = found.await?;
        Ok(value.map(|value| self.begin(Charged { value, lease }, None)))
    }
}
