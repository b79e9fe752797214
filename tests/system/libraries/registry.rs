//! The libraries of the catalogue, as the npm registry that this machine is configured for has
//! them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use vm_system_tests::{Process, command};

use crate::support::cli::output_of;

/// The libraries, in the order in which this test uses them.
const LIBRARIES: [(&str, &str); 6] = [
    ("lodash", "4.17.21"),
    ("moment", "2.29.4"),
    ("dayjs", "1.11.10"),
    ("ramda", "0.29.0"),
    ("zustand", "4.4.7"),
    ("axios", "1.6.0"),
];

/// A cache with the libraries of the catalogue, downloaded once for all tests of this process;
/// `None`, with a printed note, if the registry can't be reached.
pub(crate) fn downloaded_libraries() -> Option<&'static Path> {
    static CACHE: OnceLock<Option<PathBuf>> = OnceLock::new();
    CACHE.get_or_init(download).as_deref()
}

fn download() -> Option<PathBuf> {
    if let Err(reason) = npm_reaches_its_registry() {
        println!("skipped: {reason}");
        return None;
    }
    let cache = new_cache();
    let names = LIBRARIES.map(|(id, version)| format!("{id}@{version}"));
    let mut download = command();
    download
        .args(["libs", "download", "--cache"])
        .arg(&cache)
        .args(&names);
    let said = output_of(&mut download).ok();
    let expected = LIBRARIES.map(|(id, version)| format!("Downloaded {id}-{version} ("));
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    for (line, expected) in said.lines().zip(expected) {
        assert!(line.starts_with(&expected), "{said}");
    }
    Some(cache)
}

/// Checks the registry with npm itself, so that a failure of the tested code is not mistaken for a
/// registry that is down.
fn npm_reaches_its_registry() -> Result<(), String> {
    let (id, version) = LIBRARIES[0];
    let npm = Command::new("npm")
        .args(["view", &format!("{id}@{version}"), "version"])
        .args(["--fetch-retries=0", "--fetch-timeout=10000"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm can't be run: {error}"))?;
    if npm.status.success() && String::from_utf8_lossy(&npm.stdout).trim() == version {
        Ok(())
    } else {
        Err("npm does not reach its registry".into())
    }
}

/// A directory for this process. The directories of processes that have ended are removed, because
/// no code runs at the end of a test process.
fn new_cache() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libraries");
    fs::create_dir_all(&all).unwrap();
    for entry in fs::read_dir(&all).unwrap() {
        let path = entry.unwrap().path();
        let pid = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        if pid.is_none_or(|pid| !Process::is_alive(pid)) {
            // Another process may remove the same directory.
            let _ = fs::remove_dir_all(path);
        }
    }
    let cache = all.join(std::process::id().to_string());
    // An earlier process with the same id may have left it.
    let _ = fs::remove_dir_all(&cache);
    cache
}

#[test]
fn the_catalogue_comes_from_the_registry_whole_and_locked() {
    let Some(cache) = downloaded_libraries() else {
        return;
    };
    let mut verify = command();
    verify
        .args(["libs", "verify", "--output", "json", "--cache"])
        .arg(cache);
    let states: Value = serde_json::from_str(&output_of(&mut verify).ok()).unwrap();
    assert_eq!(states.as_array().unwrap().len(), LIBRARIES.len());
    let lock = fs::read_to_string(cache.join("libraries.lock.json")).unwrap();
    let lock: Value = serde_json::from_str(&lock).unwrap();
    for (id, version) in LIBRARIES {
        let name = format!("{id}-{version}");
        let file = fs::metadata(cache.join(format!("{name}.js"))).unwrap();
        let locked = &lock["libraries"][&name];
        assert_eq!(locked["size_bytes"], file.len(), "{name}");
        assert_eq!(
            (&locked["package"], &locked["package_version"]),
            (&id.into(), &version.into())
        );
        for checksum in ["integrity", "package_integrity"] {
            let checksum = locked[checksum].as_str().unwrap();
            assert!(checksum.starts_with("sha512-"), "{name}: {checksum}");
        }
    }
    let mut offline = command();
    offline
        .args(["libs", "download", "--offline", "--cache"])
        .arg(cache);
    output_of(&mut offline).ok();
}
