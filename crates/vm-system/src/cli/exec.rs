use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value};

use super::LimitArgs;
use super::parse::json_object;

/// The commands of `vm-system exec`.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecCommand {
    /// Run a snippet of code in a session; Ctrl-C cancels it
    #[command(
        after_help = "Example:\n  vm-system exec repl 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10 '6 * 7'"
    )]
    Repl {
        /// The session
        session: String,
        /// The code; - reads it from standard input
        #[arg(allow_hyphen_values = true, required_unless_present = "file")]
        code: Option<String>,
        /// A file of this machine that holds the code
        #[arg(short, long, value_name = "FILE", conflicts_with = "code")]
        file: Option<PathBuf>,
        /// Print the execution's id at once and let it run
        #[arg(long)]
        no_wait: bool,
        /// Limits below those of the session's template.
        #[command(flatten)]
        limits: LimitArgs,
        /// Exit with status 1 if the code fails
        #[arg(long)]
        check: bool,
    },
    /// Run a file of a session's worktree; Ctrl-C cancels it
    #[command(
        after_help = "Example:\n  vm-system exec run-file 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10 build.js --args '{\"n\": 3}'"
    )]
    RunFile {
        /// The session
        session: String,
        /// The file, relative to the worktree
        path: String,
        /// What the script sees as __ARGS__, a JSON object
        #[arg(long, value_name = "JSON", value_parser = json_object)]
        args: Option<Map<String, Value>>,
        /// What the script sees as __ENV__, a JSON object
        #[arg(long, value_name = "JSON", value_parser = json_object)]
        env: Option<Map<String, Value>>,
        /// Print the execution's id at once and let it run
        #[arg(long)]
        no_wait: bool,
        /// Limits below those of the session's template.
        #[command(flatten)]
        limits: LimitArgs,
        /// Exit with status 1 if the script fails
        #[arg(long)]
        check: bool,
    },
    /// List a session's executions, newest first
    #[command(
        after_help = "Example:\n  vm-system exec list 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10 --limit 5"
    )]
    List {
        /// The session
        session: String,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show an execution and its events
    #[command(after_help = "Example:\n  vm-system exec get 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21")]
    Get {
        /// The execution
        #[arg(value_name = "EXEC")]
        execution: String,
        /// Exit with status 1 if the execution failed
        #[arg(long)]
        check: bool,
    },
    /// Wait for the end of an execution and show it
    #[command(
        after_help = "Example:\n  vm-system exec wait 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21 --check"
    )]
    Wait {
        /// The execution
        #[arg(value_name = "EXEC")]
        execution: String,
        /// Exit with status 1 if the execution failed
        #[arg(long)]
        check: bool,
    },
    /// Cancel an execution that runs: it is rolled back
    #[command(
        after_help = "Example:\n  vm-system exec cancel 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21"
    )]
    Cancel {
        /// The execution
        #[arg(value_name = "EXEC")]
        execution: String,
    },
    /// Show an execution's events
    #[command(
        after_help = "Example:\n  vm-system exec events 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21 --after-seq 2"
    )]
    Events {
        /// The execution
        #[arg(value_name = "EXEC")]
        execution: String,
        /// Only the events after this number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after_seq: u64,
        /// Print the events as they come, until the execution ends
        #[arg(long)]
        follow: bool,
    },
}
