//! The arguments of `vm-system libs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;

/// JavaScript libraries that templates can name
#[derive(Args, Debug)]
pub(crate) struct LibsArgs {
    /// The directory of the library cache, which serve names with --library-cache
    #[arg(
        long,
        visible_alias = "cache-dir",
        global = true,
        value_name = "DIR",
        default_value = DEFAULT_LIBRARY_CACHE
    )]
    pub cache: PathBuf,
    /// The subcommand.
    #[command(subcommand)]
    pub command: LibsCommand,
}

/// The subcommands of `vm-system libs`.
#[derive(Debug, Subcommand)]
pub(crate) enum LibsCommand {
    /// Download libraries of the catalogue, or any package of an npm registry; without a name, the
    /// whole catalogue
    #[command(
        after_help = "Example:\n  vm-system libs download lodash dayjs-1.11.10\n  vm-system libs download is-number@7.0.0 --registry http://localhost:4873"
    )]
    Download(DownloadArgs),
    /// Check the cache against its lock file
    #[command(after_help = "Example:\n  vm-system libs verify --output json")]
    Verify,
    /// List the libraries in the cache, and those of the catalogue that are missing
    #[command(after_help = "Example:\n  vm-system libs list --cache .vm-cache/libraries")]
    List,
    /// Print the directory and the size of the cache
    #[command(after_help = "Example:\n  vm-system libs cache-info")]
    CacheInfo,
}

/// The arguments of `vm-system libs download`.
#[derive(Args, Debug)]
pub(crate) struct DownloadArgs {
    /// Names like lodash, lodash-4.17.21, is-number@7.0.0 or @scope/package@1.0.0
    #[arg(value_name = "NAME[@VERSION]")]
    pub names: Vec<String>,
    /// The file to take from a package that is not in the catalogue, as in dist/index.umd.js
    #[arg(long, value_name = "PATH")]
    pub file: Option<String>,
    /// The npm registry to download from; `None` leaves it to the environment.
    #[arg(
        long,
        value_name = "URL",
        help = "The npm registry to download from [env: VM_SYSTEM_REGISTRY] [default: the one that the machine's npm is set up with]"
    )]
    pub registry: Option<String>,
    /// The URL template of a server of single files; `None` leaves it to the environment.
    #[arg(
        long,
        value_name = "TEMPLATE",
        help = "Download single files instead of packages, from a URL with {package}, {version} and {file} in it [env: VM_SYSTEM_LIBRARY_SOURCE]",
        conflicts_with = "registry"
    )]
    pub source: Option<String>,
    /// Download nothing; report the libraries that are missing or damaged
    #[arg(long)]
    pub offline: bool,
}
