//! Running a command: its input, its output and its end.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde::Serialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};

use super::errors::not_started;
use super::supervised::{NoStatus, Start, Supervised, stopped_supervisor};
use crate::host_modules::broker::answering::Answering;
use crate::ipc::value::{self, Span};
use crate::ipc::{HostError, WorkerCommand};

/// How much one command may write to both streams together, in bytes.
const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;

/// A command that may be run.
pub(super) struct Prepared {
    /// What the supervisor starts.
    pub(super) start: Start,
    /// The bytes of its standard input; `None` for an empty input.
    pub(super) input: Option<Bytes>,
    /// How long the command may take before it is killed; `None` for as long as the execution may
    /// take.
    pub(super) timeout: Option<Duration>,
}

/// The result of a command.
#[derive(Debug)]
pub(super) struct Ran {
    /// The exit status; `None` if a signal ended the command.
    status: Option<i32>,
    /// The signal that ended the command; `None` if it exited.
    signal: Option<String>,
    /// Whether the command was killed because it took longer than its timeout.
    timed_out: bool,
    /// How much the command wrote to its standard output, in bytes.
    stdout_bytes: usize,
    /// How much the command wrote to its standard error, in bytes.
    stderr_bytes: usize,
}

impl Serialize for Ran {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = |body, length| value::text_at(Span(body, 0, length));
        json!({
            "status": self.status,
            "signal": self.signal,
            "timed_out": self.timed_out,
            "stdout": all(STDOUT, self.stdout_bytes),
            "stderr": all(STDERR, self.stderr_bytes),
            "output": all(BOTH, self.stdout_bytes + self.stderr_bytes),
        })
        .serialize(serializer)
    }
}

/// The numbers of the answer's bodies: the output to each stream, and the output to both in the
/// order in which it arrived.
const STDOUT: u8 = 0;
const STDERR: u8 = 1;
const BOTH: u8 = 2;

/// Runs a command to its end and sends its output. Dropping the future kills the command and
/// everything that it started. `name` is the program as the script names it.
///
/// # Errors
/// When the command was not started, when it wrote more than [`MAX_OUTPUT_BYTES`], and when its
/// supervisor died.
pub(super) async fn run(
    worker: &WorkerCommand,
    name: &str,
    prepared: Prepared,
    answering: &Answering,
) -> Result<Ran, HostError> {
    let failed = |message: String| HostError::new(format!("exec.run({name:?}): {message}"));
    let Prepared {
        start,
        input,
        timeout,
    } = prepared;
    let started = Supervised::start(worker, start, input.is_some());
    let mut supervised = started.map_err(|error| {
        let is_too_large = error.raw_os_error() == Some(libc::E2BIG);
        match error.raw_os_error().filter(|_| is_too_large) {
            // The supervisor gets the arguments and variables of the command, so that they are too
            // large for it as well.
            Some(code) => no_start(name, Some(code)),
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
            () = elapsed(timeout) => Ok(None),
            lost = stopped_supervisor(supervisor) => Err(lost),
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
        Err(NoStatus::NotStarted(errno)) => return Err(no_start(name, errno)),
        Err(error @ NoStatus::Lost(_)) => return Err(failed(error.to_string())),
    };
    supervised.end().await;
    Ok(output.into_ran(status, timed_out))
}

/// The error of a program that the system does not start. `errno` is the reason; `None` if the
/// system gave none.
fn no_start(name: &str, errno: Option<i32>) -> HostError {
    let code = match errno {
        Some(errno) => format!("{:?}", Errno::from_raw(errno)),
        None => "EIO".into(),
    };
    not_started(name, &code, &format!("spawn {name} {code}"))
}

/// Waits for that time; never returns for `None`.
async fn elapsed(time: Option<Duration>) {
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
    /// Writes the input to the command, and sends its output to the session process, until the
    /// command has closed both streams or has written more than it may.
    ///
    /// # Errors
    /// When the session process has ended.
    async fn pass_on(
        &mut self,
        child: &mut Child,
        input: Option<&[u8]>,
        answering: &Answering,
    ) -> std::io::Result<()> {
        let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        let mut writing =
            std::pin::pin!(write_input(child.stdin.take(), input.unwrap_or_default()));
        let mut is_written = false;
        let (mut from_stdout, mut from_stderr) = (vec![0; 8192], vec![0; 8192]);
        while (stdout.is_some() || stderr.is_some()) && !self.is_too_long() {
            tokio::select! {
                () = &mut writing, if !is_written => is_written = true,
                length = read(&mut stdout, &mut from_stdout) => {
                    let read = &from_stdout[..length?];
                    self.stdout += read.len();
                    answering.send(&[STDOUT, BOTH], read).await?;
                    if read.is_empty() {
                        stdout = None;
                    }
                }
                length = read(&mut stderr, &mut from_stderr) => {
                    let read = &from_stderr[..length?];
                    self.stderr += read.len();
                    answering.send(&[STDERR, BOTH], read).await?;
                    if read.is_empty() {
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

/// Writes all of the input and closes the stream. A failure is ignored: a command need not read its
/// input.
async fn write_input(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
    }
}

/// Reads from a stream; never returns if the stream is `None`, which means that it has ended.
async fn read(
    stream: &mut Option<impl AsyncRead + Unpin>,
    buffer: &mut [u8],
) -> std::io::Result<usize> {
    match stream {
        Some(stream) => stream.read(buffer).await,
        None => std::future::pending().await,
    }
}
