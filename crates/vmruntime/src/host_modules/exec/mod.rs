//! `exec`: programs of the host, run in the worktree.
//!
//! [`command`] parses a call and decides whether the program may be run: [`lookup`] finds the
//! program as `execvp` does, and [`environment`] builds its environment. [`run`] runs the program
//! below a supervisor process, a subreaper ([`supervised`] is the daemon's end, [`subreaper`] the
//! process), so that no process that the program starts outlives the call. `exec.js` gives the
//! module the shape that scripts see.

mod command;
mod environment;
mod errors;
mod lookup;
mod run;
mod subreaper;
mod supervised;
#[cfg(test)]
mod tests;

use vmcontrol::runtime::HostModuleInfo;

use super::broker::module::{Access, HostModule, ModuleProcess};
use crate::engine::ModuleScript;
use command::Exec;

/// The module, as the registry lists it.
pub(super) const MODULE: HostModule = HostModule {
    info: HostModuleInfo {
        name: "exec",
        summary: "commands of the host, run in the worktree",
        description: "Runs programs of the host in the worktree, and gives what they print",
        functions: &["run", "spawnSync"],
        config_keys: &["commands"],
    },
    access: Access::ByTemplate,
    script: Some(ModuleScript {
        module: "exec",
        specifiers: &["exec"],
        source: include_str!("exec.js"),
    }),
    open: |context| Box::new(Exec::new(context)),
    process: Some(ModuleProcess {
        argument: subreaper::ARGUMENT,
        serve: subreaper::serve,
    }),
};
