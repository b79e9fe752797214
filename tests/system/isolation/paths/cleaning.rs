//! Paths of startup files and of files to run are checked, normalised, and echoed in the normal
//! form; and absolute links in the worktree.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon};

use crate::isolation::paths::outside::{CANARY, Outside};
use crate::support::attempts::assert_value;

fn add_startup(daemon: &Daemon, template: &str, path: &str) -> Answer {
    let files = format!("/templates/{template}/startup-files");
    daemon.api.post(&files, &json!({"path": path}))
}

/// Spellings of paths, with their normal forms.
const CLEANED: [(&str, &str); 8] = [
    ("./c.js", "c.js"),
    ("x/../b.js", "b.js"),
    ("a//b.js", "a/b.js"),
    ("./a/./../a/d.js", "a/d.js"),
    ("a/e.js/", "a/e.js"),
    ("x/y/../../f.js", "f.js"),
    (".hidden.js", ".hidden.js"),
    ("...js", "...js"),
];

/// Spellings that are no path of a file below the worktree.
const REFUSED: [&str; 12] = [
    " ",
    "\t",
    ".",
    "./",
    "x/..",
    "..",
    "../a.js",
    "a/../../a.js",
    "./..",
    "\n \n",
    "a\0.js",
    " /",
];

#[test]
fn a_startup_files_path_is_kept_clean() {
    let daemon = Daemon::start();
    let template = daemon.template();
    for (given, clean) in CLEANED {
        let added = add_startup(&daemon, &template, given).expect_status(201);
        assert_eq!(added["path"], clean, "{given}");
        for same in [
            given,
            clean,
            &format!("./{clean}"),
            &format!("z/../{clean}"),
        ] {
            let answer =
                add_startup(&daemon, &template, same).expect_error(409, "STARTUP_FILE_EXISTS");
            assert_eq!(answer.json["error"]["details"]["path"], clean);
        }
        daemon.write(clean, "1");
    }
    let listed = daemon
        .api
        .get(&format!("/templates/{template}/startup-files"))
        .expect_status(200);
    let mut paths: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    let mut clean = CLEANED.map(|(_, clean)| clean);
    paths.sort_unstable();
    clean.sort_unstable();
    assert_eq!(paths, clean);
    let session = daemon.session_of(&template);
    for execution in session.executions() {
        let path = execution["path"].as_str().unwrap();
        assert!(clean.contains(&path), "{path}");
        assert_eq!(
            session.events(&execution)[0]["payload"],
            json!({"text": path})
        );
    }
    let output = daemon
        .cli(&["template", "add-startup", &template, "--path", "./q//r.js"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.starts_with("Added startup file: q/r.js (order: "),
        "{printed}"
    );
}

#[test]
fn a_startup_file_that_can_not_be_inside_is_refused_when_it_is_added() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let absolute = daemon.worktree().join("a.js").display().to_string();
    for path in REFUSED
        .into_iter()
        .chain(["/", "/a.js", "//a.js", &absolute])
    {
        let answer = add_startup(&daemon, &template, path).expect_error(422, "INVALID_PATH");
        assert_eq!(answer.json["error"]["details"]["path"], path);
        assert!(!answer.message().is_empty());
    }
    add_startup(&daemon, &template, "").expect_error(400, "VALIDATION_ERROR");
    let listed = daemon
        .api
        .get(&format!("/templates/{template}/startup-files"))
        .expect_status(200);
    assert_eq!(listed, json!([]));
}

#[test]
fn the_path_of_a_file_that_is_run_is_echoed_clean() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let root = daemon.worktree();
    symlink(&root, daemon.home().join("alias")).unwrap();
    let mut spelled: Vec<(String, &str)> = CLEANED
        .map(|(given, clean)| (given.to_owned(), clean))
        .into();
    for (given, clean) in CLEANED {
        spelled.push((root.join(given).display().to_string(), clean));
        spelled.push((
            daemon
                .home()
                .join("alias")
                .join(given)
                .display()
                .to_string(),
            clean,
        ));
        spelled.push((format!("{}/../worktree/{given}", root.display()), clean));
    }
    for (given, clean) in spelled {
        daemon.write(clean, "'ran'");
        let run = session.submit_file(&given).expect_status(201);
        assert_eq!(
            (&run["path"], &run["result"]["preview"]),
            (&json!(clean), &json!("ran")),
            "{given}"
        );
        assert_eq!(session.events(&run)[0]["payload"], json!({"text": clean}));
        let output = daemon
            .cli(&["exec", "run-file", &session.id, &given])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let echo = format!("input_echo: {}", json!({"text": clean}));
        assert!(printed.contains(&echo), "{printed}");
    }
    let outside = daemon.home().join("outside.js").display().to_string();
    for path in REFUSED
        .into_iter()
        .chain(["/", &outside, root.to_str().unwrap()])
    {
        session.submit_file(path).expect_error(422, "INVALID_PATH");
    }
    // A folder that normalisation removes need not exist; the file must.
    session
        .submit_file("x/../missing.js")
        .expect_error(404, "FILE_NOT_FOUND");
    // The stack of an error has the normal form of the path.
    daemon.write("throws.js", "throw new Error('here')");
    let run = session.submit_file("./x/..//throws.js").expect_status(201);
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("at throws.js:1:"), "{message}");
}

