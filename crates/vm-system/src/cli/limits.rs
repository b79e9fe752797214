use clap::Args;
use vmapi_types::LimitsPatch;

/// The flags for limits; what is left out stays as it is.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArgs {
    /// The limit of CPU time of an execution, in milliseconds
    #[arg(long, value_name = "MS")]
    pub cpu_ms: Option<u64>,
    /// The limit of time by the clock of an execution, in milliseconds
    #[arg(long, value_name = "MS")]
    pub wall_ms: Option<u64>,
    /// The limit of a session's heap, in MiB
    #[arg(long, value_name = "MIB")]
    pub mem_mb: Option<u64>,
    /// The limit of events of an execution
    #[arg(long, value_name = "N")]
    pub max_events: Option<u64>,
    /// The limit of output of an execution, in KiB
    #[arg(long, value_name = "KIB")]
    pub max_output_kb: Option<u64>,
}

impl LimitArgs {
    /// What they change, if anything.
    pub(crate) fn patch(&self) -> Option<LimitsPatch> {
        let patch = LimitsPatch {
            cpu_ms: self.cpu_ms,
            wall_ms: self.wall_ms,
            mem_mb: self.mem_mb,
            max_events: self.max_events,
            max_output_kb: self.max_output_kb,
        };
        (patch != LimitsPatch::default()).then_some(patch)
    }
}
