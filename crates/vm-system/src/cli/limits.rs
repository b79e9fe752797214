//! The flags for limits: one for each row of [`LIMITS`], named as its field with hyphens.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use vmapi_types::{LIMITS, Limit, LimitUnit, LimitsPatch};

/// The limits that a command line changes. A limit without its flag stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitArgs(LimitsPatch);

impl LimitArgs {
    /// The changes as a request has them; `None` when there are none.
    pub fn patch(&self) -> Option<LimitsPatch> {
        (self.0 != LimitsPatch::default()).then(|| self.0.clone())
    }
}

impl Args for LimitArgs {
    fn augment_args(command: Command) -> Command {
        command.args(LIMITS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for limit in LIMITS {
            if let Some(value) = matches.get_one::<u64>(limit.name) {
                *limit.patched_mut(&mut self.0) = Some(*value);
            }
        }
        Ok(())
    }
}

fn flag(limit: &Limit) -> Arg {
    let value_name = match limit.unit {
        LimitUnit::Milliseconds => "MS",
        LimitUnit::Kibibytes => "KIB",
        LimitUnit::Mebibytes => "MIB",
        LimitUnit::Count => "N",
    };
    Arg::new(limit.name)
        .long(limit.name.replace('_', "-"))
        .value_name(value_name)
        .value_parser(value_parser!(u64))
        // Helps of flags have no full stop.
        .help(limit.help.trim_end_matches('.'))
}
