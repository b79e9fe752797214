//! `vm-system ops`.

mod backup;

use std::time::Duration;

use anyhow::Context;
use vmapi_types::{CheckReport, PruneRequest};
use vmclient::Client;

use crate::cli::OpsCommand;
use crate::failure::{Failure, verdict};
use crate::output::Output;

/// Runs one of the commands. All print the API's JSON in either format: scripts read it.
pub async fn run(command: OpsCommand, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let json = match command {
        OpsCommand::Health => client.health().raw().await?,
        OpsCommand::Sandbox => client.sandbox().raw().await?,
        OpsCommand::RuntimeSummary => client.runtime_summary().raw().await?,
        OpsCommand::Prune {
            retain_executions,
            retain_sessions,
            dry_run,
        } => {
            let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
            let request = PruneRequest {
                retain_executions_s: seconds(retain_executions),
                retain_sessions_s: seconds(retain_sessions),
                dry_run,
            };
            client.prune(&request).raw().await?
        }
        OpsCommand::Backup { file } => return backup::run(&file, client, output).await,
        OpsCommand::Check => {
            let json = client.check().raw().await?;
            let report: CheckReport =
                serde_json::from_str(json.get()).context("the report is of another kind")?;
            let printed = output.raw(&json);
            return output.conclude(printed, verdict(report.ok));
        }
        OpsCommand::Vacuum => client.vacuum().raw().await?,
    };
    output.raw(&json)
}
