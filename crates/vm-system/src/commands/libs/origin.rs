use std::env::{self, VarError};

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

/// What says which registry to download from, if no flag says where from. The parser of the command line does not read it: for
/// that a variable is as good as a flag, and would not give way to the other flag.
const REGISTRY_VARIABLE: &str = "VM_SYSTEM_REGISTRY";

/// What says which files to download, in the same way.
const SOURCE_VARIABLE: &str = "VM_SYSTEM_LIBRARY_SOURCE";

/// Where libraries come from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// An npm registry, which gives packages.
    Registry(Registry),
    /// A server of single files.
    Source(Source),
}

/// Something to download.
#[derive(Debug)]
pub(crate) struct Release {
    /// The exact version.
    pub version: String,
    /// Where it is.
    pub url: Url,
    /// What it is.
    pub content: Content,
}

/// What a download gives.
#[derive(Debug)]
pub(crate) enum Content {
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
    /// What the command line says, else the environment, else the registry of the machine's npm.
    pub(crate) async fn of(args: &DownloadArgs) -> Result<Self, Failure> {
        let (registry, source) = match (&args.registry, &args.source) {
            (None, None) => (variable(REGISTRY_VARIABLE)?, variable(SOURCE_VARIABLE)?),
            (registry, source) => (registry.clone(), source.clone()),
        };
        if let Some(template) = source {
            if registry.is_some() {
                return Err(Failure::Usage(format!(
                    "{REGISTRY_VARIABLE} and {SOURCE_VARIABLE} are both set: say which with --registry or --source"
                )));
            }
            let source = Source::new(&template).map_err(Failure::Usage)?;
            return Ok(Self::Source(source));
        }
        let registry = match &registry {
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
    pub(crate) async fn release(
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

/// The value of a variable; one that is empty counts as unset.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::Usage(format!("{name} is not UTF-8"))),
    }
}
