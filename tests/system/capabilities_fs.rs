//! Which files the module `fs` reaches when capabilities of kind `fs` narrow it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session};

use crate::attempts::{
    Outcome, attempt, follow_advice, gives, literal, template, throws, throws_coded,
};

/// What no script may show.
const SECRET: &str = "top secret";

fn plant(daemon: &Daemon) {
    for (path, text) in [
        ("open/a.txt", "a"),
        ("open/deep/b.txt", "b"),
        ("secret/key.txt", SECRET),
        ("out/mine.txt", "mine"),
        ("box/plain.txt", "plain"),
        ("box/inner/.env", SECRET),
    ] {
        daemon.write(path, text);
    }
    fs::write(daemon.home().join("outside.txt"), SECRET).unwrap();
}

fn fs_session(daemon: &Daemon, capabilities: &[(bool, Value)]) -> Session {
    let capabilities: Vec<_> = capabilities
        .iter()
        .zip(["one", "two", "three"])
        .map(|((enabled, config), name)| ("fs", name, *enabled, config.clone()))
        .collect();
    let session = daemon.session_of(&template(daemon, &["fs"], &capabilities));
    session.eval("var fs = require('fs'); 1");
    session
}

/// `open` can be read, `out` can be written, nothing else.
fn narrowed(daemon: &Daemon) -> Session {
    plant(daemon);
    let config = json!({"read": ["open/**"], "write": ["out/**"]});
    fs_session(daemon, &[(true, config)])
}

/// Checks that all is as it was planted.
#[track_caller]
fn assert_untouched(daemon: &Daemon) {
    let root = daemon.worktree();
    for (path, expected) in [
        ("open/a.txt", "a"),
        ("open/deep/b.txt", "b"),
        ("secret/key.txt", SECRET),
        ("box/plain.txt", "plain"),
        ("box/inner/.env", SECRET),
        ("../outside.txt", SECRET),
    ] {
        let there = fs::read_to_string(root.join(path));
        assert_eq!(there.ok().as_deref(), Some(expected), "{path}");
    }
    let mut names = names(&root);
    names.retain(|name| !["box", "open", "out", "secret"].contains(&name.as_str()));
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(names_in(&root, "secret"), ["key.txt"]);
    assert_eq!(names_in(&root, "open"), ["a.txt", "deep"]);
}

fn names_in(root: &Path, folder: &str) -> Vec<String> {
    names(&root.join(folder))
}

fn names(folder: &Path) -> Vec<String> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(entry).collect();
    names.sort();
    names
}

#[test]
fn what_is_given_can_be_read_and_written_by_every_path_to_it() {
    let daemon = Daemon::start();
    let session = narrowed(&daemon);
    let root = daemon.worktree().display().to_string();
    for path in [
        "'open/a.txt'".to_owned(),
        "'./open//./a.txt'".to_owned(),
        format!("'{root}/open/a.txt'"),
        format!("'{root}//open/./a.txt'"),
        "new TextEncoder().encode('open/a.txt')".to_owned(),
        format!("new URL('file://{root}/open/deep/../%61.txt')"),
    ] {
        gives(&session, &format!("fs.readFileSync({path})"), &json!("a"));
        gives(
            &session,
            &format!("fs.promises.readFile({path})"),
            &json!("a"),
        );
        gives(&session, &format!("fs.existsSync({path})"), &json!(true));
    }
    let listed = json!(["a.txt", "deep", "deep/b.txt"]);
    gives(
        &session,
        "fs.readdirSync('open', {recursive: true})",
        &listed,
    );
    session.eval(
        "fs.writeFileSync('out/new.txt', 'new'); fs.appendFileSync('./out/new.txt', '+'); \
         fs.mkdirSync('out/x/y', {recursive: true}); fs.copyFileSync('open/a.txt', 'out/x/a'); \
         fs.renameSync('out/new.txt', 'out/x/y/moved'); fs.rmSync('out/mine.txt'); 1",
    );
    let out = daemon.worktree().join("out");
    assert_eq!(fs::read_to_string(out.join("x/y/moved")).unwrap(), "new+");
    assert_eq!(fs::read_to_string(out.join("x/a")).unwrap(), "a");
    session.eval("fs.rmSync('out/x', {recursive: true}); 1");
    assert_eq!(names(&out), Vec::<String>::new());
    assert_untouched(&daemon);
}

