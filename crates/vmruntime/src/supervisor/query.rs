//! Queries about a session. A process of its own answers each: it replays what it lacks of the
//! committed state, answers and ends.
//!
//! # Which process answers
//!
//! - A session with a checkpoint: the daemon sends a socket for the answer to the socket that all
//!   checkpoints of the session share. The checkpoint that receives it forks a process, which reads
//!   the query from that socket. A checkpoint that was dismissed in the meantime drops the socket,
//!   and the daemon asks again.
//! - A session without a checkpoint: the zygote forks a process, which is set up with the session's
//!   seed.
//!
//! # Which state it shows
//!
//! Which of the two processes is asked, and which runs it has to replay, is read under one lock
//! ([`ReplayLog::basis`]). So an answer always shows the state after some commit, and that state
//! holds every commit that was answered before the query was sent. A query that is under way when
//! the session makes its first checkpoint is not asked again: it shows the commit before.
//!
//! # Bounds
//!
//! The processes are bounded in number, time and memory. When the caller drops the future of
//! [`QueryClient::ask`], the process is killed, and its permit is released when the process has
//! ended.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, oneshot, watch};
use vmcontrol::runtime::{Query, QueryError, QueryResult};

use super::recovery::replay_log::{Basis, ReplayLog};
use super::recovery::session_seed::SessionSeed;
use super::zygote::{ForkedProcess, Zygote};
use super::zygote_handle::ZygoteHandle;
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{FromQuery, MAX_FROM_QUERY_BYTES, QueryRequest};

/// How many queries about one session are answered at once. Further ones wait for a permit.
const MAX_OF_SESSION: u32 = 4;

/// How many queries about all sessions together are answered at once. Each may use a processor, and
/// 32 MiB of heap beyond that of its session.
static PERMITS_OF_ALL: Semaphore = Semaphore::const_new(16);

/// How long a query may wait for its permits before it fails with [`QueryError::Busy`].
const QUEUE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long an answer may take once the query has its permits. The timers of the process itself run
/// out earlier.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for the end of a process that was killed.
const DEATH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before a query that no process took is asked again.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// Answers queries about a session.
pub(super) struct QueryClient {
    /// The daemon's end of the socket that the session's checkpoints share.
    checkpoints: Sender,
    zygotes: Arc<ZygoteHandle>,
    /// The zygote's number for the session.
    session: u64,
    seed: Arc<SessionSeed>,
    replay_log: Arc<ReplayLog>,
    permits: Semaphore,
    /// Whether the session has ended.
    closed: watch::Sender<bool>,
}

/// A process that answers a query.
struct QueryProcess {
    zygote: Arc<Zygote>,
    receiver: Receiver,
    origin: Forked,
}

/// What a query process was forked from.
enum Forked {
    /// A checkpoint of the session of that number.
    FromCheckpoint {
        session: u64,
        /// The process id that the process sent; `None` until it has begun.
        pid: Option<u32>,
    },
    /// The zygote: the process has its own process group, with this number.
    FromZygote { number: u64 },
}

impl QueryClient {
    /// A client for queries about the session of that number. The session's checkpoints receive
    /// from the other end of `checkpoints`.
    pub(super) fn new(
        checkpoints: Sender,
        zygotes: Arc<ZygoteHandle>,
        session: u64,
        seed: Arc<SessionSeed>,
        replay_log: Arc<ReplayLog>,
    ) -> Self {
        Self {
            checkpoints,
            zygotes,
            session,
            seed,
            replay_log,
            permits: Semaphore::new(MAX_OF_SESSION as usize),
            closed: watch::Sender::new(false),
        }
    }

