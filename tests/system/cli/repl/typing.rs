//! No text that is typed at a console is lost: neither ahead of the prompt, nor pasted in one
//! piece, nor after a Ctrl-C that drops a line.

use std::os::unix::process::CommandExt;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::LocalFlags;
use nix::unistd::Pid;
use vm_system_tests::{Daemon, Process, Session, Terminal, binary, wait_for};

use crate::support::console::{CTRL_C, CTRL_D, console_at, dumb_console_at, shell_at_home};

const CTRL_Z: &str = "\u{1a}";

const BACKSPACE: &str = "\u{7f}";

/// Both kinds of consoles, each at a session of its own.
fn consoles(daemon: &Daemon) -> [(Session, Terminal); 2] {
    [console_at, dumb_console_at].map(|start| {
        let session = daemon.session_with_long_limits();
        let terminal = start(daemon, &session);
        (session, terminal)
    })
}

#[test]
fn ctrl_c_on_a_line_with_text_drops_the_text_and_never_leaves() {
    let daemon = Daemon::start();
    for (_, mut terminal) in consoles(&daemon) {
        terminal.type_keys("kept = 41\r");
        terminal.wait_for_text("\n41\r\n");
        terminal.wait_for_text("> ");
        // The same keys in one piece: text after a Ctrl-C is not dropped by it.
        for (keys, answers) in [
            ("abc\u{3}def\u{3}", &["twice", "twice"][..]),
            (
                "if (\u{3}\u{3}x\u{3}y\u{3}",
                &["twice", "again", "twice", "twice"],
            ),
        ] {
            terminal.type_keys(keys);
            for answer in answers {
                terminal.wait_for_text(&format!("press Ctrl-C {answer}"));
                terminal.wait_for_text("> ");
            }
        }
        for (number, line) in ["abc", " ", "function f() {\r", "'abc", "`a\rb\r", "x.\ry"]
            .iter()
            .enumerate()
        {
            terminal.type_keys(line);
            terminal.type_keys(CTRL_C);
            // After each Enter the session checks whether the code is complete. A Ctrl-C before the
            // answer drops the lines so far, and the next line begins a new snippet.
            terminal.type_keys(&format!("'dropped ' + {number}\r"));
            terminal.wait_for_text(&format!("dropped {number}"));
            terminal.wait_for_text("> ");
        }
        terminal.type_keys("kept + 1\r");
        terminal.wait_for_text("42\r\n");
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("press Ctrl-C again");
        terminal.wait_for_text("> ");
        terminal.type_keys("abc");
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("press Ctrl-C twice");
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("press Ctrl-C again");
        terminal.wait_for_text("> ");
        terminal.type_keys("\r");
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("press Ctrl-C again");
        terminal.type_keys("kept + 2\r");
        terminal.wait_for_text("43\r\n");
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_C);
        assert!(terminal.wait_for_exit().success());
    }
}

#[test]
fn a_line_that_was_typed_and_erased_comes_between_two_ctrl_c() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = console_at(&daemon, &session);
    for _ in 0..2 {
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("press Ctrl-C again");
        terminal.wait_for_text("> ");
        terminal.type_keys("a");
        terminal.type_keys(BACKSPACE);
    }
    terminal.type_keys("6 * 7\r");
    terminal.wait_for_text("\n42\r\n");
}

#[test]
fn ctrl_c_that_cancels_an_execution_does_not_count_for_leaving() {
    let daemon = Daemon::start();
    for (_, mut terminal) in consoles(&daemon) {
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("press Ctrl-C again");
        for round in 0..2 {
            terminal.type_keys(&format!(
                "console.log('be' + 'gun {round}'); while (true);\r"
            ));
            terminal.wait_for_text(&format!("begun {round}"));
            terminal.type_keys(CTRL_C);
            terminal.wait_for_text("cancelled");
            terminal.wait_for_text("> ");
        }
        terminal.type_keys("6 * 7\r");
        terminal.wait_for_text("\n42\r\n");
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("press Ctrl-C again");
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_C);
        assert!(terminal.wait_for_exit().success());
    }
}

