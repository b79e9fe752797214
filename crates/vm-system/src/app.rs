//! From the parsed command line to the command that it names.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Context;
use tokio::runtime::Builder;
use tracing_appender::non_blocking::WorkerGuard;
use vmclient::Client;

use crate::cli::{Cli, Command, Global, LogFormat};
use crate::commands::{exec, guide, libs, ops, repl, run, serve, session, template};
use crate::failure::Failure;
use crate::ids;
use crate::logging::Log;
use crate::output::Output;

/// Runs the command and waits for its end.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let Cli {
        global,
        mut command,
    } = cli;
    let _log = start_log(&global, &command)?;
    let mut output = Output::stdout(global.output);
    let connect = || connect(&global.server_url, global.token_file.as_deref());
    if !command.ids().is_empty() {
        let client = connect()?;
        block_on(ids::complete(&client, command.ids()))?;
    }
    match command {
        Command::Serve(args) => block_on(serve::run(args, &global)),
        Command::Run(args) => block_on(run::run(args, &mut output)),
        Command::Template(command) => block_on(template::run(command, &connect()?, &mut output)),
        Command::Session(command) => block_on(session::run(command, &connect()?, &mut output)),
        Command::Exec(command) => block_on(exec::run(command, &connect()?, &mut output)),
        Command::Ops(command) => block_on(ops::run(
            command,
            global.db.as_deref(),
            connect,
            &mut output,
        )),
        Command::Libs(args) => block_on(libs::run(args, &mut output)),
        Command::Repl(args) => block_on(repl::run(args, connect()?, &mut output)),
        Command::Completions { shell } => guide::completions(shell, &mut output),
        Command::Man { directory } => guide::man(&directory, &mut output),
        Command::Help { topic } => guide::help(&topic, &mut output),
    }?;
    output.finish()
}

/// Starts the log, unless nothing is to be logged. What this returns sees to its last lines.
fn start_log(global: &Global, command: &Command) -> Result<Option<WorkerGuard>, Failure> {
    let is_daemon = matches!(command, Command::Serve(_));
    let file = global.log_file();
    let level = match command {
        Command::Serve(_) => Some("info"),
        // On standard error it would stand between what a script says.
        Command::Run(_) | Command::Repl(_) if file.is_none() => None,
        _ => Some("warn"),
    };
    let Some(filter) = global.log_level.as_deref().or(level) else {
        return Ok(None);
    };
    let format = global
        .log_format
        .or((!is_daemon).then_some(LogFormat::Human));
    let log = Log {
        filter,
        format,
        file,
        is_daemon,
    };
    log.start()
}

/// The variable that holds the token, for whoever has no file of it.
const TOKEN_VARIABLE: &str = "VM_SYSTEM_TOKEN";

/// A client of the daemon, with the token if there is one.
fn connect(url: &str, token_file: Option<&Path>) -> Result<Client, Failure> {
    let client = Client::new(url)?;
    let token = match token_file {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the token file {}", path.display()))?,
        ),
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    Ok(match token.as_deref().map(str::trim) {
        None | Some("") => client,
        Some(token) => client.with_token(token)?,
    })
}

/// Runs a command to its end. What it left on blocking threads is not waited for: a read that hangs must not keep a
/// daemon alive that was told to stop.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .worker_threads(workers())
        .build()
        .context("cannot start the asynchronous runtime")?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_background();
    outcome
}

/// How many threads run asynchronous tasks: half as many as there are processors. The other half is for session processes, which
/// do most of the work; and each thread more is one more to be woken in vain. Measured with two processors, as many threads as
/// processors end a sixth fewer executions in a second (`docs/performance.md`).
fn workers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors / 2).max(1)
}