/// Paths to the file that must not be reached, as expressions.
fn paths_to_the_secret(daemon: &Daemon) -> Vec<String> {
    let root = daemon.worktree().display().to_string();
    let mut paths: Vec<String> = [
        "secret/key.txt",
        "./secret/key.txt",
        "secret//key.txt",
        "secret/./key.txt",
        "open/../secret/key.txt",
        "open/deep/../../secret/key.txt",
        "./open/.././secret//key.txt",
        "/secret/key.txt",
        "//secret/key.txt",
        "../worktree/secret/key.txt",
        "/proc/self/cwd/secret/key.txt",
        "../outside.txt",
        "open/../../outside.txt",
        "SECRET/KEY.TXT",
        "OPEN/a.txt",
        "open/../SECRET/key.txt",
        "\u{ff53}ecret/key.txt",
        "open\u{2215}..\u{2215}secret\u{2215}key.txt",
        "open\\..\\secret\\key.txt",
        "open\0/../secret/key.txt",
        "secret/key.txt\0/../../open/a.txt",
        "secret",
        "secret/",
        ".",
        "./",
        "",
    ]
    .into_iter()
    .map(literal)
    .collect();
    for path in [
        format!("{root}/secret/key.txt"),
        format!("{root}//secret/key.txt"),
        format!("{root}/open/../secret/key.txt"),
        format!("/{root}/secret/key.txt"),
        format!("/proc/self/root{root}/secret/key.txt"),
        format!("{root}/../outside.txt"),
        daemon.home().join("outside.txt").display().to_string(),
    ] {
        paths.push(literal(&path));
        paths.push(format!("new TextEncoder().encode({})", literal(&path)));
        paths.push(format!("new URL('file://' + {})", literal(&path)));
    }
    for encoded in [
        format!("file://{root}/open/%2e%2e/secret/key.txt"),
        format!("file://{root}/open/..%2fsecret%2fkey.txt"),
        format!("file://{root}/%73ecret/key.txt"),
    ] {
        paths.push(format!("new URL('{encoded}')"));
    }
    paths.push(
        "Object.defineProperty(new URL('file:///x'), 'pathname', {value: 'secret/key.txt'})".into(),
    );
    paths
}

#[test]
fn what_is_not_given_can_not_be_read_by_any_path_or_function() {
    let daemon = Daemon::start();
    let session = narrowed(&daemon);
    for path in paths_to_the_secret(&daemon) {
        for call in [
            format!("fs.readFileSync({path})"),
            format!("fs.readFileSync({path}, null)"),
            format!("fs.promises.readFile({path})"),
            format!(
                "new Promise((done, fail) => fs.readFile({path}, (error, text) => error ? fail(error) : done(text)))"
            ),
            format!("fs.copyFileSync({path}, 'out/copy')"),
            format!("fs.promises.copyFile({path}, 'out/copy')"),
            format!("fs.renameSync({path}, 'out/copy')"),
            format!("fs.statSync({path})"),
            format!("fs.lstatSync({path})"),
            format!("fs.accessSync({path})"),
            format!("fs.promises.stat({path})"),
            format!("fs.readdirSync({path})"),
            format!("fs.readdirSync({path}, {{recursive: true, withFileTypes: true}})"),
        ] {
            throws_coded(&session, &call, "EACCES");
        }
        gives(&session, &format!("fs.existsSync({path})"), &json!(false));
    }
    assert_eq!(names_in(&daemon.worktree(), "out"), ["mine.txt"]);
    assert_untouched(&daemon);
}

#[test]
fn names_that_only_look_like_a_way_out_are_names() {
    let daemon = Daemon::start();
    let session = narrowed(&daemon);
    for name in [
        "open/\u{ff0e}\u{ff0e}/secret/key.txt",
        "open/..\u{2215}secret",
        "open/...",
        "open/..;/secret/key.txt",
        "open/%2e%2e/secret/key.txt",
        "open/A.TXT",
        "open/a.txt ",
        "open/\u{430}.txt",
    ] {
        throws_coded(
            &session,
            &format!("fs.readFileSync({})", literal(name)),
            "ENOENT",
        );
    }
    for path in [
        "['secret/key.txt']",
        "{toString: () => 'secret/key.txt'}",
        "1",
        "null",
        "undefined",
        "Symbol()",
    ] {
        throws_coded(
            &session,
            &format!("fs.readFileSync({path})"),
            "ERR_INVALID_ARG_TYPE",
        );
    }
}

