//! The programs that `exec` runs when a capability lists them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;
use vm_system_tests::{Daemon, Session};

use crate::support::attempts::{
    assert_throws_code, assert_value, js_literal, template_with_capabilities,
};

/// Writes a shell script that prints its name.
fn tool(path: &Path, says: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\necho {says} \"$@\"\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A session that may run `good` and the system's `echo` alone; `bad` stands beside `good`.
fn restricted_session(daemon: &Daemon) -> (Session, String, PathBuf, PathBuf) {
    let (good, bad) = (
        daemon.home().join("tools/good"),
        daemon.home().join("tools/bad"),
    );
    tool(&good, "good");
    tool(&bad, "bad");
    let commands = json!({"commands": [good, "/bin/echo"]});
    let template =
        template_with_capabilities(daemon, &["fs"], &[("module", "exec", true, commands)]);
    let session = daemon.session_of(&template);
    session.eval("var exec = require('exec'); var fs = require('fs'); 1");
    (session, template, good, bad)
}

#[test]
fn a_listed_program_runs_by_its_path_and_by_its_name() {
    let daemon = Daemon::start();
    let (session, _, good, _) = restricted_session(&daemon);
    symlink(&good, daemon.worktree().join("linked")).unwrap();
    let run = format!(
        "exec.run({}, ['a b', ';', '$(id)'])",
        js_literal(good.to_str().unwrap())
    );
    assert_value(&session, &run, &json!("good a b ; $(id)\n"));
    assert_value(
        &session,
        "exec.run('echo', ['`id`', '&& id'])",
        &json!("`id` && id\n"),
    );
    assert_value(&session, "exec.run('./linked')", &json!("good\n"));
}

#[test]
fn no_other_program_runs_by_any_name() {
    let daemon = Daemon::start();
    let (session, template, good, bad) = restricted_session(&daemon);
    let inside = |name: &str| daemon.worktree().join(name);
    tool(&inside("own"), "own");
    tool(&inside("echo"), "own echo");
    tool(&inside("bin/good"), "own good");
    symlink("/bin/sh", inside("shell")).unwrap();
    symlink(&bad, inside("good")).unwrap();
    symlink("shell", inside("chain")).unwrap();
    fs::create_dir(inside("sub")).unwrap();
    symlink(bad.parent().unwrap(), inside("tools")).unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let beside = format!("{good}/../bad");
    for program in [
        "sh",
        "/bin/sh",
        "/usr/bin/sh",
        "bash",
        "env",
        "/usr/bin/env",
        bad,
        &beside,
        "./own",
        "./echo",
        "bin/good",
        "./bin/good",
        "./shell",
        "./good",
        "./chain",
        "tools/bad",
        "./sub/../own",
        "/proc/self/exe",
        "/lib64/ld-linux-x86-64.so.2",
    ] {
        if program.starts_with('/') && !Path::new(program).exists() {
            continue;
        }
        let arguments = "['-c', 'echo ran > ran; echo ran']";
        let run = format!("exec.run({}, {arguments})", js_literal(program));
        let message = assert_throws_code(&session, &run, "EACCES");
        assert!(
            message.contains("module:exec") && message.contains(good),
            "{message}"
        );
        let add = format!(
            "`vm-system template add-capability {template} --kind module --name exec --config '"
        );
        assert!(message.contains(&add), "{message}");
        let spawned = format!(
            "exec.spawnSync({}, {arguments}).error.code",
            js_literal(program)
        );
        assert_value(&session, &spawned, &json!("EACCES"));
    }
    assert!(!inside("ran").exists());
}

#[test]
fn a_shell_command_line_is_not_interpreted() {
    let daemon = Daemon::start();
    let (session, ..) = restricted_session(&daemon);
    for program in [
        "echo a; sh",
        "echo|sh",
        "sh -c id",
        " sh",
        "echo\\n",
        "$SHELL",
    ] {
        assert_throws_code(&session, &format!("exec.run('{program}')"), "ENOENT");
    }
    for call in ["exec.run('echo\\0sh')", "exec.run('echo', ['a\\0b'])"] {
        assert_throws_code(&session, call, "ERR_INVALID_ARG_TYPE");
    }
}

#[test]
fn the_environment_leads_to_no_other_program() {
    let daemon = Daemon::start();
    let (session, _, good, _) = restricted_session(&daemon);
    tool(&daemon.worktree().join("bin/echo"), "own echo");
    let good = js_literal(good.to_str().unwrap());
    for name in [
        "PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "GCONV_PATH",
    ] {
        for program in ["'echo'", &good] {
            let run = format!("exec.run({program}, [], {{env: {{{name}: './bin'}}}})");
            let message = assert_throws_code(&session, &run, "EACCES");
            assert!(message.contains(name), "{message}");
        }
    }
    for env in [
        "{'A=B': '1'}",
        "{'PATH=./bin:': '1'}",
        "{A: 'a\\0PATH=./bin'}",
        "{'': '1'}",
    ] {
        let run = format!("exec.run('echo', [], {{env: {env}}})");
        assert_throws_code(&session, &run, "ERR_INVALID_ARG_TYPE");
    }
    // The working directory does not matter for a name without a slash.
    assert_value(
        &session,
        "exec.run('echo', ['x'], {cwd: 'bin'})",
        &json!("x\n"),
    );
    assert_throws_code(
        &session,
        "exec.run('./echo', ['x'], {cwd: 'bin'})",
        "EACCES",
    );
    assert_value(
        &session,
        &format!("exec.run({good}, [], {{env: {{OTHER: '1'}}}})"),
        &json!("good\n"),
    );
}

#[test]
fn a_script_that_is_listed_runs_nothing_that_its_environment_names() {
    let daemon = Daemon::start();
    let (session, _, good, _) = restricted_session(&daemon);
    session.eval("fs.writeFileSync('evil', 'echo evil'); 1");
    let good = js_literal(good.to_str().unwrap());
    for env in [
        "BASH_ENV: './evil'",
        "ENV: './evil'",
        "'BASH_FUNC_echo%%': '() { cat evil; }'",
        "SHELLOPTS: 'xtrace', PS4: '$(cat evil)'",
        "PYTHONSTARTUP: './evil'",
        "PERL5OPT: '-Mevil'",
        "NODE_OPTIONS: '--require ./evil'",
        "GIT_SSH_COMMAND: 'sh ./evil'",
    ] {
        let run = format!("exec.run({good}, [], {{env: {{{env}}}}})");
        assert_throws_code(&session, &run, "EACCES");
    }
}

#[test]
fn a_listed_name_that_becomes_a_link_to_a_shell_is_refused() {
    let daemon = Daemon::start();
    let (session, _, good, _) = restricted_session(&daemon);
    assert_value(&session, "exec.run('echo', ['before'])", &json!("before\n"));
    // A file that `fs` writes is not the listed program, whatever its name.
    session.eval("fs.writeFileSync('good', '#!/bin/sh\\necho own'); 1");
    assert_throws_code(&session, "exec.run('./good')", "EACCES");
    for target in [good.to_str().unwrap(), "/bin/echo"] {
        for write in ["writeFileSync", "appendFileSync", "unlinkSync"] {
            let call = format!("fs.{write}({}, 'changed')", js_literal(target));
            assert_throws_code(&session, &call, "EACCES");
        }
        let call = format!("fs.renameSync('good', {})", js_literal(target));
        assert_throws_code(&session, &call, "EACCES");
    }
}

#[test]
fn a_folder_outside_the_worktree_is_refused_as_working_directory() {
    let daemon = Daemon::start();
    let (session, ..) = restricted_session(&daemon);
    symlink("..", daemon.worktree().join("up")).unwrap();
    for cwd in ["..", "/", "up", "/tmp", "a/../..", "/proc/self/cwd"] {
        let run = format!("exec.run('echo', ['x'], {{cwd: '{cwd}'}})");
        assert_throws_code(&session, &run, "EACCES");
    }
}
