//! `vm-system repl`: a console for one session.

mod console;
mod draft;
mod editor;
mod instruction;
mod lines;
mod target;
mod words;

use std::io;

use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use tokio::signal::unix::SignalKind;
use vmclient::Client;

use self::console::Console;
use self::target::Target;
use super::ending;
use crate::cli::ReplArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Reads, runs and prints until the input ends. What was made for it is closed however it ends.
pub async fn run(args: ReplArgs, client: Client, output: &mut Output) -> Result<(), Failure> {
    let ended = ending::asked_for(&[SignalKind::terminate(), SignalKind::hangup()])?;
    // A line may be half typed when a signal comes.
    let terminal = tcgetattr(io::stdin()).ok();
    let history = args.history.clone();
    let target = Target::find(args, client).await?;
    let outcome = tokio::select! {
        outcome = Console::new(&target, output).run(history) => outcome,
        () = ended => Err(Failure::Interrupted),
    };
    if let Some(terminal) = terminal {
        // It may be gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &terminal);
    }
    let closed = target.close().await;
    outcome.and(closed)
}