#[test]
fn what_is_not_given_can_not_be_written_by_any_path_or_function() {
    let daemon = Daemon::start();
    let session = narrowed(&daemon);
    let root = daemon.worktree().display().to_string();
    let mut paths = paths_to_the_secret(&daemon);
    for path in [
        "open/a.txt",
        "open/new.txt",
        "new.txt",
        "out/../new.txt",
        "output/new.txt",
        "OUT/new.txt",
        "out/../../new.txt",
    ] {
        paths.push(literal(path));
        paths.push(literal(&format!("{root}/{path}")));
    }
    for path in paths {
        for call in [
            format!("fs.writeFileSync({path}, 'changed')"),
            format!("fs.writeFileSync({path}, new Uint8Array(3), {{flag: 'a'}})"),
            format!("fs.promises.appendFile({path}, 'changed')"),
            format!(
                "new Promise((done, fail) => fs.writeFile({path}, 'x', error => error ? fail(error) : done()))"
            ),
            format!("fs.copyFileSync('open/a.txt', {path})"),
            format!("fs.renameSync('out/mine.txt', {path})"),
            format!("fs.renameSync({path}, 'out/moved')"),
            format!("fs.unlinkSync({path})"),
            format!("fs.rmSync({path}, {{recursive: true}})"),
            format!("fs.rmSync({path}, {{recursive: true, force: true}})"),
            format!("fs.rmdirSync({path})"),
            format!("fs.mkdirSync({path})"),
        ] {
            throws_coded(&session, &call, "EACCES");
        }
        throws(
            &session,
            &format!("fs.mkdirSync({path} + '/x', {{recursive: true}})"),
        );
    }
    assert_eq!(names_in(&daemon.worktree(), "out"), ["mine.txt"]);
    assert_untouched(&daemon);
}

#[test]
fn a_file_that_can_be_written_can_not_be_read_unless_that_is_given_too() {
    let daemon = Daemon::start();
    let session = narrowed(&daemon);
    for call in [
        "fs.readFileSync('out/mine.txt')",
        "fs.copyFileSync('out/mine.txt', 'out/copy')",
        "fs.renameSync('out/mine.txt', 'open/mine.txt')",
        "fs.readdirSync('out')",
        "fs.promises.readdir('out')",
    ] {
        throws_coded(&session, call, "EACCES");
    }
    gives(&session, "fs.statSync('out/mine.txt').size", &json!(4));
    assert_untouched(&daemon);
}

#[test]
fn renaming_makes_nothing_readable_that_was_not() {
    let daemon = Daemon::start();
    plant(&daemon);
    let read = json!(["open/**", "public/**"]);
    let config = json!({"read": read, "write": ["**"]});
    let session = fs_session(&daemon, &[(true, config)]);
    for (from, to) in [
        ("secret/key.txt", "open/key.txt"),
        ("secret", "open/secret"),
        ("secret", "public"),
        ("box", "public"),
        ("box/inner", "open/inner"),
        ("box/inner/.env", "open/deep/b.txt"),
        ("secret/key.txt", "open/a.txt"),
    ] {
        for call in ["fs.renameSync", "fs.promises.rename", "fs.copyFileSync"] {
            throws_coded(&session, &format!("{call}('{from}', '{to}')"), "EACCES");
        }
    }
    assert_untouched(&daemon);
    // To a name that can't be read either.
    session.eval("fs.renameSync('secret', 'hidden'); 1");
    throws_coded(&session, "fs.readFileSync('hidden/key.txt')", "EACCES");
}

