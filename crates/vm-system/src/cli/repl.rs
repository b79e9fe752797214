use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::parse::duration;

/// Type JavaScript at a session
///
/// Without a session it makes one and closes it at the end; without a daemon at --server-url it starts one for itself.
/// What was typed is kept for the next time.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  vm-system repl\n  vm-system repl --template scripts --worktree ."
)]
pub(crate) struct ReplArgs {
    /// Where what was typed is kept. The usual parser of paths takes no empty one.
    #[arg(
        long,
        env = "VM_SYSTEM_HISTORY",
        hide_env_values = true,
        value_name = "FILE",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        help = "Where what was typed is kept; nowhere if it is empty [default: vm-system/history below $XDG_STATE_HOME or ~/.local/state]"
    )]
    pub history: Option<PathBuf>,
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
    /// How long the new session stays when this console is gone without closing it, as when it is
    /// killed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = duration,
        conflicts_with = "session"
    )]
    pub linger: Duration,
}
