//! A command while it runs.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};

use super::started_not;
use super::supervised::{NoStatus, Supervised, stands_still};
use crate::host_modules::Answering;
use crate::ipc::HostError;
use crate::ipc::WorkerCommand;

/// The most output that one command can hand to a script, in bytes.
const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;

/// A command that may be run.
pub(super) struct Prepared {
    /// The absolute path of the program.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// All that it sees of an environment.
    pub(super) env: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub(super) folder: OwnedFd,
    /// What it can read.
    pub(super) input: Option<Bytes>,
    /// When it is killed.
    pub(super) timeout: Option<Duration>,
    /// The largest file that it can write, in bytes.
    pub(super) max_file_bytes: u64,
}

/// What became of a command.
#[derive(Debug)]
pub(in crate::host_modules) struct Ran {
    /// The exit status; nothing if a signal ended it.
    pub(in crate::host_modules) status: Option<i32>,
    /// The signal that ended it.
    pub(in crate::host_modules) signal: Option<String>,
    /// Whether it was killed because it took too long.
    pub(in crate::host_modules) timed_out: bool,
    /// How much it wrote to its standard output, in bytes.
    pub(in crate::host_modules) stdout_bytes: usize,
    /// How much it wrote to its standard error, in bytes.
    pub(in crate::host_modules) stderr_bytes: usize,
}

/// The bodies of the answer that hold what a command wrote: to each stream, and to both in the order in which it came.
pub(super) const STDOUT: u8 = 0;
pub(super) const STDERR: u8 = 1;
pub(super) const BOTH: u8 = 2;

/// Runs a command to its end, and sends what it writes. Dropping the future kills it, and whatever it started.
pub(super) async fn run(
    worker: &WorkerCommand,
    name: &str,
    prepared: Prepared,
    answering: &Answering,
) -> Result<Ran, HostError> {
    let failed = |message: String| HostError::new(format!("exec.run({name:?}): {message}"));
    let (input, timeout) = (prepared.input.clone(), prepared.timeout);
    let mut supervised = Supervised::start(worker, prepared).map_err(|error| {
        let is_too_large = error.raw_os_error() == Some(libc::E2BIG);
        match error.raw_os_error().filter(|_| is_too_large) {
            // Its own arguments and variables are those of the command.
            Some(code) => not_started(name, Some(code)),
            None => failed(format!("its supervisor can't be started: {error}")),
        }
    })?;
    let mut output = Output::default();
    let supervisor = supervised.pid();
    let ended = {
        let to_end = async {
            if let Some(child) = supervised.child() {
                let passed_on = output.pass_on(child, input.as_deref(), answering).await;
                passed_on.map_err(|error| NoStatus::Lost(error.to_string()))?;
            }
            if output.is_too_long() {
                return Ok(None);
            }
            supervised.ended().await.map(Some)
        };
        tokio::select! {
            ended = to_end => ended,
            () = passed(timeout) => Ok(None),
            lost = stands_still(supervisor) => Err(lost),
        }
    };
    if output.is_too_long() {
        return Err(HostError {
            code: Some("ERR_CHILD_PROCESS_STDIO_MAXBUFFER".into()),
            ..failed(format!("more than {MAX_OUTPUT_BYTES} bytes of output"))
        });
    }
    let (ended, timed_out) = match ended {
        Ok(Some(status)) => (Ok(status), false),
        Ok(None) => (supervised.kill().await, true),
        Err(error) => (Err(error), false),
    };
    let status = match ended {
        Ok(status) => status,
        Err(NoStatus::NotStarted(errno)) => return Err(not_started(name, errno)),
        Err(error @ NoStatus::Lost(_)) => return Err(failed(error.to_string())),
    };
    supervised.end().await;
    Ok(output.into_ran(status, timed_out))
}

/// A program that the system does not start, for this reason (`errno`).
fn not_started(name: &str, errno: Option<i32>) -> HostError {
    let code = match errno {
        Some(errno) => format!("{:?}", Errno::from_raw(errno)),
        None => "EIO".into(),
    };
    started_not(name, &code, &format!("spawn {name} {code}"))
}

/// Waits until a time has passed; for ever without one.
async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// How much a command has written so far, in bytes.
#[derive(Default)]
struct Output {
    stdout: usize,
    stderr: usize,
}

impl Output {
    /// Hands the command its input and the session process what it writes, until it has closed both streams or has written
    /// more than it may.
    async fn pass_on(
        &mut self,
        child: &mut Child,
        input: Option<&[u8]>,
        answering: &Answering,
    ) -> std::io::Result<()> {
        let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        let mut feeding = std::pin::pin!(feed(child.stdin.take(), input.unwrap_or_default()));
        let mut is_fed = false;
        let (mut from_stdout, mut from_stderr) = (vec![0; 8192], vec![0; 8192]);
        while (stdout.is_some() || stderr.is_some()) && !self.is_too_long() {
            tokio::select! {
                () = &mut feeding, if !is_fed => is_fed = true,
                length = read(&mut stdout, &mut from_stdout) => {
                    let came = &from_stdout[..length?];
                    self.stdout += came.len();
                    answering.send(&[STDOUT, BOTH], came).await?;
                    if came.is_empty() {
                        stdout = None;
                    }
                }
                length = read(&mut stderr, &mut from_stderr) => {
                    let came = &from_stderr[..length?];
                    self.stderr += came.len();
                    answering.send(&[STDERR, BOTH], came).await?;
                    if came.is_empty() {
                        stderr = None;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        self.stdout + self.stderr > MAX_OUTPUT_BYTES
    }

    fn into_ran(self, status: ExitStatus, timed_out: bool) -> Ran {
        let signal = status.signal().map(|number| {
            Signal::try_from(number)
                .map_or_else(|_| format!("SIG{number}"), |signal| signal.to_string())
        });
        Ran {
            status: status.code(),
            signal,
            timed_out,
            stdout_bytes: self.stdout,
            stderr_bytes: self.stderr,
        }
    }
}

/// Writes all of the input and closes the stream. A command that does not want it all is free to.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
    }
}

/// Reads from a stream; waits for ever once it has ended.
async fn read(
    stream: &mut Option<impl AsyncRead + Unpin>,
    buffer: &mut [u8],
) -> std::io::Result<usize> {
    match stream {
        Some(stream) => stream.read(buffer).await,
        None => std::future::pending().await,
    }
}
