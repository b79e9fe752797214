//! An npm registry.

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::checksum::Checksum;
use super::entry_file::EntryFields;
use super::http::{Http, HttpError, without_credentials};
use super::package_spec::PackageSpec;
use super::release::{Content, Release};

/// A text that is not the URL of a registry.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the URL of a registry, as in http://localhost:4873")]
pub(crate) struct InvalidRegistry(String);

/// A server that speaks the protocol of npm registries.
#[derive(Debug)]
pub(crate) struct Registry {
    url: Url,
}

/// A registry's description of one version of a package.
#[derive(Debug, Deserialize)]
struct Description {
    version: String,
    dist: Dist,
    #[serde(flatten)]
    entry_fields: EntryFields,
}

#[derive(Debug, Deserialize)]
struct Dist {
    tarball: String,
    integrity: Option<String>,
    shasum: Option<String>,
}

impl Registry {
    /// The registry at this URL.
    ///
    /// # Errors
    /// [`InvalidRegistry`] if the text is not an `http` or `https` URL.
    pub(crate) fn new(url: &str) -> Result<Self, InvalidRegistry> {
        match Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self { url }),
            _ => Err(InvalidRegistry(url.to_owned())),
        }
    }

    /// Requests the description of a version of a package; of the latest one if the version is
    /// `None`.
    pub(crate) async fn release(&self, http: &Http, spec: &PackageSpec) -> Result<Release> {
        let url = self.description_url(spec);
        let text = http.get(&url).await.map_err(|error| match error {
            HttpError::Status { status, .. } if status == StatusCode::NOT_FOUND => {
                anyhow!(
                    "the registry {} has no {}",
                    without_credentials(&self.url),
                    spec.to_npm()
                )
            }
            error => error.into(),
        })?;
        let malformed = || {
            format!(
                "{} is not the description of a package",
                without_credentials(&url)
            )
        };
        let Description {
            version,
            dist,
            entry_fields,
        } = serde_json::from_slice(&text).with_context(malformed)?;
        let described = PackageSpec {
            version: Some(version.clone()),
            ..spec.clone()
        };
        if described.cache_name().is_none()
            || spec
                .cache_name()
                .is_some_and(|name| described.cache_name() != Some(name))
        {
            bail!(
                "the registry {} answers with version {version:?} for {}",
                without_credentials(&self.url),
                spec.to_npm()
            );
        }
        let checksum = Checksum::choose(dist.integrity.as_deref(), dist.shasum.as_deref())
            .with_context(|| {
                format!(
                    "the registry {} has no SHA-512 checksum for {}",
                    without_credentials(&self.url),
                    spec.to_npm()
                )
            })?;
        Ok(Release {
            version,
            url: url.join(&dist.tarball).with_context(malformed)?,
            content: Content::Package {
                checksum,
                entry_fields,
            },
        })
    }

    fn description_url(&self, spec: &PackageSpec) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // The slash in the name of a scoped package is encoded: registries expect the name as
            // one segment.
            segments
                .pop_if_empty()
                .push(&spec.package)
                .push(spec.version.as_deref().unwrap_or("latest"));
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_package_encodes_its_scope() {
        let url = |registry: &str, package: &str, version: Option<&str>| {
            let spec = PackageSpec {
                package: package.into(),
                version: version.map(Into::into),
                file: None,
                epilogue: "",
            };
            let registry = Registry::new(registry).unwrap();
            registry.description_url(&spec).to_string()
        };
        assert_eq!(url("http://r", "a", None), "http://r/a/latest");
        assert_eq!(
            url("http://r/npm/", "a", Some("1.0.0")),
            "http://r/npm/a/1.0.0"
        );
        assert_eq!(
            url("http://r", "@s/p", Some("1.0.0")),
            "http://r/@s%2Fp/1.0.0"
        );
    }

    #[test]
    fn other_urls_than_those_of_registries_are_refused() {
        for url in ["", "undefined", "localhost:4873", "file:///registry"] {
            assert!(Registry::new(url).is_err(), "{url:?}");
        }
    }
}