/// Calls that follow links in the worktree, with their values.
fn calls_by_links() -> [(&'static str, Value); 10] {
    [
        (
            "import('./folder/m.mjs').then(m => m.default)",
            json!("inner"),
        ),
        (
            "import('./all/folders/m.mjs').then(m => m.default)",
            json!("inner"),
        ),
        ("fs.readFileSync('folders/text.txt', 'utf8')", json!("text")),
        (
            "fs.readdirSync('folder').sort().join()",
            json!("a.js,inner.cjs,m.mjs,text.txt"),
        ),
        (
            "fs.statSync('file.js').isFile() && fs.statSync('folders').isDirectory()",
            json!(true),
        ),
        ("fs.lstatSync('file.js').isSymbolicLink()", json!(true)),
        (
            "fs.copyFileSync('folder/text.txt', 'all/copy.txt'), fs.readFileSync('copy.txt', 'utf8')",
            json!("text"),
        ),
        (
            "fs.renameSync('all/copy.txt', 'folders/moved.txt'), fs.existsSync('real/moved.txt')",
            json!(true),
        ),
        (
            "fs.writeFileSync('folder/moved.txt', 'new'), fs.readFileSync('real/moved.txt', 'utf8')",
            json!("new"),
        ),
        (
            "fs.rmSync('folders/moved.txt'), fs.existsSync('real/moved.txt')",
            json!(false),
        ),
    ]
}

#[test]
fn an_absolute_link_that_stays_inside_works_everywhere() {
    let daemon = Daemon::start();
    let root = daemon.worktree();
    daemon.write(
        "real/a.js",
        "var ran = 'a'; if (typeof module !== 'undefined') module.exports = ran; globalThis.ran = ran",
    );
    daemon.write(
        "real/m.mjs",
        "import inner from './inner.cjs'; export default inner;",
    );
    daemon.write("real/inner.cjs", "module.exports = 'inner'");
    daemon.write("real/text.txt", "text");
    symlink(&root, daemon.home().join("alias")).unwrap();
    let alias = daemon.home().join("alias");
    symlink(root.join("real/a.js"), root.join("file.js")).unwrap();
    symlink(root.join("file.js"), root.join("chain.js")).unwrap();
    symlink(alias.join("real/a.js"), root.join("alias.js")).unwrap();
    symlink(root.join("real"), root.join("folder")).unwrap();
    symlink(alias.join("folder"), root.join("folders")).unwrap();
    symlink(&root, root.join("all")).unwrap();
    let template = daemon.template_with_modules(&["fs"]);
    for path in ["file.js", "all/chain.js", "alias.js", "folders/a.js"] {
        add_startup(&daemon, &template, path).expect_status(201);
    }
    let session = daemon.session_of(&template);
    assert_eq!(session.eval("ran"), "a");
    for path in [
        "file.js",
        "chain.js",
        "alias.js",
        "folder/a.js",
        "folders/a.js",
        "all/all/file.js",
    ] {
        let run = session.submit_file(path).expect_status(201);
        assert_eq!(run["result"]["preview"], "a", "{path}");
        assert_value(&session, &format!("require('./{path}')"), &json!("a"));
    }
    session.eval("var fs = require('fs'); 1");
    for (code, value) in calls_by_links() {
        assert_value(&session, code, &value);
    }
    // A module that was loaded through a link is loaded anew when the target of the link changes.
    daemon.write("real/a.js", "module.exports = 'changed'");
    assert_value(&session, "require('./chain.js')", &json!("changed"));
}

#[test]
fn a_startup_file_that_leaves_by_a_link_crashes_the_session_with_a_code_of_its_own() {
    let daemon = Daemon::start();
    let outside = Outside::create(&daemon);
    let root = daemon.worktree();
    symlink(outside.folder().join("a.js"), root.join("absolute.js")).unwrap();
    symlink("../outside/a.js", root.join("relative.js")).unwrap();
    symlink(outside.folder(), root.join("folder")).unwrap();
    symlink(root.join("absolute.js"), root.join("chain.js")).unwrap();
    symlink("/proc/self/cwd", root.join("proc")).unwrap();
    for (number, path) in [
        "absolute.js",
        "relative.js",
        "folder/a.js",
        "chain.js",
        "proc/outside/a.js",
    ]
    .into_iter()
    .enumerate()
    {
        let template = daemon.template();
        add_startup(&daemon, &template, path).expect_status(201);
        let answer = daemon
            .request_session(&template)
            .expect_error(422, "INVALID_PATH");
        assert!(!answer.text.contains(CANARY));
        let details = &answer.json["error"]["details"];
        assert_eq!(details["path"], path);
        let id = details["session_id"].as_str().unwrap();
        let row = daemon
            .api
            .get(&format!("/sessions/{id}"))
            .expect_status(200);
        assert_eq!(row["status"], "crashed", "{row}");
        assert!(row["last_error"].as_str().unwrap().contains(path), "{row}");
        let crashed = daemon
            .api
            .get("/sessions?status=crashed")
            .expect_status(200);
        assert_eq!(crashed.as_array().unwrap().len(), number + 1);
    }
    outside.assert_untouched();
}
