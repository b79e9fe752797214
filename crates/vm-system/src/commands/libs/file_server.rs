//! A server of single files, like a content delivery network.

use anyhow::{Context, Result, bail};
use reqwest::Url;

use super::package_spec::PackageSpec;
use super::release::{Content, Release};

/// A text that is not the URL template of a server of single files.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a URL with {{package}}, {{version}} and {{file}} in it, as in \
     http://localhost/{{package}}@{{version}}/{{file}}"
)]
pub(crate) struct InvalidTemplate(String);

/// A server that serves single files of packages, by a URL template.
#[derive(Debug)]
pub(crate) struct FileServer {
    template: String,
}

impl FileServer {
    /// A server with this URL template, which contains `{package}`, `{version}` and `{file}`.
    ///
    /// # Errors
    /// [`InvalidTemplate`] if the text is not such a template.
    pub(crate) fn new(template: &str) -> Result<Self, InvalidTemplate> {
        let server = Self {
            template: template.to_owned(),
        };
        let example = server.fill("package", "1.0.0", "index.js");
        let is_web = Url::parse(&example).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web || !template.contains("{package}") {
            return Err(InvalidTemplate(template.to_owned()));
        }
        Ok(server)
    }

    /// Determines the download of a library's file.
    pub(crate) fn release(
        &self,
        spec: &PackageSpec,
        file: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Release> {
        let Some((version, name)) = spec.version.as_ref().zip(spec.cache_name()) else {
            bail!(
                "a server of single files has no list of versions: name one, as in {}@1.0.0",
                spec.package
            );
        };
        let Some(path) = file(&name) else {
            bail!("a server of single files has no list of files: name one with --file");
        };
        let url = self.fill(&spec.package, version, &path);
        Ok(Release {
            version: version.clone(),
            url: Url::parse(&url).with_context(|| format!("{url:?} is not a URL"))?,
            content: Content::File { path },
        })
    }

    fn fill(&self, package: &str, version: &str, file: &str) -> String {
        self.template
            .replace("{package}", package)
            .replace("{version}", version)
            .replace("{file}", file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(version: Option<&str>) -> PackageSpec {
        PackageSpec {
            package: "@s/p".into(),
            version: version.map(Into::into),
            file: None,
            epilogue: "",
        }
    }

    #[test]
    fn a_template_is_filled_in() {
        let server = FileServer::new("http://localhost/npm/{package}@{version}/{file}").unwrap();
        let release = server
            .release(&spec(Some("1.0.0")), |_| Some("dist/p.js".into()))
            .unwrap();
        assert_eq!(
            release.url.as_str(),
            "http://localhost/npm/@s/p@1.0.0/dist/p.js"
        );
    }

    #[test]
    fn the_version_and_the_file_have_to_be_named() {
        let server = FileServer::new("http://localhost/{package}@{version}/{file}").unwrap();
        let error = server.release(&spec(None), |_| None).unwrap_err();
        assert!(error.to_string().contains("@s/p@1.0.0"), "{error}");
        let error = server.release(&spec(Some("1.0.0")), |_| None).unwrap_err();
        assert!(error.to_string().contains("--file"), "{error}");
    }

    #[test]
    fn other_texts_than_templates_are_refused() {
        for template in [
            "",
            "localhost/{package}",
            "file:///{package}",
            "http://localhost/a.js",
        ] {
            assert!(FileServer::new(template).is_err(), "{template:?}");
        }
    }
}
