//! From the parsed command line to the command that it names.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Context;
use tokio::runtime::Builder;
use vmclient::Client;

use crate::cli::{Cli, Command, DEFAULT_DB, LogFormat};
use crate::commands::{exec, guide, libs, ops, repl, run, serve, session, template};
use crate::failure::Failure;
use crate::ids;
use crate::logging;
use crate::output::Output;

/// Runs the command and waits for its end.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let Cli {
        global,
        mut command,
    } = cli;
    let logs = match &command {
        Command::Serve(_) => Some("info"),
        Command::Run(_) | Command::Repl(_) => None,
        _ => Some("warn"),
    };
    let log_format = match &command {
        Command::Serve(args) => args.log_format,
        _ => Some(LogFormat::Human),
    };
    let is_daemon = matches!(command, Command::Serve(_));
    let filter = global.log_level.as_deref().or(logs);
    let _log = filter.and_then(|filter| logging::init(filter, log_format, is_daemon));
    let mut output = Output::stdout(global.output);
    let connect = || connect(&global.server_url, global.token_file.as_deref());
    if !command.ids().is_empty() {
        let client = connect()?;
        block_on(ids::complete(&client, command.ids()))?;
    }
    match command {
        Command::Serve(args) => {
            let db = global.db.unwrap_or_else(|| DEFAULT_DB.into());
            block_on(serve::run(args, db, global.token_file.clone()))
        }
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
