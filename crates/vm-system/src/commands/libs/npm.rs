use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use vmcontrol::catalog::Library;

use super::cache;

/// How many of npm's lines are shown when it fails: the cause is on the first of about a dozen.
const SHOWN_LINES: usize = 20;

/// Downloads a library with the machine's npm, as it is set up, and puts it into the cache. Gives its size in bytes.
///
/// # Errors
/// When npm is missing or fails, when the package does not hold the file, or when the cache can't be written.
pub fn download(library: &Library, cache: &Path) -> Result<u64> {
    let name = library.name();
    let directory = tempfile::tempdir().context("cannot make a temporary directory for npm")?;
    let package = format!("{}@{}", library.npm_package, library.version);
    let npm = Command::new("npm")
        .args([
            "install",
            "--no-save",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ])
        .arg("--prefix")
        .arg(directory.path())
        // What the package would need in Node.js is of no use to the one file that is taken.
        .args(["--omit=peer", "--omit=optional"])
        .arg(&package)
        .stdin(Stdio::null())
        .output();
    check(npm).with_context(|| format!("cannot download {name}"))?;
    let file = directory
        .path()
        .join("node_modules")
        .join(library.npm_package)
        .join(library.npm_file);
    let code = fs::read(&file)
        .with_context(|| format!("the package {package} holds no {}", library.npm_file))?;
    let code = with_epilogue(code, library.epilogue);
    cache::store(cache, &name, &code)?;
    Ok(code.len() as u64)
}

fn check(npm: io::Result<Output>) -> Result<()> {
    let output = match npm {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("npm is not installed (it comes with Node.js), or not on the PATH")
        }
        Err(error) => return Err(error).context("cannot start npm"),
    };
    if output.status.success() {
        return Ok(());
    }
    bail!("npm failed ({}):\n{}", output.status, last_lines(&output));
}

/// The end of what npm said. Its warnings are about its own settings.
fn last_lines(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("npm warn"))
        .collect();
    let first = lines.len().saturating_sub(SHOWN_LINES);
    lines[first..].join("\n")
}

/// The code with a line that the catalogue adds, on a line of its own.
fn with_epilogue(mut code: Vec<u8>, epilogue: &str) -> Vec<u8> {
    if !epilogue.is_empty() {
        if !code.ends_with(b"\n") {
            code.push(b'\n');
        }
        code.extend_from_slice(epilogue.as_bytes());
    }
    code
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn an_epilogue_stands_on_a_line_of_its_own() {
        assert_eq!(with_epilogue(b"a".to_vec(), ""), b"a");
        assert_eq!(with_epilogue(b"a".to_vec(), "b\n"), b"a\nb\n");
        assert_eq!(with_epilogue(b"a\n".to_vec(), "b\n"), b"a\nb\n");
    }

    #[test]
    fn the_end_of_what_npm_said_is_shown() {
        let lines = (1..=30).fold(String::new(), |text, n| {
            text + &format!("npm error {n}\n\n")
        });
        let output = Output {
            status: ExitStatus::from_raw(1 << 8),
            stdout: b"added nothing\n".to_vec(),
            stderr: format!("{lines}npm warn Unknown user config\n").into_bytes(),
        };
        let error = check(Ok(output)).unwrap_err().to_string();
        let shown: Vec<_> = error.lines().collect();
        assert_eq!(shown.len(), 1 + SHOWN_LINES);
        assert_eq!(shown[0], "npm failed (exit status: 1):");
        assert_eq!(shown[1], "npm error 11");
        assert_eq!(shown[SHOWN_LINES], "npm error 30");
    }

    #[test]
    fn a_missing_npm_is_said_to_be_missing() {
        let error = check(Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "npm is not installed (it comes with Node.js), or not on the PATH"
        );
    }
}
