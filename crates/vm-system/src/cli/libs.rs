use std::path::PathBuf;

use clap::{Args, Subcommand};
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;

/// JavaScript libraries that templates can name
#[derive(Args, Debug)]
pub(crate) struct LibsArgs {
    /// The directory of the libraries: the daemon's --library-cache
    #[arg(
        long,
        visible_alias = "cache-dir",
        global = true,
        value_name = "DIR",
        default_value = DEFAULT_LIBRARY_CACHE
    )]
    pub cache: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: LibsCommand,
}

/// The commands of `vm-system libs`.
#[derive(Debug, Subcommand)]
pub(crate) enum LibsCommand {
    /// Download libraries: of the catalogue, or any package of an npm registry; the whole catalogue when none is named
    #[command(
        after_help = "Example:\n  vm-system libs download lodash dayjs-1.11.10\n  vm-system libs download is-number@7.0.0 --registry http://localhost:4873"
    )]
    Download(DownloadArgs),
    /// Check the cache against its lock file
    #[command(after_help = "Example:\n  vm-system libs verify --output json")]
    Verify,
    /// List what is in the cache, and what of the catalogue is not
    #[command(after_help = "Example:\n  vm-system libs list --cache .vm-cache/libraries")]
    List,
    /// Say where the cache is and how large
    #[command(after_help = "Example:\n  vm-system libs cache-info")]
    CacheInfo,
}

/// What to download, and from where.
#[derive(Args, Debug)]
pub(crate) struct DownloadArgs {
    /// Names like lodash, lodash-4.17.21, is-number@7.0.0 or @scope/package@1.0.0
    #[arg(value_name = "NAME[@VERSION]")]
    pub names: Vec<String>,
    /// The file to take of a package that is not in the catalogue, as in dist/index.umd.js
    #[arg(long, value_name = "PATH")]
    pub file: Option<String>,
    /// The npm registry to download from.
    #[arg(
        long,
        value_name = "URL",
        help = "The npm registry to download from [env: VM_SYSTEM_REGISTRY] [default: the one that the machine's npm is set up with]"
    )]
    pub registry: Option<String>,
    /// Where to download single files from.
    #[arg(
        long,
        value_name = "TEMPLATE",
        help = "Download single files instead of packages, from a URL with {package}, {version} and {file} in it [env: VM_SYSTEM_LIBRARY_SOURCE]",
        conflicts_with = "registry"
    )]
    pub source: Option<String>,
    /// Download nothing: say what is missing or damaged
    #[arg(long)]
    pub offline: bool,
}
