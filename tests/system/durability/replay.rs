//! Executions that were committed without a checkpoint are replayed when the process has died.

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Process, Role, Session, wait_for};

/// Kills the session process, which must exist.
fn kill(daemon: &Daemon, session: &Session) {
    Process::kill(daemon.process_of(session, Role::Session));
}

/// A session that was created and used without a checkpoint; on a slow machine it may have one.
fn without_checkpoint(daemon: &Daemon, make: impl Fn() -> Session) -> Session {
    (0..20)
        .map(|_| make())
        .find(|session| daemon.find_process(session, Role::Checkpoint).is_none())
        .unwrap_or_else(&make)
}

/// Runs a snippet until it is committed without a checkpoint: a run that took long gets one.
fn eval_without_checkpoint(daemon: &Daemon, session: &Session, code: &str) {
    wait_for("a commit without a checkpoint", || {
        let before = daemon.process_of(session, Role::Checkpoint);
        session.eval(code);
        (daemon.process_of(session, Role::Checkpoint) == before).then_some(())
    });
}

#[test]
fn what_no_checkpoint_holds_survives_each_kind_of_death() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_limits(&json!({"wall_ms": 2000})));
    session.checkpoint();
    session.eval("var list = []");
    let mut length = 0;
    for deadly in [
        "while (true);",
        "await new Promise(() => {})",
        "const all = []; while (true) all.push(new Array(1e6).fill(1));",
    ] {
        for _ in 0..3 {
            session.eval("list.push(list.length)");
            length += 1;
        }
        let execution = session.run(&format!("list.push('lost'); {deadly}"));
        assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
        let seen = session.eval("list.every((x, i) => x === i) && list.length");
        assert_eq!(seen, length.to_string(), "{deadly}");
        session.eval("list.push(list.length)");
        length += 1;
        kill(&daemon, &session);
        assert_eq!(session.eval("list.length"), length.to_string());
    }
}

#[test]
fn short_executions_need_no_checkpoint() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.checkpoint();
    eval_without_checkpoint(
        &daemon,
        &session,
        "globalThis.count = (globalThis.count ?? 0) + 1",
    );
    let count = session.eval("count");
    kill(&daemon, &session);
    assert_eq!(session.eval("count"), count);
}

#[test]
fn a_checkpoint_is_made_before_the_replay_log_gets_long() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_eq!(daemon.find_process(&session, Role::Checkpoint), None);
    session.eval("var count = 0");
    for _ in 0..64 {
        session.eval("++count");
    }
    daemon.process_of(&session, Role::Checkpoint);
    kill(&daemon, &session);
    assert_eq!(session.eval("count"), "64");
    // The text is longer than the replay log may be.
    let before = daemon.checkpoint(&session);
    session.eval(&format!("count = 7; /* {} */ count", "x".repeat(70_000)));
    daemon.wait_for_replacement(before, &session, Role::Checkpoint);
}

#[test]
fn a_replay_sees_the_recorded_nondeterministic_inputs() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["fs"]));
    daemon.write("a.txt", "first");
    for code in [
        "Math.random()",
        "[3, 1, 2].map(Math.random)[1]",
        "Date.now()",
        "new Date().getTime()",
        "Date()",
        "new Date(undefined ?? new Date()).toISOString()",
        "performance.now()",
        "crypto.randomUUID()",
        "crypto.getRandomValues(new Uint32Array(4)).join()",
        "await new Promise(done => setTimeout(() => done(performance.now()), 1))",
        "await new Promise(done => { const t = setInterval(() => { clearInterval(t); done(Date.now()) }, 1) })",
        "new Function('return Math' + '.random()')()",
        "Reflect.apply(Math['rand' + 'om'], null, [])",
        "(await import('node:fs')).readFileSync('a.txt', 'utf8')",
        "require('fs').statSync('a.txt').mtimeMs",
    ] {
        let seen = session.eval(&format!("var kept = {code}; String(kept)"));
        daemon.write("a.txt", "other");
        kill(&daemon, &session);
        assert_eq!(session.eval("String(kept)"), seen, "{code}");
        assert_eq!(session.record()["status"], "ready", "{code}");
        daemon.write("a.txt", "first");
    }
}

#[test]
fn time_and_randomness_need_no_checkpoint_and_are_replayed() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.checkpoint();
    for code in [
        "Math.random()",
        "new Date().toISOString() + Date.now()",
        "performance.now()",
        "crypto.randomUUID() + crypto.getRandomValues(new Uint8Array(13))",
        "Array.from({length: 64}, Math.random)",
    ] {
        eval_without_checkpoint(&daemon, &session, &format!("var kept = {code}"));
        let seen = session.eval("String(kept)");
        kill(&daemon, &session);
        assert_eq!(session.eval("String(kept)"), seen, "{code}");
    }
}

