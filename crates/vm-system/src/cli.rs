//! The command line as types. The doc comments of commands and arguments are the help texts.

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
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::logging::LogFormat;
use crate::output::Format;

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
    /// The flags that every command accepts.
    #[command(flatten)]
    pub global: Global,
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line of this process. An empty environment variable of a flag counts as
    /// unset.
    ///
    /// # Errors
    /// The usage error, or the help text that was requested.
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

/// The flags that every command accepts, before or after its name.
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
    /// The file with the daemon's token; `None` if no flag names one.
    #[arg(
        long,
        help = "The file with the token that the daemon asks for, if VM_SYSTEM_TOKEN does not hold it; serve creates the file if it is missing",
        global = true,
        value_name = "PATH"
    )]
    pub token_file: Option<PathBuf>,
    /// The database file; `None` if no flag names one.
    #[arg(
        long,
        help = "The database of serve (created if it is missing), of ops import, and of ops check without a daemon [default: vm-system.db]",
        global = true,
        value_name = "PATH"
    )]
    pub db: Option<PathBuf>,
    /// The log filter: off, fatal, error, warn, info, debug, trace or directives like
    /// warn,vmcontrol=debug [default: info for serve, off for run and repl, else warn]
    #[arg(
        long,
        global = true,
        env = "VM_SYSTEM_LOG",
        hide_env_values = true,
        value_name = "LEVEL",
        value_parser = crate::logging::parse_filter
    )]
    pub log_level: Option<String>,
    /// The log file as it was given. The default parser of paths would refuse an empty one.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        help = "The file to log to instead of standard error; lines are appended"
    )]
    pub log_file: Option<PathBuf>,
    /// The format of the log: human (or text), or json [default: human on a terminal and for
    /// commands, else json]
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true
    )]
    pub log_format: Option<LogFormat>,
    /// The format of the daemon's answers: text for people, or the API's JSON
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub output: Format,
}

/// The database file of a daemon, if no flag names one.
pub(crate) const DEFAULT_DB: &str = "vm-system.db";

impl Global {
    /// The log file; `None` logs to standard error. An empty path counts as `None`, because it was
    /// the default of the Go service.
    pub(crate) fn log_file(&self) -> Option<&Path> {
        let file = self.log_file.as_deref();
        file.filter(|path| !path.as_os_str().is_empty())
    }
}

/// The top-level commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon until SIGINT or SIGTERM
    Serve(ServeArgs),
    /// Run one file without a daemon, and print its value
    Run(RunArgs),
    /// Run JavaScript interactively in a session
    Repl(ReplArgs),
    /// Templates: the permissions and limits of sessions
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Sessions: live runtimes
    #[command(subcommand)]
    Session(SessionCommand),
    /// Executions: code that runs in a session, and its events
    #[command(subcommand)]
    Exec(ExecCommand),
    /// Operate the daemon and its database
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
        /// The directory to write them to
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
