//! Type names, previews, and what is reported of exceptions.

use super::{super::*, fresh, inspected, run};

#[test]
fn types_are_named() {
    let (mut context, inspector) = fresh();
    for (code, expected) in [
        ("undefined", "undefined"),
        ("null", "null"),
        ("true", "boolean"),
        ("1", "number"),
        ("1n", "bigint"),
        ("'s'", "string"),
        ("Symbol()", "symbol"),
        ("() => 1", "function"),
        ("class A {}", "function"),
        ("({})", "object"),
        ("Object.create(null)", "object"),
        ("Object.create({})", "object"),
        ("[]", "Array"),
        ("new Date()", "Date"),
        ("new Map()", "Map"),
        ("new Set()", "Set"),
        ("new WeakMap()", "WeakMap"),
        ("/x/", "RegExp"),
        ("new TypeError()", "TypeError"),
        ("Promise.resolve()", "Promise"),
        ("new Uint8Array()", "Uint8Array"),
        ("new ArrayBuffer(1)", "ArrayBuffer"),
        ("new (class Foo {})", "Foo"),
        ("new (class Foo extends Map {})", "Foo"),
        ("new Proxy({}, { get() { for (;;) {} } })", "object"),
        (
            "new Proxy(function () {}, { get() { for (;;) {} } })",
            "function",
        ),
        (
            "Object.create({ get constructor() { for (;;) {} } })",
            "object",
        ),
        ("Object.setPrototypeOf([], null)", "Array"),
        ("Object(1)", "Number"),
        ("globalThis", "object"),
        ("(function () { return arguments })()", "object"),
    ] {
        let value = run(&mut context, &format!("({code})"));
        assert_eq!(
            inspector.type_name(&value, &mut context),
            expected,
            "{code}"
        );
    }
}

#[test]
fn previews_are_cut_between_characters() {
    let (mut context, inspector) = fresh();
    let mut preview = |code: &str, max_bytes: usize| {
        let value = run(&mut context, &format!("({code})"));
        inspector.preview(&value, max_bytes, &mut context)
    };
    assert_eq!(preview("'héllo'", 100), ("héllo".to_owned(), false));
    assert_eq!(preview("'héllo'", 6), ("héllo".to_owned(), false));
    assert_eq!(preview("'héllo'", 2), ("h".to_owned(), true));
    assert_eq!(preview("'x'.repeat(1e6)", 3), ("xxx".to_owned(), true));
    assert_eq!(preview("42", 100), ("42".to_owned(), false));
    assert_eq!(preview("[1, 'a']", 100), ("[ 1, 'a' ]".to_owned(), false));
    assert_eq!(preview("[1, 'a']", 4), ("[ 1,".to_owned(), true));
    assert_eq!(preview("'\\ud83d'", 100), ("\u{fffd}".to_owned(), false));
    assert_eq!(preview("''", 0), (String::new(), false));
}

#[test]
fn stacks_have_nodes_shape() {
    let code = "function f() { return new TypeError('bad') }\n  f()";
    assert_eq!(
        inspected(code),
        "TypeError: bad\n    at f (repl:1:23)\n    at repl:2:4"
    );
    let mapped = "[1].map(function () { return new Error('q') })[0]";
    assert_eq!(
        inspected(mapped),
        "Error: q\n    at repl:1:30\n    at map (native)\n    at repl:1:8"
    );
    let text = inspected("eval('new Error(1)')");
    assert_eq!(text, "Error: 1\n    at eval (eval:1:1)\n    at repl:1:5");
    let nested = "({ a: { e: new Error('deep', { cause: 5 }) } })";
    let expected =
        "{\n  a: {\n    e: Error: deep\n        at repl:1:12 {\n      [cause]: 5\n    }\n  }\n}";
    assert_eq!(inspected(nested), expected);
}

