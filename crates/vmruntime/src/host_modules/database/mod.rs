//! `database`: SQLite databases inside the worktree or in memory.
//!
//! [`client`] is the daemon's side: it starts a process for each session that uses the module, and
//! sends calls to it. [`process`] is that process. `database.js` gives the module the shape that
//! scripts see.

mod client;
mod process;

use vmcontrol::runtime::HostModuleInfo;

use super::broker::module::{Access, HostModule, ModuleProcess};
use crate::engine::ModuleScript;
use client::Database;

/// The module, as the registry lists it.
pub(super) const MODULE: HostModule = HostModule {
    info: HostModuleInfo {
        name: "database",
        summary: "SQLite databases inside the worktree or in memory",
        description: "Queries and changes SQLite databases, which are files of the worktree or in memory",
        functions: &["close", "configure", "exec", "query", "transaction"],
        config_keys: &[],
    },
    access: Access::ByTemplate,
    script: Some(ModuleScript {
        module: "database",
        specifiers: &["database"],
        source: include_str!("database.js"),
    }),
    open: |context| Box::new(Database::new(context)),
    process: Some(ModuleProcess {
        argument: process::ARGUMENT,
        serve: process::serve,
    }),
};
