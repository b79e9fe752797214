//! `fs`: files inside the worktree, as far as the template's capabilities of kind `fs` give them.
//!
//! [`files`] carries the calls of a session out one after the other, on a thread that may block;
//! [`operations`] is what each function does; [`errors`] gives a failure the text of Node, and adds
//! the reason and the remedy where Node has no text. `fs.js` gives the module the shape of Node's
//! `fs`.

mod errors;
mod files;
mod operations;
#[cfg(test)]
mod tests;

use vmcontrol::runtime::HostModuleInfo;

use super::broker::module::{Access, HostModule};
use crate::engine::ModuleScript;
use files::Files;

/// The module, as the registry lists it.
pub(super) const MODULE: HostModule = HostModule {
    info: HostModuleInfo {
        name: "fs",
        summary: "files inside the worktree",
        description: "Reads, writes, lists and removes files and folders of the worktree",
        functions: &[
            "access",
            "accessSync",
            "appendFile",
            "appendFileSync",
            "copyFile",
            "copyFileSync",
            "exists",
            "existsSync",
            "lstat",
            "lstatSync",
            "mkdir",
            "mkdirSync",
            "readFile",
            "readFileSync",
            "readdir",
            "readdirSync",
            "rename",
            "renameSync",
            "rm",
            "rmSync",
            "rmdir",
            "rmdirSync",
            "stat",
            "statSync",
            "unlink",
            "unlinkSync",
            "writeFile",
            "writeFileSync",
        ],
        config_keys: &[],
    },
    access: Access::ByTemplate,
    script: Some(ModuleScript {
        module: "fs",
        specifiers: &["fs", "fs/promises"],
        source: include_str!("fs.js"),
    }),
    open: |context| Box::new(Files::new(context)),
    process: None,
};
