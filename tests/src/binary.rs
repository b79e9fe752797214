//! The binary under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of the binary under test, which is built once with the profile of the caller. Cargo
/// builds it by itself only for tests of its own package, so without this it could be missing or
/// old.
///
/// # Panics
/// When it can't be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().expect("a program knows its own path");
        // Programs are in the profile's directory, tests in `deps` below it.
        let profile = own
            .ancestors()
            .skip(1)
            .find(|directory| !directory.ends_with("deps"))
            .expect("a program is in a directory");
        let mut build = Command::new(env!("CARGO"));
        build
            .args([
                "build",
                "--quiet",
                // With a test among the targets dependencies have the features that they have in
                // `cargo test --workspace`: otherwise the engine would be built a second time.
                "--workspace",
                "--bin",
                "vm-system",
                "--test",
                "cli",
            ])
            .arg("--manifest-path")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
            .arg("--target-dir")
            .arg(
                profile
                    .parent()
                    .expect("a profile is in the target directory"),
            );
        // The variables that cargo sets for a program would make some build scripts run again, and
        // with them everything that depends on these.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            {
                build.env_remove(&*name);
            }
        }
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo can be run");
        assert!(status.success(), "the binary can't be built");
        profile.join("vm-system")
    })
}

/// A command of the binary without the environment variables of the program.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VM_SYSTEM_") {
            command.env_remove(name);
        }
    }
    command
}
