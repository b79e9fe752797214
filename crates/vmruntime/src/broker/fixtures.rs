//! What the tests of host modules share.

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use uuid::Uuid;
use vmapi_types::{
    Capability, Limits, Resolver, RuntimeSettings, Settings, Template, TemplateDetails, Timestamp,
};
use vmcontrol::{Policy, Worktree};

use crate::host::WorkerCommand;
use crate::protocol::HostCall;

/// A policy with capabilities, each a kind, a name, whether it is enabled and its configuration.
pub(crate) fn policy(capabilities: &[(&str, &str, bool, Value)]) -> Policy {
    let id = Uuid::nil();
    let now = Timestamp::now();
    let capability = |(kind, name, enabled, config): &(&str, &str, bool, Value)| Capability {
        id,
        vm_id: id,
        kind: (*kind).into(),
        name: (*name).into(),
        enabled: *enabled,
        config: config.as_object().unwrap().clone(),
    };
    Policy::of_template(TemplateDetails {
        template: Template {
            id,
            name: "t".into(),
            engine: "boa".into(),
            is_active: true,
            exposed_modules: vec!["database".into(), "exec".into(), "fs".into()],
            libraries: Vec::new(),
            created_at: now,
            updated_at: now,
        },
        settings: Settings {
            vm_id: id,
            limits: Limits::default(),
            resolver: Resolver::default(),
            runtime: RuntimeSettings::default(),
        },
        capabilities: capabilities.iter().map(capability).collect(),
        startup_files: Vec::new(),
    })
}

/// An empty worktree.
pub(crate) fn worktree() -> (tempfile::TempDir, Worktree) {
    let home = tempfile::tempdir().unwrap();
    let worktree = Worktree::open(home.path().to_str().unwrap(), Vec::new()).unwrap();
    (home, worktree)
}

/// The first argument of this program where it is to be a worker instead of running tests.
const WORKER: &str = "be-a-worker";

/// How the program of the tests is started as a worker.
pub(crate) fn worker() -> WorkerCommand {
    WorkerCommand {
        program: std::env::current_exe().unwrap(),
        args: vec![WORKER.into()],
    }
}

/// Runs before the harness of the tests, which prints to the standard output that a command is to have.
// SAFETY: the loader calls what stands in this section, without arguments that matter, when the libraries are ready.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = be_a_worker_if_asked_for;

extern "C" fn be_a_worker_if_asked_for() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == WORKER) {
        crate::worker::main(args);
    }
}

/// A call with these arguments.
pub(crate) fn host_call(module: &str, function: &str, args: &Value) -> HostCall {
    HostCall {
        module: module.into(),
        function: function.into(),
        args: to_raw_value(args).unwrap(),
    }
}

#[test]
fn a_policy_of_no_capabilities_has_the_templates_modules() {
    assert_eq!(
        json!(policy(&[]).modules),
        json!(["database", "exec", "fs"])
    );
}
