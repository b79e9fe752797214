//! `vm-system ops`.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::cli::creation::{create_session, create_template};
use crate::support::cli::run_cli;

#[test]
fn ops_print_the_json_of_the_api() {
    let daemon = Daemon::start();
    let session = create_session(&daemon, &create_template(&daemon, "demo"));
    assert_eq!(
        run_cli(&daemon, &["ops", "health"]).line(),
        r#"{"status":"ok"}"#
    );
    let summary = run_cli(&daemon, &["ops", "runtime-summary"]).json();
    assert_eq!(
        summary,
        json!({"active_sessions": 1, "active_session_ids": [session]})
    );
}
