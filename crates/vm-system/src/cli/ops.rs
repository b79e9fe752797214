use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::parse::duration;

/// The commands of `vm-system ops`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum OpsCommand {
    /// Say whether the daemon serves, as JSON
    #[command(after_help = "Example:\n  vm-system ops health")]
    Health,
    /// Say the version of the daemon, its build and its engines, as JSON
    #[command(after_help = "Example:\n  vm-system ops version")]
    Version,
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
    /// Look whether the database is sound, the daemon's or with --db that in a file; the exit status is 1 if it is not
    #[command(
        after_help = "Example:\n  vm-system ops check\n  vm-system ops check --db vm-system-backup.db"
    )]
    Check,
    /// Bring the database of the Go service over into a new one, which --db names
    #[command(
        after_help = "Example:\n  vm-system ops import old.db\n  vm-system ops import vm-system.db --db new.db"
    )]
    Import {
        /// The old database, which is not changed
        #[arg(value_name = "OLD.DB")]
        file: PathBuf,
    },
    /// Give the room of what was removed back to the disk; answers wait meanwhile
    #[command(after_help = "Example:\n  vm-system ops vacuum")]
    Vacuum,
}
