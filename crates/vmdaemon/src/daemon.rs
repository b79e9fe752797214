//! A running daemon.

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
use vmtransport_http::{ApiOptions, Listener, Token};

use crate::error::{ServeError, StartError};
use crate::listen::{self, Address, Listen};
use crate::memory;
use crate::signals::StopSignals;
use crate::{token, version};

/// How long clients may take to receive the last answers.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What a daemon is started with.
pub struct Options {
    /// The database file; it is made if it is missing.
    pub db: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// The file with the token that callers need, made if it is missing; nobody needs one if there is no file.
    pub token_file: Option<PathBuf>,
    /// The file that the log is written to, which sessions do not reach; none if it is no file of its own.
    pub log_file: Option<PathBuf>,
    /// How large the body of a request may be, in bytes.
    pub max_body_bytes: usize,
    /// How many sessions there may be.
    pub max_sessions: usize,
    /// How long a session may be idle before it is closed; `None` for ever.
    pub session_idle_timeout: Option<Duration>,
    /// What is kept of the past.
    pub retention: Retention,
    /// Values of `Host` that are served beside the usual ones, as `host:port`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call, as `https://host`.
    pub allowed_origins: Vec<String>,
    /// How long running executions may go on when the daemon is asked to stop.
    pub shutdown_timeout: Duration,
    /// The directory of the libraries.
    pub library_cache: PathBuf,
    /// What host modules may write to files.
    pub write_limits: WriteLimits,
    /// Whether to refuse to start when the kernel does not confine sessions.
    pub require_sandbox: bool,
    /// How to start a worker.
    pub worker: WorkerCommand,
}

/// A daemon that serves. It must be stopped with [`stop`](Self::stop) or
/// [`serve_until_signal`](Self::serve_until_signal): dropping it ends its workers, but leaves records to be settled by
/// the next start.
pub struct Daemon {
    address: Address,
    control: Control,
    shutdown_timeout: Duration,
    stop_accepting: watch::Sender<bool>,
    server: JoinHandle<()>,
    signals: StopSignals,
    /// Gives memory back that was needed for a while.
    memory: AbortOnDrop,
}

/// A task that ends when this is dropped.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a daemon. It takes requests when this returns.
///
/// # Errors
/// See [`StartError`].
pub async fn start(options: Options) -> Result<Daemon, StartError> {
    memory::set_up_allocator();
    // From here on a signal waits for the daemon to be up, and then stops it in order.
    let signals = StopSignals::listen()?;
    raise_descriptor_limit();
    make_room_for_descriptors(options.max_sessions);
    let listen_error = |source| StartError::Listen {
        address: options.listen.to_string(),
        source,
    };
    let token = options.token_file.as_ref().map(|path| {
        token::read_or_make(path).map_err(|source| StartError::Token {
            path: path.clone(),
            source,
        })
    });
    let token = token.transpose()?;
    let path = options.db.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&path))
        .await
        .map_err(io::Error::other)??;
    // The address is taken before what an earlier daemon left is settled.
    let (listener, address) = listen::take(&options.listen).await.map_err(listen_error)?;
    let started = start_at(options, signals, token, store, (listener, address.clone())).await;
    started.inspect_err(|_| address.clean_up())
}

/// Starts a daemon at an address that is its own.
async fn start_at(
    options: Options,
    signals: StopSignals,
    token: Option<Token>,
    store: Store,
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
        memory: AbortOnDrop(tokio::spawn(memory::keep_giving_back())),
    })
}

impl Daemon {
    /// The URL that it is reached by: `http://host:port` or `unix:/path`.
    pub fn url(&self) -> String {
        self.address.to_string()
    }

    /// Serves until `SIGINT` or `SIGTERM`, then stops in order. A second signal ends it at once.
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
        let (stopped, mut signals) = self.stopping();
        tokio::select! {
            () = stopped => Ok(()),
            _ = signals.next() => Err(ServeError::Impatient),
        }
    }

    /// Stops: accepts nothing more, lets what runs end within the grace period, ends every session process, closes the
    /// database.
    pub async fn stop(self) {
        self.stopping().0.await;
    }

    /// The end of the daemon, and the signals that can come before it.
    fn stopping(self) -> (impl Future<Output = ()>, StopSignals) {
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
            // Nobody may be listening any more.
            let _ = stop_accepting.send(true);
            address.clean_up();
            control.shut_down(shutdown_timeout).await;
            // Every handler has its answer by now; what is left is to write it.
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

/// A session needs a descriptor in the daemon; the usual soft limit of 1,024 is for programs that use `select`.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// How many descriptors a session has in the daemon: its channel, both ends of the socket for questions, its worktree, and the
/// channel of what stands in for its checkpoint.
const PER_SESSION: usize = 5;

/// How many descriptors the daemon has for itself and for clients, beside those of sessions.
const FOR_CLIENTS: usize = 1024;

/// For how many descriptors there is room at the start, at most.
const MOST_AT_START: usize = 64 * 1024;

/// Has the kernel make its table of descriptors as large as it will be. Whenever it makes that larger in a process with
/// threads, whoever opens something waits for all processors, some milliseconds.
fn make_room_for_descriptors(max_sessions: usize) {
    let count = max_sessions
        .saturating_mul(PER_SESSION)
        .saturating_add(FOR_CLIENTS)
        .min(MOST_AT_START);
    let made = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(most, _)| {
        let last = count.min(usize::try_from(most).unwrap_or(count).saturating_sub(1));
        let last = FcntlArg::F_DUPFD_CLOEXEC(i32::try_from(last).unwrap_or(i32::MAX));
        nix::fcntl::fcntl(std::io::stdin(), last).and_then(nix::unistd::close)
    });
    if let Err(error) = made {
        tracing::debug!(%error, "there is no room ahead for descriptors");
    }
}
