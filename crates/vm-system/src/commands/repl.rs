//! `vm-system repl`: an interactive console of one session.

mod console;
mod dot_command;
mod editor;
mod highlight;
mod input;
mod input_buffer;
mod reader;
mod target;
mod terminal;

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::SignalKind;
use vmclient::Client;

use self::console::Console;
use self::target::Target;
use self::terminal::Terminal;
use super::signals;
use crate::cli::ReplArgs;
use crate::failure::{Failure, print_note};
use crate::output::Output;

/// The limit for creating and closing a session after the user has interrupted the start.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the console until the input ends. What was created for this command is closed afterwards,
/// unless the daemon takes too long.
pub(crate) async fn run(
    args: ReplArgs,
    client: Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let ended = signals::first_of(&[SignalKind::terminate(), SignalKind::hangup()])?;
    let ended_early = signals::first_of(&[
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ])?;
    // Input that is typed before the session exists waits for it.
    let terminal = if io::stdin().is_terminal() {
        Some(Terminal::acquire(reader::has_line_editing())?)
    } else {
        None
    };
    let history = args.history.clone();
    let mut finding = pin!(Target::find(args, client));
    let target = tokio::select! {
        target = &mut finding => target?,
        signal = ended_early => {
            // The session of a request that is under way would stay open.
            let closing = async { finding.await?.close().await };
            let second_interrupt = signals::first_of(&[SignalKind::interrupt()])?;
            print_note("Waiting for the session, to close it; Ctrl-C again leaves it");
            tokio::select! {
                // The command ends in either case.
                _ = tokio::time::timeout(CLOSING_TIMEOUT, closing) => {}
                _ = second_interrupt => {}
            }
            return Err(Failure::Interrupted(signal));
        }
    };
    let outcome = tokio::select! {
        outcome = Console::new(&target, output).run(history, terminal.as_ref()) => outcome,
        signal = ended => Err(Failure::Interrupted(signal)),
    };
    // The editor may still be waiting for the rest of a line, and hold the terminal; the terminal
    // is restored in spite of that.
    if let Some(terminal) = terminal {
        terminal.restore();
    }
    let closed = target.close().await;
    outcome.and(closed)
}
