//! The arguments of `vm-system ops`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::parse::duration;

/// The subcommands of `vm-system ops`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum OpsCommand {
    /// Check that the daemon serves requests; prints JSON
    #[command(after_help = "Example:\n  vm-system ops health")]
    Health,
    /// Print the version of the daemon, its build and its engines, as JSON
    #[command(after_help = "Example:\n  vm-system ops version")]
    Version,
    /// Print the number and the ids of the live sessions, as JSON
    #[command(after_help = "Example:\n  vm-system ops runtime-summary")]
    RuntimeSummary,
    /// Print the restrictions that the kernel enforces on session processes, as JSON
    #[command(after_help = "Example:\n  vm-system ops sandbox")]
    Sandbox,
    /// Remove executions that ended long ago, with their events, and sessions, with their
    /// executions
    #[command(
        after_help = "Example:\n  vm-system ops prune --retain-executions 30d --retain-sessions 90d --dry-run"
    )]
    Prune {
        /// The time for which executions are kept after their end
        #[arg(long, value_name = "TIME", value_parser = duration, required_unless_present = "retain_sessions")]
        retain_executions: Option<Duration>,
        /// The time for which sessions are kept after their end
        #[arg(long, value_name = "TIME", value_parser = duration)]
        retain_sessions: Option<Duration>,
        /// Only count what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Write a copy of the database to a file, while the daemon serves
    #[command(after_help = "Example:\n  vm-system ops backup vm-system-backup.db")]
    Backup {
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Check the integrity of the daemon's database, or with --db of a database file; the exit
    /// status is 1 if it is damaged
    #[command(
        after_help = "Example:\n  vm-system ops check\n  vm-system ops check --db vm-system-backup.db"
    )]
    Check,
    /// Import a database of the Go service into a new database, which --db names
    #[command(
        after_help = "Example:\n  vm-system ops import old.db\n  vm-system ops import vm-system.db --db new.db"
    )]
    Import {
        /// The database of the Go service, which is not changed
        #[arg(value_name = "OLD.DB")]
        file: PathBuf,
    },
    /// Return the free space of the database file to the disk; requests wait meanwhile
    #[command(after_help = "Example:\n  vm-system ops vacuum")]
    Vacuum,
}
