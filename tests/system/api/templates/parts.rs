//! Requests for the parts of a template: capabilities, startup files, modules and libraries.

use serde_json::Value;
use vm_system_tests::{Answer, Daemon};

/// Adds a part, such as a module, to a template.
pub(crate) fn add_part(daemon: &Daemon, template: &str, what: &str, body: &Value) -> Answer {
    daemon
        .api
        .post(&format!("/templates/{template}/{what}"), body)
}

/// The list of the parts of one kind.
pub(crate) fn list_parts(daemon: &Daemon, template: &str, what: &str) -> Value {
    daemon
        .api
        .get(&format!("/templates/{template}/{what}"))
        .expect_status(200)
}
