//! The errors of the module, with the texts of Node.

use std::path::{Path, PathBuf};

use serde_json::json;
use vmcontrol::Policy;

use super::lookup;
use crate::host_modules::broker::reply::add_capability_command;
use crate::ipc::HostError;

/// The error of a call with an argument of another type or form.
pub(super) fn wrong_argument(message: &str) -> HostError {
    HostError::with_code("ERR_INVALID_ARG_TYPE", message)
}

/// The error of a program that was not found.
pub(super) fn not_found(program: &str, error: lookup::NotFound) -> HostError {
    let code = match error {
        lookup::NotFound::Missing => "ENOENT",
        lookup::NotFound::NotExecutable => "EACCES",
    };
    not_started(program, code, &format!("spawn {program} {code}"))
}

/// The error of a program that was not started, with the properties that Node gives it.
pub(super) fn not_started(program: &str, code: &str, message: &str) -> HostError {
    let mut error = HostError::with_code(code, message);
    let syscall = format!("spawn {program}");
    error.properties.insert("syscall".into(), syscall.into());
    error.properties.insert("path".into(), program.into());
    error
}

/// The error of a program that the policy does not allow, with the remedy.
pub(super) fn not_allowed(policy: &Policy, program: &str, found: &Path) -> HostError {
    let listed = policy.grants.exec.commands().unwrap_or_default();
    let names: Vec<_> = listed.iter().map(|path| path.to_string_lossy()).collect();
    let more: Vec<_> = listed.iter().map(PathBuf::as_path).chain([found]).collect();
    let template = policy.template_id.to_string();
    let command = add_capability_command(
        &template,
        "module",
        "exec",
        Some(&json!({ "commands": more })),
    );
    let known = if names.is_empty() {
        "no program".to_owned()
    } else {
        names.join(", ")
    };
    let message = format!(
        "EACCES: permission denied, spawn {}: the template's capability module:exec gives {known} alone; to change that \
         for new sessions, remove it and add it with {command}",
        found.display()
    );
    not_started(program, "EACCES", &message)
}
