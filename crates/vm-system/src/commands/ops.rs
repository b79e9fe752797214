//! `vm-system ops`.

use vmclient::Client;

use crate::cli::OpsCommand;
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the commands. All print the API's JSON in either format: scripts read it.
pub async fn run(command: OpsCommand, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let json = match command {
        OpsCommand::Health => client.health().raw().await?,
        OpsCommand::Sandbox => client.sandbox().raw().await?,
        OpsCommand::RuntimeSummary => client.runtime_summary().raw().await?,
    };
    output.raw(&json)
}
