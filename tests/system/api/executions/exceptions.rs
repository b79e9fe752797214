//! How executions report exceptions.

use vm_system_tests::Daemon;

use crate::support::assertions::{numbered_events, text, types};

#[test]
fn a_missing_global_is_named_with_its_place() {
    let daemon = Daemon::start();
    let execution = daemon.session().run("x");
    assert_eq!(execution["status"], "error");
    assert_eq!(
        execution["error"]["message"],
        "ReferenceError: x is not defined at repl:1:1"
    );
}

#[test]
fn an_error_has_the_place_where_it_was_thrown() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (code, place) in [
        ("nope.y", "repl:1:1"),
        ("\n  nope", "repl:2:3"),
        ("1;\nthrow new Error('e')", "repl:2:"),
        ("null.f()", "repl:1:"),
        ("undefined.x", "repl:1:"),
        ("({}).f()", "repl:1:"),
    ] {
        let execution = session.run(code);
        let message = text(&execution["error"], "message");
        assert!(
            message.contains(&format!(" at {place}")),
            "{code}: {message}"
        );
    }
}

#[test]
fn a_syntax_error_is_an_execution_that_ended_with_an_error() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in ["let = ;", "}", "return 1", "1 +* 2"] {
        let execution = session.run(code);
        assert_eq!(execution["status"], "error", "{code}");
        let message = text(&execution["error"], "message");
        assert!(message.starts_with("SyntaxError: "), "{code}: {message}");
        assert!(message.contains("repl:1:"), "{code}: {message}");
        let events = numbered_events(&session, &execution);
        assert_eq!(types(&events), ["input_echo", "exception"]);
    }
}

#[test]
fn a_syntax_error_at_the_end_of_the_source_has_its_place_too() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in ["foo(", "function f() {", "'abc", "`abc", "/* abc"] {
        let execution = session.run(code);
        let message = text(&execution["error"], "message");
        assert!(message.starts_with("SyntaxError: "), "{code}: {message}");
        assert!(message.contains(" at repl:1:"), "{code}: {message}");
    }
}

#[test]
fn every_thrown_value_has_a_message() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in [
        "throw 1",
        "throw 'text'",
        "throw null",
        "throw undefined",
        "throw {}",
        "throw () => 1",
    ] {
        let execution = session.run(code);
        assert_eq!(execution["status"], "error", "{code}");
        assert!(!text(&execution["error"], "message").is_empty(), "{code}");
    }
    let own = session.run("class Own extends Error { name = 'Own' }; throw new Own('mine')");
    let message = text(&own["error"], "message");
    assert!(message.starts_with("Own: mine"), "{message}");
}