#[test]
fn lines_that_come_together_are_all_run() {
    let daemon = Daemon::start();
    for (session, mut terminal) in consoles(&daemon) {
        terminal.type_keys("100+11\r200+22\r300+33\r'la' + 'st'");
        for value in ["111", "222", "333"] {
            terminal.wait_for_text(&format!("{value}\r\n"));
        }
        terminal.type_keys("\r");
        terminal.wait_for_text("'last'\r\n");
        // The text is longer than any buffer on the way, has characters across the edges of the
        // buffers, and code of several lines.
        let lines: Vec<_> = (0..300)
            .map(|n| match n % 3 {
                0 => format!("all += 'ü€😀{n}'.length\r"),
                1 => "f = (a) =>\r  a + 1\r".to_owned(),
                _ => "all = f(all) // a line of some length, as they are: äöü\r".to_owned(),
            })
            .collect();
        let expected: usize = (0..300usize)
            .map(|n| match n % 3 {
                0 => 4 + n.to_string().len(),
                1 => 0,
                _ => 1,
            })
            .sum();
        terminal.type_keys("all = 0\r");
        terminal.wait_for_text("0\r\n");
        terminal.type_keys(&lines.concat());
        terminal.type_keys("'the ' + 'end'\r");
        terminal.wait_for_text("'the end'\r\n");
        assert_eq!(session.eval("all"), expected.to_string());
        terminal.type_keys(CTRL_D);
        assert!(terminal.wait_for_exit().success());
    }
}

#[test]
fn keys_typed_while_an_execution_runs_arrive_at_the_prompt() {
    let daemon = Daemon::start();
    for (session, mut terminal) in consoles(&daemon) {
        terminal.type_keys("n = 0; console.log('be' + 'gun'); while (true);\r");
        terminal.wait_for_text("begun");
        terminal.type_keys("n += 20\rn += 2\r");
        terminal.type_keys("'half ' + ");
        // The Ctrl-C during the execution drops none of the text.
        terminal.type_keys(CTRL_C);
        terminal.wait_for_text("cancelled");
        terminal.type_keys("'a line'\r");
        terminal.wait_for_text("ReferenceError");
        terminal.wait_for_text("'half a line'");
        terminal.wait_for_text("> ");
        terminal.type_keys("n = 1\r");
        terminal.wait_for_text("\n1\r\n");
        terminal.type_keys(
            "console.log('wa' + 'its'); await new Promise(done => setTimeout(done, 300))\r",
        );
        terminal.wait_for_text("waits");
        terminal.type_keys("n += 20\rn += 2\rn +");
        terminal.type_keys("= 'ü'\r");
        terminal.wait_for_text("'23ü'");
        assert_eq!(session.eval("n"), "23ü");
        // Keys that are no characters arrive as well.
        terminal.type_keys(
            "console.log('wa' + 'its'); await new Promise(done => setTimeout(done, 300))\r",
        );
        terminal.wait_for_text("waits");
        terminal.type_keys("n = 'abcx");
        terminal.type_keys(BACKSPACE);
        terminal.type_keys("'\r");
        terminal.type_keys(CTRL_D);
        assert!(terminal.wait_for_exit().success());
        assert_eq!(session.eval("n"), "abc");
    }
}

#[test]
fn a_line_longer_than_the_kernels_own_is_typed_ahead() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    let mut terminal = console_at(&daemon, &session);
    terminal
        .type_keys("console.log('wa' + 'its'); await new Promise(done => setTimeout(done, 500))\r");
    terminal.wait_for_text("waits");
    let text = "0123456789".repeat(500);
    terminal.type_keys(&format!("text = '{text}'; 'it is ' + text.length\r"));
    terminal.wait_for_text("'it is 5000'");
    assert_eq!(session.eval("text === '0123456789'.repeat(500)"), "true");
}

