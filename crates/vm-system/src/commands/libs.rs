//! `vm-system libs`: manages the cache of JavaScript libraries, which templates name and sessions
//! load.

mod archive;
mod checksum;
mod download;
mod entry_file;
mod fetch;
mod file_server;
mod http;
mod list;
mod load_check;
mod npm;
mod offline;
mod origin;
mod package_spec;
mod partial_download;
mod registry;
mod release;
mod verify;

use vmcontrol::library::{LibraryCache, LibraryError};

use crate::cli::{LibsArgs, LibsCommand};
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the subcommands.
pub(crate) async fn run(args: LibsArgs, output: &mut Output) -> Result<(), Failure> {
    let cache = LibraryCache::new(args.cache);
    match args.command {
        LibsCommand::Download(args) if args.offline => offline::run(&args, &cache, output),
        LibsCommand::Download(args) => download::run(&args, cache, output).await,
        LibsCommand::Verify => verify::run(&cache, output),
        LibsCommand::List => list::list(&cache, output),
        LibsCommand::CacheInfo => list::info(&cache, output),
    }
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        Self::Other(error.into())
    }
}
