//! The arguments of `vm-system session`.

use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use vmapi_types::SessionStatus;

/// The subcommands of `vm-system session`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Start a session from a template
    #[command(
        after_help = "Example:\n  vm-system session create --template-id 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 \\\n    --workspace-id demo --base-commit HEAD --worktree-path ."
    )]
    Create {
        /// The template that defines what the session may do
        #[arg(long, value_name = "ID")]
        template_id: String,
        /// Your name for the workspace
        #[arg(long, value_name = "NAME")]
        workspace_id: String,
        /// Your name for the commit that the worktree stands at
        #[arg(long, value_name = "OID")]
        base_commit: String,
        /// The directory whose files the session can run
        #[arg(long, value_name = "DIR")]
        worktree_path: String,
    },
    /// List sessions, newest first
    #[command(after_help = "Example:\n  vm-system session list --status ready")]
    List {
        /// Only sessions of this status; empty means all
        #[arg(long, default_value = "", hide_default_value = true, value_parser = status_parser())]
        status: StatusFilter,
    },
    /// Show a session
    #[command(
        after_help = "Example:\n  vm-system session get 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10"
    )]
    Get {
        /// The session
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show the events of all executions of a session
    #[command(after_help = "Example:\n  vm-system session logs 0b9d3c52 --follow")]
    Logs {
        /// The session
        session: String,
        /// Continue with new events until the session is closed
        #[arg(long)]
        follow: bool,
    },
    /// Close a session: its process ends, its history stays
    #[command(
        after_help = "Example:\n  vm-system session close 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10"
    )]
    Close {
        /// The session
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// The status of the sessions to list; `None` means all. The empty text stands for it, as in the
/// API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusFilter(pub Option<SessionStatus>);

fn status_parser() -> impl TypedValueParser<Value = StatusFilter> {
    let any = PossibleValue::new("").hide(true);
    let names = SessionStatus::ALL.map(|status| PossibleValue::new(status.as_str()));
    PossibleValuesParser::new([any].into_iter().chain(names)).map(|name| {
        // The parser accepts only the names of statuses and the empty text.
        StatusFilter(SessionStatus::from_name(&name))
    })
}
