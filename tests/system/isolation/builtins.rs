//! Scripts that try to get more access: by constructors, prototypes and replaced builtins.

use serde_json::json;
use vm_system_tests::{Daemon, Session};

use crate::support::attempts::{
    Outcome, assert_throws, assert_value, attempt, template_with_capabilities,
};

const SECRET: &str = "top secret";

/// A session that may read `open` and run no program.
fn restricted_session(daemon: &Daemon) -> Session {
    daemon.write("open/a.txt", "a");
    daemon.write("secret.txt", SECRET);
    let config = json!({"read": ["open/**"], "write": ["open/**"]});
    daemon.session_of(&template_with_capabilities(
        daemon,
        &["fs"],
        &[("fs", "some", true, config)],
    ))
}

/// Expressions whose values are functions that make functions or run text, or native functions.
const MAKERS: &[&str] = &[
    "(function () {}).constructor",
    "(() => {}).constructor",
    "Object.getPrototypeOf(async function () {}).constructor",
    "Object.getPrototypeOf(function* () {}).constructor",
    "Object.getPrototypeOf(async function* () {}).constructor",
    "require.constructor",
    "require.resolve.constructor",
    "fetch.constructor",
    "console.log.constructor",
    "process.cwd.constructor",
    "TextEncoder.prototype.encode.constructor",
    "Object.getOwnPropertyDescriptor(URL.prototype, 'href').get.constructor",
    "Reflect.getPrototypeOf(class {}).constructor",
    "Array.prototype.map.constructor",
    "(class extends Function {})",
];

#[test]
fn code_made_by_constructors_has_no_more_access_than_other_code() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    for maker in MAKERS {
        for body in [
            "return require('exec')",
            "return this.require('exec')",
            "return globalThis.require('child_process')",
            "return import('exec')",
            "return require('fs').readFileSync('secret.txt')",
            "return import('fs').then(fs => fs.readFileSync('secret.txt'))",
        ] {
            let made = format!(
                "new ({maker})({})",
                crate::support::attempts::js_literal(body)
            );
            let call = format!(
                "(async () => {{ const it = ({made})(); return it?.next ? (await it.next()).value : it }})()"
            );
            let outcome = attempt(&session, &call);
            let is_refused = matches!(&outcome, Outcome::Thrown { .. });
            assert!(is_refused, "{maker} {body}: {outcome:?}");
        }
    }
    for makers in [
        "require('fs').readFileSync.constructor",
        "require('fs').promises.readFile.constructor",
    ] {
        assert_throws(
            &session,
            &format!("({makers})('return require(\"exec\")')()"),
        );
    }
    assert_throws(&session, "(0, eval)('require(\"exec\")')");
    assert_throws(&session, "eval('import(\"exec\")')");
    assert_throws(&session, "structuredClone(require('fs'))");
}

#[test]
fn internals_of_host_functions_can_not_be_reached() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    // The script walks all objects that are reachable from the globals and from the module, and
    // collects their functions.
    session.eval(
        "var seen = new Set();
         (function walk(start) {
             const queue = [start];
             while (queue.length) {
                 const value = queue.pop();
                 if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
                 seen.add(value);
                 queue.push(Object.getPrototypeOf(value));
                 for (const key of Reflect.ownKeys(value)) {
                     const property = Object.getOwnPropertyDescriptor(value, key);
                     queue.push(property.value, property.get, property.set);
                 }
             }
         })({globalThis, fs: require('fs'), promises: require('fs/promises'), require});
         1",
    );
    let names = "[...seen].filter(value => typeof value === 'function').map(value => value.name)";
    let Outcome::Value(names) = attempt(&session, names) else {
        panic!("no names")
    };
    let names: Vec<_> = names
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    assert!(
        names.len() > 500 && names.contains(&"readFileSync"),
        "{names:?}"
    );
    for hidden in [
        "run",
        "spawnSync",
        "configure",
        "define",
        "parseUrl",
        "uuid",
    ] {
        assert!(!names.contains(&hidden), "{hidden} is reached");
    }
    assert_value(
        &session,
        "[...seen].some(value => 'modules' in value || 'exec' in value && value.exec !== RegExp.prototype.exec)",
        &json!(false),
    );
    for caller in [
        "require('fs').readFileSync.caller",
        "require('fs').readFileSync.arguments",
        "(function f() { return f.caller })()",
        "new Error().stack.constructor.prototype.host",
    ] {
        if let Outcome::Value(value) = attempt(&session, &format!("typeof ({caller})")) {
            assert_ne!(value, "function", "{caller}");
        }
    }
}

