//! Sessions with one host module, and calls that must throw.

use vm_system_tests::{Daemon, Session};

use crate::support::assertions::text;

/// A session with a host module, which is a global with the name of the module.
pub(crate) fn module_session(daemon: &Daemon, module: &str) -> Session {
    let session = daemon.session_of(&daemon.template_with_modules(&[module]));
    session.run(&format!("var {module} = require('{module}')"));
    session
}

/// Runs an expression that must throw; returns the message.
#[track_caller]
pub(crate) fn error_message(session: &Session, code: &str) -> String {
    let execution = session.run(code);
    assert_eq!(execution["status"], "error", "{code}: {execution}");
    text(&execution["error"], "message").to_owned()
}