    /// Answers a query. If the future is dropped, the process that answers is killed.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub(super) async fn ask(self: &Arc<Self>, query: Query) -> Result<QueryResult, QueryError> {
        let client = Arc::clone(self);
        let (mut reply, answer) = oneshot::channel();
        tokio::spawn(async move {
            let mut closed = client.closed.subscribe();
            let permits = tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => Ok(None),
                () = reply.closed() => return,
                permits = tokio::time::timeout(QUEUE_TIMEOUT, client.permits()) => permits,
            };
            let refused = match permits {
                Ok(Some(_)) => None,
                Ok(None) => Some(QueryError::Gone),
                Err(_) => Some(QueryError::Busy),
            };
            if let Some(error) = refused {
                let _ = reply.send(Err(error));
                return;
            }
            let mut process = None;
            let answer = tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => Err(QueryError::Gone),
                () = reply.closed() => Err(QueryError::Gone),
                answer = tokio::time::timeout(TIMEOUT, client.answer(&query, &mut process)) => {
                    answer.unwrap_or(Err(QueryError::Exceeded))
                }
            };
            // The caller may have dropped the future.
            let _ = reply.send(answer);
            if let Some(process) = process {
                process.end().await;
            }
            // The permits are held until here, because only now has the process ended.
            drop(permits);
        });
        answer.await.unwrap_or(Err(QueryError::Gone))
    }

    /// Refuses all further queries, and waits until the processes that answer earlier ones have
    /// ended.
    pub(super) async fn close(&self) {
        self.closed.send_replace(true);
        // A query releases its permits when its process has ended.
        let _ = self.permits.acquire_many(MAX_OF_SESSION).await;
    }

    /// Waits for a permit of this session and then for one of all sessions. Returns `None` when a
    /// semaphore is closed, which does not happen.
    async fn permits(&self) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'static>)> {
        let own = self.permits.acquire().await.ok()?;
        Some((own, PERMITS_OF_ALL.acquire().await.ok()?))
    }

    /// Sends the query until a process has taken it, and waits for the answer. `process` is set to
    /// the process that was asked last.
    async fn answer(
        &self,
        query: &Query,
        process: &mut Option<QueryProcess>,
    ) -> Result<QueryResult, QueryError> {
        loop {
            let query = query.clone();
            let taken = match self.replay_log.basis() {
                Basis::Checkpoint(replay) => {
                    let request = QueryRequest { replay, query };
                    self.ask_checkpoint(request, process).await
                }
                Basis::Seed(replay) => {
                    let request = QueryRequest { replay, query };
                    self.ask_fork_of_zygote(request, process).await
                }
            };
            match taken {
                Ok(Some(process)) => return process.answered().await,
                Ok(None) => tokio::time::sleep(RETRY_AFTER).await,
                Err(error) => {
                    tracing::debug!(session = self.session, %error, "a query can't be asked");
                    return Err(QueryError::Gone);
                }
            }
        }
    }

    /// Asks a checkpoint. Returns `None` if no process took the query: the checkpoint was
    /// dismissed, or there is no checkpoint any more.
    async fn ask_checkpoint<'a>(
        &self,
        request: QueryRequest,
        process: &'a mut Option<QueryProcess>,
    ) -> io::Result<Option<&'a mut QueryProcess>> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_QUERY_BYTES)?;
        let origin = Forked::FromCheckpoint {
            session: self.session,
            pid: None,
        };
        let process = process.insert(QueryProcess {
            zygote: self.zygotes.zygote(),
            receiver,
            origin,
        });
        let asked = async {
            let along = Some(theirs.as_raw_fd());
            self.checkpoints.send(0, &(), along).await?;
            drop(theirs);
            // A process that did not receive the whole request does not send `Began`.
            let (_, began) = tokio::join!(sender.send(0, &request, None), process.has_begun());
            Ok::<_, io::Error>(began)
        };
        let began = tokio::select! {
            began = asked => began?,
            () = self.replay_log.checkpoint_is_lost() => false,
        };
        Ok(began.then_some(process))
    }

    /// Asks a process that the zygote forks for this query. Returns `None` if no process took the
    /// query: it could not be forked, or was killed.
    async fn ask_fork_of_zygote<'a>(
        &self,
        request: QueryRequest,
        process: &'a mut Option<QueryProcess>,
    ) -> io::Result<Option<&'a mut QueryProcess>> {
        let zygote = self.zygotes.zygote();
        let ForkedProcess {
            sender,
            receiver,
            number,
            ..
        } = zygote.fork_query()?;
        let process = process.insert(QueryProcess {
            zygote,
            receiver,
            origin: Forked::FromZygote { number },
        });
        let asked = self.seed.ask(&sender, request);
        // A process that did not receive the whole request does not send `Began`.
        let (_, began) = tokio::join!(asked, process.has_begun());
        Ok(began.then_some(process))
    }
}

impl QueryProcess {
    /// Waits until the process has taken the query. Returns false if it ended before.
    async fn has_begun(&mut self) -> bool {
        let Ok(Some(received)) = self.receiver.receive::<FromQuery>().await else {
            return false;
        };
        let FromQuery::Began { pid: began } = received.message else {
            return false;
        };
        if let Forked::FromCheckpoint { pid, .. } = &mut self.origin {
            *pid = Some(began);
        }
        true
    }

    /// Waits for the answer of a process that has begun.
    async fn answered(&mut self) -> Result<QueryResult, QueryError> {
        match self.receiver.receive::<FromQuery>().await {
            Ok(Some(received)) => match received.message {
                FromQuery::Answered(result) => Ok(result),
                FromQuery::Began { .. } => Err(QueryError::Gone),
            },
            Ok(None) | Err(_) => Err(QueryError::Exceeded),
        }
    }

    /// Kills the process if it has not ended, and waits for its end.
    async fn end(mut self) {
        // In most cases the process ends by itself as soon as it has answered.
        match self.origin {
            Forked::FromCheckpoint {
                session,
                pid: Some(pid),
            } => self.zygote.end_query(session, pid),
            Forked::FromCheckpoint { pid: None, .. } => {}
            Forked::FromZygote { number } => self.zygote.close(number),
        }
        let gone = async { while let Ok(Some(_)) = self.receiver.receive::<FromQuery>().await {} };
        // If the process has not ended in time, its own timers end it.
        let _ = tokio::time::timeout(DEATH_TIMEOUT, gone).await;
    }
}
