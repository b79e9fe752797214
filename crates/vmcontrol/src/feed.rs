//! Following executions: what is stored first, and then what happens, without a gap and without a repetition.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Event, Execution, ExecutionStatus, Session, SessionStatus};

use crate::store::{ExecutionFilter, Page};
use crate::{Control, Error, Result, store};

/// How many events are handed over at once, at most.
const BATCH: usize = 500;

/// How long a follower waits for more after it has been handed something that just happened: many followers of a chatty
/// execution would take its time otherwise.
const PAUSE: Duration = Duration::from_millis(10);

/// How long until the store is asked again for what is on its way there.
const RETRY: Duration = Duration::from_millis(20);

/// How often a session is looked at whose news may have been missed.
const LOOK: Duration = Duration::from_secs(1);

/// Follows one execution.
pub struct EventFeed {
    control: Control,
    execution_id: Uuid,
    after_seq: u64,
    not_before: Option<Instant>,
}

/// What a follower of an execution is handed.
#[derive(Debug)]
pub enum FeedItem {
    /// Events, by number.
    Events(Vec<Arc<Event>>),
    /// The execution has ended, and all of its events were handed over.
    End(Box<Execution>),
}

impl Control {
    /// Follows an execution from the event after number `after_seq`.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn follow(&self, execution_id: Uuid, after_seq: u64) -> Result<EventFeed> {
        if self.inner().live.get(execution_id).is_none() {
            self.get_execution(execution_id).await?;
        }
        Ok(EventFeed {
            control: self.clone(),
            execution_id,
            after_seq,
            not_before: None,
        })
    }

    /// Follows a session: the executions after that one, with their events, and the session's own state.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`]; [`Error::ExecutionNotFound`] when the cursor is none of the session's.
    pub async fn follow_session(
        &self,
        session_id: Uuid,
        after: Option<SessionCursor>,
    ) -> Result<SessionFeed> {
        self.get_session(session_id).await?;
        let (after, current) = match after {
            None => (self.newest(session_id).await?, None),
            Some(SessionCursor { execution_id, seq }) => {
                let execution = self.get_execution(execution_id).await?;
                if execution.session_id != session_id {
                    return Err(Error::ExecutionNotFound { execution_id });
                }
                let feed = self.follow(execution_id, seq).await?;
                (Some(execution_id), Some(feed))
            }
        };
        Ok(SessionFeed {
            control: self.clone(),
            session_id,
            after,
            current,
            status: None,
        })
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
        Ok(newest
            .items
            .into_iter()
            .find(is_over)
            .map(|execution| execution.id))
    }
}

impl EventFeed {
    /// Waits for the next events, or for the end. Loses nothing when it is dropped before it is ready.
    ///
    /// # Errors
    /// When the store fails, and when the service stops.
    pub async fn next(&mut self) -> Result<FeedItem> {
        let mut stopped = self.control.inner().stopped.subscribe();
        tokio::select! {
            item = self.wait() => item,
            _ = stopped.wait_for(|stopped| *stopped) => Err(stopping()),
        }
    }

