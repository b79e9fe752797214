//! Capabilities of the kinds `module`, `env` and `global`: what each grants, and that it grants
//! nothing else.

use serde_json::{Value, json};
use vm_system_tests::{Daemon, DaemonOptions};

use crate::host_modules::calls::{error_message, module_session};
use crate::support::attempts::{
    assert_all_throw, assert_throws, assert_value, attempt, run_suggested_command,
    template_with_capabilities,
};

#[test]
fn a_module_is_there_when_a_capability_gives_it_and_not_otherwise() {
    let daemon = Daemon::start();
    daemon.write("a.txt", "a");
    let given = template_with_capabilities(
        &daemon,
        &["database"],
        &[
            ("module", "fs", true, json!({})),
            ("module", "database", false, json!({})),
        ],
    );
    let session = daemon.session_of(&given);
    for read in [
        "require('fs').readFileSync('a.txt')",
        "require('node:fs').readFileSync('a.txt')",
        "require('fs/promises').readFile('a.txt')",
        "import('fs').then(fs => fs.readFileSync('a.txt'))",
        "import('node:fs/promises').then(fs => fs.readFile('a.txt'))",
    ] {
        assert_value(&session, read, &json!("a"));
    }
    for name in ["database", "node:database", "exec", "node:exec"] {
        for load in [format!("require('{name}')"), format!("import('{name}')")] {
            let message = assert_throws(&session, &load);
            assert!(message.contains("Invalid module"), "{load}: {message}");
        }
    }
}

#[test]
fn a_session_without_modules_gets_none_under_any_name() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for name in [
        "fs",
        "node:fs",
        "fs/promises",
        "node:fs/promises",
        "fs/",
        "./fs",
        "node:node:fs",
        "NODE:fs",
        "FS",
        " fs",
        "fs\\0",
        "\\uff46\\uff53",
        "exec",
        "database",
        "net",
        "$loader",
        "child_process",
        "node:child_process",
        "process",
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
    ] {
        let loads = [
            format!("require('{name}')"),
            format!("import('{name}')"),
            format!("require({{toString: () => '{name}'}})"),
            format!("require.call({{allowed: ['{name}']}}, '{name}')"),
            format!("Reflect.construct(require, ['{name}'])"),
            format!("new Function('return require(\"{name}\")')()"),
        ];
        assert_all_throw(&session, &loads, None);
    }
}

#[test]
fn the_message_for_a_missing_module_shows_the_command_that_adds_it() {
    let daemon = Daemon::start();
    let template = daemon.template();
    for module in ["fs", "exec", "database"] {
        let message = assert_throws(
            &daemon.session_of(&template),
            &format!("require('{module}')"),
        );
        assert!(
            message.contains(&format!(
                "`vm-system template add-module {template} --name {module}`"
            )),
            "{message}"
        );
        run_suggested_command(&daemon, &message);
        let typed = format!("typeof require('{module}')");
        assert_value(&daemon.session_of(&template), &typed, &json!("object"));
    }
}

fn daemon_with_variables() -> Daemon {
    let env = [
        ("CAPABILITY_ONE", "first"),
        ("CAPABILITY_TWO", "second \u{e4}=\n"),
        ("CAPABILITY_SECRET", "hidden"),
    ];
    Daemon::start_with(DaemonOptions {
        env: env.map(|(name, value)| (name.into(), value.into())).into(),
        ..DaemonOptions::default()
    })
}

#[test]
fn process_env_has_the_named_variables_and_no_others() {
    let daemon = daemon_with_variables();
    let names = json!({"names": ["CAPABILITY_TWO", "CAPABILITY_SECRET", "CAPABILITY_MISSING"]});
    let template = template_with_capabilities(
        &daemon,
        &[],
        &[
            ("env", "CAPABILITY_ONE", true, json!({})),
            ("env", "more", true, names),
            ("env", "CAPABILITY_SECRET", false, json!({})),
        ],
    );
    let session = daemon.session_of(&template);
    let expected = json!({"CAPABILITY_ONE": "first", "CAPABILITY_TWO": "second \u{e4}=\n"});
    assert_value(&session, "process.env", &expected);
    let names = json!(["CAPABILITY_ONE", "CAPABILITY_TWO"]);
    assert_value(&session, "Reflect.ownKeys(process.env)", &names);
    for name in ["CAPABILITY_SECRET", "CAPABILITY_MISSING", "PATH", "HOME"] {
        let typed = format!("typeof process.env.{name}");
        assert_value(&session, &typed, &json!("undefined"));
    }
    assert_value(&daemon.session(), "process.env", &json!({}));
}

