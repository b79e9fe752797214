use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::parse::json_object;

/// Run one file without a daemon, and print its value
///
/// Console output appears as it comes, warnings and errors on standard error. The exit status is 1 if the script throws,
/// and 130 if Ctrl-C ends it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vm-system run script.js --args '{\"n\": 3}'")]
pub(crate) struct RunArgs {
    /// The file; its directory is what the script sees as its worktree
    pub file: PathBuf,
    /// What the script sees as __ARGS__, a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    pub args: Option<Map<String, Value>>,
    /// What the script sees as __ENV__, a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    pub env: Option<Map<String, Value>>,
}
