//! Tells the program which git commit it is built from.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the commit, for builds outside a checkout. The program reads it as it is
/// compiled.
const VARIABLE: &str = "VM_SYSTEM_COMMIT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let given = env::var(VARIABLE).ok().filter(|commit| !commit.is_empty());
    // A debug build would be linked again after every commit, for a commit that it may not be built
    // from.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let Some(commit) = given.or_else(|| is_release.then(commit_of_checkout).flatten()) {
        println!("cargo::rustc-env={VARIABLE}={commit}");
    }
}

/// The commit of the checkout that this crate is in; `None` outside a checkout and without git.
fn commit_of_checkout() -> Option<String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?).join("../..");
    // An unpacked archive may lie inside the checkout of something else.
    if !root.join(".git").exists() {
        return None;
    }
    // It changes with every commit and checkout.
    let log = git(&root, &["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={}", root.join(log).display());
    git(&root, &["rev-parse", "HEAD"])
}

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
