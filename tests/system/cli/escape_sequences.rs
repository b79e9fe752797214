//! Escape sequences in texts of scripts, names, servers and arguments do not reach the terminal.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use vm_system_tests::{Daemon, Terminal, binary, command};

use crate::support::console::shell_at_home;

/// A text with many control sequences, as a JavaScript literal: a title, a link, the clipboard, a
/// device control string, the cursor, the screen, keys, C1 forms of these, single control
/// characters, and the direction of text. Colours and a carriage return are in between.
const EVIL: &str = r"\x1b]0;T\x07\x1b]8;;http://x\x1b\\L\x1b]52;c;aGk=\x9c\x1bPq\x1b\\\x1b[2J\x1b[3A\x1b[>4;2m\x9b31mC\x08\x0b\x0c\x7f\u202eR\u2066I\u200e\u061c\x1b[31mred\x1b[0m\r!";

/// The form in which a terminal gets this text.
const SHOWN: &str = "\\u001b]0;T\\u0007\\u001b]8;;http://x\\u001b\\L\\u001b]52;c;aGk=\\u009c\\u001bPq\\u001b\\\\u001b[2J\
                     \\u001b[3A\\u001b[>4;2m\\u009b31mC\\u0008\\u000b\\u000c\\u007f\\u202eR\\u2066I\\u200e\\u061c\
                     \u{1b}[31mred\u{1b}[0m\r!";

/// Parts of the text as bytes.
const RAW: &[u8] = b"\x1b]0;T\x07\x1b]8;;http://x\x1b\\L";

/// The control characters on a screen that are neither text nor colours.
fn controls(screen: &str) -> Vec<char> {
    let mut found = Vec::new();
    let mut rest = screen;
    let is_control = |c: char| {
        c.is_control() && !matches!(c, '\r' | '\n' | '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    while let Some(at) = rest.find(is_control) {
        let tail = &rest[at..];
        let colour = tail.strip_prefix("\u{1b}[").and_then(|tail| {
            let numbers = tail.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
            numbers.strip_prefix('m')
        });
        rest = colour.unwrap_or_else(|| {
            let mut chars = tail.chars();
            found.extend(chars.next());
            chars.as_str()
        });
    }
    found
}

/// Runs a command at a terminal to its end; returns the output.
fn screen_of(command: Command) -> (String, Option<i32>) {
    let mut terminal = Terminal::start(command, 200);
    let status = terminal.wait_for_exit();
    terminal.wait_for_text("\u{4}END");
    (terminal.screen(), status.code())
}

/// A command of a shell with the binary as `$0`, which prints a mark at its end.
fn shell(home: &Path, script: &str, args: &[&str]) -> Command {
    let mut shell = shell_at_home("sh", home);
    // The mark is Ctrl-D, which does not control a screen, and which no command prints.
    shell
        .args([
            "-c",
            &format!("{script}; status=$?; printf '\\004END'; exit $status"),
        ])
        .arg(binary())
        .args(args);
    shell
}

/// The output without the mark at its end.
fn is_harmless(screen: &str) {
    let screen = screen.trim_end_matches("\u{4}END");
    let found = controls(screen);
    assert!(found.is_empty(), "{found:?} in {screen:?}");
}

#[test]
fn a_script_that_is_run_does_nothing_to_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    let code = format!(
        "console.log('out {EVIL}'); console.error('err {EVIL}'); console.log('\\x1b['); console.log('2J');\n\
         if (__ARGS__.fails) throw new Error('thrown {EVIL}');\n'value {EVIL}'\n"
    );
    fs::write(home.path().join("evil.js"), code).unwrap();
    let (screen, status) = screen_of(shell(home.path(), "\"$0\" run evil.js", &[]));
    is_harmless(&screen);
    for what in ["out", "err", "value"] {
        assert!(screen.contains(&format!("{what} {SHOWN}")), "{screen:?}");
    }
    assert!(screen.contains("\\u001b[\r\n2J\r\n"), "{screen:?}");
    assert_eq!(status, Some(0));
    let failing = shell(
        home.path(),
        "\"$0\" run evil.js --args '{\"fails\": 1}'",
        &[],
    );
    let (screen, status) = screen_of(failing);
    is_harmless(&screen);
    assert!(screen.contains(&format!("thrown {SHOWN}")), "{screen:?}");
    assert_eq!(status, Some(1));
    // JSON output is filtered as well.
    let as_json = shell(home.path(), "\"$0\" run evil.js --output json", &[]);
    let (screen, _) = screen_of(as_json);
    is_harmless(&screen);
    let json = screen.lines().find(|line| line.starts_with('{')).unwrap();
    let json: serde_json::Value = serde_json::from_str(json.trim_end()).unwrap();
    let preview = json["result"]["preview"].as_str().unwrap();
    assert!(preview.contains("\u{9b}31mC\u{8}"), "{preview:?}");
}

