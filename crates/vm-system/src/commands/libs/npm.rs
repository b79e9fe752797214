//! The registry that the npm client of this machine is configured with.

use std::io;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Runs `npm config get registry` and returns the URL.
///
/// # Errors
/// When npm is not installed or fails.
pub(crate) async fn registry() -> Result<String> {
    // Warnings of npm about its own settings are on standard error, which is ignored.
    let npm = Command::new("npm")
        .args(["config", "get", "registry"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    answer(npm)
}

fn answer(npm: io::Result<Output>) -> Result<String> {
    let output = match npm {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("npm is not installed, so its registry is unknown: name one with --registry")
        }
        Err(error) => return Err(error).context("cannot start npm"),
    };
    if !output.status.success() {
        bail!(
            "npm did not print its registry ({}): name one with --registry",
            output.status
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn a_missing_or_failing_npm_leads_to_the_flag() {
        let failed = Output {
            status: ExitStatus::from_raw(1 << 8),
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        for npm in [Err(io::ErrorKind::NotFound.into()), Ok(failed)] {
            let error = answer(npm).unwrap_err().to_string();
            assert!(error.contains("--registry"), "{error}");
        }
    }

    #[test]
    fn the_registry_is_the_standard_output_of_npm() {
        let output = Output {
            status: ExitStatus::default(),
            stdout: b"http://localhost:4873/\n".to_vec(),
            stderr: b"npm warn Unknown user config\n".to_vec(),
        };
        assert_eq!(answer(Ok(output)).unwrap(), "http://localhost:4873/");
    }
}
