//! Snippets at the top level: redeclaration, `await`, imports and their values.

use vm_system_tests::{Daemon, Session};

/// Runs a snippet that throws; returns the message.
#[track_caller]
fn error_of(session: &Session, code: &str) -> String {
    let execution = session.run(code);
    assert_eq!(execution["status"], "error", "{code}: {execution}");
    execution["error"]["message"]
        .as_str()
        .expect("a message")
        .to_owned()
}

#[test]
fn names_are_declared_again_by_later_executions() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for round in 1..=3 {
        let code = format!(
            "let a = {round}; const b = a * 2; class C {{ get() {{ return a }} }} function f() {{ return b }}\n[a, b, new C().get(), f()]"
        );
        let expected = format!("[ {round}, {}, {round}, {} ]", round * 2, round * 2);
        assert_eq!(session.eval(&code), expected);
    }
    assert_eq!(
        session.eval("const { a, ...rest } = { a: 7, d: 8 }; rest"),
        "{ d: 8 }"
    );
    assert_eq!(session.eval("var a = 9; a"), "9");
    assert_eq!(session.eval("function a() {} typeof a"), "function");
    assert_eq!(session.eval("let a; a"), "undefined");
    assert_eq!(session.eval("var v = 1; let w = 2"), "undefined");
    assert_eq!(session.eval("let v = 3; v"), "3");
    assert_eq!(session.eval("let f = () => v; f()"), "3");
}

#[test]
fn a_name_that_was_declared_again_is_the_same_variable() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.run("let n = 1; const next = () => ++n");
    assert_eq!(session.eval("let n = 10; next()"), "11");
    assert_eq!(session.eval("n"), "11");
}

#[test]
fn a_declaration_that_failed_can_be_made_again() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert!(error_of(&session, "let a = missing()").contains("missing is not defined"));
    assert_eq!(session.eval("let a = 1; a"), "1");
}

#[test]
fn inside_one_execution_the_rules_of_the_language_hold() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert!(error_of(&session, "let a = 1; let a = 2").starts_with("SyntaxError"));
    for code in [
        "const k = 1; k = 2",
        "k++",
        "({ k } = { k: 3 })",
        "for (k of [1]);",
    ] {
        let message = error_of(&session, code);
        assert!(
            message.starts_with("TypeError: Assignment to constant variable."),
            "{message}"
        );
    }
    assert_eq!(session.eval("k"), "1");
    let message = error_of(&session, "early; let early = 1");
    assert!(message.starts_with("ReferenceError: Cannot access 'early' before initialization"));
}

#[test]
fn a_file_can_be_run_twice() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write(
        "twice.js",
        "const a = 1; let b = a; class C {} function f() {}\nb + 1",
    );
    for _ in 0..2 {
        let answer = session.submit_file("twice.js").expect_status(201);
        assert_eq!(answer["result"]["preview"], "2", "{answer}");
    }
}

#[test]
fn top_level_await_works_and_its_names_persist() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_eq!(session.eval("await 5"), "5");
    let code = "const list = await Promise.all([1, later(2)]); var sum = list[0] + list[1];
        async function later(x) { await null; return x }
        for (var i = 0; i < 2; i++) await null;
        class Last {}
        sum";
    assert_eq!(session.eval(code), "3");
    assert_eq!(
        session.eval("[list.length, sum, i, typeof later, typeof Last]"),
        "[ 2, 3, 2, 'function', 'function' ]"
    );
    assert_eq!(
        session.eval("for await (const x of [1, 2]) sum += x; sum"),
        "6"
    );
    assert!(
        error_of(&session, "await 1; throw new TypeError('late')")
            .contains("TypeError: late at repl:1:16")
    );
    daemon.write(
        "waits.js",
        "const slow = await new Promise((done) => setTimeout(done, 1, 4));\nslow * 2",
    );
    let answer = session.submit_file("waits.js").expect_status(201);
    assert_eq!(answer["result"]["preview"], "8", "{answer}");
    assert_eq!(session.eval("slow"), "4");
}

#[test]
fn awaiting_a_promise_that_can_not_settle_ends_at_once_and_is_rolled_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.run("globalThis.mark = 1");
    daemon.write(
        "never.mjs",
        "globalThis.mark = 2; await new Promise(() => {});",
    );
    let snippet = session.run("mark = 2; await new Promise(() => {})");
    let file = session.submit_file("never.mjs").expect_status(201);
    for execution in [snippet, file] {
        assert_eq!(execution["status"], "error", "{execution}");
        assert_eq!(execution["error"]["code"], "DEADLOCK", "{execution}");
        assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
        assert_eq!(session.eval("mark"), "1");
    }
}

#[test]
fn an_unhandled_rejection_is_an_error() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert!(error_of(&session, "Promise.reject(new Error('lost')); 1").contains("Error: lost"));
    assert_eq!(session.eval("Promise.reject(1).catch(() => {}); 1"), "1");
}

#[test]
fn an_object_literal_alone_is_an_object() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_eq!(session.eval("{a: 1, b: [2]}"), "{ a: 1, b: [ 2 ] }");
    assert_eq!(session.eval("{a: await 1}"), "{ a: 1 }");
    assert_eq!(session.eval("{a: 1};"), "1");
    assert!(error_of(&session, "{a: 1, b: missing}").contains("repl:1:11"));
}