#[test]
fn what_is_taken_away_stays_out_of_reach_though_all_the_rest_is_given() {
    let daemon = Daemon::start();
    plant(&daemon);
    let taken = json!(["secret/**", "**/.env"]);
    let session = fs_session(
        &daemon,
        &[
            (true, json!({"read": ["**"], "write": ["**"]})),
            (false, json!({"read": taken, "write": taken})),
        ],
    );
    gives(
        &session,
        "fs.readFileSync('box/plain.txt')",
        &json!("plain"),
    );
    for call in [
        "fs.readFileSync('secret/key.txt')",
        "fs.readFileSync('box/inner/.env')",
        "fs.readdirSync('secret')",
        "fs.statSync('box/inner/.env')",
        "fs.copyFileSync('box/inner/.env', 'copy')",
        "fs.renameSync('box/inner/.env', 'copy')",
        "fs.renameSync('box/inner', 'copy')",
        "fs.renameSync('box', 'copy')",
        "fs.renameSync('secret', 'copy')",
        "fs.renameSync('open/a.txt', 'secret/a.txt')",
        "fs.renameSync('open', 'secret')",
        "fs.rmSync('box', {recursive: true})",
        "fs.rmSync('box/inner', {recursive: true, force: true})",
        "fs.promises.rm('secret', {recursive: true})",
        "fs.writeFileSync('secret/new', '')",
        "fs.writeFileSync('box/.env', '')",
        "fs.mkdirSync('secret/new')",
        "fs.mkdirSync('new/.env/deep', {recursive: true})",
    ] {
        let message = throws_coded(&session, call, "EACCES");
        assert!(message.contains("not enabled"), "{call}: {message}");
    }
    throws_coded(&session, "fs.rmSync('.', {recursive: true})", "EPERM");
    let _ = fs::remove_dir(daemon.worktree().join("new"));
    let listed = session.eval("JSON.stringify(fs.readdirSync('.', {recursive: true}))");
    assert!(!listed.contains("key.txt"), "{listed}");
    assert_untouched(&daemon);
}

#[test]
fn reading_that_is_taken_away_does_not_come_back_by_writing() {
    let daemon = Daemon::start();
    plant(&daemon);
    let session = fs_session(
        &daemon,
        &[(false, json!({"read": ["secret/**", "**/.env"]}))],
    );
    for call in [
        "fs.readFileSync('secret/key.txt')",
        "fs.statSync('secret/key.txt')",
        "fs.renameSync('secret/key.txt', 'copy')",
        "fs.renameSync('secret', 'copy')",
        "fs.copyFileSync('secret/key.txt', 'copy')",
    ] {
        throws_coded(&session, call, "EACCES");
    }
    gives(&session, "fs.existsSync('secret/key.txt')", &json!(false));
    // Moved with its name it is as hidden as before.
    session.eval("fs.renameSync('box/inner', 'inner'); 1");
    throws_coded(&session, "fs.readFileSync('inner/.env')", "EACCES");
    session.eval("fs.renameSync('inner', 'box/inner'); 1");
    assert_untouched(&daemon);
}

#[test]
fn nothing_is_left_when_everything_is_taken_away() {
    let daemon = Daemon::start();
    plant(&daemon);
    let all = json!({"read": ["**"], "write": ["**"]});
    let session = fs_session(&daemon, &[(false, json!({})), (true, all)]);
    for call in [
        "fs.readFileSync('open/a.txt')",
        "fs.readdirSync('.')",
        "fs.statSync('.')",
        "fs.writeFileSync('new.txt', '')",
        "fs.mkdirSync('new', {recursive: true})",
        "fs.rmSync('open/a.txt')",
    ] {
        throws_coded(&session, call, "EACCES");
    }
    gives(&session, "fs.existsSync('.')", &json!(false));
    assert_untouched(&daemon);
}

#[test]
fn the_message_shows_the_command_that_gives_a_file() {
    let daemon = Daemon::start();
    plant(&daemon);
    daemon.write("odd '[name]*.txt", "odd");
    let config = json!({"read": ["open/**"]});
    for (call, then) in [
        ("fs.readFileSync('secret/key.txt')", json!(SECRET)),
        ("fs.writeFileSync('box/new', '1')", Value::Null),
        ("fs.readFileSync(\"odd '[name]*.txt\")", json!("odd")),
        ("fs.statSync('box/plain.txt').size", json!(5)),
        ("fs.readdirSync('.').includes('box')", json!(true)),
    ] {
        let template = template(&daemon, &["fs"], &[("fs", "one", true, config.clone())]);
        let with_fs = call.replace("fs.", "require('fs').");
        let message = throws(&daemon.session_of(&template), &with_fs);
        let expected = format!("`vm-system template add-capability {template} --kind fs ");
        assert!(message.contains(&expected), "{message}");
        follow_advice(&daemon, &message);
        let now = attempt(&daemon.session_of(&template), &with_fs);
        assert_eq!(now, Outcome::Value(then), "{call}");
    }
}
