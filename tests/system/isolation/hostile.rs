//! Hostile snippets, which must harm neither the daemon nor a session.
//!
//! The snippets are in files, each below a line `//# name`. Each runs in a session of its own with
//! the default limits. Several run at a time, beside a session that runs nothing but `1 + 1`, and
//! that must not be delayed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use vm_system_tests::{Daemon, Session, wait_for};

const CORPUS: &[(&str, &str)] = &[
    ("endless", include_str!("hostile/endless.js")),
    ("large", include_str!("hostile/large.js")),
    ("inspection", include_str!("hostile/inspection.js")),
    ("consoles", include_str!("hostile/consoles.js")),
    ("imports", include_str!("hostile/imports.js")),
];

const TAMPERING: &str = include_str!("hostile/tampering.js");

/// Defines `mark`, `difference()` and `fail()` in a session.
const HEAP: &str = include_str!("hostile/heap.js");

/// How many snippets run at a time.
const AT_A_TIME: usize = 4;

/// The bound on the `wall_ms` of a snippet that the daemon reports: the limit, and the roll back on
/// a busy machine.
const MOST_MS: f64 = 20_000.0;

/// The bound on the time of an answer beyond `wall_ms`, on a busy machine.
const MARGIN: Duration = Duration::from_secs(30);

/// The bound on the `wall_ms` of 95 of 100 runs of `1 + 1`; the machine may pause during the
/// others.
const MOST_BESIDE_MS: f64 = 500.0;

/// The snippets of a file, by name.
fn snippets(file: &str, text: &'static str) -> Vec<(String, &'static str)> {
    let sections = text.split("\n//# ").skip(1);
    sections
        .map(|section| {
            let (name, code) = section
                .split_once('\n')
                .expect("a name has a line of its own");
            (format!("{file}/{name}"), code.trim())
        })
        .collect()
}

/// Files that snippets import.
fn plant(daemon: &Daemon) {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (path, text) in [
        ("folder/a.mjs", "export default 1;"),
        (
            "namespace.mjs",
            "export default { get a() { while (true); } }; export let b = 1; export let later; export { later as then2 };",
        ),
        ("then.mjs", "export function then() { while (true); }"),
        ("loop.mjs", "while (true);"),
        ("loop.cjs", "while (true);"),
        (
            "imports-itself.mjs",
            "import * as self from './imports-itself.mjs'; export default self; self.default;",
        ),
        ("awaits-itself.mjs", "await import('./awaits-itself.mjs');"),
        (
            "ring-a.mjs",
            "import { b } from './ring-b.mjs'; export const a = b;",
        ),
        (
            "ring-b.mjs",
            "import { a } from './ring-a.mjs'; export const b = a;",
        ),
        (
            "ring-a.cjs",
            "exports.b = require('./ring-b.cjs'); exports.b.a.b.a.b = exports;",
        ),
        (
            "ring-b.cjs",
            "exports.a = require('./ring-a.cjs'); exports.a.b = exports;",
        ),
        (
            "throws.mjs",
            "throw new Proxy({}, { get() { while (true); }, getPrototypeOf() { while (true); } });",
        ),
        ("deep.mjs", &format!("export default {};", deep(100_000))),
        ("deep.json", &deep(100_000)),
    ] {
        daemon.write(path, text);
    }
    for i in 0..200 {
        let next = format!("import './chain-{}.mjs';", i + 1);
        daemon.write(&format!("chain-{i}.mjs"), if i < 199 { &next } else { "" });
    }
}

fn wall_ms(execution: &Value) -> Option<f64> {
    execution["metrics"]["wall_ms"].as_f64()
}

/// Runs a snippet and returns the execution, which must end within the bound.
fn run_bounded(session: &Session, code: &str) -> Result<Value, String> {
    let asked = Instant::now();
    let answer = session.submit(code);
    let took = asked.elapsed();
    let execution = match answer.status {
        201 => answer.json,
        422 if answer.code() == "OUTPUT_LIMIT_EXCEEDED" => session.executions().remove(0),
        _ => return Err(answer.text),
    };
    let has_ended = matches!(
        execution["status"].as_str(),
        Some("ok" | "error" | "timeout")
    );
    let wall = wall_ms(&execution).filter(|wall| has_ended && *wall <= MOST_MS);
    let Some(wall) = wall else {
        return Err(brief(&execution));
    };
    if took > MARGIN + Duration::from_secs_f64(wall / 1e3) {
        return Err(format!("answered after {took:?}: {}", brief(&execution)));
    }
    Ok(execution)
}

/// An execution in one line, without its code.
fn brief(execution: &Value) -> String {
    let shown = |field: &str| {
        let text = execution[field].to_string();
        text.chars().take(300).collect::<String>()
    };
    let fields = ["status", "error", "result", "metrics"];
    fields
        .map(|field| format!("{field} {}", shown(field)))
        .join(", ")
}

