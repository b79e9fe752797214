//! Promises, timers, and when an execution ends.

use vm_system_tests::Daemon;

#[test]
fn jobs_run_in_the_order_that_node_runs_them_in() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run(
        "setTimeout(() => console.log('timer 2'), 200);
         setTimeout(() => { console.log('timer 1'); queueMicrotask(() => console.log('its microtask')) }, 1);
         Promise.resolve().then(() => console.log('promise'));
         queueMicrotask(() => console.log('microtask'));
         console.log('script')",
    );
    assert_eq!(
        session.console(&execution),
        [
            "script",
            "promise",
            "microtask",
            "timer 1",
            "its microtask",
            "timer 2"
        ]
    );
}

#[test]
fn an_execution_ends_when_its_timers_have_and_cancelled_ones_are_not_waited_for() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run(
        "const never = setTimeout(() => console.log('never'), 1e6);
         let ticks = 0;
         const interval = setInterval(() => { if (++ticks === 3) clearInterval(interval) }, 1);
         clearTimeout(never);",
    );
    assert_eq!(execution["status"], "ok", "{execution}");
    assert_eq!(session.eval("ticks"), "3");
}

#[test]
fn the_timer_of_a_signal_alone_keeps_no_execution_going() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in [
        "AbortSignal.timeout(1e6).aborted",
        "AbortSignal.timeout(1e6); await false",
        "AbortSignal.timeout(2 ** 40); await new Promise((done) => setTimeout(() => done(false), 2))",
    ] {
        assert_eq!(session.eval(code), "false", "{code}");
    }
    daemon.write("waits.mjs", "await AbortSignal.timeout(1e6).aborted;");
    let execution = session.submit_file("waits.mjs").expect_status(201);
    assert_eq!(execution["status"], "ok", "{execution}");
}

#[test]
fn the_timer_of_a_signal_goes_off_while_something_else_is_waited_for() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run(
        "AbortSignal.timeout(1).onabort = () => console.log('signal');
         setTimeout(() => console.log('timer'), 20);",
    );
    assert_eq!(session.console(&execution), ["signal", "timer"]);
    // An `await` at the top level waits for the timer as well.
    let waits = "const signal = AbortSignal.timeout(5);
         await new Promise((_, reject) => { signal.onabort = () => reject(signal.reason) })";
    let execution = session.run(waits);
    assert_eq!(execution["status"], "error", "{execution}");
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(message.contains("aborted due to timeout"), "{message}");
    let execution = session.run("AbortSignal.timeout(5); await new Promise(() => {})");
    assert_eq!(execution["error"]["code"], "DEADLOCK", "{execution}");
}

#[test]
fn a_promise_that_another_job_settles_is_waited_for() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run(
        "const cell = new Int32Array(new SharedArrayBuffer(4));
         Atomics.waitAsync(cell, 0, 0).value.then((outcome) => console.log(outcome));
         setTimeout(() => Atomics.notify(cell, 0), 5);",
    );
    assert_eq!(execution["status"], "ok", "{execution}");
    assert_eq!(session.console(&execution), ["ok"]);
}

#[test]
fn an_unhandled_rejection_is_an_error_and_queued_jobs_do_not_run_later() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let handled = session.run("Promise.reject(new Error('late')).catch(() => 1)");
    assert_eq!(handled["status"], "ok", "{handled}");
    let execution = session.run("setTimeout(() => { throw new Error('boom') }, 1); setTimeout(() => { globalThis.ran = 1 }, 2)");
    assert_eq!(execution["status"], "error");
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("Error: boom"), "{message}");
    assert_eq!(session.eval("typeof ran"), "undefined");
    let rejected = session.run("Promise.reject(new TypeError('unhandled'))");
    assert_eq!(rejected["status"], "error");
}
