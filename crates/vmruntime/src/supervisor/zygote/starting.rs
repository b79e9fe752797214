//! The start of a zygote: it warms up and loads its libraries.

use std::io;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, Command};
use vmapi_types::Sandbox;
use vmcontrol::library::LoadedLibrary;
use vmcontrol::runtime::OpenSessionError;

use crate::ipc::child::{no_answer, pid_of, stopped_for_long};
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{
    FromZygote, LoadError, MAX_FROM_ZYGOTE_BYTES, ToZygote, WorkerCommand, exit_text,
    prepare_worker,
};

/// How long a zygote may take to warm up, or to load a library.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// A zygote that is not ready yet. Its process is killed when this is dropped.
pub(super) struct StartingZygote {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) child: Child,
}

impl StartingZygote {
    /// Starts the process.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn spawn(command: &WorkerCommand, engine: &str) -> io::Result<Self> {
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

    /// Waits until the zygote is warm. Returns the sandbox of its session processes.
    ///
    /// # Errors
    /// When the zygote ends, takes too long, or is of another version than the daemon.
    pub(super) async fn greeting(&mut self) -> io::Result<Sandbox> {
        let own = env!("CARGO_PKG_VERSION");
        match self.next().await? {
            FromZygote::Hello { binary, sandbox } if binary == own => Ok(sandbox),
            FromZygote::Hello { binary, .. } => Err(io::Error::other(format!(
                "the program was replaced by version {binary} while version {own} runs: restart the daemon"
            ))),
            _ => Err(io::Error::other("it did not greet")),
        }
    }

    /// Has the zygote load a library. Returns whether the library used no nondeterministic input.
    ///
    /// # Errors
    /// When the library fails or is not a script.
    pub(super) async fn load(&mut self, library: &LoadedLibrary) -> Result<bool, OpenSessionError> {
        let failed = |message: String| OpenSessionError::Library {
            name: library.name.clone(),
            message,
        };
        let order = ToZygote::Load {
            name: library.name.clone(),
            source: Arc::clone(&library.source),
        };
        let sent = tokio::time::timeout(STEP_TIMEOUT, self.sender.send(0, &order, None)).await;
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

    /// The zygote's next message.
    async fn next(&mut self) -> io::Result<FromZygote> {
        let receiving = tokio::time::timeout(STEP_TIMEOUT, self.receiver.receive::<FromZygote>());
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
                STEP_TIMEOUT.as_secs()
            ))),
        }
    }
}
