//! The files that the module `fs` reaches, by every path, if capabilities of kind `fs` narrow it.

use std::fs;

use serde_json::json;
use vm_system_tests::Daemon;

use crate::host_modules::fs::fixture::{assert_untouched, names, names_in, restricted_session};
use crate::support::attempts::{
    assert_all_throw, assert_throws, assert_throws_code, assert_value, js_literal,
};

#[test]
fn granted_files_can_be_read_and_written_by_every_path_to_them() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    let root = daemon.worktree().display().to_string();
    for path in [
        "'open/a.txt'".to_owned(),
        "'./open//./a.txt'".to_owned(),
        format!("'{root}/open/a.txt'"),
        format!("'{root}//open/./a.txt'"),
        "new TextEncoder().encode('open/a.txt')".to_owned(),
        format!("new URL('file://{root}/open/deep/../%61.txt')"),
    ] {
        assert_value(&session, &format!("fs.readFileSync({path})"), &json!("a"));
        assert_value(
            &session,
            &format!("fs.promises.readFile({path})"),
            &json!("a"),
        );
        assert_value(&session, &format!("fs.existsSync({path})"), &json!(true));
    }
    let listed = json!(["a.txt", "deep", "deep/b.txt"]);
    assert_value(
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
    .map(js_literal)
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
        paths.push(js_literal(&path));
        paths.push(format!("new TextEncoder().encode({})", js_literal(&path)));
        paths.push(format!("new URL('file://' + {})", js_literal(&path)));
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
fn files_that_are_not_granted_can_not_be_read_by_any_path_or_function() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    for path in paths_to_the_secret(&daemon) {
        let calls = [
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
        ];
        assert_all_throw(&session, &calls, Some("EACCES"));
        assert_value(&session, &format!("fs.existsSync({path})"), &json!(false));
    }
    assert_eq!(names_in(&daemon.worktree(), "out"), ["mine.txt"]);
    assert_untouched(&daemon);
}

#[test]
fn names_that_resemble_an_escape_are_plain_names() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
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
        assert_throws_code(
            &session,
            &format!("fs.readFileSync({})", js_literal(name)),
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
        assert_throws_code(
            &session,
            &format!("fs.readFileSync({path})"),
            "ERR_INVALID_ARG_TYPE",
        );
    }
}

#[test]
fn files_that_are_not_granted_can_not_be_written_by_any_path_or_function() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
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
        paths.push(js_literal(path));
        paths.push(js_literal(&format!("{root}/{path}")));
    }
    for path in paths {
        let calls = [
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
        ];
        assert_all_throw(&session, &calls, Some("EACCES"));
        assert_throws(
            &session,
            &format!("fs.mkdirSync({path} + '/x', {{recursive: true}})"),
        );
    }
    assert_eq!(names_in(&daemon.worktree(), "out"), ["mine.txt"]);
    assert_untouched(&daemon);
}
