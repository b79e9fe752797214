//! The daemon's handle of a zygote, and the actor that owns its process and its channel.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use vmapi_types::{Limits, Sandbox};
use vmcontrol::MemoryBudget;
use vmcontrol::library::LoadedLibrary;
use vmcontrol::runtime::{OpenSessionError, RuntimeUnavailable};

use super::death::exit_text;
use super::watchdog::{Awaited, Step, Watchdog};
use crate::ipc::child::{no_answer, pid_of, stopped_for_long};
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{
    Death, FromZygote, HELPER_TIMEOUT, LoadError, MAX_FROM_SESSION_BYTES, MAX_FROM_ZYGOTE_BYTES,
    ToZygote,
};
use crate::ipc::{WorkerCommand, prepare_worker};

/// How long a zygote may take to warm up, or to load a library.
const PATIENCE: Duration = Duration::from_secs(20);

/// Numbers the sessions of all zygotes: a session that moves to another zygote keeps its number.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// How many session processes wait for sessions to come. With one, a session that is made right after another waits for the
/// fork; each takes 0.2 MB.
const WAITING: usize = 3;

/// What a session's actor hears of its processes.
#[derive(Debug)]
pub(super) enum ProcessEvent {
    /// No session process could be forked.
    OpenFailed(String),
    /// A process died.
    Died(Death),
    /// The last process is gone.
    Ended,
    /// The zygote is gone, and every process of the session with it.
    ZygoteGone(String),
}

/// A message for the zygote, with a descriptor that goes along.
type Order = (ToZygote, Option<OwnedFd>);

type ProcessGroups = Mutex<HashMap<u64, mpsc::UnboundedSender<ProcessEvent>>>;

/// A zygote takes no message any more.
#[derive(Debug)]
struct ZygoteGone;

/// A running zygote.
#[derive(Debug)]
pub(super) struct Zygote {
    engine: String,
    libraries: Vec<LoadedLibrary>,
    orders: mpsc::UnboundedSender<Order>,
    /// What may be held of what its sessions send.
    memory: MemoryBudget,
    awaited: Arc<Awaited>,
    is_deterministic: bool,
    process_groups: Arc<ProcessGroups>,
    stop: Arc<Notify>,
    gone: watch::Receiver<bool>,
    sandbox: Sandbox,
    /// The session processes that wait for the next sessions, the oldest first.
    waiting: Mutex<VecDeque<Forked>>,
}

/// A session process that is being forked, and knows nothing of its session yet.
#[derive(Debug)]
pub(super) struct Forked {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) number: u64,
    pub(super) process_events: mpsc::UnboundedReceiver<ProcessEvent>,
}

impl Zygote {
    /// Starts a zygote and waits until it is warm and has loaded the libraries.
    ///
    /// # Errors
    /// When the program can't be started, ends, or does not speak the protocol; when a library fails.
    pub(super) async fn start(
        command: &WorkerCommand,
        engine: &str,
        libraries: &[LoadedLibrary],
        memory: MemoryBudget,
    ) -> Result<Self, OpenSessionError> {
        let unavailable = |error: io::Error| RuntimeUnavailable {
            reason: error.to_string(),
        };
        let mut starting = Starting::spawn(command, engine).map_err(unavailable)?;
        let greeting = starting.next().await.map_err(unavailable)?;
        let sandbox = check_hello(greeting).map_err(unavailable)?;
        let mut is_deterministic = true;
        for library in libraries {
            is_deterministic &= starting.load(library).await?;
        }
        let Starting {
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
        let (stop, awaited) = (Arc::new(Notify::new()), Arc::<Awaited>::default());
        let actor = Actor {
            receiver,
            child,
            writer: tokio::spawn(write(sender, received_orders)),
            orders: orders.clone(),
            awaited: Arc::clone(&awaited),
            watchdog: Watchdog::new(),
            stop: Arc::clone(&stop),
            process_groups: Arc::clone(&process_groups),
        };
        tokio::spawn(async move {
            actor.run().await;
            // Nobody may be waiting.
            let _ = set_gone.send(true);
        });
        Ok(Self {
            engine: engine.to_owned(),
            libraries: libraries.to_vec(),
            orders,
            memory,
            awaited,
            is_deterministic,
            process_groups,
            stop,
            gone,
            sandbox,
            waiting: Mutex::default(),
        })
    }

    /// The engine.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    /// What it has loaded, in that order.
    pub(super) fn libraries(&self) -> &[LoadedLibrary] {
        &self.libraries
    }

    /// What the kernel keeps its sessions from.
    pub(super) fn sandbox(&self) -> Sandbox {
        self.sandbox.clone()
    }

    pub(super) fn is_alive(&self) -> bool {
        !*self.gone.borrow() && !self.orders.is_closed()
    }

    /// Whether any other zygote of this kind has the same state.
    pub(super) fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    /// Makes sure that it is found out if the zygote does not answer.
    pub(super) fn watch(&self) {
        self.awaited.note();
    }

    fn order(&self, message: ToZygote, along: Option<OwnedFd>) -> Result<(), ZygoteGone> {
        let sent = self.orders.send((message, along));
        self.watch();
        sent.map_err(|_| ZygoteGone)
    }

    /// Asks for a session process.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn fork_session(&self) -> io::Result<Forked> {
        self.fork(next_number(), false)
    }

