//! Which crate may depend on which, and how many packages the workspace depends on.

use std::process::Command;

use serde_json::Value;

use crate::limits;
use crate::report::{Finding, expect_at_most};
use crate::repository::{FILES, file, root, rust_files};

/// The crates, or the beginnings of their names, that vmcontrol must not depend on.
const ABOVE_VMCONTROL: [&str; 4] = ["vmruntime", "vmtransport-http", "vmdaemon", "vmstore-"];

/// The largest number of packages in Cargo.lock.
const LOCKED_PACKAGES: usize = 520;

/// A crate of the workspace.
struct Package {
    name: String,
    /// The path of its manifest, relative to the repository.
    manifest: String,
    /// The names of its dependencies, including those of tests and build scripts.
    dependencies: Vec<String>,
}

fn packages() -> Vec<Package> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root());
    let output = metadata.output().expect("cargo can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
    let packages = metadata["packages"].as_array().expect("it is a list");
    packages
        .iter()
        .map(|package| {
            let manifest = text(&package["manifest_path"]);
            let root = format!("{}/", root().display());
            let dependencies = package["dependencies"].as_array().expect("it is a list");
            Package {
                name: text(&package["name"]),
                manifest: manifest.strip_prefix(&root).unwrap_or(&manifest).to_owned(),
                dependencies: dependencies.iter().map(|one| text(&one["name"])).collect(),
            }
        })
        .collect()
}

#[test]
fn the_core_depends_on_nothing_that_is_built_on_it() {
    let packages = packages();
    let core = packages
        .iter()
        .find(|package| package.name == "vmcontrol")
        .expect("the workspace has it");
    let above = core
        .dependencies
        .iter()
        .filter(|name| ABOVE_VMCONTROL.iter().any(|above| name.starts_with(above)));
    expect_at_most(
        0,
        "dependencies of vmcontrol on what is built on it",
        "Declare a trait in vmcontrol that the other crate implements.",
        above
            .map(|name| Finding::new(&core.manifest, 0, format!("depends on {name}")))
            .collect(),
    );
}

#[test]
fn sqlite_is_known_to_few_crates_and_to_one_module_of_the_runtime() {
    let packages = packages();
    let mut found: Vec<_> = packages
        .iter()
        .filter(|package| package.dependencies.iter().any(|name| name == "rusqlite"))
        .filter(|package| !limits::CRATES_WITH_SQLITE.contains(&package.name.as_str()))
        .map(|package| Finding::new(&package.manifest, 0, "depends on rusqlite"))
        .collect();
    let module = limits::RUNTIME_MODULE_WITH_SQLITE;
    assert!(
        FILES.iter().any(|file| file.path.starts_with(module)),
        "there is no {module}: name in tests/house/limits.rs what took its place"
    );
    let runtime = rust_files().filter(|file| file.path.starts_with("crates/vmruntime/"));
    for file in runtime.filter(|file| !file.path.starts_with(module)) {
        let lines = (1..).zip(file.text.lines());
        let naming = lines.filter(|(_, line)| line.contains("rusqlite"));
        found.extend(naming.map(|(line, _)| Finding::new(&file.path, line, "names rusqlite")));
    }
    expect_at_most(
        0,
        "uses of SQLite outside the store, the module for scripts' databases, and tests",
        "Ask the store, or the module that runs scripts' databases.",
        found,
    );
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let packages = packages();
    let without = packages.iter().filter(|package| {
        let manifest = &file(&package.manifest).text;
        !manifest.contains("[lints]\nworkspace = true\n")
    });
    expect_at_most(
        0,
        "crates without the lints of the workspace",
        "Write `[lints]` and below it `workspace = true` into the manifest.",
        without
            .map(|package| Finding::new(&package.manifest, 0, package.name.as_str()))
            .collect(),
    );
    let workspace = &file("Cargo.toml").text;
    for lint in ["missing_docs", "unreachable_pub", "broken_intra_doc_links"] {
        let is_on = [
            format!("\n{lint} = \"warn\""),
            format!("\n{lint} = \"deny\""),
        ];
        assert!(
            is_on.iter().any(|line| workspace.contains(line)),
            "Cargo.toml does not switch {lint} on for the workspace"
        );
    }
}

#[test]
fn cargo_lock_lists_few_packages() {
    let lock = &file("Cargo.lock").text;
    let packages = lock.lines().filter(|line| *line == "[[package]]").count();
    println!("{packages} packages of at most {LOCKED_PACKAGES}");
    assert!(
        (100..=LOCKED_PACKAGES).contains(&packages),
        "Cargo.lock lists {packages} packages, {LOCKED_PACKAGES} are tolerated: do without the new \
         dependency, or without some of its features, or change the limit in CONTRIBUTING.md as well"
    );
}