#[test]
fn an_execution_with_many_recorded_inputs_gets_a_checkpoint() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut before = daemon.checkpoint(&session);
    for code in [
        "Array.from({length: 65}, Math.random).length",
        "crypto.getRandomValues(new Uint8Array(513)).length",
    ] {
        session.eval(code);
        before = daemon.wait_for_replacement(before, &session, Role::Checkpoint);
    }
}

#[test]
fn the_clocks_of_a_replayed_session_go_on() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let read = || -> [Value; 2] {
        let seen = session.eval("JSON.stringify([performance.timeOrigin, performance.now()])");
        serde_json::from_str(&seen).unwrap()
    };
    session.eval("console.time('watch')");
    let before = read();
    // There is no checkpoint yet, unless these executions took long.
    kill(&daemon, &session);
    let after = read();
    assert_eq!(after[0], before[0]);
    assert!(
        after[1].as_f64() > before[1].as_f64(),
        "{before:?} {after:?}"
    );
    let execution = session.run("console.timeEnd('watch')");
    let printed = session.console(&execution).concat();
    assert!(printed.starts_with("watch: "), "{printed}");
}

#[test]
fn a_replay_records_no_events() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let earlier: Vec<Value> = (0..5)
        .map(|index| session.run(&format!("console.log('line {index}'); {index}")))
        .collect();
    let logs = || -> Vec<Vec<Value>> { earlier.iter().map(|one| session.events(one)).collect() };
    let before = logs();
    let execution = session.run("console.log('mine'); while (true);");
    assert_eq!(execution["status"], "timeout", "{execution}");
    let execution = session.run("console.log('next')");
    assert_eq!(session.console(&execution), ["next"]);
    assert_eq!(logs(), before);
}

#[test]
fn all_that_a_console_keeps_between_executions_is_replayed() {
    let daemon = Daemon::start();
    let session = without_checkpoint(&daemon, || {
        let session = daemon.session();
        session.eval("const fixed = 1; let free = 2; class Point { x = 3 } 42");
        session.run("throw new RangeError('kept too')");
        session.run("const fixed = 5; undeclared");
        session.eval("label: for (const i of [1]) { var inner = i }");
        session.eval("const f = n => n && 1 + f(n - 1); var deep = f(100)");
        session.eval("console.count('calls'); console.count('calls')");
        session.eval("var weak = new WeakRef({a: 1}); for (let i = 0; i < 100; i++) ({i}); 1");
        session
    });
    let state = "JSON.stringify([typeof fixed, free, new Point().x, inner, deep, _error?.message, weak.deref()])";
    let seen = session.eval(state);
    kill(&daemon, &session);
    assert_eq!(session.eval(state), seen);
    let execution = session.run("console.count('calls')");
    assert_eq!(session.console(&execution), ["calls: 3"]);
}

#[test]
fn a_query_sees_what_no_checkpoint_holds() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let inspected = |expression: &str| {
        let path = format!("/sessions/{}/inspect", session.id);
        let body = json!({"expression": expression});
        daemon.api.post(&path, &body).expect_status(200)["text"].clone()
    };
    for round in 1..4 {
        session.eval(&format!("var kept = {round}"));
        assert_eq!(inspected("kept"), round.to_string());
        let body = json!({
            "session_id": session.id, "wait_ms": 0, "input": "kept = 'late'; while (true);"
        });
        let running = daemon
            .api
            .post("/executions/repl", &body)
            .expect_status(202);
        assert_eq!(inspected("kept"), round.to_string());
        let path = format!("/executions/{}/cancel", running["id"].as_str().unwrap());
        daemon.api.post(&path, &json!({})).expect_status(200);
        assert_eq!(inspected("kept"), round.to_string());
        assert_eq!(session.eval("kept"), round.to_string());
        // Some rounds have a checkpoint in between.
        if round == 2 {
            session.checkpoint();
        }
    }
}

#[test]
fn a_process_that_replays_may_be_killed_too() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.checkpoint();
    session.eval("var count = 0");
    for round in 1..=20 {
        session.eval("++count");
        let first = daemon.process_of(&session, Role::Session);
        Process::kill(first);
        // Before it has a checkpoint of its own, the promoted process is the only one of the
        // session.
        wait_for("another process with a checkpoint", || {
            let second = daemon.find_process(&session, Role::Session)?;
            daemon.find_process(&session, Role::Checkpoint)?;
            (second != first).then(|| Process::kill(second))
        });
        assert_eq!(session.eval("count"), round.to_string());
    }
}

