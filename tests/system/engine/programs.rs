//! Programs of several files: what they print is what Node prints.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use vm_system_tests::{Daemon, Session};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

/// What the shop prints, as Node 20 printed it.
const SHOP: &str = "\
order [ 'require', 'money', 'describe', 'cart', 'legacy', 'effects 1' ]
[ 'items', 'plugins' ] function
[Module: null prototype] {
  CURRENCY: 'EUR',
  default: [Function: format],
  format: [Function: format]
}
cart 19 19.00 EUR
{ round: [Function (anonymous)], VERSION: 5, first: [ 'early' ] } 2.35 5
<cart of 19.00 EUR>
discount 17.1 [ 'default', 'kind' ]
audit audited 19.00 EUR [ 'default', 'kind' ]
ERR_MODULE_NOT_FOUND Error
ReferenceError
true true
";

#[test]
fn a_program_of_es_and_common_js_modules_and_json_prints_what_node_prints() {
    let daemon = Daemon::start();
    copy(&programs(), &daemon.worktree());
    let session = daemon.session();
    let execution = session.submit_file("shop/main.mjs").expect_status(201);
    assert_eq!(execution["status"], "ok", "{execution}");
    let printed = session.console(&execution).join("\n") + "\n";
    assert_eq!(printed, SHOP);
    // Where Node is installed and can run the program, its own output is compared.
    match Command::new("node")
        .arg(programs().join("shop/main.mjs"))
        .output()
    {
        Ok(node) if node.status.success() => {
            assert_eq!(printed, String::from_utf8_lossy(&node.stdout));
        }
        Ok(node) => println!(
            "node does not run the program: {}",
            String::from_utf8_lossy(&node.stderr)
        ),
        Err(error) => println!("not compared with node itself: {error}"),
    }
}

fn message(session: &Session, path: &str) -> String {
    let execution = session.submit_file(path).expect_status(201);
    assert_eq!(execution["status"], "error", "{execution}");
    execution["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn an_error_in_a_module_is_reported_with_its_file_and_line() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("bad.mjs", "export const a = 1;\nexport const b = ;\n");
    daemon.write("bad.cjs", "let a = 1;\nlet b = ;\n");
    daemon.write("bad.json", "{\n  \"a\": oops\n}");
    daemon.write("imports.mjs", "\nimport './missing.mjs';");
    daemon.write("syntax.mjs", "import './bad.mjs';");
    daemon.write("requires.js", "\n\n  require('./missing')");
    daemon.write("requires-bad.js", "require('./bad.cjs')");
    daemon.write("requires-json.js", "require('./bad.json')");
    daemon.write(
        "one.mjs",
        "import { two } from './two.mjs';\nexport const one = two;",
    );
    daemon.write(
        "two.mjs",
        "import { one } from './one.mjs';\nexport const two = one;",
    );
    daemon.write("requires-es.js", "require('./bad.mjs')");
    for (path, expected) in [
        (
            "imports.mjs",
            "Cannot find module './missing.mjs' imported from imports.mjs at imports.mjs:2:8",
        ),
        (
            "requires.js",
            "Cannot find module './missing'\nRequire stack:\n- requires.js at requires.js:3:11",
        ),
        ("syntax.mjs", " at bad.mjs:2:"),
        ("requires-bad.js", " at bad.cjs:2:"),
        ("requires-json.js", " at bad.json:2:"),
        (
            "one.mjs",
            "ReferenceError: Cannot access 'one' before initialization at two.mjs:2:20",
        ),
        (
            "requires-es.js",
            "require() of ES Module bad.mjs not supported",
        ),
    ] {
        let message = message(&session, path);
        assert!(message.contains(expected), "{path}: {message}");
    }
}

#[test]
fn a_file_that_changed_is_loaded_anew_and_others_keep_their_state() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write(
        "state.mjs",
        "export let n = 0; export const next = () => ++n;",
    );
    daemon.write("leaf.mjs", "export default 'old';");
    daemon.write(
        "middle.mjs",
        "import leaf from './leaf.mjs'; export const shown = leaf + '!';",
    );
    daemon.write("leaf.cjs", "module.exports = 'old';");
    daemon.write("middle.cjs", "exports.shown = require('./leaf.cjs') + '!';");
    let all = "const [s, m] = await Promise.all([import('./state.mjs'), import('./middle.mjs')]);
        [s.next(), m.shown, require('./middle.cjs').shown]";
    assert_eq!(session.eval(all), "[ 1, 'old!', 'old!' ]");
    assert_eq!(session.eval(all), "[ 2, 'old!', 'old!' ]");
    daemon.write("leaf.mjs", "export default 'newer';");
    daemon.write("leaf.cjs", "module.exports = 'newer';");
    assert_eq!(session.eval(all), "[ 3, 'newer!', 'newer!' ]");
}

#[test]
fn a_file_has_what_a_file_in_node_has() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write(
        "lib/main.js",
        "const other = require('./other');
         [require.main === module, other.isMain, __filename.endsWith('/lib/main.js'), __dirname.endsWith('/lib'),
          require.resolve('./other').endsWith('/lib/other.js'), require(__dirname + '/other').isMain]",
    );
    daemon.write(
        "lib/other.js",
        "#!/usr/bin/env node\nexports.isMain = require.main === module;",
    );
    let execution = session.submit_file("lib/main.js").expect_status(201);
    assert_eq!(
        execution["result"]["preview"], "[ true, false, true, true, true, false ]",
        "{execution}"
    );
    assert_eq!(
        session.eval("typeof module + typeof __filename"),
        "undefinedundefined"
    );
}

#[test]
fn exports_can_be_a_getter_that_loads_files_itself() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for name in ["one", "two"] {
        daemon.write(
            &format!("{name}.cjs"),
            &format!("module.exports = '{name}';"),
        );
    }
    daemon.write(
        "lazy.cjs",
        "const names = ['./one.cjs', './two.cjs'];
         Object.defineProperty(module, 'exports', { get: () => require(names.shift()) });",
    );
    let twice = "[require('./lazy.cjs'), require('./lazy.cjs')]";
    assert_eq!(session.eval(twice), "[ 'one', 'two' ]");
}

#[test]
fn modules_can_be_switched_off() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let patch = json!({"runtime": {"esm": false, "console": false, "strict": true}});
    let request = daemon
        .api
        .request(reqwest::Method::PATCH, &format!("/templates/{template}"));
    daemon.api.send(request.json(&patch)).expect_status(200);
    let session = daemon.session_of(&template);
    daemon.write("m.mjs", "export default 1;");
    daemon.write("c.cjs", "exports.a = 1;");
    let execution = session.run("import('./m.mjs')");
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(message.contains("switched off"), "{message}");
    assert_eq!(
        session.submit_file("m.mjs").expect_status(201)["status"],
        "error"
    );
    assert_eq!(session.eval("require('./c.cjs').a"), "1");
    assert_eq!(session.eval("typeof console"), "undefined");
    assert_eq!(session.run("undeclared = 1")["status"], "error");
}
