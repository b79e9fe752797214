//! Libraries for `LD_PRELOAD`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a library for `LD_PRELOAD` from C into a directory, and returns its path.
///
/// # Panics
/// If the compiler fails.
pub fn preload_library(source: &Path, directory: &Path) -> PathBuf {
    let library = directory.join("preload.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([library.as_path(), source])
        .status()
        .expect("there is a C compiler: SQLite is built with it");
    assert!(compiled.success(), "{} can't be compiled", source.display());
    library
}