/// Checks the value of an expression.
fn expect(session: &Session, code: &str, expected: &str) -> Result<(), String> {
    let answer = session.submit(code);
    let execution = &answer.json;
    if answer.status == 201
        && execution["status"] == "ok"
        && execution["result"]["preview"] == expected
    {
        return Ok(());
    }
    let said = if answer.status == 201 {
        brief(execution)
    } else {
        answer.text.clone()
    };
    Err(format!("afterwards `{code}` is not {expected}: {said}"))
}

/// Repeats `1 + 1` until `stop` is set; returns the 95th percentile of its `wall_ms`,
/// or `None` if it never ran.
fn run_beside(session: &Session, stop: &AtomicBool) -> Option<f64> {
    let mut walls = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let execution = session.run("1 + 1");
        assert_eq!(execution["result"]["preview"], "2", "{execution}");
        walls.push(wall_ms(&execution).expect("the time was measured"));
        // This is often enough to run beside every snippet, and leaves them the processors.
        std::thread::park_timeout(Duration::from_millis(20));
    }
    walls.sort_by(f64::total_cmp);
    println!(
        "the slowest run beside the snippets took {:?} ms",
        walls.last()
    );
    walls.get(walls.len() * 95 / 100).copied()
}

/// Runs each snippet by `check`, some at a time, beside a session that runs nothing but `1 + 1`,
/// and checks that no session was harmed.
fn run_all(
    daemon: &Daemon,
    snippets: &[(String, &'static str)],
    check: impl Fn(&Session, &str) -> Result<Value, String> + Sync,
) {
    plant(daemon);
    let template = daemon.template();
    let zygote = daemon.zygote();
    let beside = daemon.session_of(&template);
    let (failures, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let queue = Mutex::new(snippets.iter());
    let work = || {
        loop {
            let next = queue.lock().unwrap().next();
            let Some((name, code)) = next else {
                return;
            };
            let session = daemon.session_of(&template);
            let outcome = expect(&session, HEAP, "undefined").and_then(|()| check(&session, code));
            match outcome {
                Ok(execution) => println!("{name}: {}", brief(&execution)),
                Err(failure) => failures.lock().unwrap().push(format!("{name}: {failure}")),
            }
            let running = session.executions();
            let running = running
                .iter()
                .filter(|execution| execution["status"] == "running");
            failures
                .lock()
                .unwrap()
                .extend(running.map(|execution| format!("{name} still runs: {execution}")));
            session.close();
        }
    };
    let usual = std::thread::scope(|scope| {
        let bystander = scope.spawn(|| run_beside(&beside, &over));
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let outcomes: Vec<_> = workers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        over.store(true, Ordering::Relaxed);
        let usual = bystander.join().expect("`1 + 1` is 2");
        for outcome in outcomes {
            outcome.expect("the daemon answers");
        }
        usual.expect("`1 + 1` ran beside the snippets")
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(
        usual <= MOST_BESIDE_MS,
        "`1 + 1` took {usual} ms beside the snippets"
    );
    assert_eq!(daemon.zygote(), zygote);
    wait_for("the processes of closed sessions to be reaped", || {
        let left = vm_system_tests::Process::session_processes(zygote);
        (left.len() <= 2).then_some(())
    });
    assert_eq!(beside.eval("1 + 1"), "2");
}

#[test]
fn hostile_snippets_harm_neither_daemon_nor_session() {
    let all: Vec<_> = CORPUS
        .iter()
        .flat_map(|(file, text)| snippets(file, text))
        .collect();
    let daemon = Daemon::start();
    run_all(&daemon, &all, |session, code| {
        let execution = run_bounded(session, code)?;
        expect(session, "mark", "7")?;
        expect(session, "difference()", "whole")?;
        Ok(execution)
    });
}

#[test]
fn a_session_that_was_tampered_with_goes_on() {
    let daemon = Daemon::start();
    run_all(
        &daemon,
        &snippets("tampering", TAMPERING),
        |session, code| {
            let execution = run_bounded(session, code)?;
            run_bounded(session, "console.log([1], { a: 1 }); throw new Error('x')")?;
            expect(session, "1 + 1", "2")?;
            Ok(execution)
        },
    );
}

#[test]
fn a_roll_back_removes_all_traces_of_tampering() {
    let daemon = Daemon::start();
    run_all(
        &daemon,
        &snippets("tampering", TAMPERING),
        |session, code| {
            let execution =
                run_bounded(session, &format!("try {{\n{code}\n}} finally {{ fail() }}"))?;
            if execution["error"]["rolled_back"] != true {
                return Err(format!("it was not rolled back: {}", brief(&execution)));
            }
            expect(session, "mark", "7")?;
            expect(session, "difference()", "whole")?;
            Ok(execution)
        },
    );
}
