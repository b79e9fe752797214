//! The origin of downloads: an npm registry, or a server of single files.

use std::env::{self, VarError};

use anyhow::Result;

use super::file_server::FileServer;
use super::http::Http;
use super::npm;
use super::package_spec::PackageSpec;
use super::registry::Registry;
use super::release::Release;
use crate::cli::DownloadArgs;
use crate::failure::Failure;

/// The environment variable with the URL of the registry, if no flag names an origin. The argument
/// parser does not read it, because it would treat the variable as equivalent to the flag
/// `--registry`, which conflicts with `--source`.
const REGISTRY_VARIABLE: &str = "VM_SYSTEM_REGISTRY";

/// The environment variable with the URL template of a server of single files, if no flag names an
/// origin.
const SOURCE_VARIABLE: &str = "VM_SYSTEM_LIBRARY_SOURCE";

/// The origin of downloads.
#[derive(Debug)]
pub(crate) enum Origin {
    /// An npm registry, which serves packages.
    Registry(Registry),
    /// A server of single files.
    FileServer(FileServer),
}

impl Origin {
    /// Determines the origin from the command line, else from the environment, else from the
    /// registry of this machine's npm.
    pub(crate) async fn of(args: &DownloadArgs) -> Result<Self, Failure> {
        let (registry, source) = match (&args.registry, &args.source) {
            (None, None) => (variable(REGISTRY_VARIABLE)?, variable(SOURCE_VARIABLE)?),
            (registry, source) => (registry.clone(), source.clone()),
        };
        if let Some(template) = source {
            if registry.is_some() {
                return Err(Failure::Usage(format!(
                    "{REGISTRY_VARIABLE} and {SOURCE_VARIABLE} are both set: choose one with --registry or --source"
                )));
            }
            let server = FileServer::new(&template)
                .map_err(|error| Failure::Usage(format!("--source: {error}")))?;
            return Ok(Self::FileServer(server));
        }
        let registry = match &registry {
            Some(url) => Registry::new(url)
                .map_err(|error| Failure::Usage(format!("--registry: {error}")))?,
            None => Registry::new(&npm::registry().await?).map_err(|error| {
                anyhow::anyhow!(
                    "npm is set up with a registry of no use: {error}; name one with --registry"
                )
            })?,
        };
        Ok(Self::Registry(registry))
    }

    /// Determines the download of a library. `file` returns the path of the library's file for a
    /// name in the cache; `None` if it is unknown.
    pub(crate) async fn release(
        &self,
        http: &Http,
        spec: &PackageSpec,
        file: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Release> {
        match self {
            Self::Registry(registry) => registry.release(http, spec).await,
            Self::FileServer(server) => server.release(spec, file),
        }
    }
}

/// The value of an environment variable; `None` if it is unset or empty.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::Usage(format!("{name} is not UTF-8"))),
    }
}