    /// Asks for a session process that the daemon knows by a number which no process has.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn fork_as(&self, number: u64) -> io::Result<Forked> {
        self.fork(number, false)
    }

    fn fork(&self, number: u64, ahead: bool) -> io::Result<Forked> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_SESSION_BYTES)?;
        let receiver = receiver.within(self.memory.clone());
        let process_events = self.open(number, theirs, ahead);
        Ok(Forked {
            sender,
            receiver,
            number,
            process_events,
        })
    }

    /// The session process that was forked ahead of time, if there is one and it may have that much memory.
    pub(super) fn take_waiting(&self, limits: &Limits) -> Option<Forked> {
        if limits.mem_mb > Limits::default().mem_mb {
            return None;
        }
        lock(&self.waiting).pop_front()
    }

    /// Forks session processes for the next sessions, so that they need not wait for that.
    pub(super) fn fork_ahead(&self) {
        let mut waiting = lock(&self.waiting);
        while waiting.len() < WAITING {
            // If it can't be now, the next session asks for itself.
            let Ok(forked) = self.fork(next_number(), true) else {
                return;
            };
            waiting.push_back(forked);
        }
    }

    /// Asks for a session process that holds `socket`. What becomes of it is heard from the returned channel.
    fn open(
        &self,
        session: u64,
        socket: OwnedFd,
        ahead: bool,
    ) -> mpsc::UnboundedReceiver<ProcessEvent> {
        let (sender, process_events) = mpsc::unbounded_channel();
        lock(&self.process_groups).insert(session, sender.clone());
        let order = ToZygote::Open { session, ahead };
        if self.order(order, Some(socket)).is_err() {
            // The zygote's actor may have said so to all others already.
            lock(&self.process_groups).remove(&session);
            let _ = sender.send(ProcessEvent::ZygoteGone("it ended just now".into()));
        }
        process_events
    }

    /// Kills every process of a session.
    pub(super) fn close(&self, session: u64) {
        // If the zygote is gone, so are its sessions.
        let _ = self.order(ToZygote::Close { session }, None);
    }

    /// Kills the session process of a generation.
    pub(super) fn interrupt(&self, session: u64, generation: u32) {
        let order = ToZygote::Interrupt {
            session,
            generation,
        };
        let _ = self.order(order, None);
    }

    /// Kills a process that answers a question about a session, if there is one of that id.
    pub(super) fn end_query(&self, session: u64, pid: u32) {
        let _ = self.order(ToZygote::EndQuery { session, pid }, None);
    }

    /// Has the zygote end with all its sessions.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until the zygote is gone.
    pub(super) async fn gone(&self) {
        let mut gone = self.gone.clone();
        let _ = gone.wait_for(|gone| *gone).await;
    }
}

