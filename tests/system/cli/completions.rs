//! Completion in shells, by the shells themselves.

use std::process::Command;

use vm_system_tests::{Terminal, command};

use crate::support::cli::output_of;

/// The script for a shell, in a file.
fn script(shell: &str) -> tempfile::NamedTempFile {
    let text = output_of(command().args(["completions", shell])).ok();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// Whether a shell is installed; prints a note if it is not.
fn is_there(shell: &str) -> bool {
    let is_there = Command::new(shell).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: there is no {shell} on this machine");
    }
    is_there
}

/// Asks bash itself what completes the last of these words.
const ASK_BASH: &str = r#"
source "$1" || exit
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
# complete -o … -F FUNCTION NAME
registered=($(complete -p vm-system))
for ((i = 0; i < ${#registered[@]}; i++)); do
    [[ ${registered[i]} == -F ]] && function=${registered[i + 1]}
done
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The completions that bash offers for the last word.
fn offered(script: &tempfile::NamedTempFile, words: &[&str]) -> Vec<String> {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", ASK_BASH, "bash"])
        .arg(script.path())
        .args(words);
    let said = output_of(&mut bash).ok();
    said.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_every_word_of_a_command() {
    let script = script("bash");
    for (words, expected) in [
        (&["vm-system", "temp"][..], &["template"][..]),
        (&["vm-system", "exec", "run"], &["run-file"]),
        (&["vm-system", "exec", "e"], &["events"]),
        (&["vm-system", "template", "add-c"], &["add-capability"]),
        (
            &["vm-system", "template", "list-available-"],
            &["list-available-modules", "list-available-libraries"],
        ),
        (
            &["vm-system", "template", "add-startup", "--mo"],
            &["--mode"],
        ),
        (
            &["vm-system", "template", "add-capability", "ID", "--en"],
            &["--enabled"],
        ),
        (
            &["vm-system", "session", "create", "--work"],
            &["--workspace-id", "--worktree-path"],
        ),
        (
            &["vm-system", "exec", "repl", "SESSION", "--wall"],
            &["--wall-ms"],
        ),
        (&["vm-system", "ops", "run"], &["runtime-summary"]),
        (&["vm-system", "libs", "cache"], &["cache-info"]),
        (&["vm-system", "repl", "--templ"], &["--template"]),
        (&["vm-system", "serve", "--max-s"], &["--max-sessions"]),
        (
            &["vm-system", "session", "list", "--status", "cr"],
            &["crashed"],
        ),
        (&["vm-system", "completions", "fi"], &["fish"]),
        // Global flags stand before or after the command.
        (&["vm-system", "--db", "x.db", "temp"], &["template"]),
        (&["vm-system", "--db", "x.db", "exec", "run"], &["run-file"]),
        (
            &["vm-system", "--output", "json", "template", "add-m"],
            &["add-module"],
        ),
        (&["vm-system", "--output", "j"], &["json"]),
        (&["vm-system", "exec", "list", "--output", "j"], &["json"]),
        (
            &[
                "vm-system",
                "--server-url",
                "http",
                ":",
                "//127.0.0.1",
                ":",
                "1",
                "ops",
                "hea",
            ],
            &["health"],
        ),
        (
            &["vm-system", "exec", "get", "ID", "--server"],
            &["--server-url"],
        ),
        // The program is started by another path.
        (&["./target/debug/vm-system", "exec", "run"], &["run-file"]),
        // A word that has no completion gets no offers.
        (&["vm-system", "exec", "zzz"], &[]),
        (&["vm-system", "session", "run"], &[]),
    ] {
        let mut offered = offered(&script, words);
        offered.retain(|word| !word.is_empty());
        offered.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(offered, expected, "{words:?}");
    }
}

#[test]
fn bash_offers_the_commands_and_flags_of_the_level_that_is_typed() {
    let script = script("bash");
    let all = offered(&script, &["vm-system", "exec", ""]);
    for name in ["repl", "run-file", "list", "get", "events", "wait"] {
        assert!(all.iter().any(|offer| offer == name), "{name}: {all:?}");
    }
    assert!(!all.iter().any(|offer| offer == "template"), "{all:?}");
    let top = offered(&script, &["vm-system", ""]);
    for name in [
        "serve",
        "template",
        "session",
        "exec",
        "ops",
        "libs",
        "--server-url",
    ] {
        assert!(top.iter().any(|offer| offer == name), "{name}: {top:?}");
    }
}

#[test]
fn a_bash_that_is_typed_at_completes() {
    let script = script("bash");
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-i"]).env("PS1", "$ ");
    let mut terminal = Terminal::start(bash, 120);
    terminal.wait_for_text("$ ");
    terminal.type_keys(&format!(
        "source {}; echo re''ady\r",
        script.path().display()
    ));
    terminal.wait_for_text("ready");
    terminal.wait_for_text("$ ");
    terminal.type_keys("vm-system --db x exec ru\t");
    terminal.wait_for_text("exec run-file ");
    terminal.type_keys("\u{15}vm-system template add-c\t");
    terminal.wait_for_text("template add-capability ");
    terminal.type_keys("--con\t");
    terminal.wait_for_text("--config ");
}

#[test]
fn zsh_takes_its_script() {
    if !is_there("zsh") {
        return;
    }
    let script = script("zsh");
    let mut zsh = Command::new("zsh");
    let ask = "autoload -Uz compinit && compinit -D -u && source $1 && print $_comps[vm-system]";
    zsh.args(["-f", "-c", ask, "zsh"]).arg(script.path());
    assert_eq!(output_of(&mut zsh).line(), "_vm-system");
}

#[test]
fn fish_completes_every_word_of_a_command() {
    if !is_there("fish") {
        return;
    }
    let script = script("fish");
    for (line, expected) in [
        ("vm-system temp", "template"),
        ("vm-system exec run", "run-file"),
        ("vm-system template add-c", "add-capability"),
        ("vm-system --db x.db exec run", "run-file"),
    ] {
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"])
            .arg(script.path())
            .arg(line);
        let said = output_of(&mut fish).ok();
        let words: Vec<_> = said
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert_eq!(words, [expected], "{line}");
    }
}
