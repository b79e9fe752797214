//! Capabilities of kind `fs` hold when files are moved, copied and deleted.

use std::fs;

use serde_json::{Value, json};
use vm_system_tests::Daemon;

use crate::host_modules::fs::fixture::{
    SECRET, assert_untouched, fs_session, plant, restricted_session,
};
use crate::support::attempts::{
    Outcome, assert_throws, assert_throws_code, assert_value, attempt, run_suggested_command,
    template_with_capabilities,
};

#[test]
fn write_access_does_not_imply_read_access() {
    let daemon = Daemon::start();
    let session = restricted_session(&daemon);
    for call in [
        "fs.readFileSync('out/mine.txt')",
        "fs.copyFileSync('out/mine.txt', 'out/copy')",
        "fs.renameSync('out/mine.txt', 'open/mine.txt')",
        "fs.readdirSync('out')",
        "fs.promises.readdir('out')",
    ] {
        assert_throws_code(&session, call, "EACCES");
    }
    assert_value(&session, "fs.statSync('out/mine.txt').size", &json!(4));
    assert_untouched(&daemon);
}

#[test]
fn renaming_does_not_make_a_file_readable() {
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
            assert_throws_code(&session, &format!("{call}('{from}', '{to}')"), "EACCES");
        }
    }
    assert_untouched(&daemon);
    // A file can be moved to a name that can't be read either.
    session.eval("fs.renameSync('secret', 'hidden'); 1");
    assert_throws_code(&session, "fs.readFileSync('hidden/key.txt')", "EACCES");
}

#[test]
fn a_denied_file_stays_denied_when_all_others_are_granted() {
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
    assert_value(
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
        let message = assert_throws_code(&session, call, "EACCES");
        assert!(message.contains("not enabled"), "{call}: {message}");
    }
    assert_throws_code(&session, "fs.rmSync('.', {recursive: true})", "EPERM");
    let _ = fs::remove_dir(daemon.worktree().join("new"));
    let listed = session.eval("JSON.stringify(fs.readdirSync('.', {recursive: true}))");
    assert!(!listed.contains("key.txt"), "{listed}");
    assert_untouched(&daemon);
}

#[test]
fn denied_reading_is_not_regained_by_writing() {
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
        assert_throws_code(&session, call, "EACCES");
    }
    assert_value(&session, "fs.existsSync('secret/key.txt')", &json!(false));
    // A hidden file that is moved under its own name stays hidden.
    session.eval("fs.renameSync('box/inner', 'inner'); 1");
    assert_throws_code(&session, "fs.readFileSync('inner/.env')", "EACCES");
    session.eval("fs.renameSync('inner', 'box/inner'); 1");
    assert_untouched(&daemon);
}

#[test]
fn no_access_is_left_when_everything_is_denied() {
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
        assert_throws_code(&session, call, "EACCES");
    }
    assert_value(&session, "fs.existsSync('.')", &json!(false));
    assert_untouched(&daemon);
}

#[test]
fn the_message_shows_the_command_that_grants_a_file() {
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
        let template =
            template_with_capabilities(&daemon, &["fs"], &[("fs", "one", true, config.clone())]);
        let with_fs = call.replace("fs.", "require('fs').");
        let message = assert_throws(&daemon.session_of(&template), &with_fs);
        let expected = format!("`vm-system template add-capability {template} --kind fs ");
        assert!(message.contains(&expected), "{message}");
        run_suggested_command(&daemon, &message);
        let now = attempt(&daemon.session_of(&template), &with_fs);
        assert_eq!(now, Outcome::Value(then), "{call}");
    }
}
