use std::path::PathBuf;

use clap::Args;

/// Type JavaScript at a session
///
/// Without a session it makes one and closes it at the end; without a daemon at --server-url it starts one for itself.
/// What was typed is kept for the next time in $XDG_STATE_HOME/vm-system/history, or in the file that VM_SYSTEM_HISTORY
/// names.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  vm-system repl\n  vm-system repl --template scripts --worktree ."
)]
pub struct ReplArgs {
    /// The session [default: a new one]
    pub session: Option<String>,
    /// The template of the new session: its id or its name [default: one called repl, made if it is not there]
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "session")]
    pub template: Option<String>,
    /// The directory that files of the new session are run from
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        conflicts_with = "session"
    )]
    pub worktree: PathBuf,
}
