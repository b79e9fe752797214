//! Scripts that try to have their code run, to exhaust the stack, or to make text without end.

use std::time::{Duration, Instant};

use boa_engine::{
    Context, JsObject, JsValue, builtins::object::OrdinaryObject, object::builtins::JsArray,
};

use super::{super::*, fresh, inspected, run};

/// Fails the test if a script's code runs: `trap` is a function that never returns.
const TRAP: &str = "const trap = () => { for (;;) {} };";

/// How much native stack inspecting may take, of which the engine needs a part.
const STACK_KIB: usize = 768;

fn with_trap(code: &str) -> String {
    inspected(&format!("{TRAP} {code}"))
}

/// An array within an array and so on, made without the parser.
fn nested(levels: usize, context: &mut Context) -> JsValue {
    let mut value = JsValue::from(1);
    for _ in 0..levels {
        value = JsArray::from_iter([value], context).into();
    }
    value
}

#[test]
fn getters_are_not_called() {
    assert_eq!(with_trap("({ get a() { trap() } })"), "{ a: [Getter] }");
    assert_eq!(
        with_trap("({ get constructor() { trap() } })"),
        "{ constructor: [Getter] }"
    );
    let class = "class A { get [Symbol.toStringTag]() { trap() } }; \
                 Object.defineProperty(A.prototype, 'constructor', { get: trap })";
    assert_eq!(with_trap(&format!("{class}; new A()")), "{}");
    let function = "Object.defineProperty(function f() {}, 'name', { get: trap })";
    assert_eq!(with_trap(function), "[Function: f]");
    assert_eq!(
        with_trap("class A { static get name() { trap() } }; [A, new A()]"),
        "[ [class A], A {} ]"
    );
    let map = "Object.defineProperty(new Map([[1, 2]]), 'size', { get: trap })";
    assert_eq!(with_trap(map), "Map(1) { 1 => 2 }");
    let list = "Object.defineProperty([1, 2], 0, { get: trap, enumerable: true })";
    assert_eq!(with_trap(list), "[ [Getter], 2 ]");
}

#[test]
fn error_getters_are_not_called() {
    let error = "const e = new Error('m'); for (const key of ['name', 'message', 'cause', 'errors']) \
                 Object.defineProperty(e, key, { get: trap }); \
                 Object.defineProperty(e, 'stack', { get: trap }); e";
    assert!(
        with_trap(error).starts_with("Error\n    at repl:1:"),
        "{}",
        with_trap(error)
    );
    let (mut context, inspector) = fresh();
    let value = run(&mut context, &format!("{TRAP} {error}"));
    let thrown = inspector.thrown(&value, &mut context);
    assert_eq!(thrown.headline, "Error");
    assert!(thrown.causes.len() <= 1);
}

#[test]
fn proxies_are_not_triggered() {
    let handler = "new Proxy({}, { get: trap })";
    let make = |target: &str| format!("new Proxy({target}, {handler})");
    assert_eq!(with_trap(&make("{ a: 1 }")), "Proxy {}");
    assert_eq!(with_trap(&make("[1]")), "Proxy {}");
    assert_eq!(with_trap(&make("function f() {}")), "Proxy {}");
    assert_eq!(
        with_trap(&format!("({{ p: {} }})", make("{}"))),
        "{ p: Proxy {} }"
    );
    // A proxy as a prototype, as a constructor and as a cause.
    let object = format!("Object.create({})", make("{}"));
    assert_eq!(with_trap(&object), "Object <Proxy> {}");
    assert_eq!(
        with_trap(&format!("({{ constructor: {} }})", make("class {}"))),
        "{ constructor: Proxy {} }"
    );
    let error = format!("new Error('x', {{ cause: {} }})", make("{}"));
    assert!(with_trap(&error).contains("[cause]: Proxy {}"));
    let set = format!("Object.setPrototypeOf(arguments, {})", make("{}"));
    let arguments = with_trap(&format!("(function () {{ {set}; return arguments }})(1)"));
    assert_eq!(arguments, "Object <Proxy> { '0': 1 }");
}

#[test]
fn overwritten_globals_change_nothing() {
    let code = "Error.prototype.toString = Object.prototype.toString = Function.prototype.toString \
        = Date.prototype.toISOString = JSON.stringify = () => { for (;;) {} }; \
        Object.defineProperty(Error.prototype, 'stack', { get: Error.prototype.toString }); \
        Object.defineProperty(RegExp.prototype, 'source', { get: Error.prototype.toString }); \
        Object.defineProperty(RegExp.prototype, 'flags', { get: Error.prototype.toString }); \
        Object.prototype.get = Object.prototype.value = 1; \
        Symbol.prototype[Symbol.toPrimitive] = Error.prototype.toString; \
        [new Date(0), /a/g, class A {}, Symbol('s'), (function () { return arguments })(1)]";
    let expected = "[\n  1970-01-01T00:00:00.000Z,\n  /a/g,\n  [class A],\n  Symbol(s),\n  [Arguments] { '0': 1 }\n]";
    assert_eq!(inspected(code), expected);
}

