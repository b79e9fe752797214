//! Tests of the printed sessions.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::output::testing::printed;

fn session() -> Session {
    serde_json::from_value(json!({
        "id": "0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10",
        "vm_id": "6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11",
        "workspace_id": "demo",
        "base_commit_oid": "HEAD",
        "worktree_path": "/home/me/demo",
        "status": "ready",
        "created_at": "2026-01-02T03:04:05.678900Z",
    }))
    .unwrap()
}

fn crashed() -> Session {
    let session = session();
    Session {
        status: vmapi_types::SessionStatus::Crashed,
        closed_at: Some(session.created_at),
        last_error: Some("init.js: ReferenceError: x is not defined".into()),
        ..session
    }
}

#[test]
fn a_new_session_is_lines_that_scripts_read() {
    let plain = Paint::new(false);
    assert_snapshot!(printed(|out| created(out, plain, &session())), @r"
    Created session: 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10
    Status: ready
    Template ID: 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11
    Workspace ID: demo
    Base Commit: HEAD
    Worktree Path: /home/me/demo
    ");
}

#[test]
fn sessions_are_a_table() {
    let plain = Paint::new(false);
    assert_snapshot!(printed(|out| list(out, plain, &[session(), crashed()])), @r"
    ID                                    STATUS   TEMPLATE                              WORKSPACE  CREATED (UTC)        WORKTREE
    0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10  ready    6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11  demo       2026-01-02 03:04:05  /home/me/demo
    0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10  crashed  6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11  demo       2026-01-02 03:04:05  /home/me/demo
    ");
    assert_snapshot!(printed(|out| list(out, plain, &[])), @"No sessions.");
}

#[test]
fn a_session_is_shown_with_its_last_error() {
    let plain = Paint::new(false);
    assert_snapshot!(printed(|out| details(out, plain, &crashed())), @r"
    Session ID: 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10
    Template ID: 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11
    Workspace ID: demo
    Base Commit: HEAD
    Worktree Path: /home/me/demo
    Status: crashed
    Created: 2026-01-02T03:04:05Z
    Closed: 2026-01-02T03:04:05Z
    Last Error: init.js: ReferenceError: x is not defined
    ");
}

#[test]
fn a_worktree_is_sent_as_an_absolute_path() {
    assert_eq!(absolute("/a/b".into()), "/a/b");
    assert_eq!(absolute(String::new()), "");
    let here = std::env::current_dir().unwrap().join("sub");
    assert_eq!(absolute("sub".into()), here.to_str().unwrap());
}
