use anyhow::{Context, Result, bail};
use reqwest::Url;

use super::origin::{Content, Release};
use super::wanted::Wanted;

/// A server that gives single files of packages, as content delivery networks do.
#[derive(Debug)]
pub(crate) struct Source {
    template: String,
}

impl Source {
    /// From a URL with `{package}`, `{version}` and `{file}` in it; or what is wrong with that.
    pub(crate) fn new(template: &str) -> Result<Self, String> {
        let source = Self {
            template: template.to_owned(),
        };
        let example = source.fill("package", "1.0.0", "index.js");
        let is_web = Url::parse(&example).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web || !template.contains("{package}") {
            return Err(format!(
                "--source: {template:?} is not a URL with {{package}}, {{version}} and {{file}} in it, as in \
                 http://localhost/{{package}}@{{version}}/{{file}}"
            ));
        }
        Ok(source)
    }

    /// The file of a library.
    pub(crate) fn release(
        &self,
        wanted: &Wanted,
        file: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Release> {
        let Some((version, name)) = wanted.version.as_ref().zip(wanted.name()) else {
            bail!(
                "a source of single files does not tell versions: name one, as in {}@1.0.0",
                wanted.package
            );
        };
        let Some(path) = file(&name) else {
            bail!("a source of single files does not tell which file to take: name it with --file");
        };
        let url = self.fill(&wanted.package, version, &path);
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

    fn wanted(version: Option<&str>) -> Wanted {
        Wanted {
            package: "@s/p".into(),
            version: version.map(Into::into),
            file: None,
            epilogue: "",
        }
    }

    #[test]
    fn a_template_is_filled_in() {
        let source = Source::new("http://localhost/npm/{package}@{version}/{file}").unwrap();
        let release = source
            .release(&wanted(Some("1.0.0")), |_| Some("dist/p.js".into()))
            .unwrap();
        assert_eq!(
            release.url.as_str(),
            "http://localhost/npm/@s/p@1.0.0/dist/p.js"
        );
    }

    #[test]
    fn what_a_source_can_not_tell_has_to_be_named() {
        let source = Source::new("http://localhost/{package}@{version}/{file}").unwrap();
        let error = source.release(&wanted(None), |_| None).unwrap_err();
        assert!(error.to_string().contains("@s/p@1.0.0"), "{error}");
        let error = source
            .release(&wanted(Some("1.0.0")), |_| None)
            .unwrap_err();
        assert!(error.to_string().contains("--file"), "{error}");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for template in [
            "",
            "localhost/{package}",
            "file:///{package}",
            "http://localhost/a.js",
        ] {
            assert!(Source::new(template).is_err(), "{template:?}");
        }
    }
}