#[test]
fn custom_conversions_are_not_called() {
    let code = "({ toString: trap, valueOf: trap, [Symbol.toPrimitive]: trap, inspect: trap, \
                [Symbol.for('nodejs.util.inspect.custom')]: trap })";
    assert!(with_trap(code).contains("toString: [Function: trap]"));
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    // This runs on the small stack of a test's thread on purpose.
    let (mut context, inspector) = fresh();
    let value = nested(100_000, &mut context);
    assert_eq!(
        inspector.inspect(&value, &mut context),
        "[ [ [ [Array] ] ] ]"
    );
    let all = InspectOptions {
        depth: None,
        ..InspectOptions::default()
    };
    let text = inspector.inspect_with(&value, &all, &mut context);
    assert!(text.contains("[Array]"));
    let detailed = InspectOptions {
        show_hidden: true,
        ..all
    };
    inspector.inspect_with(&value, &detailed, &mut context);
    assert_eq!(inspector.json(&value, 1 << 20, &mut context), Json::Absent);
    let shallow = nested(200, &mut context);
    assert!(matches!(
        inspector.json(&shallow, 1 << 20, &mut context),
        Json::Text(_)
    ));
    // Dropping a long chain of objects is the engine's business.
    std::mem::forget(value);
}

#[test]
fn deep_chains_do_not_overflow_the_stack() {
    let (mut context, inspector) = fresh();
    // The engine itself overflows when a script uses such an object, so no script makes it.
    let mut object = JsObject::with_object_proto(context.intrinsics());
    for _ in 0..20_000 {
        object = JsObject::from_proto_and_data(object, OrdinaryObject);
    }
    let text = inspector.inspect(&object.into(), &mut context);
    assert_eq!(
        text,
        "Object <Object <Object <Object <Complex prototype>>>> {}"
    );
    let causes = "let e = new Error('0'); for (let i = 1; i < 2000; i++) e = new Error('' + i, { cause: e }); e";
    let value = run(&mut context, causes);
    inspector.inspect(&value, &mut context);
    let mut thrown = &inspector.thrown(&value, &mut context);
    let mut depth = 0;
    while let Some(cause) = thrown.causes.first() {
        thrown = cause;
        depth += 1;
    }
    assert_eq!(depth, 4);
}

#[test]
fn causes_in_circles_end() {
    let (mut context, inspector) = fresh();
    let value = run(
        &mut context,
        "const e = new Error('x'); e.cause = e; e.errors = [e, e]; e",
    );
    assert!(
        inspector
            .inspect(&value, &mut context)
            .contains("cause: [Circular *1]")
    );
    assert!(inspector.thrown(&value, &mut context).causes.is_empty());
}

