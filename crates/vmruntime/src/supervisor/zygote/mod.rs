//! The daemon's handle of a zygote.
//!
//! The handle sends orders and returns forked processes. An actor owns the zygote's process and
//! reads its reports ([`actor`]); it forwards each report to the session or query whose processes
//! it is about ([`events`]).

mod actor;
mod events;
mod starting;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};
use vmapi_types::{Limits, Sandbox};
use vmcontrol::MemoryBudget;
use vmcontrol::library::LoadedLibrary;
use vmcontrol::runtime::{OpenSessionError, RuntimeUnavailable};

use self::actor::{Order, ZygoteActor, write};
pub(super) use self::events::ProcessEvent;
use self::events::ProcessGroups;
use self::starting::StartingZygote;
use super::watchdog::{SentMessages, Watchdog};
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{MAX_FROM_QUERY_BYTES, MAX_FROM_SESSION_BYTES, ToZygote, WorkerCommand};

/// The next number of a process group. Numbers are unique among all zygotes: a session that moves
/// to another zygote keeps its number.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// How many session processes are forked ahead. With one, a session that is made right after
/// another would wait for the fork. Each takes 0.2 MB.
const FORKED_AHEAD: usize = 3;

/// The zygote's channel is closed: it takes no order any more.
#[derive(Debug)]
struct ZygoteGone;

/// A running zygote. It ends with its sessions when the handle is dropped.
#[derive(Debug)]
pub(super) struct Zygote {
    engine: String,
    libraries: Vec<LoadedLibrary>,
    orders: mpsc::UnboundedSender<Order>,
    /// The memory budget for messages from its session processes.
    memory: MemoryBudget,
    sent: Arc<SentMessages>,
    is_deterministic: bool,
    process_groups: Arc<ProcessGroups>,
    stop: Arc<Notify>,
    gone: watch::Receiver<bool>,
    sandbox: Sandbox,
    /// The session processes that were forked ahead, the oldest first.
    waiting: Mutex<VecDeque<ForkedProcess>>,
}

/// A process that the zygote was asked to fork, and that is not set up yet.
#[derive(Debug)]
pub(super) struct ForkedProcess {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    /// The number of its process group.
    pub(super) number: u64,
    /// The reports about its process group.
    pub(super) events: mpsc::UnboundedReceiver<ProcessEvent>,
}

impl Zygote {
    /// Starts a zygote and waits until it is warm and has loaded the libraries.
    ///
    /// # Errors
    /// When the program can't be started, ends early or does not speak the protocol, and when a
    /// library fails.
    pub(super) async fn start(
        command: &WorkerCommand,
        engine: &str,
        libraries: &[LoadedLibrary],
        memory: MemoryBudget,
    ) -> Result<Self, OpenSessionError> {
        let unavailable = |error: io::Error| RuntimeUnavailable {
            reason: error.to_string(),
        };
        let mut starting = StartingZygote::spawn(command, engine).map_err(unavailable)?;
        let sandbox = starting.greeting().await.map_err(unavailable)?;
        let mut is_deterministic = true;
        for library in libraries {
            is_deterministic &= starting.load(library).await?;
        }
        let StartingZygote {
            sender,
            receiver,
            child,
        } = starting;
        tracing::debug!(
            engine,
            libraries = libraries.len(),
            pid = child.id(),
            "a zygote is warm"
        );
        let (orders, received_orders) = mpsc::unbounded_channel();
        let (set_gone, gone) = watch::channel(false);
        let process_groups: Arc<ProcessGroups> = Arc::default();
        let (stop, sent) = (Arc::new(Notify::new()), Arc::<SentMessages>::default());
        let actor = ZygoteActor {
            receiver,
            child,
            writer: tokio::spawn(write(sender, received_orders)),
            orders: orders.clone(),
            sent: Arc::clone(&sent),
            watchdog: Watchdog::new(),
            stop: Arc::clone(&stop),
            process_groups: Arc::clone(&process_groups),
        };
        tokio::spawn(async move {
            actor.run().await;
            // The handle may have been dropped.
            let _ = set_gone.send(true);
        });
        Ok(Self {
            engine: engine.to_owned(),
            libraries: libraries.to_vec(),
            orders,
            memory,
            sent,
            is_deterministic,
            process_groups,
            stop,
            gone,
            sandbox,
            waiting: Mutex::default(),
        })
    }

