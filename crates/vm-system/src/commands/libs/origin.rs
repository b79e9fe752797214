use anyhow::Result;
use reqwest::Url;

use super::checksum::Checksum;
use super::choice::Hints;
use super::http::Http;
use super::npm;
use super::registry::Registry;
use super::source::Source;
use super::wanted::Wanted;
use crate::cli::DownloadArgs;
use crate::failure::Failure;

/// Where libraries come from.
#[derive(Debug)]
pub enum Origin {
    /// An npm registry, which gives packages.
    Registry(Registry),
    /// A server of single files.
    Source(Source),
}

/// Something to download.
#[derive(Debug)]
pub struct Release {
    /// The exact version.
    pub version: String,
    /// Where it is.
    pub url: Url,
    /// What it is.
    pub content: Content,
}

/// What a download gives.
#[derive(Debug)]
pub enum Content {
    /// A package, which holds the file.
    Package {
        /// Its checksum.
        checksum: Checksum,
        /// What it says of its files.
        hints: Hints,
    },
    /// The file itself.
    File {
        /// Its path in the package.
        path: String,
    },
}

impl Origin {
    /// What the command line and the environment say, else the registry of the machine's npm.
    pub async fn of(args: &DownloadArgs) -> Result<Self, Failure> {
        if let Some(template) = &args.source {
            let source = Source::new(template).map_err(Failure::Usage)?;
            return Ok(Self::Source(source));
        }
        let registry = match &args.registry {
            Some(url) => Registry::new(url)
                .map_err(|reason| Failure::Usage(format!("--registry: {reason}")))?,
            None => Registry::new(&npm::registry().await?).map_err(|reason| {
                anyhow::anyhow!(
                    "npm is set up with a registry of no use: {reason}; name one with --registry"
                )
            })?,
        };
        Ok(Self::Registry(registry))
    }

    /// What to download for a library. The file is named by whoever knows it.
    pub async fn release(
        &self,
        http: &Http,
        wanted: &Wanted,
        file: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Release> {
        match self {
            Self::Registry(registry) => registry.release(http, wanted).await,
            Self::Source(source) => source.release(wanted, file),
        }
    }
}