#[test]
fn startup_files_are_replayed_too() {
    let daemon = Daemon::start();
    let template = daemon.template();
    daemon.write("start.js", "var base = [1, 2]; console.log('started')");
    let path = format!("/templates/{template}/startup-files");
    let body = json!({"path": "start.js", "order_index": 1, "mode": "eval"});
    daemon.api.post(&path, &body).expect_status(201);
    let session = without_checkpoint(&daemon, || {
        let session = daemon.session_of(&template);
        session.eval("base.push(3)");
        session
    });
    daemon.write("start.js", "var base = 'other'");
    kill(&daemon, &session);
    assert_eq!(session.eval("base.join()"), "1,2,3");
}

#[test]
fn code_of_all_kinds_is_replayed_without_divergence() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in [
        "new Map([[{}, 1], ['a', new Set([1, 2])], [Symbol('s'), null]])",
        "new WeakMap([[{}, 1]]); new WeakSet([{}]); new WeakRef({})",
        "[5, 3, 9, 1].sort().toSorted((a, b) => b - a)",
        "Object.groupBy([1, 2, 3, 4], x => x % 2 ? 'odd' : 'even')",
        "Object.fromEntries([...'shuffled keys of an object'].map((c, i) => [c + i, i]))",
        "const gen = (function* () { yield 1; yield* [2, 3] })(); [...gen]",
        "await Promise.allSettled([1, Promise.reject(new Error('no')), (async () => 2)()])",
        "queueMicrotask(() => console.log('micro')); Promise.resolve().then(() => console.log('job'))",
        "class P { #x = 1; static s = 2; get x() { return this.#x } } new P().x + P.s",
        "new Proxy({a: 1}, { get: (t, k) => String(k), ownKeys: () => ['z', 'a'] })",
        "'2024-02-30'.replace(/(?<y>\\d+)-(?<m>\\d+)/u, '$<m>/$<y>').match(/\\d/g)",
        "JSON.stringify({a: [1, {b: 2}], c: undefined, d: new Date(0)})",
        "new Date(2020, 1, 29, 12).toString() + new Date(1e12).toLocaleString()",
        "2n ** 100n + BigInt.asUintN(8, 300n)",
        "new Float64Array([1.5, NaN, -0]); new DataView(new ArrayBuffer(8)).getInt32(0)",
        "const buffer = new ArrayBuffer(8, {maxByteLength: 64}); buffer.resize(32); buffer.byteLength",
        "new URL('../a?b=c#d', 'http://x.example/y/z').searchParams.toString()",
        "new TextDecoder().decode(new TextEncoder().encode('żółw')) + btoa('abc')",
        "structuredClone({a: new Map([[1, new Date(5)]]), b: [1, , 3]})",
        "const target = new EventTarget(); target.addEventListener('e', e => console.log(e.type)); target.dispatchEvent(new Event('e'))",
        "const controller = new AbortController(); controller.abort(); controller.signal.reason.name",
        "console.table([{a: 1, b: 'x'}, {a: 2}]); console.group('g'); console.error(new Error('shown')); console.groupEnd()",
        "console.trace('here'); console.assert(false, 'no'); console.dir({deep: {er: {still: {}}}})",
        "eval('var inEval = 1; inEval + 1') + new Function('a', 'return a * 2')(21)",
        "Atomics.add(new Int32Array(new SharedArrayBuffer(8)), 0, 5)",
        "label: for (let i = 0; i < 3; i++) { for (;;) { continue label } }",
        "let s = ''; for (const k in {b: 1, a: 2, 1: 3}) s += k; s",
        "null.property",
        "throw {not: 'an error'}",
        "Promise.reject(new TypeError('unhandled'))",
        "syntax error here",
        "Symbol.for('shared') === Symbol.for('shared') && Symbol('x').toString()",
        "Reflect.ownKeys(globalThis).length",
        "let garbage = 0; for (let i = 0; i < 200; i++) garbage += ({i, text: 'x' + i}).i; garbage",
        "require('node:path')?.join?.('a', '..', 'b')",
        "process.platform + Object.keys(process).length",
        "Math.hypot(3, 4) + Math.fround(5.05) + Math.sin(1)",
        "encodeURIComponent('ü/?') + escape('ü') + parseInt('0x1f')",
    ] {
        let first = session.run(code);
        kill(&daemon, &session);
        let next = session.run("1 + 1");
        assert_eq!(next["result"]["preview"], "2", "{code}: {next}");
        assert_eq!(session.record()["status"], "ready", "{code}: {first}");
    }
}
