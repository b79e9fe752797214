//! Values and console texts as executions show them.

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session};

use crate::support::assertions::assert_lacks;

fn result(session: &Session, code: &str) -> Value {
    let execution = session.run(code);
    assert_eq!(execution["status"], "ok", "{code}: {execution}");
    execution["result"].clone()
}

#[test]
fn a_value_has_the_type_that_javascript_calls_it() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (code, expected) in [
        ("undefined", "undefined"),
        ("var y = 1", "undefined"),
        ("null", "null"),
        ("true", "boolean"),
        ("42", "number"),
        ("NaN", "number"),
        ("42n", "bigint"),
        ("'a'", "string"),
        ("Symbol('a')", "symbol"),
        ("(() => 1)", "function"),
        ("(class A {})", "function"),
        ("({a: 1})", "object"),
        ("Object.create(null)", "object"),
        ("[1]", "Array"),
        ("new Date(0)", "Date"),
        ("/a/g", "RegExp"),
        ("new Map()", "Map"),
        ("new Set()", "Set"),
        ("new Uint8Array(1)", "Uint8Array"),
        ("new Error('e')", "Error"),
        ("new TypeError('e')", "TypeError"),
        ("Promise.resolve(1)", "Promise"),
        ("new (class Point {})", "Point"),
        ("function Old() {}; new Old()", "Old"),
    ] {
        assert_eq!(result(&session, code)["type"], expected, "{code}");
    }
}

#[test]
fn a_value_has_a_preview() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (code, expected) in [
        ("undefined", "undefined"),
        ("null", "null"),
        ("false", "false"),
        ("42", "42"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1e21", "1e+21"),
        ("-Infinity", "-Infinity"),
        ("42n", "42n"),
        ("'it is\\n\"text\"'", "it is\n\"text\""),
        ("''", ""),
        ("Symbol('a')", "Symbol(a)"),
        ("(function f() {})", "[Function: f]"),
        ("(class A {})", "[class A]"),
        ("({a: 1, b: [1, 'x']})", "{ a: 1, b: [ 1, 'x' ] }"),
        ("[]", "[]"),
        ("[1, 'a', null]", "[ 1, 'a', null ]"),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("new Map([['a', 1]])", "Map(1) { 'a' => 1 }"),
        ("new Set([1])", "Set(1) { 1 }"),
        ("/a/g", "/a/g"),
        ("Promise.resolve(1)", "Promise { 1 }"),
        ("new (class Point { x = 1 })", "Point { x: 1 }"),
    ] {
        assert_eq!(session.eval(code), expected, "{code}");
    }
}

#[test]
fn the_json_of_a_value_is_what_stringify_gives() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (code, expected) in [
        ("undefined", json!(null)),
        ("null", json!(null)),
        ("true", json!(true)),
        ("42", json!(42)),
        ("1.5", json!(1.5)),
        ("NaN", json!(null)),
        ("'a'", json!("a")),
        (
            "({a: 1, b: undefined, c: () => 1, d: [undefined, () => 1]})",
            json!({"a": 1, "d": [null, null]}),
        ),
        ("[1, 'a', null]", json!([1, "a", null])),
        ("new Date(0)", json!("1970-01-01T00:00:00.000Z")),
        ("new Map([[1, 2]])", json!({})),
        ("new (class Point { x = 1 })", json!({"x": 1})),
    ] {
        let value = result(&session, code);
        assert!(value.get("json").is_some(), "{code}: {value}");
        assert_eq!(value["json"], expected, "{code}");
    }
}

#[test]
fn the_json_of_a_value_is_left_out_where_there_is_none() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in [
        "(() => 1)",
        "Symbol('a')",
        "1n",
        "var c = {}; c.c = c; c",
        "[1n]",
        "var d = []; d.push([d]); d",
    ] {
        assert_lacks(&result(&session, code), &["json"]);
    }
}

