//! Links from paths that `fs` capabilities grant to files that they do not.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use vm_system_tests::{Daemon, Session};

use crate::support::attempts::{
    assert_all_throw, assert_throws_code, assert_value, js_literal, template_with_capabilities,
};

const SECRET: &str = "top secret";

/// A session that reads `open`, writes `out` and may run commands, with secrets inside and outside
/// the worktree.
fn restricted_session(daemon: &Daemon) -> Session {
    daemon.write("open/a.txt", "a");
    daemon.write("out/mine.txt", "mine");
    daemon.write("secret/key.txt", SECRET);
    fs::write(daemon.home().join("outside.txt"), SECRET).unwrap();
    let config = json!({"read": ["open/**"], "write": ["out/**"]});
    let template =
        template_with_capabilities(daemon, &["fs", "exec"], &[("fs", "some", true, config)]);
    let session = daemon.session_of(&template);
    session.eval("var fs = require('fs'); var exec = require('exec'); 1");
    session
}

/// The targets of links in a folder of the worktree: the secrets, and names at which a secret could
/// be created.
fn targets(daemon: &Daemon) -> Vec<String> {
    let absolute = |path: &str| daemon.home().join(path).display().to_string();
    vec![
        "../secret/key.txt".into(),
        "../secret/new.txt".into(),
        "../../outside.txt".into(),
        "../../new.txt".into(),
        absolute("worktree/secret/key.txt"),
        absolute("worktree/secret/new.txt"),
        absolute("outside.txt"),
        absolute("new.txt"),
        "/proc/self/environ".into(),
        "/etc/passwd".into(),
    ]
}

#[track_caller]
fn assert_untouched(daemon: &Daemon) {
    let home = daemon.home();
    for path in ["worktree/secret/key.txt", "outside.txt"] {
        assert_eq!(fs::read_to_string(home.join(path)).unwrap(), SECRET);
    }
    for path in [
        "worktree/secret/new.txt",
        "new.txt",
        "new",
        "worktree/secret/new",
        "worktree/new",
    ] {
        assert!(!home.join(path).exists(), "{path}");
    }
}

/// Tries to read and write through a link.
fn try_through(session: &Session, readable: &str, writable: &str) {
    let calls = [
        format!("fs.readFileSync({readable})"),
        format!("fs.promises.readFile({readable}, null)"),
        format!("fs.copyFileSync({readable}, 'out/copy')"),
        format!("fs.statSync({readable})"),
        format!("fs.accessSync({readable})"),
        format!("fs.readdirSync({readable})"),
        format!("fs.writeFileSync({writable}, 'changed')"),
        format!("fs.writeFileSync({writable}, 'changed', {{flag: 'wx'}})"),
        format!("fs.promises.appendFile({writable}, 'changed')"),
        format!("fs.copyFileSync('open/a.txt', {writable})"),
        format!("fs.mkdirSync({writable}, {{recursive: true}})"),
        format!("fs.mkdirSync({writable} + '/new', {{recursive: true}})"),
    ];
    for message in assert_all_throw(session, &calls, None) {
        assert!(!message.contains(SECRET), "{message}");
    }
    assert_value(
        session,
        &format!("fs.existsSync({readable})"),
        &json!(false),
    );
}

#[test]
fn an_existing_link_does_not_escape_the_grant() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    let root = daemon.worktree();
    for (number, target) in targets(&daemon).into_iter().enumerate() {
        let name = format!("link{number}");
        for folder in ["open", "out"] {
            symlink(&target, root.join(folder).join(&name)).unwrap();
            symlink(&name, root.join(folder).join(format!("{name}-chain"))).unwrap();
        }
        for name in [name.clone(), format!("{name}-chain")] {
            try_through(
                &session,
                &js_literal(&format!("open/{name}")),
                &js_literal(&format!("out/{name}")),
            );
        }
    }
    assert_untouched(&daemon);
}

#[test]
fn a_link_made_by_a_command_does_not_escape_the_grant() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    for (number, target) in targets(&daemon).into_iter().enumerate() {
        let name = format!("link{number}");
        session.eval(&format!(
            "for (const folder of ['open', 'out']) exec.run('ln', ['-s', {}, folder + '/{name}']); 1",
            js_literal(&target)
        ));
        try_through(
            &session,
            &js_literal(&format!("open/{name}")),
            &js_literal(&format!("out/{name}")),
        );
    }
    assert_untouched(&daemon);
}

