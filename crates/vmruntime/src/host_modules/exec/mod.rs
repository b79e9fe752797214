//! `exec`: commands of the host, run in the worktree.

mod child;
mod lookup;
pub(crate) mod subreaper;
mod supervised;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use vmcontrol::{FileError, Policy, Worktree, WriteLimits};

use super::{Answering, answer, blocking, hint, path, text, unknown_function};
use crate::ipc::WorkerCommand;
use crate::ipc::value::{self, Content, Span};
use crate::ipc::{HostCall, HostError, HostReply};
use child::Prepared;
pub(super) use child::Ran;
use child::{BOTH, STDERR, STDOUT};

const USAGE: &str = "run(program, args, {cwd, env, input, timeout_ms})";

/// What a command sees of the daemon's environment.
const PASSED_ON: &[&str] = &["PATH", "HOME", "LANG", "TZ"];

/// Variables that make a program load or run what they name: for the loader, the C library, shells and interpreters.
const STEERING: &[&str] = &[
    "PATH",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LOCPATH",
    "NLSPATH",
    "IFS",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "SHELL",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "PERLLIB",
    "RUBYLIB",
    "RUBYOPT",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
];

/// As [`STEERING`], by how their names begin.
const STEERING_PREFIXES: &[&str] = &["LD_", "BASH_", "PERL5", "PYTHON", "GIT_"];

/// What a script asks for.
struct Given {
    program: String,
    arguments: Vec<String>,
    cwd: Option<String>,
    env: BTreeMap<String, String>,
    input: Option<Bytes>,
    timeout: Option<Duration>,
}

/// How a command is run, as a script says it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    cwd: Option<Content>,
    env: Option<BTreeMap<String, Content>>,
    input: Option<Content>,
    timeout_ms: Option<u64>,
}

pub(super) async fn call(
    worker: &WorkerCommand,
    worktree: &Arc<Worktree>,
    policy: &Arc<Policy>,
    call: &HostCall,
    limits: &WriteLimits,
    answering: &Answering,
) -> HostReply {
    match call.function.as_str() {
        "run" => run(worker, worktree, policy, call, limits, answering).await,
        _ => Err(unknown_function(call)),
    }
}

async fn run(
    worker: &WorkerCommand,
    worktree: &Arc<Worktree>,
    policy: &Arc<Policy>,
    call: &HostCall,
    limits: &WriteLimits,
    answering: &Answering,
) -> HostReply {
    let given = command_of(call)?;
    let (program, limits) = (given.program.clone(), *limits);
    let (worktree, policy) = (Arc::clone(worktree), Arc::clone(policy));
    // It looks into folders, and those may be slow.
    let prepared = blocking(move || prepare(&worktree, &policy, given, limits)).await?;
    let ran = child::run(worker, &program, prepared, answering).await?;
    answer(&ran)
}

/// Finds out what to run, and whether it may be run.
fn prepare(
    worktree: &Worktree,
    policy: &Policy,
    given: Given,
    limits: WriteLimits,
) -> Result<Prepared, HostError> {
    let program = &given.program;
    limits
        .check_disk(worktree.path())
        .map_err(|error| started_not(program, "ENOSPC", &format!("ENOSPC: {error}")))?;
    check_env(policy, &given.env)?;
    let env = environment(given.env);
    let cwd = given.cwd.as_deref().unwrap_or(".");
    let (folder, cwd_path) = folder_of(worktree, cwd)?;
    let path = env
        .iter()
        .find(|(name, _)| name == "PATH")
        .map(|(_, value)| value.as_os_str());
    let found =
        lookup::find(program, path, &cwd_path).map_err(|error| spawn_error(program, error))?;
    if !policy.grants.exec.allows(&found) {
        return Err(refusal(policy, program, &found));
    }
    Ok(Prepared {
        program: found,
        arguments: given.arguments,
        env,
        folder,
        input: given.input,
        timeout: given.timeout,
        max_file_bytes: limits.max_write_bytes,
    })
}

fn command_of(call: &HostCall) -> Result<Given, HostError> {
    let (program, arguments, options): (Content, Option<Vec<Content>>, Option<Options>) =
        match serde_json::from_str::<Vec<&RawValue>>(call.args.get()) {
            // Arguments and options may be left out.
            Ok(given) if (1..=3).contains(&given.len()) => {
                let rest = |index: usize| given.get(index).map_or("null", |given| given.get());
                (
                    read(rest(0), "the program")?,
                    read(rest(1), "the arguments")?,
                    read(rest(2), "the options")?,
                )
            }
            _ => return Err(wrong(&format!("use exec.{USAGE} with strings"))),
        };
    let options = options.unwrap_or_default();
    let owned = |given: &Content| text(call, given).map(str::to_owned);
    let program = path(call, &program)?.to_owned();
    let arguments = arguments.unwrap_or_default();
    let arguments = arguments.iter().map(owned).collect::<Result<Vec<_>, _>>()?;
    if program.contains('\0') || arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(wrong("a program and its arguments contain no NUL"));
    }
    let env = options.env.unwrap_or_default();
    let env = env
        .iter()
        .map(|(name, value)| Ok((name.clone(), owned(value)?)));
    let input = options.input.map(|input| {
        let input = input.bytes(&call.body);
        input.ok_or_else(|| wrong("input is a string or bytes"))
    });
    Ok(Given {
        program,
        arguments,
        cwd: options
            .cwd
            .as_ref()
            .map(|cwd| path(call, cwd).map(str::to_owned))
            .transpose()?,
        env: env.collect::<Result<_, HostError>>()?,
        input: input.transpose()?,
        timeout: options.timeout_ms.map(Duration::from_millis),
    })
}

