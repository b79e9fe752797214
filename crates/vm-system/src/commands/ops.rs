//! `vm-system ops`.

mod backup;
mod import;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::value::to_raw_value;
use vmapi_types::{CheckReport, PruneRequest, RawJson};
use vmclient::Client;

use crate::cli::OpsCommand;
use crate::failure::{Failure, verdict};
use crate::output::Output;

/// Runs one of the commands. Those that ask a daemon print the API's JSON in either format: scripts read it.
pub(crate) async fn run(
    command: OpsCommand,
    db: Option<&Path>,
    connect: impl Fn() -> Result<Client, Failure>,
    output: &mut Output,
) -> Result<(), Failure> {
    let json = match command {
        OpsCommand::Health => connect()?.health().raw().await?,
        OpsCommand::Version => connect()?.version().raw().await?,
        OpsCommand::Sandbox => connect()?.sandbox().raw().await?,
        OpsCommand::RuntimeSummary => connect()?.runtime_summary().raw().await?,
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
            connect()?.prune(&request).raw().await?
        }
        OpsCommand::Backup { file } => return backup::run(&file, &connect()?, output).await,
        OpsCommand::Check => {
            if let Some(file) = db {
                return check_file(file, output);
            }
            let json = connect()?.check().raw().await?;
            let report: CheckReport =
                serde_json::from_str(json.get()).context("the report is of another kind")?;
            return print_report(&json, report.ok, output);
        }
        OpsCommand::Import { file } => return import::run(&file, db, output),
        OpsCommand::Vacuum => connect()?.vacuum().raw().await?,
    };
    output.raw(&json)
}

/// Checks the database in a file, without a daemon.
fn check_file(file: &Path, output: &mut Output) -> Result<(), Failure> {
    let report = vmcontrol::check_file(file).map_err(anyhow::Error::new)?;
    let json = to_raw_value(&report).context("the report is no JSON")?;
    print_report(&json, report.ok, output)
}

fn print_report(json: &RawJson, is_sound: bool, output: &mut Output) -> Result<(), Failure> {
    let printed = output.raw(json);
    output.conclude(printed, verdict(is_sound))
}
