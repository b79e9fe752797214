//! `exec`: commands of the host, run in the worktree.

use std::process::Stdio;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use vmcontrol::Worktree;

use super::{answer, args, unknown_function};
use crate::protocol::{HostCall, HostError, HostReply};

/// The most output that one command can hand to a script, in bytes.
const MAX_OUTPUT_BYTES: u64 = 8 * 1024 * 1024;

/// The soft limit of open files that programs are used to.
const USUAL_OPEN_FILES: u64 = 1024;

const USAGE: &str = "run(command, [args])";

/// What a command sees of the daemon's environment.
const PASSED_ON: &[&str] = &["PATH", "HOME", "LANG", "TZ"];

pub(super) async fn call(worktree: &Worktree, call: &HostCall) -> HostReply {
    match call.function.as_str() {
        "run" => run(worktree, call).await,
        _ => Err(unknown_function(call)),
    }
}

async fn run(worktree: &Worktree, call: &HostCall) -> HostReply {
    let given: Vec<Value> = args(call, USAGE)?;
    let (program, arguments) = command_of(&given)?;
    let failed = |message: String| HostError::new(format!("exec.run({program:?}): {message}"));
    let mut child = command_in(worktree, program, &arguments)
        .spawn()
        .map_err(|error| HostError {
            code: (error.kind() == std::io::ErrorKind::NotFound).then(|| "ENOENT".into()),
            ..failed(error.to_string())
        })?;
    // Declared after the child, so that it is dropped before: the group is killed while its leader is not reaped, and
    // its id can't be anybody else's.
    let group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let output = combined(stdout, stderr)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if output.len() as u64 > MAX_OUTPUT_BYTES {
        return Err(failed(format!(
            "more than {MAX_OUTPUT_BYTES} bytes of output"
        )));
    }
    group.wait_for_leader().await;
    drop(group);
    let status = child
        .wait()
        .await
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output);
    if !status.success() {
        return Err(failed(format!("{status}\n{text}").trim_end().to_owned()));
    }
    answer(&text)
}

fn command_in(worktree: &Worktree, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(worktree.path())
        .env_clear()
        .envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            // The daemon has raised its own limit; programs that use `select` rely on the usual one.
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, USUAL_OPEN_FILES.min(hard), hard)?;
            // A daemon that is killed can't clean up after itself.
            Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?)
        });
    }
    command
}

/// Kills a command and whatever it started when it goes out of scope: the run has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
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

/// What a command writes to both streams, in the order it comes, up to a byte more than it may.
async fn combined(
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
) -> std::io::Result<Vec<u8>> {
    let (mut stdout, mut stderr) = (stdout, stderr);
    let (mut from_stdout, mut from_stderr) = (vec![0; 8192], vec![0; 8192]);
    let mut output = Vec::new();
    while (stdout.is_some() || stderr.is_some()) && output.len() as u64 <= MAX_OUTPUT_BYTES {
        tokio::select! {
            length = read(&mut stdout, &mut from_stdout) => {
                let length = length?;
                output.extend_from_slice(&from_stdout[..length]);
                if length == 0 {
                    stdout = None;
                }
            }
            length = read(&mut stderr, &mut from_stderr) => {
                let length = length?;
                output.extend_from_slice(&from_stderr[..length]);
                if length == 0 {
                    stderr = None;
                }
            }
        }
    }
    Ok(output)
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

fn command_of(given: &[Value]) -> Result<(&str, Vec<&str>), HostError> {
    let wrong = || {
        HostError::with_code(
            "ERR_INVALID_ARG_TYPE",
            format!("use exec.{USAGE} with strings"),
        )
    };
    let program = given.first().and_then(Value::as_str).ok_or_else(wrong)?;
    let arguments = match given.get(1) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(arguments)) => arguments
            .iter()
            .map(|argument| argument.as_str().ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong()),
    };
    Ok((program, arguments))
}
