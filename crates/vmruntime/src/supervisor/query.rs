//! Asking the checkpoints of a session.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use vmcontrol::runtime::{Query, QueryError, QueryResult};

use super::home::Home;
use super::stand_in::number_of_stand_in;
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{FromQuery, MAX_FROM_QUERY_BYTES, MAX_FROM_SESSION_BYTES, QueryRequest};
use crate::supervisor::recovery::replay_log::ReplayLog;

/// How many questions about one session are answered at once; others wait.
const AT_ONCE: usize = 4;

/// How many about all sessions together: each may take a processor and some memory.
static ALL_AT_ONCE: Semaphore = Semaphore::const_new(16);

/// How long a question may wait until there is a place for it.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long it may take then. What answers has less, by the kernel's clocks.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a process that was killed may take to be gone.
const DEATH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before a question is asked again that nobody took.
const AGAIN_AFTER: Duration = Duration::from_millis(5);

/// The daemon's way to the checkpoints of a session, whichever there is.
pub(super) struct QueryClient {
    sender: Sender,
    home: Arc<Home>,
    /// The zygote's number for the session.
    number: u64,
    /// What checkpoints do not hold.
    replay_log: Arc<ReplayLog>,
    places: Semaphore,
}

/// A process that answers a question. It is killed when nobody wants the answer any more.
struct Answering<'a> {
    queries: &'a QueryClient,
    receiver: Receiver,
    /// What it says its id is, once it has said so.
    pid: Option<u32>,
}

impl QueryClient {
    /// With the other end, for the session process.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn pair(
        home: Arc<Home>,
        number: u64,
        replay_log: Arc<ReplayLog>,
    ) -> io::Result<(Arc<Self>, OwnedFd)> {
        let (sender, _, theirs) = daemon_end::pair(MAX_FROM_SESSION_BYTES)?;
        let queries = Self {
            sender,
            home,
            number,
            replay_log,
            places: Semaphore::new(AT_ONCE),
        };
        Ok((Arc::new(queries), theirs))
    }

    /// Asks a question. When whoever asks has gone, the process that answers goes, too; its place is free then.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub(super) async fn ask(self: &Arc<Self>, query: Query) -> Result<QueryResult, QueryError> {
        let queries = Arc::clone(self);
        let (mut say, answer) = oneshot::channel();
        tokio::spawn(async move {
            let places = tokio::select! {
                places = tokio::time::timeout(QUEUE_TIMEOUT, queries.place()) => places,
                () = say.closed() => return,
            };
            let Ok(_places) = places else {
                let _ = say.send(Err(QueryError::Busy));
                return;
            };
            let mut answering = None;
            let answer = tokio::select! {
                answer = tokio::time::timeout(TIMEOUT, queries.answer(&query, &mut answering)) => {
                    answer.unwrap_or(Err(QueryError::Exceeded))
                }
                () = say.closed() => Err(QueryError::Gone),
            };
            // Whoever asked may have gone.
            let _ = say.send(answer);
            if let Some(answering) = answering {
                answering.end().await;
            }
        });
        answer.await.unwrap_or(Err(QueryError::Gone))
    }

    /// Waits for a place among the questions about this session, and then among all.
    async fn place(&self) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'static>)> {
        let own = self.places.acquire().await.ok()?;
        Some((own, ALL_AT_ONCE.acquire().await.ok()?))
    }

    async fn answer<'a>(
        &'a self,
        query: &Query,
        answering: &mut Option<Answering<'a>>,
    ) -> Result<QueryResult, QueryError> {
        loop {
            match self.ask_once(query, answering).await {
                Ok(Some(answer)) => return answer,
                // The checkpoint was dismissed before it could take the question.
                Ok(None) => tokio::time::sleep(AGAIN_AFTER).await,
                Err(error) => {
                    tracing::debug!(%error, "a session can't be asked");
                    return Err(QueryError::Gone);
                }
            }
        }
    }

    /// Asks a checkpoint; nothing when none has taken the question.
    async fn ask_once<'a>(
        &'a self,
        query: &Query,
        answering: &mut Option<Answering<'a>>,
    ) -> io::Result<Option<Result<QueryResult, QueryError>>> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_QUERY_BYTES)?;
        // Before the question is: a checkpoint that takes it may hold more, and none is older that has not been dismissed.
        let question = QueryRequest {
            replay: self.replay_log.runs(),
            query: query.clone(),
        };
        self.sender.send(0, &(), Some(theirs.as_raw_fd())).await?;
        drop(theirs);
        let answering = answering.insert(Answering {
            queries: self,
            receiver,
            pid: None,
        });
        // One that was not taken is found out by the answer.
        let (_, answer) = tokio::join!(sender.send(0, &question, None), answering.hear());
        Ok(answer)
    }
}

impl Answering<'_> {
    /// The answer; nothing if the process was not there to take the question.
    async fn hear(&mut self) -> Option<Result<QueryResult, QueryError>> {
        match self.receiver.receive::<FromQuery>().await {
            Ok(Some(received)) => match received.message {
                FromQuery::Began { pid } => self.pid = Some(pid),
                FromQuery::Seen(_) => return Some(Err(QueryError::Gone)),
            },
            Ok(None) | Err(_) => return None,
        }
        Some(match self.receiver.receive::<FromQuery>().await {
            Ok(Some(received)) => match received.message {
                FromQuery::Seen(sight) => Ok(sight),
                FromQuery::Began { .. } => Err(QueryError::Gone),
            },
            Ok(None) | Err(_) => Err(QueryError::Exceeded),
        })
    }

    /// Makes sure that the process is gone, or as good as that.
    async fn end(mut self) {
        // In most cases it ends by itself as soon as it has answered.
        if let Some(pid) = self.pid {
            let (zygote, number) = (self.queries.home.zygote(), self.queries.number);
            for number in [number, number_of_stand_in(number)] {
                zygote.end_query(number, pid);
            }
        }
        let gone = async { while let Ok(Some(_)) = self.receiver.receive::<FromQuery>().await {} };
        // Without it the place is free all the same: its clocks end it.
        let _ = tokio::time::timeout(DEATH_TIMEOUT, gone).await;
    }
}
