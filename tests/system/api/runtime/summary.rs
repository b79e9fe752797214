//! `/runtime/summary`.

use serde_json::json;
use vm_system_tests::Daemon;

#[test]
fn the_runtime_summary_counts_and_sorts_the_ready_sessions() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let sessions = [(); 6].map(|()| daemon.session_of(&template));
    sessions[0].close();
    let mut ids: Vec<_> = sessions[1..]
        .iter()
        .map(|session| session.id.clone())
        .collect();
    ids.sort();
    assert_eq!(
        daemon.api.get("/runtime/summary").expect_status(200),
        json!({"active_sessions": 5, "active_session_ids": ids})
    );
}
