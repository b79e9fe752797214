//! The command line as types. What the help says stands here as doc comments.

mod exec;
mod ids;
mod libs;
mod limits;
mod ops;
mod parse;
mod repl;
mod run;
mod serve;
mod session;
mod template;

use std::env;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use exec::ExecCommand;
pub(crate) use ids::Ids;
pub(crate) use libs::{DownloadArgs, LibsArgs, LibsCommand};
pub(crate) use limits::LimitArgs;
pub(crate) use ops::OpsCommand;
pub(crate) use repl::ReplArgs;
pub(crate) use run::RunArgs;
pub(crate) use serve::ServeArgs;
pub(crate) use session::SessionCommand;
pub(crate) use template::{PartCommand, TemplateCommand};

/// Runs JavaScript in sessions that outlive a command, each in a process of its own
#[derive(Debug, Parser)]
#[command(
    name = "vm-system",
    version,
    disable_help_subcommand = true,
    after_help = "Example:\n  vm-system run script.js\n  vm-system serve --db vm-system.db --listen 127.0.0.1:3210"
)]
pub(crate) struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line of this process. A variable of a flag that every command takes counts as unset when it is empty.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let mut command = Self::command().mut_args(|flag| {
            let value = flag.get_env().and_then(env::var_os);
            if value.is_some_and(|value| value.is_empty()) {
                flag.env(None::<&'static str>)
            } else {
                flag
            }
        });
        let matches = command.try_get_matches_from_mut(env::args_os())?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// Flags that every command takes, before or after its name.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The daemon to talk to: its URL, or its socket's path after unix:
    #[arg(
        long,
        global = true,
        env = "VM_SYSTEM_SERVER_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:3210"
    )]
    pub server_url: String,
    /// The file with the daemon's token.
    #[arg(
        long,
        help = "The file with the token that the daemon asks for, if VM_SYSTEM_TOKEN does not hold it; serve makes the file if it is missing",
        global = true,
        value_name = "PATH"
    )]
    pub token_file: Option<PathBuf>,
    /// The database, if one was named.
    #[arg(
        long,
        help = "The database of serve, made if it is not there, of ops import, and of ops check without a daemon [default: vm-system.db]",
        global = true,
        value_name = "PATH"
    )]
    pub db: Option<PathBuf>,
    /// What to log: off, fatal, error, warn, info, debug, trace or directives like warn,vmcontrol=debug
    /// [default: info for serve, off for run and repl, else warn]
    #[arg(
        long,
        global = true,
        env = "VM_SYSTEM_LOG",
        hide_env_values = true,
        value_name = "LEVEL",
        value_parser = crate::logging::parse_filter
    )]
    pub log_level: Option<String>,
    /// The file to log to. The usual parser of paths takes no empty one.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        help = "The file to log to instead of standard error; what it holds stays"
    )]
    pub log_file: Option<PathBuf>,
    /// How to write the log: human (or text), or json [default: human on a terminal and for commands, else json]
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true
    )]
    pub log_format: Option<LogFormat>,
    /// How to print what the daemon answers: for people, or as the API's JSON
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub output: Format,
}

/// The database of a daemon, if none is named.
pub(crate) const DEFAULT_DB: &str = "vm-system.db";
impl Global {
    /// The file to log to. An empty name is none, as in the Go service, where that was the default.
    pub(crate) fn log_file(&self) -> Option<&Path> {
        let file = self.log_file.as_deref();
        file.filter(|path| !path.as_os_str().is_empty())
    }
}

/// How answers are printed: for people, or as the API's JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// How log lines are written: for people, or as one JSON object each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// The Go service calls it `text`.
    #[value(alias = "text")]
    Human,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon until SIGINT or SIGTERM
    Serve(ServeArgs),
    /// Run one file without a daemon, and print its value
    Run(RunArgs),
    /// Type JavaScript at a session
    Repl(ReplArgs),
    /// Templates: what a session may do
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Sessions: live runtimes
    #[command(subcommand)]
    Session(SessionCommand),
    /// Executions: code that runs in a session, and its events
    #[command(subcommand)]
    Exec(ExecCommand),
    /// How the daemon is doing
    #[command(subcommand)]
    Ops(OpsCommand),
    /// JavaScript libraries that templates can name
    Libs(LibsArgs),
    /// Print a script that completes this program's arguments in a shell
    #[command(
        after_help = "Example:\n  vm-system completions bash > ~/.local/share/bash-completion/completions/vm-system"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages of all commands
    #[command(after_help = "Example:\n  vm-system man ~/.local/share/man/man1")]
    Man {
        /// The directory that they are written into
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Explain a command or a topic
    #[command(
        after_help = "Example:\n  vm-system help getting-started\n  vm-system help exec repl"
    )]
    Help {
        /// A topic, or the name of a command; all of them are listed when it is left out
        #[arg(value_name = "TOPIC")]
        topic: Vec<String>,
    },
}

#[cfg(test)]
mod tests;
