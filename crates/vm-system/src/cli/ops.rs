use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::parse::duration;

/// The commands of `vm-system ops`.
#[derive(Clone, Debug, Subcommand)]
pub enum OpsCommand {
    /// Say whether the daemon serves, as JSON
    #[command(after_help = "Example:\n  vm-system ops health")]
    Health,
    /// Count and name the live sessions, as JSON
    #[command(after_help = "Example:\n  vm-system ops runtime-summary")]
    RuntimeSummary,
    /// Say what the kernel keeps session processes from, as JSON
    #[command(after_help = "Example:\n  vm-system ops sandbox")]
    Sandbox,
    /// Remove what ended long ago: executions with their events, sessions with their executions
    #[command(
        after_help = "Example:\n  vm-system ops prune --retain-executions 30d --retain-sessions 90d --dry-run"
    )]
    Prune {
        /// How long executions are kept after their end
        #[arg(long, value_name = "TIME", value_parser = duration, required_unless_present = "retain_sessions")]
        retain_executions: Option<Duration>,
        /// How long sessions are kept after their end
        #[arg(long, value_name = "TIME", value_parser = duration)]
        retain_sessions: Option<Duration>,
        /// Say what would go, and keep it
        #[arg(long)]
        dry_run: bool,
    },
    /// Write a copy of the database into a file, while the daemon serves
    #[command(after_help = "Example:\n  vm-system ops backup vm-system-backup.db")]
    Backup {
        /// The file, which must not be there
        file: PathBuf,
    },
    /// Look whether the database is sound; the exit status is 1 if it is not
    #[command(after_help = "Example:\n  vm-system ops check")]
    Check,
    /// Give the room of what was removed back to the disk; answers wait meanwhile
    #[command(after_help = "Example:\n  vm-system ops vacuum")]
    Vacuum,
}
