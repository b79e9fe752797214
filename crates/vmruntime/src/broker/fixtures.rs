//! What the tests of host modules share.

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use uuid::Uuid;
use vmapi_types::{
    Capability, Limits, Resolver, RuntimeSettings, Settings, Template, TemplateDetails, Timestamp,
};
use vmcontrol::{Policy, Worktree};

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