#[test]
fn each_stream_is_judged_by_its_own_terminal() {
    let home = tempfile::tempdir().unwrap();
    let code = format!("console.log('out {EVIL}'); console.error('err {EVIL}')");
    fs::write(home.path().join("evil.js"), code).unwrap();
    for (script, file, to_file, to_screen) in [
        ("\"$0\" run evil.js > out.txt", "out.txt", "out ", "err "),
        ("\"$0\" run evil.js 2> err.txt", "err.txt", "err ", "out "),
    ] {
        let (screen, _) = screen_of(shell(home.path(), script, &[]));
        is_harmless(&screen);
        assert!(
            screen.contains(&format!("{to_screen}{SHOWN}")),
            "{screen:?}"
        );
        let written = fs::read(home.path().join(file)).unwrap();
        let expected = [to_file.as_bytes(), RAW].concat();
        assert!(written.starts_with(&expected), "{written:?}");
    }
}

#[test]
fn a_colour_that_a_script_leaves_ends_with_the_command() {
    let home = tempfile::tempdir().unwrap();
    for (text, end) in [
        (r"\x1b[31mred", "\u{1b}[31mred\r\n\u{1b}[0m\u{4}END"),
        (
            r"\x1b[8mhidden\x1b[1m",
            "hidden\u{1b}[1m\r\n\u{1b}[0m\u{4}END",
        ),
        (r"\x1b[31mred\x1b[0m", "red\u{1b}[0m\r\n\u{4}END"),
        (r"\x1b[38;5;0mblack\x1b[m", "black\u{1b}[m\r\n\u{4}END"),
    ] {
        fs::write(home.path().join("a.js"), format!("console.log('{text}')")).unwrap();
        let (screen, _) = screen_of(shell(home.path(), "\"$0\" run a.js", &[]));
        assert!(screen.ends_with(end), "{screen:?}");
    }
}

#[test]
fn events_and_records_do_nothing_to_the_terminal() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let server = ["--server-url", daemon.server()];
    let code = format!("console.log('{EVIL}'); class X {{}}; throw new Error('{EVIL}')");
    let execution = session.run(&code);
    let execution = execution["id"].as_str().unwrap();
    for args in [
        vec!["exec", "repl", &session.id, &code],
        vec!["exec", "get", execution],
        vec!["exec", "get", execution, "--output", "json"],
        vec!["exec", "events", execution],
        vec!["exec", "events", execution, "--follow", "--output", "json"],
        vec!["exec", "list", &session.id],
        vec!["session", "logs", &session.id],
    ] {
        let args = [&args[..], &server].concat();
        let (screen, status) = screen_of(shell(daemon.home(), "\"$0\" \"$@\"", &args));
        is_harmless(&screen);
        assert_eq!(status, Some(0), "{args:?}");
    }
    // A stream that is no terminal gets the bytes unchanged.
    let events = daemon.cli(&["exec", "events", execution]).output().unwrap();
    assert!(
        String::from_utf8(events.stdout)
            .unwrap()
            .contains("\u{9b}31mC")
    );
}