#[test]
fn stacks_name_the_positions_of_the_user_and_none_of_the_service() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write(
        "lib/util.js",
        "\nexports.fail = function fail() {\n  throw new Error('inner')\n}",
    );
    daemon.write(
        "run.js",
        "const { fail } = require('./lib/util.js');\ntry { fail() } catch (cause) { throw new Error('outer', { cause }) }",
    );
    let execution = session.submit_file("run.js").expect_status(201);
    let stack = execution["error"]["stack"].as_str().expect("a stack");
    assert!(
        stack.starts_with("Error: outer\n    at run.js:2:38"),
        "{stack}"
    );
    assert!(
        stack.contains("[cause]: Error: inner\n      at fail (lib/util.js:3:"),
        "{stack}"
    );
    assert!(
        !stack.contains("vm:") && !stack.contains('\u{1}'),
        "{stack}"
    );
    let stack = session.eval("await null; try { null.x } catch (error) { error.stack }\nawait null; new Error('here').stack");
    assert_eq!(stack, "Error: here\n    at repl:2:13");
}

#[test]
fn a_static_import_works_in_a_snippet() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["fs"]));
    daemon.write("m.mjs", "export const a = 1; export default 2;");
    assert_eq!(
        session.eval("import d, { a as b } from './m.mjs'; [d, b]"),
        "[ 2, 1 ]"
    );
    assert_eq!(
        session.eval("import * as ns from './m.mjs'\nns"),
        "[Module: null prototype] { a: 1, default: 2 }"
    );
    assert_eq!(
        session.eval("import { existsSync } from 'node:fs'; existsSync('m.mjs')"),
        "true"
    );
    assert!(error_of(&session, "b = 3").contains("Assignment to constant"));
}

#[test]
fn a_function_finds_what_later_executions_declare() {
    let daemon = Daemon::start();
    daemon.write(
        "main.js",
        "function main() { return helper(1) + new Later().x }",
    );
    daemon.write(
        "helper.js",
        "const helper = x => x + 1; class Later { x = 10 }",
    );
    let session = daemon.session();
    for path in ["main.js", "helper.js"] {
        session.submit_file(path).expect_status(201);
    }
    assert_eq!(session.eval("main()"), "12");
    session.eval("const helper = x => x + 2");
    assert_eq!(session.eval("main()"), "13");
    let message = error_of(&session, "helper = 1");
    assert!(message.contains("constant"), "{message}");
    session.eval(
        "arrow = () => late; object = { method() { return late } }; function set() { late = 5 }",
    );
    session.eval("let late = 1");
    assert_eq!(session.eval("[arrow(), object.method()]"), "[ 1, 1 ]");
    assert_eq!(session.eval("set(); late"), "5");
    // A name that no earlier function uses is not added to the global object, and a builtin is not
    // replaced in it.
    session.eval("let quiet = 1; function pi() { return Math.PI }");
    assert_eq!(session.eval("'quiet' in globalThis"), "false");
    assert_eq!(
        session.eval("let Math = 1; [Math, pi() > 3]"),
        "[ 1, true ]"
    );
}

#[test]
fn a_value_comes_out_of_branches_that_await() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (code, value) in [
        ("if (await 1) { 2 } else { 3 }", "2"),
        ("if (await 0) 2; else 3", "3"),
        ("{ await 5 }", "5"),
        (
            "try { await Promise.reject(new Error('c')) } catch (error) { error.message }",
            "c",
        ),
        ("for (const i of [1]) await i", "undefined"),
    ] {
        assert_eq!(session.eval(code), value, "{code}");
    }
}

#[test]
fn using_declarations_are_syntax_errors() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("class C { x = 1 }");
    daemon.write("a.mjs", "export const a = 1;\nusing b = null;");
    daemon.write("a.cjs", "exports.a = 1;\n{ using b = null; }");
    for (code, place) in [
        ("using u = { [Symbol.dispose]() {} }; 1", "repl:1:1"),
        ("function f() { using u = null }", "repl:1:16"),
        ("await using u = null", "repl:1:1"),
        ("await import('./a.mjs')", "a.mjs:2:1"),
        ("require('./a.cjs')", "a.cjs:2:3"),
    ] {
        let message = error_of(&session, code);
        assert!(
            message.starts_with("SyntaxError: ") && message.contains("'finally'"),
            "{message}"
        );
        assert!(message.contains(place), "{message}");
    }
    assert_eq!(session.eval("new C().x"), "1");
}

#[test]
fn a_static_import_of_what_is_not_exported_is_an_error() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.mjs", "export const a = 1;");
    for (code, name) in [
        ("1;\nimport { nothing } from './a.mjs'", "nothing"),
        ("1;\nimport nothing from './a.mjs'", "default"),
    ] {
        let message = error_of(&session, code);
        let expected =
            format!("SyntaxError: the module './a.mjs' has no export named '{name}' at repl:2:1");
        assert_eq!(message, expected);
    }
    assert_eq!(session.eval("import { a as b } from './a.mjs'; b"), "1");
}

#[test]
fn errors_name_what_is_no_function_and_what_is_not_there() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var object = {}");
    for (code, said) in [
        ("object.method(1)", "object.method is not a function"),
        ("object()", "object is not a function"),
        ("await object.nope()", "object.nope is not a function"),
        ("new object.Kind(1)", "object.Kind is not a constructor"),
        (
            "object.a.b",
            "Cannot read properties of undefined or null (reading 'b' of object.a)",
        ),
        (
            "function deep() { return object.list.map(x => x) }\ndeep()",
            "Cannot read properties of undefined or null (reading 'map' of object.list)",
        ),
        (
            "object.x.y = 5",
            "Cannot set properties of undefined or null (setting object.x.y)",
        ),
        // A script may throw the same message itself, so it stays as it is.
        (
            "Object.keys(undefined)",
            "cannot convert 'null' or 'undefined' to object",
        ),
    ] {
        let message = error_of(&session, code);
        assert!(
            message.starts_with(&format!("TypeError: {said} at ")),
            "{message}"
        );
    }
}