#[test]
fn a_link_to_a_folder_does_not_escape_the_grant() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    let root = daemon.worktree();
    for (name, target) in [
        ("dir", "../secret".to_owned()),
        ("up", "..".to_owned()),
        ("above", "../..".to_owned()),
        ("absolute", root.display().to_string()),
        ("system", "/".to_owned()),
    ] {
        for folder in ["open", "out"] {
            symlink(&target, root.join(folder).join(name)).unwrap();
        }
        for below in [
            "key.txt",
            "secret/key.txt",
            "outside.txt",
            "worktree/secret/key.txt",
            "etc/passwd",
            "new.txt",
        ] {
            try_through(
                &session,
                &js_literal(&format!("open/{name}/{below}")),
                &js_literal(&format!("out/{name}/{below}")),
            );
        }
        let calls = [
            format!("fs.readdirSync('open/{name}')"),
            format!("fs.rmSync('out/{name}/secret', {{recursive: true}})"),
            format!("fs.unlinkSync('out/{name}/key.txt')"),
            format!("fs.renameSync('out/mine.txt', 'out/{name}/new.txt')"),
            format!("fs.renameSync('out/{name}/key.txt', 'out/key.txt')"),
            format!("fs.mkdirSync('out/{name}/new')"),
            format!("fs.mkdirSync('out/{name}', {{recursive: true}})"),
            format!("fs.mkdirSync('open/{name}', {{recursive: true}})"),
        ];
        assert_all_throw(&session, &calls, None);
    }
    let listed = session.eval("JSON.stringify(fs.readdirSync('open', {recursive: true}))");
    assert!(
        !listed.contains("key.txt") && !listed.contains("outside.txt"),
        "{listed}"
    );
    // Deleting a folder deletes the links in it, and none of their targets.
    session.eval("fs.rmSync('out', {recursive: true}); 1");
    assert!(!root.join("out").exists());
    assert_untouched(&daemon);
}

#[test]
fn a_link_within_the_grant_is_followed() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    let root = daemon.worktree();
    symlink("a.txt", root.join("open/same")).unwrap();
    symlink("../open", root.join("open/again")).unwrap();
    symlink("mine.txt", root.join("out/same")).unwrap();
    symlink("open/a.txt", root.join("elsewhere")).unwrap();
    assert_value(&session, "fs.readFileSync('open/same')", &json!("a"));
    assert_value(&session, "fs.readFileSync('open/again/a.txt')", &json!("a"));
    session.eval("fs.writeFileSync('out/same', 'changed'); 1");
    let mine = fs::read_to_string(root.join("out/mine.txt")).unwrap();
    assert_eq!(mine, "changed");
    // The name of the link must be granted as well as its target.
    assert_throws_code(&session, "fs.readFileSync('elsewhere')", "EACCES");
}

#[test]
fn a_moved_link_does_not_escape_the_grant() {
    let daemon = Daemon::start();
    let session = {
        restricted_session(&daemon);
        let config = json!({"read": ["open/**"], "write": ["**"]});
        let denied = json!({"read": ["secret/**"], "write": ["secret/**"]});
        let template = template_with_capabilities(
            &daemon,
            &["fs"],
            &[("fs", "some", true, config), ("fs", "none", false, denied)],
        );
        let session = daemon.session_of(&template);
        session.eval("var fs = require('fs'); 1");
        session
    };
    let root = daemon.worktree();
    // The link is dangling where it is, and leads to the secret where it is moved to.
    symlink("../secret/key.txt", root.join("sleeper")).unwrap();
    symlink("../secret", root.join("open/dir")).unwrap();
    try_all(
        &session,
        &[
            "fs.renameSync('sleeper', 'open/sleeper')",
            "fs.readFileSync('open/sleeper')",
            "fs.writeFileSync('open/sleeper', 'changed')",
            "fs.readFileSync('open/dir/key.txt')",
            "fs.writeFileSync('open/dir/key.txt', 'changed')",
            "fs.renameSync('open/dir/key.txt', 'open/key.txt')",
            "fs.rmSync('open/dir/key.txt')",
            "fs.rmSync('open/dir/', {recursive: true})",
        ],
    );
    assert_untouched(&daemon);
}

/// Runs calls that may succeed or fail, and checks that none of them returns the secret.
#[track_caller]
fn try_all(session: &Session, calls: &[&str]) {
    for call in calls {
        let outcome = crate::support::attempts::attempt(session, call);
        assert!(
            !format!("{outcome:?}").contains(SECRET),
            "{call}: {outcome:?}"
        );
    }
}
