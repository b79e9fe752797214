use std::io;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// The registry that the machine's npm is set up with.
///
/// # Errors
/// When there is no npm, or when it fails.
pub(crate) async fn registry() -> Result<String> {
    // Its warnings are on standard error: they are about its own settings.
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
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "npm is not installed, which would say which registry to download from: name one with --registry"
        ),
        Err(error) => return Err(error).context("cannot start npm"),
    };
    if !output.status.success() {
        bail!(
            "npm does not say which registry to download from ({}): name one with --registry",
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
    fn the_registry_is_what_npm_says_on_standard_output() {
        let said = Output {
            status: ExitStatus::default(),
            stdout: b"http://localhost:4873/\n".to_vec(),
            stderr: b"npm warn Unknown user config\n".to_vec(),
        };
        assert_eq!(answer(Ok(said)).unwrap(), "http://localhost:4873/");
    }
}
