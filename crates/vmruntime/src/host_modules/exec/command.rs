//! Parsing a call, and deciding whether the program may be run.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use vmcontrol::runtime::BoxFuture;
use vmcontrol::{FileError, Worktree};

use super::errors::{not_allowed, not_found, not_started, wrong_argument};
use super::run::{self, Prepared};
use super::supervised::Start;
use super::{environment, lookup};
use crate::host_modules::broker::answering::Answering;
use crate::host_modules::broker::arguments::{path, text};
use crate::host_modules::broker::errno::text_of;
use crate::host_modules::broker::module::{Reply, SessionModule};
use crate::host_modules::broker::reply::{answer, blocking, unknown_function};
use crate::host_modules::broker::session_context::SessionContext;
use crate::ipc::value::Content;
use crate::ipc::{HostCall, HostError, HostReply};

const USAGE: &str = "run(program, args, {cwd, env, input, timeout_ms})";

/// The commands of one session. No state is kept between them.
pub(super) struct Exec(Arc<SessionContext>);

impl Exec {
    /// The module for one session.
    pub(super) fn new(context: &Arc<SessionContext>) -> Self {
        Self(Arc::clone(context))
    }

    /// Carries a call out. Dropping the future kills the command and everything that it started.
    async fn carry_out(&self, call: &HostCall, answering: &Answering) -> HostReply {
        if call.function != "run" {
            return Err(unknown_function(call));
        }
        let given = command_of(call)?;
        let (program, context) = (given.program.clone(), Arc::clone(&self.0));
        // The look-up reads folders, which may be slow.
        let prepared = blocking(move || prepare(&context, given)).await?;
        let ran = run::run(&self.0.worker, &program, prepared, answering).await?;
        answer(&ran)
    }
}

impl SessionModule for Exec {
    fn call<'a>(&'a self, call: HostCall, answering: &'a Answering) -> BoxFuture<'a, Reply> {
        Box::pin(async move { self.carry_out(&call, answering).await.into() })
    }
}

/// A command as a script gives it.
struct Given {
    program: String,
    arguments: Vec<String>,
    cwd: Option<String>,
    env: BTreeMap<String, String>,
    input: Option<Bytes>,
    timeout: Option<Duration>,
}

/// The options of a command as a script gives them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    cwd: Option<Content>,
    env: Option<BTreeMap<String, Content>>,
    input: Option<Content>,
    timeout_ms: Option<u64>,
}

/// Finds the program and its working folder, and checks whether the session may run the program.
fn prepare(context: &SessionContext, given: Given) -> Result<Prepared, HostError> {
    let (worktree, policy) = (&context.worktree, &context.policy);
    let (program, limits) = (&given.program, context.allowance.limits());
    limits
        .check_disk(worktree.path())
        .map_err(|error| not_started(program, "ENOSPC", &format!("ENOSPC: {error}")))?;
    environment::check(policy, &given.env)?;
    let env = environment::of_command(given.env);
    let cwd = given.cwd.as_deref().unwrap_or(".");
    let (folder, cwd_path) = folder_of(worktree, cwd)?;
    let path = env
        .iter()
        .find(|(name, _)| name == "PATH")
        .map(|(_, value)| value.as_os_str());
    let found =
        lookup::find(program, path, &cwd_path).map_err(|error| not_found(program, error))?;
    if !policy.grants.exec.allows(&found) {
        return Err(not_allowed(policy, program, &found));
    }
    Ok(Prepared {
        start: Start {
            program: found,
            arguments: given.arguments,
            env,
            folder,
            max_file_bytes: limits.max_write_bytes,
        },
        input: given.input,
        timeout: given.timeout,
    })
}

/// The command that a call asks for.
///
/// # Errors
/// When an argument has another type or form.
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
            _ => return Err(wrong_argument(&format!("use exec.{USAGE} with strings"))),
        };
    let options = options.unwrap_or_default();
    let owned = |given: &Content| text(call, given).map(str::to_owned);
    let program = path(call, &program)?.to_owned();
    let arguments = arguments.unwrap_or_default();
    let arguments = arguments.iter().map(owned).collect::<Result<Vec<_>, _>>()?;
    if program.contains('\0') || arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(wrong_argument("a program and its arguments contain no NUL"));
    }
    let env = options.env.unwrap_or_default();
    let env = env
        .iter()
        .map(|(name, value)| Ok((name.clone(), owned(value)?)));
    let input = options.input.map(|input| {
        let input = input.bytes(&call.body);
        input.ok_or_else(|| wrong_argument("input is a string or bytes"))
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

/// Parses one of the arguments.
fn read<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, HostError> {
    serde_json::from_str(text)
        .map_err(|error| wrong_argument(&format!("use exec.{USAGE} with strings: {what}: {error}")))
}

/// The working folder of a command: as a handle, which stays below the worktree whatever happens to
/// the path, and as a path, for programs that are named relative to it.
///
/// # Errors
/// When it is not a folder below the worktree.
fn folder_of(worktree: &Worktree, cwd: &str) -> Result<(OwnedFd, PathBuf), HostError> {
    let refused = |error: &FileError| {
        let (code, reason) = match error {
            FileError::Io(error) => match error.kind() {
                std::io::ErrorKind::NotFound => ("ENOENT", String::new()),
                std::io::ErrorKind::NotADirectory => ("ENOTDIR", String::new()),
                _ => ("EACCES", format!(": {error}")),
            },
            error => ("EACCES", format!(": {error}")),
        };
        let text = text_of(code);
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