fn next_number() -> u64 {
    NEXT_SESSION.fetch_add(1, Ordering::Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_hello(message: FromZygote) -> io::Result<Sandbox> {
    let own = env!("CARGO_PKG_VERSION");
    match message {
        FromZygote::Hello { binary, sandbox } if binary == own => Ok(sandbox),
        FromZygote::Hello { binary, .. } => Err(io::Error::other(format!(
            "the program was replaced by version {binary} while version {own} runs: restart the daemon"
        ))),
        _ => Err(io::Error::other("it did not greet")),
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // Nobody has a session of it any more.
        self.stop();
    }
}

/// A zygote that warms up. It is killed if it does not get that far.
struct Starting {
    sender: Sender,
    receiver: Receiver,
    child: Child,
}

impl Starting {
    fn spawn(command: &WorkerCommand, engine: &str) -> io::Result<Self> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_ZYGOTE_BYTES)?;
        let mut process = Command::new(&command.program);
        process
            .args(&command.args)
            .arg(engine)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        prepare_worker(&mut process, theirs.as_raw_fd());
        let child = process.spawn()?;
        Ok(Self {
            sender,
            receiver,
            child,
        })
    }

    /// Has it load a library. Says whether that was without nondeterministic inputs.
    async fn load(&mut self, library: &LoadedLibrary) -> Result<bool, OpenSessionError> {
        let failed = |message: String| OpenSessionError::Library {
            name: library.name.clone(),
            message,
        };
        let order = ToZygote::Load {
            name: library.name.clone(),
            source: Arc::clone(&library.source),
        };
        let sent = tokio::time::timeout(PATIENCE, self.sender.send(0, &order, None)).await;
        sent.unwrap_or_else(|_| Err(io::Error::other("its process takes nothing")))
            .map_err(|error| failed(error.to_string()))?;
        match self.next().await {
            Ok(FromZygote::Loaded {
                error: None,
                is_deterministic,
            }) => Ok(is_deterministic),
            Ok(FromZygote::Loaded {
                error: Some(LoadError::NoScript(message)),
                ..
            }) => Err(OpenSessionError::NoScript {
                name: library.name.clone(),
                message,
            }),
            Ok(FromZygote::Loaded {
                error: Some(LoadError::Failed(error)),
                ..
            }) => Err(failed(error)),
            Ok(_) => Err(failed("its process did not say whether it loaded".into())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// What the zygote says next.
    async fn next(&mut self) -> io::Result<FromZygote> {
        let receiving = tokio::time::timeout(PATIENCE, self.receiver.receive::<FromZygote>());
        let received = tokio::select! {
            received = receiving => received,
            () = stopped_for_long(pid_of(&self.child)) => {
                return Err(io::Error::other(format!("the zygote {} when it started", no_answer())));
            }
        };
        match received {
            Ok(Ok(Some(received))) => Ok(received.message),
            Ok(Ok(None)) => {
                let status = self.child.wait().await?;
                Err(io::Error::other(exit_text(status)))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other(format!(
                "it took longer than {} s",
                PATIENCE.as_secs()
            ))),
        }
    }
}

/// Hands orders to the zygote, however slow it is, until it is gone. It is a task of its own, because a zygote that waits
/// for its reports to be read takes no orders.
async fn write(sender: Sender, mut orders: mpsc::UnboundedReceiver<Order>) {
    while let Some((message, fd)) = orders.recv().await {
        let fd = fd.as_ref().map(AsRawFd::as_raw_fd);
        if let Err(error) = sender.send(0, &message, fd).await {
            tracing::debug!(%error, "a zygote takes no orders");
            return;
        }
    }
}

struct Actor {
    receiver: Receiver,
    child: Child,
    writer: JoinHandle<()>,
    /// For questions of the actor's own.
    orders: mpsc::UnboundedSender<Order>,
    awaited: Arc<Awaited>,
    watchdog: Watchdog,
    stop: Arc<Notify>,
    process_groups: Arc<ProcessGroups>,
}

impl Actor {
    async fn run(mut self) {
        let reason = loop {
            tokio::select! {
                // An answer that is there has come in time.
                biased;
                received = self.receiver.receive::<FromZygote>() => match received {
                    Ok(Some(received)) => self.dispatch(received.message),
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                },
                () = self.stop.notified() => break Some("the daemon stops".into()),
                step = self.watchdog.next(&self.awaited) => match step {
                    // If it takes no messages any more it is about to be gone.
                    Step::Ask(number) => drop(self.orders.send((ToZygote::Ping { number }, None))),
                    Step::GiveUp => {
                        let reason = format!("it {} and was killed", no_answer());
                        tracing::warn!(pid = self.child.id(), reason, "a zygote is given up");
                        // If it can't be, it has ended.
                        let _ = self.child.start_kill();
                        break Some(reason);
                    }
                },
            }
        };
        self.end(reason).await;
    }

    fn dispatch(&mut self, message: FromZygote) {
        let (session, process_events) = match message {
            FromZygote::Hello { .. } | FromZygote::Loaded { .. } => return,
            FromZygote::Pong { number } => return self.watchdog.note_answer(number),
            FromZygote::OpenFailed { session, reason } => {
                (session, ProcessEvent::OpenFailed(reason))
            }
            FromZygote::Died { session, death } => (session, ProcessEvent::Died(death)),
            FromZygote::Ended { session } => (session, ProcessEvent::Ended),
        };
        let mut process_groups = lock(&self.process_groups);
        let is_last = matches!(
            process_events,
            ProcessEvent::Ended | ProcessEvent::OpenFailed(_)
        );
        if let Some(family) = process_groups.get(&session) {
            // An actor that is gone does not care.
            let _ = family.send(process_events);
        }
        if is_last {
            process_groups.remove(&session);
        }
    }

    /// Hangs up, which ends the zygote and its sessions, and waits for that.
    async fn end(self, reason: Option<String>) {
        let Self {
            receiver,
            mut child,
            writer,
            process_groups,
            ..
        } = self;
        writer.abort();
        // What the aborted task holds is dropped with it.
        let _ = writer.await;
        drop(receiver);
        let status = match tokio::time::timeout(HELPER_TIMEOUT, child.wait()).await {
            Ok(Ok(status)) => exit_text(status),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                tracing::error!("a zygote did not end by itself and is killed");
                let _ = child.kill().await;
                "it did not end by itself and was killed".into()
            }
        };
        let reason = reason.unwrap_or(status);
        for family in std::mem::take(&mut *lock(&process_groups)).into_values() {
            let _ = family.send(ProcessEvent::ZygoteGone(reason.clone()));
        }
    }
}