#[test]
fn arguments_and_paths_do_nothing_to_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    let evil = "a\u{1b}]0;T\u{7}\u{9b}2J\u{202e}b";
    for args in [
        vec!["session", "list", "--status", evil],
        vec!["exec", "list", "s", "--limit", evil],
        vec![evil],
        vec!["run", evil],
        vec!["help", evil],
        vec!["ops", "health", "--server-url", evil],
        vec!["ops", "health", "--log-level", evil],
        vec!["ops", "health", "--log-file", "/\u{1b}[2J/x"],
        vec!["libs", "download", evil],
        vec!["libs", "cache-info", "--cache", evil],
    ] {
        let (screen, _) = screen_of(shell(home.path(), "\"$0\" \"$@\"", &args));
        is_harmless(&screen);
        assert!(screen.contains("\\u"), "{args:?}: {screen:?}");
    }
}

#[test]
fn a_server_does_nothing_to_the_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let evil = "\u{9b}2J\u{202e}\u{7f}";
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = String::new();
            BufReader::new(&connection).read_line(&mut request).unwrap();
            let (status, body) = if request.starts_with("GET /api/v1/sessions ") {
                let session = json!([{
                    "id": "0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10", "vm_id": "0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10",
                    "workspace_id": format!("w\u{1b}[2J{evil}"), "base_commit_oid": evil, "worktree_path": evil,
                    "status": "ready", "created_at": "2026-01-02T03:04:05.678900Z",
                }]);
                ("200 OK", session.to_string())
            } else {
                let message = format!("no \u{1b}]0;T\u{7}{evil}");
                let error = json!({"error": {"code": format!("CODE{evil}"), "message": message}});
                ("409 Conflict", error.to_string())
            };
            let _ = write!(
                connection,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let home = tempfile::tempdir().unwrap();
    for (args, expected) in [
        (
            vec!["template", "list"],
            "Error: CODE\\u009b2J\\u202e\\u007f: no \\u001b]0;T\\u0007\\u009b2J\\u202e\\u007f",
        ),
        (
            vec!["session", "list"],
            "w\\u001b[2J\\u009b2J\\u202e\\u007f",
        ),
    ] {
        let args = [&args[..], &["--server-url", &url]].concat();
        let (screen, _) = screen_of(shell(home.path(), "\"$0\" \"$@\"", &args));
        is_harmless(&screen);
        assert!(screen.contains(expected), "{screen:?}");
    }
}

#[test]
fn the_daemon_prints_nothing_harmful_to_its_own_terminal() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command();
    serve
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--db",
            "a\u{1b}[2J\u{9b}b.db",
        ])
        .args(["--log-level", "debug"])
        .env_remove("NO_COLOR")
        .current_dir(home.path());
    let mut terminal = Terminal::start(serve, 200);
    terminal.wait_for_text("(database a\\u001b[2J\\u009bb.db)");
    is_harmless(&terminal.screen());
}

#[test]
fn a_console_shows_what_scripts_print_as_text() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut repl = command();
    repl.args(["repl", "--server-url", daemon.server(), &session.id])
        .env("HOME", daemon.home())
        .env("NO_COLOR", "1")
        .current_dir(daemon.home());
    let mut terminal = Terminal::start(repl, 200);
    terminal.wait_for_text("> ");
    terminal.type_keys("console.log('\\x1b]0;T\\x07 \\x9b2J \\u202e \\x1b[32mgreen\\x1b[0m')\r");
    terminal.wait_for_text("\n\\u001b]0;T\\u0007 \\u009b2J \\u202e \u{1b}[32mgreen\u{1b}[0m\r\n");
    terminal.wait_for_text("> ");
    terminal.type_keys("throw new Error('\\x1b[6n\\x9b6n')\r");
    terminal.wait_for_text("\nError: \\u001b[6n\\u009b6n");
    terminal.wait_for_text("> ");
    terminal.type_keys("({'\\x9b2J\\u202e': 1})\r");
    terminal.wait_for_text("1 }\r\n");
    terminal.wait_for_text("> ");
    // The next key is inserted unchanged.
    terminal.type_keys("'\u{16}\u{1b}[2J'.length\r");
    terminal.wait_for_text("'\u{fffd}[2J'.length");
    let screen = terminal.screen();
    for raw in ["\u{1b}]0", "\u{9b}", "\u{202e}", "\u{1b}[6n", "\u{7}"] {
        assert!(!screen.contains(raw), "{raw:?} in {screen:?}");
    }
}
