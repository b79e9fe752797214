//! `vm-system repl`: a console for one session.

mod console;
mod editor;
mod instruction;
mod target;
mod words;

use vmclient::Client;

use self::console::Console;
use self::target::Target;
use crate::cli::ReplArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Reads, runs and prints until the input ends.
pub async fn run(args: ReplArgs, client: Client, output: &mut Output) -> Result<(), Failure> {
    let target = Target::find(args, client).await?;
    let outcome = Console::new(&target, output).run().await;
    let closed = target.close().await;
    outcome.and(closed)
}
