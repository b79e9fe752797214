//! The choice of the file of a package that becomes a library.

use serde::Deserialize;
use serde_json::Value;

/// The fields of a package's `package.json` that name its entry files.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct EntryFields {
    #[serde(default)]
    unpkg: Value,
    #[serde(default)]
    jsdelivr: Value,
    #[serde(default)]
    browser: Value,
    #[serde(default)]
    main: Value,
}

/// Chooses the file of a package if the user names none: first the files that the package names for
/// browsers, then one that is named like a browser bundle, then the file that Node.js would load.
/// `None` if there is none of these.
pub(crate) fn choose(package: &str, fields: &EntryFields, files: &[String]) -> Option<String> {
    let named = |field: &Value| resolve(field.as_str()?, files);
    named(&fields.unpkg)
        .or_else(|| named(&fields.jsdelivr))
        .or_else(|| bundle(package, files))
        .or_else(|| named(&fields.browser))
        .or_else(|| named(&fields.main))
        .or_else(|| resolve("index.js", files))
}

/// Resolves a path as Node.js does: the extension may be missing, and a directory stands for its
/// index file.
fn resolve(path: &str, files: &[String]) -> Option<String> {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    let exact = [
        path.to_owned(),
        format!("{path}.js"),
        format!("{path}/index.js"),
    ];
    exact
        .into_iter()
        .find(|path| files.iter().any(|file| file == path))
}

/// The file that is named like a browser bundle, with the most likely name first, then the shortest
/// path.
fn bundle(package: &str, files: &[String]) -> Option<String> {
    let base = package.rsplit('/').next().unwrap_or(package);
    let base = base.trim_end_matches(".js");
    let endings = [
        ".umd.min.js",
        ".umd.production.min.js",
        ".umd.js",
        ".min.js",
    ];
    let names: Vec<_> = endings
        .iter()
        .flat_map(|ending| [base, "index"].map(|stem| format!("{stem}{ending}")))
        .collect();
    let rank = |file: &String| {
        let name = file.rsplit('/').next()?;
        names.iter().position(|known| known == name)
    };
    files
        .iter()
        .filter_map(|file| Some((rank(file)?, file.len(), file)))
        .min()
        .map(|(_, _, file)| file.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_for_browsers_come_first() {
        let files = [
            "index.js",
            "lib/main.js",
            "dist/p.min.js",
            "dist/deep/p.min.js",
            "dist/p.umd.js",
            "cdn.js",
            "browser.js",
            "lib/index.js",
        ]
        .map(String::from);
        for (fields, expected) in [
            (
                json!({"unpkg": "./cdn.js", "jsdelivr": "index.js"}),
                "cdn.js",
            ),
            (json!({"unpkg": "gone.js", "jsdelivr": "cdn"}), "cdn.js"),
            (
                json!({"browser": "browser.js", "main": "lib"}),
                "dist/p.umd.js",
            ),
            (json!({"unpkg": "lib/"}), "lib/index.js"),
            (json!({"main": "lib/main"}), "dist/p.umd.js"),
        ] {
            let fields = serde_json::from_value(fields).unwrap();
            assert_eq!(choose("@s/p", &fields, &files).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_file_that_node_would_load_comes_last() {
        let files = ["index.js", "lib/main.js", "browser.js"].map(String::from);
        for (fields, expected) in [
            (
                json!({"browser": "./browser.js", "main": "lib/main"}),
                "browser.js",
            ),
            (
                json!({"browser": {"fs": false}, "main": "lib/main"}),
                "lib/main.js",
            ),
            (json!({}), "index.js"),
        ] {
            let fields = serde_json::from_value(fields).unwrap();
            assert_eq!(choose("p", &fields, &files).as_deref(), Some(expected));
        }
        assert_eq!(choose("p", &EntryFields::default(), &[]), None);
    }

    #[test]
    fn the_shortest_of_equal_names_is_taken() {
        let files = ["dist/deep/p.min.js", "dist/p.min.js"].map(String::from);
        let chosen = choose("p.js", &EntryFields::default(), &files);
        assert_eq!(chosen.as_deref(), Some("dist/p.min.js"));
    }
}
