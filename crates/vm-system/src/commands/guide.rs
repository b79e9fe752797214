//! What the program says of itself: guides, help, manual pages, completions for shells.

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

/// The name that the program is called by.
const PROGRAM: &str = "vm-system";

/// The topic that is made from the command line's own description.
const CLI_REFERENCE: &str = "cli-reference";

/// The guides: the name of the topic, what it is about, and the text.
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
        "what people do with it",
        include_str!("../../../../docs/examples.md"),
    ),
    (
        "api-reference",
        "the HTTP API",
        include_str!("../../../../docs/api-reference.md"),
    ),
    (
        "capabilities",
        "what templates can give and take away",
        include_str!("../../../../docs/capabilities.md"),
    ),
    (
        "isolation",
        "what sessions are kept from, and how",
        include_str!("../../../../docs/isolation.md"),
    ),
    (
        "durability",
        "what is on disk when, and how to keep it",
        include_str!("../../../../docs/durability.md"),
    ),
    (
        "performance",
        "what things take, and where the time goes",
        include_str!("../../../../docs/performance.md"),
    ),
    (
        "migrating",
        "what is different from the Go service",
        include_str!("../../../../docs/migrating.md"),
    ),
    (
        "architecture",
        "how it works inside",
        include_str!("../../../../ARCHITECTURE.md"),
    ),
    (
        "contributing",
        "how to change it",
        include_str!("../../../../CONTRIBUTING.md"),
    ),
];

/// `vm-system help`: explains a topic or a command, or lists what can be explained.
///
/// # Errors
/// When there is no such topic.
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
        // A string takes all.
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

/// The help of every command, one after the other.
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

/// The command line's description, with the whole name at each command.
fn program() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// `vm-system completions`: the script for a shell.
///
/// # Errors
/// Those of writing.
pub(crate) fn completions(shell: Shell, output: &mut Output) -> Result<(), Failure> {
    output.text(|out| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut program(), PROGRAM, &mut script);
        let script = String::from_utf8(script).map_err(io::Error::other)?;
        write!(out, "{}", with_matching_labels(shell, &script))
    })
}

/// The script with one label for each command. The generator for bash derives the labels that it
/// assigns and those that it looks up in two ways, which differ for a program with a hyphen in its
/// name: nothing would be completed behind the first word.
fn with_matching_labels(shell: Shell, script: &str) -> Cow<'_, str> {
    if shell != Shell::Bash {
        return script.into();
    }
    let looked_up = PROGRAM.replace('-', "__subcmd__");
    script
        .replace(&looked_up, &PROGRAM.replace('-', "__"))
        .into()
}

/// `vm-system man`: writes a page for each command.
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
