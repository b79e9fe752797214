//! The number of findings that each rule tolerates. A number here may only become smaller.

/// Files of code over 500 lines.
pub(crate) const LONG_FILES: usize = 0;

/// Functions over 80 lines.
pub(crate) const LONG_FUNCTIONS: usize = 0;

/// Lines with a comment over 100 columns.
pub(crate) const WIDE_COMMENTS: usize = 0;

/// Files of Rust that don't begin with `//!`.
pub(crate) const MODULES_WITHOUT_DOCS: usize = 0;

/// Circles of imports in all crates together, where a re-export counts for the module that
/// re-exports the item. The rule is 3 at most.
pub(crate) const CIRCLES: usize = 0;

/// Those of them that go through two or more modules of a crate's root.
pub(crate) const CIRCLES_ACROSS_MODULES: usize = 0;

/// Circles of imports in all crates together, where a re-export counts for the file that defines
/// the item.
pub(crate) const RESOLVED_CIRCLES: usize = 0;

/// Those of them that go through two or more modules of a crate's root.
pub(crate) const RESOLVED_CIRCLES_ACROSS_MODULES: usize = 0;

/// The modules of vmruntime that must not import from the supervisor.
pub(crate) const BELOW_THE_SUPERVISOR: [&str; 2] = ["ipc", "engine"];

/// The module of vmruntime that supervises session processes.
pub(crate) const SUPERVISOR: &str = "supervisor";

/// Signatures with `Result<_, String>` that are visible outside their module.
pub(crate) const STRING_ERRORS: usize = 0;

/// The crates that may depend on rusqlite: the store, vmruntime for the databases of scripts, and
/// the tests and benchmarks, which read database files.
pub(crate) const CRATES_WITH_SQLITE: [&str; 4] =
    ["bench", "vm-system-tests", "vmruntime", "vmstore-sqlite"];

/// The module of vmruntime that may name rusqlite: it runs the databases of scripts.
pub(crate) const RUNTIME_MODULE_WITH_SQLITE: &str = "crates/vmruntime/src/host_modules/database/";
