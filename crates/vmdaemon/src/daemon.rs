//! A running daemon: its start, its service until a signal, and its shutdown.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::FcntlArg;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vmcontrol::runtime::Runtime;
use vmcontrol::{
    Control, ControlOptions, MemoryBudget, Retention, Store, WriteLimits, close_idle_sessions,
    prune_periodically,
};
use vmruntime::{WorkerCommand, WorkerRuntime};
use vmstore_sqlite::SqliteStore;
use vmtransport_http::{ApiOptions, Listener, Token};

use crate::error::{ServeError, StartError};
use crate::listen::{self, Address, Listen};
use crate::memory;
use crate::signals::StopSignals;
use crate::{token, version};

/// The limit for clients to receive the last responses of a shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The configuration of a daemon.
pub struct Options {
    /// The database file; it is created if it is missing.
    pub db: PathBuf,
    /// The address to listen on.
    pub listen: Listen,
    /// The file with the token that clients must send, created if it is missing; `None` means that
    /// no token is required.
    pub token_file: Option<PathBuf>,
    /// The log file, which sessions can't access through host modules; `None` if the log goes to
    /// standard error.
    pub log_file: Option<PathBuf>,
    /// The size limit for a request body, in bytes.
    pub max_body_bytes: usize,
    /// The maximum number of live sessions.
    pub max_sessions: usize,
    /// The idle time after which a session is closed; `None` means never.
    pub session_idle_timeout: Option<Duration>,
    /// The retention of ended executions and sessions.
    pub retention: Retention,
    /// Values of the `Host` header that are accepted beside the usual ones, as `host:port`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose web pages may send requests, as `https://host`.
    pub allowed_origins: Vec<String>,
    /// The grace period of running executions in a shutdown.
    pub shutdown_timeout: Duration,
    /// The directory of the library cache.
    pub library_cache: PathBuf,
    /// The limits for writing files through host modules.
    pub write_limits: WriteLimits,
    /// Whether to refuse to start if the kernel does not confine session processes.
    pub require_sandbox: bool,
    /// The command that starts a worker process.
    pub worker: WorkerCommand,
}

/// A daemon that serves requests. Its owner must call [`stop`](Self::stop) or
/// [`serve_until_signal`](Self::serve_until_signal): dropping it terminates its worker processes,
/// but leaves unfinished records for the next start to recover.
pub struct Daemon {
    address: Address,
    control: Control,
    shutdown_timeout: Duration,
    stop_accepting: watch::Sender<bool>,
    server: JoinHandle<()>,
    signals: StopSignals,
    /// Returns free heap memory to the system.
    memory: AbortOnDrop,
}

/// A task that is aborted when the value is dropped.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a daemon. It accepts requests when this function returns.
///
/// # Errors
/// See [`StartError`].
pub async fn start(options: Options) -> Result<Daemon, StartError> {
    memory::set_up_allocator();
    // From here on a signal no longer terminates the process: it waits for the start to complete,
    // and then shuts the daemon down in order.
    let signals = StopSignals::listen()?;
    raise_descriptor_limit();
    grow_descriptor_table(options.max_sessions);
    let listen_error = |source| StartError::Listen {
        address: options.listen.to_string(),
        source,
    };
    let token = options.token_file.as_ref().map(|path| {
        token::read_or_create(path).map_err(|source| StartError::Token {
            path: path.clone(),
            source,
        })
    });
    let token = token.transpose()?;
    let path = options.db.clone();
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(&path))
        .await
        .map_err(io::Error::other)??;
    let store = Arc::new(store);
    // The address is bound before the recovery changes any record of an earlier daemon.
    let (listener, address) = listen::open(&options.listen).await.map_err(listen_error)?;
    let started = start_at(options, signals, token, store, (listener, address.clone())).await;
    started.inspect_err(|_| address.clean_up())
}

