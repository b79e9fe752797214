//! The program's documentation: guides, help texts, manual pages and shell completions.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// The name of the program.
const PROGRAM: &str = "vm-system";

/// The topic that is generated from the definition of the command line.
const CLI_REFERENCE: &str = "cli-reference";

/// The guides: the name of the topic, its summary, and the text.
const GUIDES: [(&str, &str, &str); 11] = [
    (
        "getting-started",
        "the first run, the concepts and a tour",
        include_str!("../../../../docs/getting-started.md"),
    ),
    (
        "templates-and-sessions",
        "what templates, sessions and executions are",
        include_str!("../../../../docs/templates-and-sessions.md"),
    ),
    (
        "examples",
        "typical uses",
        include_str!("../../../../docs/examples.md"),
    ),
    (
        "api-reference",
        "the HTTP API",
        include_str!("../../../../docs/api-reference.md"),
    ),
    (
        "capabilities",
        "the permissions that templates give and deny",
        include_str!("../../../../docs/capabilities.md"),
    ),
    (
        "isolation",
        "the restrictions of sessions, and how they are enforced",
        include_str!("../../../../docs/isolation.md"),
    ),
    (
        "durability",
        "when data is on disk, backups and retention",
        include_str!("../../../../docs/durability.md"),
    ),
    (
        "performance",
        "measured times, and what they consist of",
        include_str!("../../../../docs/performance.md"),
    ),
    (
        "migrating",
        "the differences from the Go service",
        include_str!("../../../../docs/migrating.md"),
    ),
    (
        "architecture",
        "the structure of the code",
        include_str!("../../../../ARCHITECTURE.md"),
    ),
    (
        "contributing",
        "how to change it",
        include_str!("../../../../CONTRIBUTING.md"),
    ),
];

/// `vm-system help`: prints a guide or the help of a command, or lists both.
///
/// # Errors
/// [`Failure::Usage`] if there is no such topic or command.
pub(crate) fn help(topic: &[String], output: &mut Output) -> Result<(), Failure> {
    let text = match topic {
        [] => overview(),
        [name] if name == CLI_REFERENCE => cli_reference(),
        [name] => match GUIDES.iter().find(|(guide, ..)| guide == name) {
            Some((_, _, text)) => (*text).to_owned(),
            None => of_command(topic)?,
        },
        _ => of_command(topic)?,
    };
    output.text(|out| write!(out, "{text}"))
}

fn overview() -> String {
    let mut text = program().render_help().to_string();
    text.push_str("\nTopics (vm-system help TOPIC):\n");
    let reference = (CLI_REFERENCE, "all commands with their options");
    for (name, about) in GUIDES
        .iter()
        .map(|(name, about, _)| (*name, *about))
        .chain([reference])
    {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {name:24} {about}");
    }
    text
}

fn of_command(path: &[String]) -> Result<String, Failure> {
    let mut command = program();
    for name in path {
        let inner = command.find_subcommand(name).cloned();
        command = inner.ok_or_else(|| {
            Failure::Usage(format!(
                "there is no topic and no command {:?}: vm-system help lists them",
                path.join(" ")
            ))
        })?;
    }
    Ok(command.render_long_help().to_string())
}

/// The help texts of all commands.
fn cli_reference() -> String {
    fn add(command: &Command, text: &mut String) {
        let name = command.get_bin_name().unwrap_or(PROGRAM).to_owned();
        let _ = writeln!(text, "## {name}\n");
        text.push_str(&command.clone().render_long_help().to_string());
        text.push('\n');
        for inner in command.get_subcommands() {
            add(inner, text);
        }
    }
    let mut text = String::from("# Command line reference\n\n");
    add(&program(), &mut text);
    text
}

/// The definition of the command line, where each command has its full name.
fn program() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// `vm-system completions`: prints the completion script of a shell.
///
/// # Errors
/// The errors of writing the output.
pub(crate) fn completions(shell: Shell, output: &mut Output) -> Result<(), Failure> {
    output.text(|out| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut program(), PROGRAM, &mut script);
        let script = String::from_utf8(script).map_err(io::Error::other)?;
        write!(out, "{}", with_matching_labels(shell, &script))
    })
}

/// Makes the labels of the bash script consistent. The generator derives the labels that it assigns
/// and those that it looks up in two ways, which differ for a program with a hyphen in its name:
/// nothing would be completed after the first word.
fn with_matching_labels(shell: Shell, script: &str) -> Cow<'_, str> {
    if shell != Shell::Bash {
        return script.into();
    }
    let looked_up = PROGRAM.replace('-', "__subcmd__");
    script
        .replace(&looked_up, &PROGRAM.replace('-', "__"))
        .into()
}

/// `vm-system man`: writes a manual page for each command.
///
/// # Errors
/// When a file can't be written.
pub(crate) fn man(directory: &Path, output: &mut Output) -> Result<(), Failure> {
    let writing = || format!("cannot write manual pages to {}", directory.display());
    fs::create_dir_all(directory).with_context(writing)?;
    clap_mangen::generate_to(Cli::command(), directory).with_context(writing)?;
    let shown = directory.display();
    output.text(|out| writeln!(out, "Wrote the manual pages to {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_text_and_no_command_has_its_name() {
        for (name, _, text) in GUIDES {
            assert!(text.starts_with("# "), "{name}");
            assert!(program().find_subcommand(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_reference_has_every_command() {
        let text = cli_reference();
        for name in [
            "vm-system exec repl",
            "vm-system template set",
            "vm-system serve",
        ] {
            assert!(text.contains(&format!("## {name}\n")), "{name}");
        }
    }
}
