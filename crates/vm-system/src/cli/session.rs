use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use vmapi_types::SessionStatus;

/// The commands of `vm-system session`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Start a session from a template
    #[command(
        after_help = "Example:\n  vm-system session create --template-id 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 \\\n    --workspace-id demo --base-commit HEAD --worktree-path ."
    )]
    Create {
        /// The template that says what the session may do
        #[arg(long, value_name = "ID")]
        template_id: String,
        /// Your name for the workspace
        #[arg(long, value_name = "NAME")]
        workspace_id: String,
        /// Your name for the commit that the worktree stands at
        #[arg(long, value_name = "OID")]
        base_commit: String,
        /// The directory that files are run from
        #[arg(long, value_name = "DIR")]
        worktree_path: String,
    },
    /// List sessions, newest first
    #[command(after_help = "Example:\n  vm-system session list --status ready")]
    List {
        /// Only sessions of this status; all if it is empty
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
    /// Show what happened in a session: the events of all its executions
    #[command(after_help = "Example:\n  vm-system session logs 0b9d3c52 --follow")]
    Logs {
        /// The session
        session: String,
        /// Go on with what happens, until the session is closed
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

/// The status that sessions are listed of, or of every one: an empty name stands for that, as in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusFilter(pub Option<SessionStatus>);

fn status_parser() -> impl TypedValueParser<Value = StatusFilter> {
    let any = PossibleValue::new("").hide(true);
    let names = SessionStatus::ALL.map(|status| PossibleValue::new(status.as_str()));
    PossibleValuesParser::new([any].into_iter().chain(names)).map(|name| {
        // Those are the possible values.
        StatusFilter(SessionStatus::from_name(&name))
    })
}