/// Starts a daemon on an address that is bound already.
async fn start_at(
    options: Options,
    signals: StopSignals,
    token: Option<Token>,
    store: Arc<dyn Store>,
    (listener, address): (Listener, Address),
) -> Result<Daemon, StartError> {
    if address.is_exposed() && token.is_none() {
        return Err(StartError::Exposed {
            address: options.listen.to_string(),
        });
    }
    let memory = MemoryBudget::default();
    let runtime = WorkerRuntime::new(options.worker, memory.clone(), options.write_limits);
    let runtime = Arc::new(runtime);
    let sandbox = runtime.sandbox().await?;
    if !sandbox.is_complete() {
        if options.require_sandbox {
            return Err(StartError::Sandbox(sandbox));
        }
        tracing::warn!(?sandbox, "the kernel does not confine session processes");
    }
    let version = version::version(runtime.engines());
    let control = Control::open(ControlOptions {
        store,
        runtime: runtime as Arc<dyn Runtime>,
        memory,
        library_cache: options.library_cache,
        own_files: [options.token_file, options.log_file]
            .into_iter()
            .flatten()
            .collect(),
        max_sessions: options.max_sessions,
    })
    .await
    .map_err(|source| StartError::Recover {
        path: options.db,
        source,
    })?;
    if let Some(timeout) = options.session_idle_timeout {
        close_idle_sessions(&control, timeout);
    }
    prune_periodically(&control, options.retention);
    let (stop_accepting, mut stopped) = watch::channel(false);
    let router = vmtransport_http::router(
        control.clone(),
        &ApiOptions {
            address: address.tcp(),
            token,
            max_body_bytes: options.max_body_bytes,
            allowed_hosts: options.allowed_hosts,
            allowed_origins: options.allowed_origins,
            version,
        },
    );
    let server = vmtransport_http::serve(listener, router, async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    Ok(Daemon {
        address,
        control,
        shutdown_timeout: options.shutdown_timeout,
        stop_accepting,
        server: tokio::spawn(server),
        signals,
        memory: AbortOnDrop(tokio::spawn(memory::trim_periodically())),
    })
}

impl Daemon {
    /// The daemon's URL: `http://host:port` or `unix:/path`.
    pub fn url(&self) -> String {
        self.address.to_string()
    }

    /// Serves requests until `SIGINT` or `SIGTERM`, then shuts down in order. A second signal ends
    /// the shutdown at once.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn serve_until_signal(mut self) -> Result<(), ServeError> {
        tokio::select! {
            signal = self.signals.next() => {
                tracing::info!(signal, grace = ?self.shutdown_timeout, "stopping");
            }
            ended = &mut self.server => {
                let error = match ended {
                    Ok(()) => io::Error::other("it was closed"),
                    Err(panic) => io::Error::other(panic),
                };
                self.address.clean_up();
                self.control.shut_down(Duration::ZERO).await;
                return Err(ServeError::Listen(error));
            }
        }
        let (stopped, mut signals) = self.shut_down();
        tokio::select! {
            () = stopped => Ok(()),
            _ = signals.next() => Err(ServeError::SecondSignal),
        }
    }

    /// Shuts the daemon down: it accepts no more requests, lets running executions end within the
    /// grace period, ends every session process and closes the database.
    pub async fn stop(self) {
        self.shut_down().0.await;
    }

    /// The future of an orderly shutdown, and the signal handlers, so that a second signal can be
    /// awaited beside it.
    fn shut_down(self) -> (impl Future<Output = ()>, StopSignals) {
        let Self {
            control,
            shutdown_timeout,
            stop_accepting,
            mut server,
            signals,
            address,
            memory,
        } = self;
        let stopped = async move {
            let _memory = memory;
            // The server task may have ended already, which drops the receiver.
            let _ = stop_accepting.send(true);
            address.clean_up();
            control.shut_down(shutdown_timeout).await;
            // Every handler has returned its response by now; only writing them remains.
            if tokio::time::timeout(FLUSH_TIMEOUT, &mut server)
                .await
                .is_err()
            {
                tracing::warn!("some clients did not take their answers");
                server.abort();
            }
        };
        (stopped, signals)
    }
}

/// Raises the soft limit of open files to the hard limit. Each session needs descriptors in the
/// daemon; the usual soft limit of 1,024 exists for programs that use `select`.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// The number of descriptors of a session in the daemon: its channel, both ends of the socket for
/// queries, its worktree, and the channel of the query process.
const DESCRIPTORS_PER_SESSION: usize = 5;

/// The number of descriptors that are reserved for the daemon itself and for clients.
const RESERVED_DESCRIPTORS: usize = 1024;

/// The largest size to which the descriptor table is grown at the start.
const MAX_TABLE_SIZE: usize = 64 * 1024;

/// Makes the kernel grow the process's descriptor table to its later size at the start. When the
/// kernel grows the table of a process with threads, the thread that opens a file waits for a grace
/// period of all processors, which takes some milliseconds.
fn grow_descriptor_table(max_sessions: usize) {
    let count = max_sessions
        .saturating_mul(DESCRIPTORS_PER_SESSION)
        .saturating_add(RESERVED_DESCRIPTORS)
        .min(MAX_TABLE_SIZE);
    let grown = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(limit, _)| {
        let last = count.min(usize::try_from(limit).unwrap_or(count).saturating_sub(1));
        let last = FcntlArg::F_DUPFD_CLOEXEC(i32::try_from(last).unwrap_or(i32::MAX));
        nix::fcntl::fcntl(std::io::stdin(), last).and_then(nix::unistd::close)
    });
    if let Err(error) = grown {
        tracing::debug!(%error, "the descriptor table could not be grown ahead");
    }
}