#[test]
fn the_bindings_of_prepared_scripts_grant_nothing() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    for (misuse, expected) in [
        (
            "__vmBindings__.early.constructor('return require(\"exec\")')()",
            "Invalid module",
        ),
        ("__vmBindings__.call('exec', 'run', 'true')", "not a"),
        (
            "__vmBindings__.early({toString() { throw new Error('own') }})",
            "own",
        ),
        ("__vmBindings__.early(Symbol())", ""),
        ("__vmBindings__.early('exec')", "exec"),
        ("__vmBindings__.constant = 1", "constant"),
        (
            "Object.defineProperty(__vmBindings__, 'constant', {value: 1, configurable: true}).x.y",
            "",
        ),
    ] {
        let message = assert_throws(&session, misuse);
        assert!(message.contains(expected), "{misuse}: {message}");
    }
    for destroy in [
        "__vmBindings__.early = () => 1",
        "delete globalThis.__vmBindings__",
        "globalThis.__vmBindings__ = new Proxy({}, {get() { throw new Error('own') }})",
        "Object.freeze(globalThis.__vmBindings__ = null)",
    ] {
        let session = restricted_session(&daemon);
        session.run(destroy);
        session.run("const fixed = 1; let x = 1");
        session.run("fixed = 2");
        session.run("late; let late = 1");
        assert_eq!(session.eval("fixed"), "1", "{destroy}");
        assert_throws(&session, "require('exec')");
        assert_throws(&session, "require('fs').readFileSync('secret.txt')");
    }
}

/// Statements that replace builtins on which the code of the service might rely.
const REPLACEMENTS: &[&str] = &[
    "Array.prototype.includes = Array.prototype.some = Array.prototype.every = () => true",
    "Array.prototype.indexOf = () => 0; Array.prototype.find = function () { return this[0] }",
    "Array.prototype.map = Array.prototype.filter = function () { return ['exec'] }",
    "Array.prototype[Symbol.iterator] = function* () { yield 'exec'; yield 'run'; yield 'secret.txt' }",
    "Array.prototype.join = Array.prototype.concat = () => 'secret.txt'",
    "Array.prototype.toJSON = Object.prototype.toJSON = String.prototype.toJSON = () => 'secret.txt'",
    "JSON.stringify = () => '[\"secret.txt\",true]'; JSON.parse = () => ['exec']",
    "globalThis.JSON = undefined",
    "String.prototype.startsWith = String.prototype.includes = () => true; String.prototype.replace = () => 'exec'",
    "String.prototype.toString = String.prototype.valueOf = () => 'secret.txt'",
    "RegExp.prototype.exec = () => ['exec']; RegExp.prototype.test = () => true",
    "Function.prototype.call = Function.prototype.apply = function (...args) { globalThis.caught = [this, args] }",
    "Function.prototype.bind = () => () => 'exec'",
    "Object.prototype.exec = {run: () => 1}; Object.prototype.fs = 1; Object.prototype.allowed = ['exec']",
    "Object.prototype.code = 'EACCES'; Object.prototype.message = 'own'; Object.prototype.modules = ['exec']",
    "Object.defineProperty(Object.prototype, 'then', {configurable: true, get() { globalThis.caught = this }})",
    "Object.defineProperty(Object.prototype, 'encoding', {configurable: true, get() { globalThis.caught = this; return null }})",
    "Object.defineProperty(Object.prototype, '0', {configurable: true, set(value) { globalThis.caught = value }, get() { return 'secret.txt' }})",
    "Object.entries = Object.keys = () => []; Object.assign = (...all) => { globalThis.caught = all; return all[0] }",
    "Object.getPrototypeOf = Reflect.ownKeys = () => { throw new Error('own') }",
    "Promise.prototype.then = function () { globalThis.caught = this; return 'exec' }; Promise.resolve = () => 'exec'",
    "globalThis.Promise = function () { throw new Error('own') }",
    "globalThis.Error = globalThis.TypeError = function () { return {message: 'own'} }",
    "Error.prepareStackTrace = (error, sites) => { globalThis.caught = sites; return 'own' }; Error.stackTraceLimit = 0",
    "globalThis.Uint8Array = globalThis.URL = class { static [Symbol.hasInstance]() { return true } }",
    "URL[Symbol.hasInstance] = Uint8Array[Symbol.hasInstance] = () => true",
    "TextDecoder.prototype.decode = TextEncoder.prototype.encode = () => 'secret.txt'",
    "Map.prototype.get = Map.prototype.has = Set.prototype.has = () => true",
    "globalThis.globalThis = {}; globalThis.require = undefined",
    "globalThis.setTimeout = callback => { globalThis.caught = callback }",
    "Object.setPrototypeOf(Object.prototype, null); Object.setPrototypeOf(Array.prototype, {exec: 1})",
    "Symbol.prototype[Symbol.toPrimitive] = undefined; Object.freeze(Object.prototype); Object.freeze(Array.prototype)",
];

