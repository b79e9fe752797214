//! A command while it runs.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

use super::started_not;
use crate::broker::Answering;
use crate::protocol::HostError;

/// The most output that one command can hand to a script, in bytes.
const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;

/// The soft limit of open files that programs are used to.
const USUAL_OPEN_FILES: u64 = 1024;

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
pub(in crate::broker) struct Ran {
    /// The exit status; nothing if a signal ended it.
    pub(in crate::broker) status: Option<i32>,
    /// The signal that ended it.
    pub(in crate::broker) signal: Option<String>,
    /// Whether it was killed because it took too long.
    pub(in crate::broker) timed_out: bool,
    /// How much it wrote to its standard output, in bytes.
    pub(in crate::broker) stdout_bytes: usize,
    /// How much it wrote to its standard error, in bytes.
    pub(in crate::broker) stderr_bytes: usize,
}

/// The bodies of the answer that hold what a command wrote: to each stream, and to both in the order in which it came.
pub(super) const STDOUT: u8 = 0;
pub(super) const STDERR: u8 = 1;
pub(super) const BOTH: u8 = 2;

/// Runs a command to its end, and sends what it writes. Dropping the future kills it, and whatever it started.
pub(super) async fn run(
    name: &str,
    prepared: Prepared,
    answering: &Answering,
) -> Result<Ran, HostError> {
    let failed = |message: String| HostError::new(format!("exec.run({name:?}): {message}"));
    let (input, timeout) = (prepared.input.clone(), prepared.timeout);
    let mut child = command_of(prepared).spawn().map_err(|error| {
        let code = match error.raw_os_error() {
            Some(code) => format!("{:?}", nix::errno::Errno::from_raw(code)),
            None => "EIO".into(),
        };
        started_not(name, &code, &format!("spawn {name} {code}"))
    })?;
    // Declared after the child, so that it is dropped before: the group is killed while its leader is not reaped, and
    // its id can't be anybody else's.
    let group = Group::of(&child);
    let mut output = Output::default();
    let timed_out = {
        let to_end = async {
            output
                .pass_on(&mut child, input.as_deref(), answering)
                .await?;
            if !output.is_too_long() {
                group.wait_for_leader().await;
            }
            Ok::<_, std::io::Error>(())
        };
        match timeout {
            Some(timeout) => match tokio::time::timeout(timeout, to_end).await {
                Ok(ended) => ended.map(|()| false),
                Err(_) => Ok(true),
            },
            None => to_end.await.map(|()| false),
        }
    }
    .map_err(|error| failed(error.to_string()))?;
    if output.is_too_long() {
        return Err(HostError {
            code: Some("ERR_CHILD_PROCESS_STDIO_MAXBUFFER".into()),
            ..failed(format!("more than {MAX_OUTPUT_BYTES} bytes of output"))
        });
    }
    drop(group);
    let status = child
        .wait()
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(output.into_ran(status, timed_out))
}

fn command_of(prepared: Prepared) -> Command {
    let stdin = match prepared.input {
        Some(_) => Stdio::piped(),
        None => Stdio::null(),
    };
    let mut command = Command::new(prepared.program);
    command
        .args(prepared.arguments)
        .env_clear()
        .envs(prepared.env)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let (folder, max_file_bytes) = (prepared.folder, prepared.max_file_bytes);
    // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            // By handle, not by path: nobody can have put a link there in the meantime.
            nix::unistd::fchdir(&folder)?;
            // The daemon has raised its own limit; programs that use `select` rely on the usual one.
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, USUAL_OPEN_FILES.min(hard), hard)?;
            let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE)?;
            let max_file_bytes = max_file_bytes.min(hard);
            setrlimit(Resource::RLIMIT_FSIZE, max_file_bytes, max_file_bytes)?;
            // A daemon that is killed can't clean up after itself.
            Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?)
        });
    }
    command
}

/// Kills a command and whatever it started when it goes out of scope: the run has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.map(Pid::from_raw))
    }

    /// Waits until the command has ended, and leaves it to be reaped.
    async fn wait_for_leader(&self) {
        let Some(leader) = self.0 else { return };
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        let wait = tokio::task::spawn_blocking(move || waitid(Id::Pid(leader), ended));
        // If it can't be waited for, it has been reaped.
        let _ = wait.await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Nothing may be left of the group.
            let _ = killpg(leader, Signal::SIGKILL);
        }
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