    /// The name of the engine.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    /// The libraries in the order in which they were loaded.
    pub(super) fn libraries(&self) -> &[LoadedLibrary] {
        &self.libraries
    }

    /// The sandbox of its session processes.
    pub(super) fn sandbox(&self) -> Sandbox {
        self.sandbox.clone()
    }

    /// Whether the zygote has not ended, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        !*self.gone.borrow() && !self.orders.is_closed()
    }

    /// Whether any other zygote with this engine and these libraries has the same state.
    pub(super) fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    /// Arms the watchdog: a zygote that does not answer from now on is killed.
    pub(super) fn watch(&self) {
        self.sent.note();
    }

    fn order(&self, message: ToZygote, along: Option<OwnedFd>) -> Result<(), ZygoteGone> {
        let sent = self.orders.send((message, along));
        self.watch();
        sent.map_err(|_| ZygoteGone)
    }

    /// Orders the fork of a session process for a new session.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn fork_session(&self) -> io::Result<ForkedProcess> {
        self.fork(next_number(), false)
    }

    /// Orders the fork of a session process under the number of a session that has lost its own.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn fork_as(&self, number: u64) -> io::Result<ForkedProcess> {
        self.fork(number, false)
    }

    fn fork(&self, number: u64, ahead: bool) -> io::Result<ForkedProcess> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_SESSION_BYTES)?;
        let receiver = receiver.within(self.memory.clone());
        let events = self.open(number, theirs, ahead);
        Ok(ForkedProcess {
            sender,
            receiver,
            number,
            events,
        })
    }

    /// Orders the fork of a process that answers one query.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn fork_query(&self) -> io::Result<ForkedProcess> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_QUERY_BYTES)?;
        let number = next_number();
        let events = self.open(number, theirs, false);
        Ok(ForkedProcess {
            sender,
            receiver,
            number,
            events,
        })
    }

    /// Takes a session process that was forked ahead. Returns `None` if there is none, or if the
    /// session may use more memory than such a process can be given.
    pub(super) fn take_waiting(&self, limits: &Limits) -> Option<ForkedProcess> {
        if limits.mem_mb > Limits::default().mem_mb {
            return None;
        }
        self.waiting().pop_front()
    }

    /// Orders session processes for the next sessions, until [`FORKED_AHEAD`] wait.
    pub(super) fn fork_ahead(&self) {
        let mut waiting = self.waiting();
        while waiting.len() < FORKED_AHEAD {
            // If the system refuses, the next session orders its own process.
            let Ok(forked) = self.fork(next_number(), true) else {
                return;
            };
            waiting.push_back(forked);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<ForkedProcess>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders a fork that holds `socket`. Returns the receiver of the events of its process group.
    fn open(
        &self,
        number: u64,
        socket: OwnedFd,
        ahead: bool,
    ) -> mpsc::UnboundedReceiver<ProcessEvent> {
        let events = self.process_groups.begin(number);
        let order = ToZygote::Open {
            session: number,
            ahead,
        };
        if self.order(order, Some(socket)).is_err() {
            // The zygote's actor may have sent this event to all groups before this group was
            // registered.
            let gone = ProcessEvent::ZygoteGone("it ended just now".into());
            self.process_groups.report(number, gone);
        }
        events
    }

    /// Orders the death of every process of a session, or of a query process.
    pub(super) fn close(&self, number: u64) {
        // If the zygote has ended, its sessions have ended too.
        let _ = self.order(ToZygote::Close { session: number }, None);
    }

    /// Orders the death of the session process of a generation.
    pub(super) fn interrupt(&self, session: u64, generation: u32) {
        let order = ToZygote::Interrupt {
            session,
            generation,
        };
        let _ = self.order(order, None);
    }

    /// Orders the death of a fork of a session's checkpoint that answers a query. The order has no
    /// effect if the session has no process of that id.
    pub(super) fn end_query(&self, session: u64, pid: u32) {
        let _ = self.order(ToZygote::EndQuery { session, pid }, None);
    }

    /// Ends the zygote with all its sessions.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until the zygote's process has ended.
    pub(super) async fn gone(&self) {
        let mut gone = self.gone.clone();
        let _ = gone.wait_for(|gone| *gone).await;
    }
}

fn next_number() -> u64 {
    NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // No session uses the zygote any more.
        self.stop();
    }
}