#[test]
fn huge_values_are_cut() {
    let (mut context, inspector) = fresh();
    let started = Instant::now();
    for code in [
        "Array.from({ length: 1e6 }, (_, i) => i)",
        "const big = new Array(4294967295); big[7] = 1; big[4294967290] = 2; big",
        "const keys = {}; for (let i = 0; i < 2e5; i++) keys['k' + i] = i; keys",
        "const indices = {}; for (let i = 0; i < 2e5; i++) indices[i * 3] = i; indices",
        "new Map(Array.from({ length: 1e5 }, (_, i) => [i, i]))",
        "new Uint8Array(1e7)",
        "'x'.repeat(1e7)",
    ] {
        let value = run(&mut context, code);
        let text = inspector.inspect(&value, &mut context);
        assert!(text.len() < 1 << 20, "{code} gives {} bytes", text.len());
    }
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[test]
fn shared_parts_do_not_multiply_without_limit() {
    let (mut context, inspector) = fresh();
    let code = "let o = 'x'.repeat(1000); for (let i = 0; i < 5; i++) o = Array(100).fill(o); o";
    let value = run(&mut context, code);
    let all = InspectOptions {
        depth: None,
        ..InspectOptions::default()
    };
    let text = inspector.inspect_with(&value, &all, &mut context);
    assert!(text.len() < 4 << 20, "{} bytes", text.len());
}

#[test]
fn placeholders_and_indentation_count_as_text() {
    let (mut context, inspector) = fresh();
    let wide = "let o = [{ a: 1 }]; for (let i = 0; i < 6; i++) o = Array(100).fill(o); o";
    let deep = "let o = [{}, {}]; for (let i = 0; i < 90; i++) o = i < 70 ? [o] : [o, o]; o";
    for code in [wide, deep] {
        let value = run(&mut context, &format!("{{ {code} }}"));
        for depth in [Some(2), Some(3), Some(4), None] {
            let options = InspectOptions {
                depth,
                ..InspectOptions::default()
            };
            let text = inspector.inspect_with(&value, &options, &mut context);
            assert!(text.len() < 4 << 20, "{} bytes", text.len());
        }
    }
}

#[test]
fn work_without_text_is_limited() {
    let (mut context, inspector) = fresh();
    let many = "Array(100).fill(Array(100).fill([many]))";
    for code in [
        format!("const many = {{}}; for (let i = 0; i < 1e5; i++) many['k' + i] = 1; {many}"),
        format!("const many = []; for (let i = 0; i < 1e5; i++) many[i * 9] = 1; {many}"),
        format!("const many = Object.freeze(Function('/*' + 'x'.repeat(1e6) + '*/')); {many}"),
        format!("const many = new Error('x'.repeat(1e6)); many.x = 1; {many}"),
    ] {
        let value = run(&mut context, &format!("{{ {code} }}"));
        let started = Instant::now();
        let text = inspector.inspect(&value, &mut context);
        inspector.json(&value, 1 << 20, &mut context);
        assert!(text.len() < 8 << 20, "{code} gives {} bytes", text.len());
        assert!(started.elapsed() < Duration::from_secs(20), "{code}");
    }
}

#[test]
fn little_native_stack_is_enough() {
    let inspect = || {
        let (mut context, inspector) = fresh();
        let value = nested(1_000, &mut context);
        let options = InspectOptions {
            depth: None,
            show_hidden: true,
            ..InspectOptions::default()
        };
        inspector.inspect_with(&value, &options, &mut context);
        inspector.json(&value, 1 << 20, &mut context);
        let objects = "let o = {}; for (let i = 0; i < 300; i++) o = { o, e: new Error('x') }; o";
        let value = run(&mut context, objects);
        inspector.inspect_with(&value, &options, &mut context);
        inspector.json(&value, 1 << 20, &mut context);
        inspector.preview(&value, 100, &mut context);
    };
    let thread = std::thread::Builder::new().stack_size(STACK_KIB << 10);
    let thread = thread.spawn(inspect).expect("a thread can be started");
    thread.join().expect("nothing panics");
}

#[test]
fn the_name_of_a_class_is_cut_between_characters() {
    let (mut context, inspector) = fresh();
    let mut type_of = |name: &str| {
        let class = format!("{{ class A {{ static name = {name} }}; new A() }}");
        let value = run(&mut context, &class);
        inspector.type_name(&value, &mut context)
    };
    assert_eq!(type_of("'x'.repeat(1e6)"), format!("{}…", "x".repeat(200)));
    assert_eq!(
        type_of("'a' + 'ä'.repeat(200)"),
        format!("a{}…", "ä".repeat(99))
    );
    assert_eq!(type_of("'x'.repeat(200)"), "x".repeat(200));
}

#[test]
fn json_runs_nothing_but_to_json() {
    let absent = |code: &str| {
        let (mut context, inspector) = fresh();
        let value = run(&mut context, &format!("{TRAP} {code}"));
        assert_eq!(
            inspector.json(&value, 1 << 20, &mut context),
            Json::Absent,
            "{code}"
        );
    };
    absent("({ get a() { trap() } })");
    absent("({ get toJSON() { trap() } })");
    absent("({ toJSON() { throw 1 } })");
    absent("[{ toJSON() { throw 1 } }]");
    absent("new Proxy({}, { get: trap })");
    absent("[new Proxy([], { get: trap })]");
    absent("[new Proxy(function () {}, { get: trap })]");
    absent("Object.create(new Proxy({}, { get: trap }))");
    absent("Object.defineProperty([1], 0, { get: trap })");
    absent("1n");
    absent("[1n]");
    absent("const a = []; a.push(a); a");
    absent("const a = {}; a.b = { a }; a");
    absent("() => 1");
    absent("Symbol()");
}

#[test]
fn json_of_undefined_is_null() {
    let (mut context, inspector) = fresh();
    let json = inspector.json(&JsValue::undefined(), 100, &mut context);
    assert_eq!(json, Json::Text("null".to_owned()));
}

#[test]
fn json_stops_when_it_is_too_large() {
    let (mut context, inspector) = fresh();
    for code in [
        "'x'.repeat(1e7)",
        "new Array(4294967295)",
        "Array.from({ length: 1e5 }, () => 'abc')",
        "let o = [1]; for (let i = 0; i < 40; i++) o = [o, o]; o",
        "new Uint8Array(1e6)",
    ] {
        let value = run(&mut context, &format!("{{ {code} }}"));
        let started = Instant::now();
        assert_eq!(
            inspector.json(&value, 1000, &mut context),
            Json::TooLarge,
            "{code}"
        );
        assert!(started.elapsed() < Duration::from_secs(10), "{code}");
    }
    let text = JsValue::from(boa_engine::js_string!("abc"));
    assert_eq!(
        inspector.json(&text, 5, &mut context),
        Json::Text("\"abc\"".to_owned())
    );
    assert_eq!(inspector.json(&text, 4, &mut context), Json::TooLarge);
}

#[test]
fn objects_without_a_prototype_are_written() {
    let (mut context, inspector) = fresh();
    let value = JsValue::from(JsObject::with_null_proto());
    assert_eq!(
        inspector.inspect(&value, &mut context),
        "[Object: null prototype] {}"
    );
    assert_eq!(inspector.type_name(&value, &mut context), "object");
}