#[test]
fn what_a_session_does_to_its_environment_stays_there() {
    let daemon = daemon_with_variables();
    let template = template_with_capabilities(
        &daemon,
        &["exec"],
        &[("env", "CAPABILITY_ONE", true, json!({}))],
    );
    let (session, other) = (daemon.session_of(&template), daemon.session_of(&template));
    session.eval(
        "process.env.CAPABILITY_ONE = 'changed'; process.env.PATH = '/nowhere'; process.env.HOME = '/nowhere'; \
         process.env.CAPABILITY_SECRET = process.env.CAPABILITY_SECRET; process.env.LD_PRELOAD = '/nowhere.so'; 1",
    );
    assert_value(&session, "process.env.CAPABILITY_ONE", &json!("changed"));
    let expected = json!({"CAPABILITY_ONE": "first"});
    assert_value(&other, "process.env", &expected);
    assert_value(&daemon.session_of(&template), "process.env", &expected);
    // Commands get the variables that the daemon passes on, not those that the session has changed.
    let shown = attempt(
        &session,
        "require('exec').run('env').split('\\n').filter(line => line.includes('nowhere') || line.includes('CAPABILITY'))",
    );
    assert_eq!(shown, crate::support::attempts::Outcome::Value(json!([])));
}

#[test]
fn process_has_no_way_to_the_real_process() {
    let daemon = daemon_with_variables();
    let session = daemon.session();
    for missing in [
        "process.binding",
        "process._linkedBinding",
        "process.dlopen",
        "process.kill",
        "process.exit",
        "process.chdir",
        "process.mainModule",
        "process.getBuiltinModule",
        "process.constructor._load",
        "globalThis.Deno",
        "globalThis.Bun",
        "globalThis.std",
        "globalThis.os",
    ] {
        assert_value(&session, &format!("typeof {missing}"), &json!("undefined"));
    }
    let read = "JSON.stringify([process, Object.getOwnPropertyNames(globalThis)])";
    let shown = session.eval(read);
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn a_global_has_its_value_in_every_session_anew() {
    let daemon = Daemon::start();
    let value = json!({"list": [1, "two", null, {"deep": true}], "__proto__": {"polluted": 1}, "$bytes": "AA=="});
    let template = template_with_capabilities(
        &daemon,
        &[],
        &[
            ("global", "settings", true, json!({"value": value})),
            ("global", "nothing", true, json!({"value": null})),
            ("global", "atob", true, json!({"value": "replaced"})),
        ],
    );
    let (session, other) = (daemon.session_of(&template), daemon.session_of(&template));
    let seen = "JSON.parse(JSON.stringify([settings.list, nothing, atob, settings.$bytes]))";
    let expected = json!([[1, "two", null, {"deep": true}], null, "replaced", "AA=="]);
    assert_value(&session, seen, &expected);
    assert_value(&session, "typeof ({}).polluted", &json!("undefined"));
    assert_value(&session, "typeof settings.polluted", &json!("undefined"));
    session.eval("settings.list.length = 0; nothing = 1; atob = 2; 1");
    assert_value(&other, seen, &expected);
    assert_value(&daemon.session_of(&template), seen, &expected);
    assert_value(&daemon.session(), "typeof settings", &json!("undefined"));
}

#[test]
fn a_global_that_is_disabled_is_gone() {
    let daemon = Daemon::start();
    let removed = [
        "fetch",
        "setTimeout",
        "eval",
        "require",
        "process",
        "WebAssembly",
        "neverThere",
    ];
    let capabilities: Vec<(&str, &str, bool, Value)> = removed
        .iter()
        .map(|name| ("global", *name, false, json!({})))
        .chain([("net", "127.0.0.1:*", true, json!({}))])
        .collect();
    let session = daemon.session_of(&template_with_capabilities(&daemon, &["fs"], &capabilities));
    for name in removed {
        for expression in [
            format!("typeof {name}"),
            format!("typeof globalThis.{name}"),
            format!("typeof globalThis['{name}']"),
            format!("typeof (function () {{ return this }})().{name}"),
            format!("typeof new Function('return this')().{name}"),
            format!("typeof Object.getPrototypeOf(globalThis).{name}"),
            format!("typeof Object.getOwnPropertyDescriptor(globalThis, '{name}')"),
        ] {
            assert_value(&session, &expression, &json!("undefined"));
        }
    }
    assert_throws(&session, "fetch('http://127.0.0.1:1/')");
    assert_throws(&session, "setTimeout(() => 1, 0)");
    assert_value(&session, "[1, 2].map(x => x + 1)", &json!([2, 3]));
    assert_value(&daemon.session(), "typeof fetch", &json!("function"));
}

#[test]
fn a_module_that_the_template_lacks_is_invalid() {
    let daemon = Daemon::start();
    let without = daemon.session();
    let with_fs = module_session(&daemon, "fs");
    for (session, module) in [
        (&without, "fs"),
        (&without, "database"),
        (&without, "exec"),
        (&with_fs, "exec"),
        (&with_fs, "nothing"),
    ] {
        let message = error_message(session, &format!("require('{module}')"));
        assert!(message.contains("Invalid module"), "{message}");
    }
    let caught = "try { require('exec') } catch (error) { error instanceof Error }";
    assert_eq!(without.eval(caught), "true");
}