/// Reads one of the arguments.
fn read<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, HostError> {
    serde_json::from_str(text)
        .map_err(|error| wrong(&format!("use exec.{USAGE} with strings: {what}: {error}")))
}

fn wrong(message: &str) -> HostError {
    HostError::with_code("ERR_INVALID_ARG_TYPE", message)
}

/// Where only some programs may be run, none of them is made to run another one by its environment.
fn check_env(policy: &Policy, env: &BTreeMap<String, String>) -> Result<(), HostError> {
    let malformed = |(name, value): (&String, &String)| {
        name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
    };
    if env.iter().any(malformed) {
        return Err(wrong(
            "env has names that are not empty and contain no `=` and NUL, and values without NUL",
        ));
    }
    let steers = |name: &&String| {
        STEERING.contains(&name.as_str())
            || STEERING_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    let narrowed = policy.grants.exec.commands().is_some();
    match env.keys().find(steers) {
        Some(name) if narrowed => Err(HostError::with_code(
            "EACCES",
            format!(
                "EACCES: permission denied, env {name}: the template names the programs that exec runs, and this \
                 variable can make them run others"
            ),
        )),
        _ => Ok(()),
    }
}

fn environment(given: BTreeMap<String, String>) -> Vec<(OsString, OsString)> {
    let passed_on = PASSED_ON
        .iter()
        .filter(|name| !given.contains_key(**name))
        .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let passed_on: Vec<_> = passed_on.collect();
    let given = given
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()));
    passed_on.into_iter().chain(given).collect()
}

/// The folder in which a command runs: as a handle, so that it is below the worktree whatever happens to its path, and by
/// its path, for programs that are named relative to it.
fn folder_of(worktree: &Worktree, cwd: &str) -> Result<(std::os::fd::OwnedFd, PathBuf), HostError> {
    let refused = |error: &FileError| {
        let (code, reason) = match error {
            FileError::Io(error) => match error.kind() {
                std::io::ErrorKind::NotFound => ("ENOENT", String::new()),
                std::io::ErrorKind::NotADirectory => ("ENOTDIR", String::new()),
                _ => ("EACCES", format!(": {error}")),
            },
            error => ("EACCES", format!(": {error}")),
        };
        let text = super::fs::text_of(code);
        let mut error =
            HostError::with_code(code, format!("{code}: {text}, chdir '{cwd}'{reason}"));
        error.properties.insert("syscall".into(), "chdir".into());
        error.properties.insert("path".into(), cwd.into());
        error
    };
    let open = || -> Result<_, FileError> {
        let (real, folder) = worktree.open_folder(&worktree.relative(cwd)?)?;
        Ok((folder.into_std_file().into(), worktree.path().join(real)))
    };
    open().map_err(|error| refused(&error))
}

/// An error as Node words it for a program that can't be started.
fn spawn_error(program: &str, error: lookup::NotFound) -> HostError {
    let code = match error {
        lookup::NotFound::Missing => "ENOENT",
        lookup::NotFound::NotExecutable => "EACCES",
    };
    started_not(program, code, &format!("spawn {program} {code}"))
}

fn started_not(program: &str, code: &str, message: &str) -> HostError {
    let mut error = HostError::with_code(code, message);
    let syscall = format!("spawn {program}");
    error.properties.insert("syscall".into(), syscall.into());
    error.properties.insert("path".into(), program.into());
    error
}

fn refusal(policy: &Policy, program: &str, found: &Path) -> HostError {
    let listed = policy.grants.exec.commands().unwrap_or_default();
    let names: Vec<_> = listed.iter().map(|path| path.to_string_lossy()).collect();
    let more: Vec<_> = listed.iter().map(PathBuf::as_path).chain([found]).collect();
    let template = policy.template_id.to_string();
    let command = hint(
        &template,
        "module",
        "exec",
        Some(&json!({ "commands": more })),
    );
    let known = if names.is_empty() {
        "no program".to_owned()
    } else {
        names.join(", ")
    };
    let message = format!(
        "EACCES: permission denied, spawn {}: the template's capability module:exec gives {known} alone; to change that \
         for new sessions, remove it and add it with {command}",
        found.display()
    );
    started_not(program, "EACCES", &message)
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