#[test]
fn replaced_builtins_grant_nothing_and_harm_no_other_session() {
    let daemon = Daemon::start();
    daemon.write("open/a.txt", "a");
    daemon.write("secret.txt", SECRET);
    let other = restricted_session(&daemon);
    let zygote = daemon.zygote();
    let config = json!({"read": ["open/**"]});
    let template = template_with_capabilities(&daemon, &["fs"], &[("fs", "some", true, config)]);
    for replacement in REPLACEMENTS {
        let session = daemon.session_of(&template);
        session.run(
            "var keep = {require, fs: require('fs'), promises: require('fs/promises'), fetch, stringify: JSON.stringify}",
        );
        session.run(replacement);
        for call in [
            "keep.require('exec').run('touch', ['ran'])",
            "keep.require('database').configure('sqlite3', 'made.db')",
            "keep.fs.readFileSync('secret.txt')",
            "keep.fs.readFileSync(new Uint8Array([115, 101, 99, 114, 101, 116, 46, 116, 120, 116]))",
            "keep.fs.readFile('secret.txt', (error, text) => { globalThis.got = text })",
            "keep.promises.readFile('secret.txt')",
            "keep.fs.writeFileSync('secret.txt', 'changed')",
            "keep.fs.writeFileSync('open/a.txt', 'changed')",
            "keep.fs.readdirSync('.')",
            "keep.fs.copyFileSync('secret.txt', 'open/b.txt')",
            "keep.fetch('http://127.0.0.1:1/')",
            "import('exec').then(exec => { globalThis.got = exec })",
            "keep.fs.readFileSync('open/a.txt')",
        ] {
            let answer = session.submit(call);
            assert!(
                !answer.text.contains(SECRET),
                "{replacement}: {call}: {}",
                answer.text
            );
        }
        let kept = session.submit("[typeof got, typeof caught === 'undefined' ? 0 : caught]");
        assert!(!kept.text.contains(SECRET), "{replacement}: {}", kept.text);
        assert!(
            kept.text.contains("undefined"),
            "{replacement}: {}",
            kept.text
        );
        session.close();
    }
    let root = daemon.worktree();
    assert_eq!(
        std::fs::read_to_string(root.join("secret.txt")).unwrap(),
        SECRET
    );
    assert_eq!(
        std::fs::read_to_string(root.join("open/a.txt")).unwrap(),
        "a"
    );
    for made in ["ran", "made.db", "open/b.txt"] {
        assert!(!root.join(made).exists(), "{made}");
    }
    assert_value(
        &other,
        "require('fs').readFileSync('open/a.txt')",
        &json!("a"),
    );
    assert_value(&other, "[1, 2].includes(2)", &json!(true));
    assert_eq!(daemon.zygote(), zygote);
}

#[test]
fn a_module_that_is_changed_is_changed_for_its_session_alone() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    let other = restricted_session(&daemon);
    session.eval("require('fs').readFileSync = () => 'own'; require('fs').promises = null; 1");
    assert_value(&session, "require('fs').readFileSync('x')", &json!("own"));
    assert_value(
        &other,
        "require('fs').readFileSync('open/a.txt')",
        &json!("a"),
    );
    assert_value(
        &restricted_session(&daemon),
        "require('fs').readFileSync('open/a.txt')",
        &json!("a"),
    );
}