#[test]
fn a_value_is_inspected_without_calling_getters() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "globalThis.calls = 0; ({get a() { calls++; return 1 }, get b() { calls++; throw 1 }, \
                toString() { calls++ }, valueOf() { calls++ }, [Symbol.toPrimitive]() { calls++ }})";
    result(&session, code);
    assert_eq!(session.eval("calls"), "0");
    let code = "console.log({get a() { calls++ }}); new Proxy({}, {get() { calls++ }, ownKeys() { calls++; return [] }})";
    result(&session, code);
    assert_eq!(session.eval("calls"), "0");
}

#[test]
fn console_texts_are_formatted_as_node_does() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (arguments, expected) in [
        (r#""a", 1, {b: [1, 2]}"#, "a 1 { b: [ 1, 2 ] }"),
        ("", ""),
        ("'a', 'b'", "a b"),
        ("['a']", "[ 'a' ]"),
        ("undefined, null, true, 1n", "undefined null true 1n"),
        ("'%s is %d and %i', 'x', 1.5, 1.5", "x is 1.5 and 1"),
        ("'%f%%', '1.25'", "1.25%"),
        ("'%j', {a: [1]}", "{\"a\":[1]}"),
        ("'%o', 1, 'rest'", "1 rest"),
        ("'%O', {a: {b: 1}}", "{ a: { b: 1 } }"),
        ("'%cred', 'color: red'", "red"),
        ("'%s'", "%s"),
        ("'100%', 1", "100% 1"),
        ("new Error('e').message", "e"),
        ("-0", "-0"),
        ("{a: {b: {c: {d: 1}}}}", "{ a: { b: { c: [Object] } } }"),
        ("function f() {}", "[Function: f]"),
        ("[,1]", "[ <1 empty item>, 1 ]"),
    ] {
        let execution = session.run(&format!("console.log({arguments})"));
        assert_eq!(session.console(&execution), [expected], "{arguments}");
    }
    let cycle = session.run("const c = {}; c.me = c; console.log(c)");
    assert_eq!(session.console(&cycle), ["<ref *1> { me: [Circular *1] }"]);
}

#[test]
fn all_console_methods_exist_and_have_their_level() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (call, level) in [
        ("log('x')", "log"),
        ("info('x')", "info"),
        ("warn('x')", "warn"),
        ("error('x')", "error"),
        ("debug('x')", "debug"),
        ("trace('x')", "error"),
        ("dir({x: 1})", "log"),
        ("dirxml('x')", "log"),
        ("table([{x: 1}])", "log"),
        ("group('x')", "log"),
        ("groupCollapsed('x')", "log"),
        ("count()", "log"),
        ("assert(false, 'x')", "warn"),
    ] {
        let execution = session.run(&format!("console.{call}"));
        assert_eq!(execution["status"], "ok", "{call}: {execution}");
        let events = session.events(&execution);
        assert_eq!(events[1]["type"], "console", "{call}: {events:?}");
        assert_eq!(events[1]["payload"]["level"], level, "{call}");
    }
    let quiet = "console.groupEnd(); console.groupEnd(); console.assert(true); console.countReset(); \
                 console.clear(); console.time('t')";
    let execution = session.run(quiet);
    assert_eq!(execution["status"], "ok", "{execution}");
    assert!(session.console(&execution).is_empty());
    let timed = session.run("console.timeLog('t'); console.timeEnd('t')");
    let texts = session.console(&timed);
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts.iter().all(|text| text.starts_with("t: ")),
        "{texts:?}"
    );
}

#[test]
fn groups_indent_what_they_hold() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session
        .run("console.group('g'); console.log('a\\nb'); console.groupEnd(); console.log('c')");
    assert_eq!(session.console(&execution), ["g", "  a\n  b", "c"]);
}

