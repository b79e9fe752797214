use std::path::PathBuf;

use clap::{Args, Subcommand};
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;

/// JavaScript libraries that templates can name
#[derive(Args, Debug)]
pub struct LibsArgs {
    /// The directory of the libraries: the daemon's --library-cache
    #[arg(long, global = true, value_name = "DIR", default_value = DEFAULT_LIBRARY_CACHE)]
    pub cache: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: LibsCommand,
}

/// The commands of `vm-system libs`.
#[derive(Debug, Subcommand)]
pub enum LibsCommand {
    /// Download libraries of the catalogue with npm; all of them when none is named
    #[command(after_help = "Example:\n  vm-system libs download lodash dayjs-1.11.10")]
    Download {
        /// Names like lodash or lodash-4.17.21
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// List what is in the cache, and what of the catalogue is not
    #[command(after_help = "Example:\n  vm-system libs list --cache .vm-cache/libraries")]
    List,
    /// Say where the cache is and how large
    #[command(after_help = "Example:\n  vm-system libs cache-info")]
    CacheInfo,
}