    async fn wait(&mut self) -> Result<FeedItem> {
        loop {
            let live = self.control.inner().live.get(self.execution_id);
            let Some(live) = live else {
                if let Some(item) = self.stored().await? {
                    return Ok(item);
                }
                // Its end could not be stored yet.
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let mut progress = live.progress();
            if let Some(at) = self.not_before {
                tokio::time::sleep_until(at).await;
            }
            match live.after(self.after_seq, BATCH) {
                Some(events) if !events.is_empty() => {
                    self.not_before = Some(Instant::now() + PAUSE);
                    return Ok(self.hand_over(events));
                }
                Some(_) => step(&mut progress).await,
                None => {
                    let events = self.read().await?;
                    if !events.is_empty() {
                        return Ok(self.hand_over(events));
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// What is stored of an execution that does not run.
    async fn stored(&mut self) -> Result<Option<FeedItem>> {
        // The record first: events that come between the two questions are found by the second.
        let execution = self.control.get_execution(self.execution_id).await?;
        let events = self.read().await?;
        if !events.is_empty() {
            return Ok(Some(self.hand_over(events)));
        }
        Ok((execution.status != ExecutionStatus::Running)
            .then(|| FeedItem::End(Box::new(execution))))
    }

    async fn read(&self) -> Result<Vec<Arc<Event>>> {
        let (id, after) = (self.execution_id, self.after_seq);
        let store = self.control.store();
        let events = store
            .read(move |connection| store::event::list(connection, id, after, BATCH))
            .await?;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    fn hand_over(&mut self, events: Vec<Arc<Event>>) -> FeedItem {
        if let Some(last) = events.last() {
            self.after_seq = last.seq;
        }
        FeedItem::Events(events)
    }
}

/// Waits until an execution has made a step, or is over.
async fn step(progress: &mut watch::Receiver<crate::live::Progress>) {
    if !progress.borrow().is_over {
        // Whoever runs it lives as long as the execution does.
        let _ = progress.changed().await;
    }
}

fn stopping() -> Error {
    Error::Unavailable {
        message: "the service is shutting down".into(),
    }
}

/// A place in the executions of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    /// The execution.
    pub execution_id: Uuid,
    /// The number of its last event that is known.
    pub seq: u64,
}

/// Follows a session.
pub struct SessionFeed {
    control: Control,
    session_id: Uuid,
    /// The last execution that was begun to be handed over.
    after: Option<Uuid>,
    current: Option<EventFeed>,
    status: Option<SessionStatus>,
}

/// What a follower of a session is handed.
#[derive(Debug)]
pub enum SessionItem {
    /// The session, at first and whenever its status has changed.
    Session(Box<Session>),
    /// An execution begins.
    Begin(Box<Execution>),
    /// What happens in it.
    Execution(FeedItem),
}

impl SessionFeed {
    /// Waits for what happens next; nothing when the session has ended and all was handed over.
    ///
    /// # Errors
    /// When the store fails, and when the service stops.
    pub async fn next(&mut self) -> Result<Option<SessionItem>> {
        loop {
            if let Some(current) = &mut self.current {
                let item = current.next().await?;
                if matches!(item, FeedItem::End(_)) {
                    self.current = None;
                }
                return Ok(Some(SessionItem::Execution(item)));
            }
            let mut news = self
                .control
                .inner()
                .registry
                .get(self.session_id)
                .map(|live| live.news());
            // The record first: what begins after it is found by the second question.
            let session = self.control.get_session(self.session_id).await?;
            if let Some(execution) = self.following().await? {
                self.after = Some(execution.id);
                self.current = Some(self.control.follow(execution.id, 0).await?);
                return Ok(Some(SessionItem::Begin(Box::new(execution))));
            }
            if self.status.replace(session.status) != Some(session.status) {
                return Ok(Some(SessionItem::Session(Box::new(session))));
            }
            let is_over = matches!(
                session.status,
                SessionStatus::Closed | SessionStatus::Crashed
            );
            if is_over {
                return Ok(None);
            }
            let mut stopped = self.control.inner().stopped.subscribe();
            tokio::select! {
                () = heard(news.as_mut()) => {}
                () = tokio::time::sleep(LOOK) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return Err(stopping()),
            }
        }
    }

    async fn following(&self) -> Result<Option<Execution>> {
        let (session, after) = (self.session_id, self.after);
        let store = self.control.store();
        Ok(store
            .read(move |connection| store::execution::following(connection, session, after))
            .await?)
    }
}

/// Waits for news of a live session. What begins there is in the store a moment later.
async fn heard(news: Option<&mut watch::Receiver<u64>>) {
    match news {
        Some(news) => {
            let _ = news.changed().await;
            tokio::time::sleep(RETRY).await;
        }
        None => tokio::time::sleep(RETRY).await,
    }
}
