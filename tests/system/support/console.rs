//! Consoles, other commands and shells at a terminal.

use std::path::Path;
use std::process::Command;

use vm_system_tests::{Daemon, Session, Terminal, binary, command};

/// The key Ctrl-C.
pub(crate) const CTRL_C: &str = "\u{3}";

/// The key Ctrl-D.
pub(crate) const CTRL_D: &str = "\u{4}";

/// The command `vm-system repl` with a home directory of its own.
pub(crate) fn repl(home: &Path, args: &[&str]) -> Command {
    let mut repl = command();
    repl.arg("repl")
        .args(args)
        .env("HOME", home)
        .env_remove("XDG_STATE_HOME")
        .env("NO_COLOR", "1")
        .current_dir(home);
    repl
}

/// Starts a console at a session of a daemon, and waits for its prompt.
pub(crate) fn console_at(daemon: &Daemon, session: &Session) -> Terminal {
    let args = ["--server-url", daemon.server(), &session.id];
    let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
    terminal.wait_for_text("> ");
    terminal
}

/// Starts another command at a terminal with this number of columns.
pub(crate) fn command_at_terminal(daemon: &Daemon, args: &[&str], columns: u16) -> Terminal {
    let mut cli = daemon.cli(args);
    cli.env("NO_COLOR", "1");
    Terminal::start(cli, columns)
}

/// A command of a shell or another program that starts the binary, with a home directory of its own
/// and without colours.
pub(crate) fn shell_at_home(program: &str, home: &Path) -> Command {
    let mut shell = Command::new(program);
    shell
        .env("HOME", home)
        .env_remove("XDG_STATE_HOME")
        .env("NO_COLOR", "1")
        .current_dir(home);
    shell
}

/// Starts a console at a terminal that can't edit lines, and waits for its prompt.
pub(crate) fn dumb_console_at(daemon: &Daemon, session: &Session) -> Terminal {
    let mut dumb = shell_at_home("env", daemon.home());
    dumb.env_remove("NO_COLOR")
        .arg("TERM=dumb")
        .arg(binary())
        .args(["repl", "--server-url", daemon.server(), &session.id]);
    let mut terminal = Terminal::start(dumb, 80);
    terminal.wait_for_text("> ");
    terminal
}
