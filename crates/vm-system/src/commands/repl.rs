//! `vm-system repl`: a console for one session.

mod console;
mod draft;
mod editor;
mod instruction;
mod lines;
mod target;
mod terminal;
mod words;

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::SignalKind;
use vmclient::Client;

use self::console::Console;
use self::target::Target;
use self::terminal::Terminal;
use super::ending;
use crate::cli::ReplArgs;
use crate::failure::{Failure, say_note};
use crate::output::Output;

/// How long a session that is not wanted any more may take to be made and closed.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads, runs and prints until the input ends. What was made for it is closed however it ends, unless the daemon takes too long
/// for that.
pub(crate) async fn run(
    args: ReplArgs,
    client: Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let ended = ending::asked_for(&[SignalKind::terminate(), SignalKind::hangup()])?;
    let ended_early = ending::asked_for(&[
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ])?;
    // What is typed before there is a session waits for it.
    let terminal = if io::stdin().is_terminal() {
        Some(Terminal::take(lines::is_edited())?)
    } else {
        None
    };
    let history = args.history.clone();
    let mut finding = pin!(Target::find(args, client));
    let target = tokio::select! {
        target = &mut finding => target?,
        signal = ended_early => {
            // A session whose request is under way would stay.
            let closing = async { finding.await?.close().await };
            let impatient = ending::asked_for(&[SignalKind::interrupt()])?;
            say_note("Waiting for the session, to close it; Ctrl-C again leaves it");
            tokio::select! {
                // It was to end, whatever comes of that.
                _ = tokio::time::timeout(CLOSING_TIMEOUT, closing) => {}
                _ = impatient => {}
            }
            return Err(Failure::Interrupted(signal));
        }
    };
    let outcome = tokio::select! {
        outcome = Console::new(&target, output).run(history, terminal.as_ref()) => outcome,
        signal = ended => Err(Failure::Interrupted(signal)),
    };
    // A line may be half typed. The editor may still wait for the rest of it, and keep the
    // terminal: it is given back all the same.
    if let Some(terminal) = terminal {
        terminal.give_back();
    }
    let closed = target.close().await;
    outcome.and(closed)
}
