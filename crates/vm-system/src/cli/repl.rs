//! The arguments of `vm-system repl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::parse::duration;

/// Run JavaScript interactively in a session
///
/// Without a session, the command creates one and closes it at the end; if no daemon answers at
/// --server-url, it starts a private one. The input history is kept for the next time.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  vm-system repl\n  vm-system repl --template scripts --worktree ."
)]
pub(crate) struct ReplArgs {
    /// The file of the input history, as it was given. The default parser of paths would refuse an
    /// empty one.
    #[arg(
        long,
        env = "VM_SYSTEM_HISTORY",
        hide_env_values = true,
        value_name = "FILE",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        help = "The file of the input history; empty keeps none [default: vm-system/history below $XDG_STATE_HOME or ~/.local/state]"
    )]
    pub history: Option<PathBuf>,
    /// The session [default: a new one]
    pub session: Option<String>,
    /// The template of the new session: its id or its name [default: one called repl, created if it
    /// is missing]
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
    /// The time that the new session stays after this command ended without closing it, as when it
    /// is killed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = duration,
        conflicts_with = "session"
    )]
    pub linger: Duration,
}
