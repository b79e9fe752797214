use anyhow::{Context, Result, anyhow, bail};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::checksum::Checksum;
use super::choice::Hints;
use super::http::{Http, HttpError, shown};
use super::origin::{Content, Release};
use super::wanted::Wanted;

/// A registry that speaks npm's protocol.
#[derive(Debug)]
pub(crate) struct Registry {
    url: Url,
}

/// What a registry says of one version of a package.
#[derive(Debug, Deserialize)]
struct Description {
    version: String,
    dist: Dist,
    #[serde(flatten)]
    hints: Hints,
}

#[derive(Debug, Deserialize)]
struct Dist {
    tarball: String,
    integrity: Option<String>,
    shasum: Option<String>,
}

impl Registry {
    /// The registry at a URL; or what is wrong with that.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        match Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self { url }),
            _ => Err(format!(
                "{url:?} is not the URL of a registry, as in http://localhost:4873"
            )),
        }
    }

    /// A version of a package: the latest one if none is wanted.
    pub(crate) async fn release(&self, http: &Http, wanted: &Wanted) -> Result<Release> {
        let url = self.description_url(wanted);
        let text = http.get(&url).await.map_err(|error| match error {
            HttpError::Status { status, .. } if status == StatusCode::NOT_FOUND => {
                anyhow!("the registry {} has no {}", shown(&self.url), wanted.spec())
            }
            error => error.into(),
        })?;
        let said = || format!("{} is not the description of a package", shown(&url));
        let Description {
            version,
            dist,
            hints,
        } = serde_json::from_slice(&text).with_context(said)?;
        let asked = Wanted {
            version: Some(version.clone()),
            ..wanted.clone()
        };
        if asked.name().is_none() || wanted.name().is_some_and(|name| asked.name() != Some(name)) {
            bail!(
                "the registry {} gives version {version:?} for {}",
                shown(&self.url),
                wanted.spec()
            );
        }
        let checksum = Checksum::choose(dist.integrity.as_deref(), dist.shasum.as_deref())
            .with_context(|| {
                format!(
                    "the registry {} gives no SHA-512 checksum for {}",
                    shown(&self.url),
                    wanted.spec()
                )
            })?;
        Ok(Release {
            version,
            url: url.join(&dist.tarball).with_context(said)?,
            content: Content::Package { checksum, hints },
        })
    }

    fn description_url(&self, wanted: &Wanted) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // The slash of a scoped package is encoded: registries want its name as one segment.
            segments
                .pop_if_empty()
                .push(&wanted.package)
                .push(wanted.version.as_deref().unwrap_or("latest"));
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_asked_for_as_registries_want_it() {
        let url = |registry: &str, package: &str, version: Option<&str>| {
            let wanted = Wanted {
                package: package.into(),
                version: version.map(Into::into),
                file: None,
                epilogue: "",
            };
            let registry = Registry::new(registry).unwrap();
            registry.description_url(&wanted).to_string()
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
    fn what_is_no_registry_is_refused() {
        for url in ["", "undefined", "localhost:4873", "file:///registry"] {
            assert!(Registry::new(url).is_err(), "{url:?}");
        }
    }
}
