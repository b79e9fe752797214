//! Host modules: what scripts do outside their session, carried out by the daemon.
//!
//! A host module is one folder here and one entry in [`HOST_MODULES`]. Everything else follows from
//! the entry: what templates may name and how a capability of the module is configured, the list of
//! modules that clients get, the specifiers that `require` and `import` find, the JavaScript that
//! gives the module its shape, which calls the broker allows, and which processes of modules the
//! worker binary can run. [`broker`] holds what modules have in common; its `module.rs` is the
//! interface.
//!
//! Imports run one way: this file imports the modules, a module imports the broker's interface, and
//! both import `ipc`. The supervisor imports this file; no module imports the supervisor.

pub(crate) mod broker;
mod database;
mod exec;
#[cfg(test)]
pub(crate) mod fixtures;
mod fs;
mod loader;
mod net;

use std::sync::{Arc, LazyLock};

use vmcontrol::runtime::HostModuleInfo;
use vmcontrol::{Policy, Worktree};

use crate::engine::ModuleScript;
use crate::ipc::WorkerCommand;
use broker::module::{Access, HostModule, ModuleProcess};
use broker::session_context::SessionContext;

pub(crate) use broker::answering::Answering;
pub(crate) use broker::dispatch::Broker;
pub(crate) use broker::reply::busy;
pub(crate) use broker::session_context::Bounds;

/// Every host module, sorted by name. Their scripts are run in this order.
static HOST_MODULES: &[HostModule] = &[
    database::MODULE,
    exec::MODULE,
    fs::MODULE,
    loader::MODULE,
    net::MODULE,
];

/// The modules that templates can name, sorted by name.
pub fn host_modules() -> &'static [HostModuleInfo] {
    static GIVEN: LazyLock<Vec<HostModuleInfo>> = LazyLock::new(|| {
        let given = |module: &&HostModule| module.access == Access::ByTemplate;
        let modules = HOST_MODULES.iter().filter(given);
        modules.map(|module| module.info).collect()
    });
    &GIVEN
}

/// The scripts that give the modules their shape, in the order in which an engine runs them.
pub(crate) fn scripts() -> &'static [ModuleScript] {
    static SCRIPTS: LazyLock<Vec<ModuleScript>> = LazyLock::new(|| {
        let modules = HOST_MODULES.iter();
        modules.filter_map(|module| module.script).collect()
    });
    &SCRIPTS
}

/// The process of a module that a worker with this first argument runs; `None` if no module has
/// such a process.
pub(crate) fn process(argument: &str) -> Option<ModuleProcess> {
    let mut processes = HOST_MODULES.iter().filter_map(|module| module.process);
    processes.find(|process| process.argument == argument)
}

/// The broker of a session.
pub(crate) fn broker(
    policy: Arc<Policy>,
    worktree: Arc<Worktree>,
    worker: WorkerCommand,
    bounds: Bounds,
) -> Broker {
    let context = SessionContext::new(policy, worktree, worker, bounds);
    Broker::new(HOST_MODULES, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_names_of_their_own_in_order() {
        let names: Vec<&str> = HOST_MODULES.iter().map(|module| module.info.name).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        for module in HOST_MODULES {
            let functions = module.info.functions;
            assert!(
                functions.is_sorted_by(|one, next| one < next),
                "{functions:?}"
            );
        }
    }

    #[test]
    fn no_two_modules_have_a_specifier_or_a_process_in_common() {
        let specifiers: Vec<&str> = scripts()
            .iter()
            .flat_map(|script| script.specifiers)
            .copied()
            .collect();
        let processes = HOST_MODULES.iter().filter_map(|module| module.process);
        let arguments: Vec<&str> = processes.map(|process| process.argument).collect();
        for names in [specifiers, arguments] {
            let distinct: std::collections::HashSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len(), "{names:?}");
        }
    }
}
