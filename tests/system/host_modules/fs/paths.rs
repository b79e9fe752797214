//! Which files the module `fs` reaches by which paths when capabilities of kind `fs` narrow it.

use std::fs;

use serde_json::json;
use vm_system_tests::Daemon;

use crate::host_modules::fs::fixture::{assert_untouched, names, names_in, narrowed};
use crate::support::attempts::{all_throw, gives, literal, throws, throws_coded};

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
        all_throw(&session, &calls, Some("EACCES"));
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
        all_throw(&session, &calls, Some("EACCES"));
        throws(
            &session,
            &format!("fs.mkdirSync({path} + '/x', {{recursive: true}})"),
        );
    }
    assert_eq!(names_in(&daemon.worktree(), "out"), ["mine.txt"]);
    assert_untouched(&daemon);
}
