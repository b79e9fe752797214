use clap::Subcommand;

/// The commands of `vm-system ops`.
#[derive(Clone, Copy, Debug, Subcommand)]
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
}