#[test]
fn shared_frames_are_left_out() {
    let code = "function a() { return new Error('in') } function b() { return a() } \
                function c() { return b() } function d() { return c() } \
                function e() { const cause = d(); return new Error('out', { cause }) } \
                function f() { return e() } function g() { return f() } function h() { return g() } h()";
    let text = inspected(code);
    assert!(
        text.contains("    ... 2 lines matching cause stack trace ...\n"),
        "{text}"
    );
}

#[test]
fn engine_errors_are_written() {
    let text = inspected("try { null.x } catch (e) { e }");
    assert!(text.starts_with("TypeError: "), "{text}");
    assert!(text.contains("\n    at repl:1:"), "{text}");
    let text = inspected("try { missing } catch (e) { e }");
    assert!(
        text.starts_with("ReferenceError: missing is not defined"),
        "{text}"
    );
}

#[test]
fn thrown_errors_are_taken_apart() {
    let (mut context, inspector) = fresh();
    let code =
        "function f() { return new RangeError('outer', { cause: new Error('inner') }) }\nf()";
    let value = run(&mut context, code);
    let thrown = inspector.thrown(&value, &mut context);
    assert_eq!(thrown.headline, "RangeError: outer");
    let frame = |function: Option<&str>, location: &str| Frame {
        function: function.map(str::to_owned),
        location: Some(location.to_owned()),
    };
    assert_eq!(
        thrown.stack,
        [frame(Some("f"), "repl:1:23"), frame(None, "repl:2:2")]
    );
    assert_eq!(thrown.causes.len(), 1);
    assert_eq!(thrown.causes[0].headline, "Error: inner");
}

#[test]
fn anything_can_be_thrown() {
    let (mut context, inspector) = fresh();
    for (code, headline) in [
        ("'text'", "'text'"),
        ("undefined", "undefined"),
        ("({ a: 1 })", "{ a: 1 }"),
        ("new (class Foo extends Error {})('v')", "Foo [Error]: v"),
        ("new (class FooError extends Error {})('v')", "FooError: v"),
        ("new Error()", "Error"),
        (
            "(() => { function Old() { this.message = 'm' } \
             Old.prototype = Object.create(Error.prototype, { constructor: { value: Old } }); \
             return new Old() })()",
            "Old [Error]: m",
        ),
        (
            "new AggregateError([new Error('one')], 'many')",
            "AggregateError: many",
        ),
        ("Object.assign(new Error('x'), { name: 'N' })", "N: x"),
    ] {
        let value = run(&mut context, code);
        assert_eq!(
            inspector.thrown(&value, &mut context).headline,
            headline,
            "{code}"
        );
    }
    let many = run(
        &mut context,
        "new AggregateError([new Error('one'), 2], 'many')",
    );
    let causes = inspector.thrown(&many, &mut context).causes;
    let headlines: Vec<_> = causes.iter().map(|cause| cause.headline.as_str()).collect();
    assert_eq!(headlines, ["Error: one", "2"]);
    let own = run(
        &mut context,
        "Object.assign(new Error('x'), { stack: 'junk\\n    at g (there:1:2)' })",
    );
    let stack = inspector.thrown(&own, &mut context).stack;
    assert_eq!(stack.len(), 1);
    assert_eq!(stack[0].function.as_deref(), Some("g"));
}

#[test]
fn detailed_format_shows_what_is_hidden() {
    let (mut context, inspector) = fresh();
    let value = run(
        &mut context,
        "Object.defineProperty([1], 'h', { value: 2 })",
    );
    let template = JsValue::from(boa_engine::js_string!("%o"));
    let text = inspector.format(&[template, value], &mut context);
    assert_eq!(text.expect("nothing throws"), "[ 1, [length]: 1, [h]: 2 ]");
}

#[test]
fn format_passes_exceptions_on() {
    let (mut context, inspector) = fresh();
    let value = run(&mut context, "({ toString() { throw new Error('no') } })");
    let template = JsValue::from(boa_engine::js_string!("%s"));
    assert!(inspector.format(&[template, value], &mut context).is_err());
}
