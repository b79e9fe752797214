//! Rewriting scripts and mapping positions back.

use std::collections::{HashMap, HashSet};

use super::*;

#[derive(Default)]
struct Known {
    slots: HashMap<&'static str, Slot>,
    constants: HashSet<&'static str>,
    used: HashSet<&'static str>,
}

impl Globals for Known {
    fn slot(&self, name: &str) -> Slot {
        self.slots.get(name).copied().unwrap_or(Slot::Free)
    }

    fn is_constant(&self, name: &str) -> bool {
        self.constants.contains(name)
    }

    fn has_constants(&self) -> bool {
        !self.constants.is_empty()
    }

    fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }
}

fn lexical(names: &[&'static str]) -> Known {
    Known {
        slots: names.iter().map(|name| (*name, Slot::Lexical)).collect(),
        ..Known::default()
    }
}

/// What runs, one text after the other.
fn texts(source: &str, globals: &Known) -> Vec<String> {
    let script = prepare(source, "repl", true, globals);
    let before = script.before.into_iter().map(|snippet| snippet.text);
    before
        .chain(script.body.map(|snippet| snippet.text))
        .collect()
}

#[test]
fn declarations_become_assignments_of_the_same_length() {
    let none = Known::default();
    assert_eq!(
        texts("let a = 1, {b, c: [d]} = x;\nconst e = 2;\na", &none),
        [
            "let a,b,d,e;",
            "0,  a = 1, {b, c: [d]} = x;\n0,    e = 2;\na"
        ]
    );
    assert_eq!(texts("1 + 1", &none), [""; 0]);
    assert_eq!(texts("var a = 1; function f() {}", &none), [""; 0]);
    assert_eq!(
        texts("class A {}\n[1]", &none),
        ["let A;", "A=class A {};\n[1]"]
    );
}

#[test]
fn a_name_that_is_there_is_assigned_and_not_declared() {
    assert_eq!(
        texts("let a;", &lexical(&["a"])),
        ["0,  a=void 0;\n;void 0"]
    );
    assert_eq!(
        texts("var a = 1; for (var a of b) { var a; }", &lexical(&["a"])),
        ["0,  a = 1; for (    a of b) { 0,  a; }"]
    );
    assert_eq!(
        texts("f()\nfunction f() { return 1 }", &lexical(&["f"])),
        [
            "   \nf=function() { return 1 };",
            "f()\n                         "
        ]
    );
}

#[test]
fn what_the_language_forbids_stays_forbidden() {
    let none = Known::default();
    let text = |source: &str, known: &Known| texts(source, known).pop().unwrap_or_default();
    assert!(text("const a = 1; a = 2", &none).contains("__vmBindings__.constant = 2"));
    assert!(text("const a = 1; ({a} = x)", &none).contains("({a: __vmBindings__.constant} = x)"));
    assert!(text("a; let a", &none).starts_with("__vmBindings__.early(\"a\");"));
    assert!(text("let a = a + 1", &none).contains("early"));
    assert!(!text("const f = () => f()", &none).contains("early"));
    assert!(!text("const a = 1; { let a = 2; a = 3 }", &none).contains("constant"));
    let known = Known {
        constants: HashSet::from(["k"]),
        ..lexical(&["k"])
    };
    assert!(text("k += 1", &known).starts_with("__vmBindings__.constant += 1"));
    assert_eq!(texts("let b; let b", &none), [""; 0]);
}

#[test]
fn await_at_the_top_makes_an_async_function() {
    let none = Known::default();
    assert_eq!(
        texts(
            "const a = await f();\nfunction f() {}\nvar b = a\na + b",
            &none
        ),
        [
            "let a;",
            "var b;",
            "                    \nfunction f() {}",
            "(async () => {0,    a = await f();\n               \n0,  b = a\nreturn (a + b)\n})()"
        ]
    );
    assert_eq!(texts("(async () => { await 1 })()", &none), [""; 0]);
    assert_eq!(
        texts("import fs, {a as b} from 'fs'\nb", &none),
        [
            "let b,fs;",
            "(async () => {;({default: fs, a: b} = __vmBindings__.imported(await import('fs'), 'fs', \"repl:1:1\", \"default\", \"a\"));\nreturn (b)\n})()"
        ]
    );
}

#[test]
fn an_object_literal_alone_is_an_object() {
    let none = Known::default();
    assert_eq!(texts("{a: 1}", &none), ["({a: 1}\n)"]);
    assert_eq!(texts("{a: 1};", &none), [""; 0]);
    assert_eq!(texts("{ f(); g() }", &none), [""; 0]);
    assert!(prepare("{a: 1}", "file.js", false, &none).body.is_none());
}

#[test]
fn positions_come_back_to_what_was_written() {
    let script = prepare("await f(); g()", "repl", true, &Known::default());
    let body = script.body.expect("a body");
    let at = |wanted: &str| body.text.find(wanted).expect("it is there") + 1;
    for (wanted, column) in [("f()", 7), ("g()", 12)] {
        let origin = original_of(&format!("{}:1:{}", body.path, at(wanted)));
        assert_eq!(origin.path, "repl");
        assert_eq!(origin.position, Some((1, column)), "{wanted}");
    }
    assert!(original_of(&format!("{}:2:3", body.path)).is_hidden);
    assert_eq!(untagged(&body.path), "repl");
    assert_eq!(original_of("lib/a.js:3:4").position, Some((3, 4)));
    assert_eq!(original_of("repl").position, None);
}

#[test]
fn modules_are_told_from_scripts() {
    assert!(has_module_syntax("import a from 'a'"));
    assert!(has_module_syntax("export default 1"));
    assert!(has_module_syntax("import.meta.url"));
    assert!(!has_module_syntax("import('a')"));
    assert!(!has_module_syntax("exports.a = 1"));
    assert!(!has_module_syntax("let a = ;"));
}

#[test]
fn the_exports_of_a_common_js_module_are_read_off_its_text() {
    let source = "exports.a = 1; module.exports.b = 2; exports['c'] = 3;
        Object.defineProperty(exports, 'd', {get() {}}); if (x) exports.e = f;
        module.exports = {g, h: 1, 'i': 2, [j]: 3, ...require('./k')}";
    let found = common_js_exports(source);
    let names: Vec<&str> = found.names.iter().map(String::as_str).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e", "g", "h", "i"]);
    assert_eq!(found.passed_on, ["./k"]);
    let all = common_js_exports("module.exports = require('./l')");
    assert_eq!(all.passed_on, ["./l"]);
}

#[test]
fn a_name_that_an_earlier_function_uses_becomes_a_property_of_the_global_object() {
    let known = Known {
        used: HashSet::from(["late"]),
        ..Known::default()
    };
    assert_eq!(
        texts("let late = 1, other = 2", &known),
        [
            "let other;",
            "var late;",
            "0,  late = 1, other = 2\n;void 0"
        ]
    );
    let used = |source: &str| prepare(source, "repl", true, &Known::default()).used;
    assert_eq!(
        used("function f(a) { return a + late + Math.PI }"),
        ["Math", "late"]
    );
    assert_eq!(used("o = { f() { return late } }"), ["late"]);
    assert_eq!(used("cb = () => late"), ["late"]);
    assert_eq!(used("late; let here = 1; () => here"), [""; 0]);
}

#[test]
fn what_branches_end_with_is_given_when_something_waits() {
    let none = Known::default();
    let body = |source: &str| texts(source, &none).pop().unwrap();
    assert_eq!(
        body("if (await a) { b; c } else d"),
        "(async () => {if (await a) { b; return (c) } else return (d)\n})()"
    );
    assert_eq!(
        body("try { await a } catch { b } finally { c }"),
        "(async () => {try { return (await a) } catch { return (b) } finally { c }\n})()"
    );
}

#[test]
fn declarations_that_dispose_are_refused_where_they_stand() {
    let none = Known::default();
    for source in [
        "using a = b",
        "await using a = b",
        "{\n using a = b }",
        "for (using a of b);",
    ] {
        let texts = texts(source, &none);
        assert!(
            matches!(&texts[..], [only] if only.trim().starts_with("throw new SyntaxError(")),
            "{source}: {texts:?}"
        );
    }
    assert_eq!(texts("using = 1", &none), [""; 0]);
}

#[test]
fn a_place_and_its_byte_belong_together() {
    let source = "ab\n\n\u{e9}x\ny";
    for (at, _) in source.char_indices() {
        let place = line_and_column(source, at);
        assert_eq!(position::offset_of(source, place), Some(at), "{place:?}");
    }
    assert_eq!(position::offset_of(source, (9, 1)), None);
}
