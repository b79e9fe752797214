//! The build script: it passes the git commit of a release build to the compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable with the commit. A build outside a checkout can set it; the compiler
/// reads it for the version of the program.
const VARIABLE: &str = "VM_SYSTEM_COMMIT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let given = env::var(VARIABLE).ok().filter(|commit| !commit.is_empty());
    // A debug build has no commit: it would be linked again after every commit, and it may contain
    // uncommitted changes.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let Some(commit) = given.or_else(|| is_release.then(commit_of_checkout).flatten()) {
        println!("cargo::rustc-env={VARIABLE}={commit}");
    }
}

/// The commit of the checkout that this crate is in; `None` outside a checkout and without git.
fn commit_of_checkout() -> Option<String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?).join("../..");
    // An unpacked archive may lie inside the checkout of another project.
    if !root.join(".git").exists() {
        return None;
    }
    // The log of HEAD changes with every commit and checkout.
    let log = git(&root, &["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={}", root.join(log).display());
    git(&root, &["rev-parse", "HEAD"])
}

/// The output of a git command in `root`; `None` if it fails.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(args)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