/// The sort of the engine requires a consistent order, and gives up without one.
#[test]
fn sorting_with_an_inconsistent_order_is_harmless() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var numbers = Array.from({length: 5000}, (_, i) => i)");
    let shuffled = "numbers.slice().sort(() => Math.random() - 0.5)";
    let complete = format!("const all = {shuffled}; new Set(all).size + ' ' + all.length");
    assert_eq!(session.eval(&complete), "5000 5000");
    for (code, expected) in [
        (
            "[3, undefined, 1, , 2].sort((a, b) => a - b)",
            "[ 1, 2, 3, undefined, <1 empty item> ]",
        ),
        (
            "[3, undefined, 1, , 2].toSorted((a, b) => b - a)",
            "[ 3, 2, 1, undefined, undefined ]",
        ),
        (
            "[{n: 2, i: 0}, {n: 1, i: 1}, {n: 2, i: 2}].sort((a, b) => a.n - b.n).map(x => x.i)",
            "[ 1, 0, 2 ]",
        ),
        (
            "new Float64Array([3, 1, 2]).sort((a, b) => b - a)",
            "Float64Array(3) [ 3, 2, 1 ]",
        ),
        (
            "new Uint8Array([3, 1, 2]).toSorted((a, b) => b - a)",
            "Uint8Array(3) [ 3, 2, 1 ]",
        ),
        ("['b', 'a', 10, 9].sort()", "[ 10, 9, 'a', 'b' ]"),
        (
            "Array.prototype.sort.call({length: 2, 0: 'b', 1: 'a'}, (a, b) => a < b ? -1 : 1)",
            "{ '0': 'a', '1': 'b', length: 2 }",
        ),
        (
            "[Array.prototype.sort.name, Array.prototype.toSorted.length].join()",
            "sort,1",
        ),
    ] {
        assert_eq!(session.eval(code), expected, "{code}");
    }
    for code in [
        "[1, 2].sort(1)",
        "[1, 2].sort(null)",
        "[2, 1].sort(() => { throw new TypeError('mine') })",
        "Object.getPrototypeOf(Int8Array.prototype).sort.call([2, 1], (a, b) => a - b)",
    ] {
        let execution = session.run(code);
        let message = execution["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("TypeError"), "{code}: {message}");
    }
}

#[test]
fn sorting_by_texts_that_change_is_harmless() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval(
        "var chaos = Array.from({length: 5000}, () => ({toString: () => String(Math.random())})); 1",
    );
    for sorted in ["chaos.slice().sort()", "chaos.toSorted()"] {
        let complete = format!("const all = {sorted}; new Set(all).size + ' ' + all.length");
        assert_eq!(session.eval(&complete), "5000 5000", "{sorted}");
    }
    for (code, expected) in [
        (
            "['b', undefined, 'a', , 10, 9].sort()",
            "[ 10, 9, 'a', 'b', undefined, <1 empty item> ]",
        ),
        (
            "[3, undefined, 1, , 2].toSorted()",
            "[ 1, 2, 3, undefined, undefined ]",
        ),
        (
            "[{i: 0}, {i: 1}, {i: 2}].sort().map(x => x.i)",
            "[ 0, 1, 2 ]",
        ),
        (
            "['\\uffff', '\\ud83d\\ude00'].sort().map(x => x.length)",
            "[ 2, 1 ]",
        ),
        ("[Symbol.iterator].sort().length", "1"),
        ("new Int8Array([10, 9, 1]).sort().join()", "1,9,10"),
        (
            "Array.prototype.sort.call({length: 2, 0: 'b', 1: 'a'})",
            "{ '0': 'a', '1': 'b', length: 2 }",
        ),
    ] {
        assert_eq!(session.eval(code), expected, "{code}");
    }
    for code in [
        "[Symbol.iterator, 1].sort()",
        "let n = 0; Array.from({length: 500}, () => ({toString() { if (++n > 300) throw new TypeError('mine'); \
         return String(n * 7919 % 500) }})).sort()",
    ] {
        let execution = session.run(code);
        let message = execution["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("TypeError"), "{code}: {message}");
    }
}