#[test]
fn invalid_utf_8_does_not_end_the_console() {
    let daemon = Daemon::start();
    for (_, mut terminal) in consoles(&daemon) {
        terminal.type_keys("kept = 41\r");
        terminal.wait_for_text("\n41\r\n");
        terminal.wait_for_text("> ");
        terminal.send_bytes(b"'caf\xe9'\r");
        terminal.wait_for_text("no UTF-8");
        terminal.wait_for_text("> ");
        terminal.type_keys("\rkept + 1\r");
        terminal.wait_for_text("42\r\n");
    }
}

fn is_as_the_shell_left_it(terminal: &Terminal) -> bool {
    let for_lines = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
    terminal.local_flags().contains(for_lines)
}

#[test]
fn a_console_that_is_suspended_gives_the_terminal_back_and_goes_on_where_it_was() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    // The console runs in a shell, which can continue it.
    let mut shell = shell_at_home("bash", daemon.home());
    shell
        .args(["--norc", "--noprofile", "-i"])
        .env("PS1", "shell$ ")
        .arg0("bash");
    let mut terminal = Terminal::start(shell, 200);
    terminal.wait_for_text("shell$ ");
    let program = binary().display();
    terminal.type_keys(&format!(
        "{program} repl --server-url {} {}\r",
        daemon.server(),
        session.id
    ));
    terminal.wait_for_text("leaves.");
    terminal.wait_for_text("> ");
    terminal.type_keys("'half ' + ");
    terminal.wait_for_text("+ ");
    terminal.type_keys(CTRL_Z);
    terminal.wait_for_text("Stopped");
    terminal.wait_for_text("shell$ ");
    terminal.type_keys("echo in the sh''ell\r");
    terminal.wait_for_text("in the shell");
    terminal.type_keys("fg\r");
    terminal.wait_for_text("> 'half ' + ");
    terminal.type_keys("'a line'\r");
    terminal.wait_for_text("'half a line'");
    // While an execution runs, the key is a signal.
    terminal.type_keys("console.log('be' + 'gun'); while (true);\r");
    terminal.wait_for_text("begun");
    terminal.type_keys(CTRL_Z);
    terminal.wait_for_text("Stopped");
    terminal.wait_for_text("shell$ ");
    let console = Process::descendants(terminal.pid()).remove(0).pid;
    let is_stopped = || Process::read(console).is_some_and(|process| process.state == 'T');
    assert!(is_stopped());
    terminal.type_keys("fg\r");
    wait_for("the console to go on", || (!is_stopped()).then_some(()));
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("cancelled");
    terminal.wait_for_text("> ");
    terminal.type_keys("6 * 7\r");
    terminal.wait_for_text("\n42\r\n");
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_D);
    terminal.wait_for_text("shell$ ");
    terminal.type_keys("exit\r");
    terminal.wait_for_exit();
}

#[test]
fn the_terminal_is_given_back_however_the_console_ends() {
    let daemon = Daemon::start();
    for signal in [None, Some(Signal::SIGTERM)] {
        let session = daemon.session();
        // This program stays at the terminal.
        let mut shell = shell_at_home("sh", daemon.home());
        shell
            .args([
                "-c",
                "\"$0\" repl --server-url \"$1\" \"$2\"; echo left; exec sleep 1000",
            ])
            .arg(binary())
            .args([daemon.server(), &session.id]);
        let mut terminal = Terminal::start(shell, 80);
        terminal.wait_for_text("> ");
        assert!(!is_as_the_shell_left_it(&terminal));
        match signal {
            None => terminal.type_keys(CTRL_D),
            Some(signal) => {
                let console = wait_for("the console", || {
                    Process::descendants(terminal.pid())
                        .first()
                        .map(|found| found.pid)
                });
                kill(Pid::from_raw(console), signal).unwrap();
            }
        }
        terminal.wait_for_text("left");
        assert!(is_as_the_shell_left_it(&terminal));
    }
}
