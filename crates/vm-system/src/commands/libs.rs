//! `vm-system libs`: the cache of JavaScript libraries, which templates name and sessions load.

mod archive;
mod checksum;
mod choice;
mod download;
mod fetch;
mod http;
mod list;
mod npm;
mod offline;
mod origin;
mod part;
mod registry;
mod source;
mod trial;
mod verify;
mod wanted;

use vmcontrol::library::{LibraryCache, LibraryError};

use crate::cli::{LibsArgs, LibsCommand};
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the commands.
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
