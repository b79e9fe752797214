use serde::Deserialize;
use serde_json::Value;

/// What a package says of its files.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Hints {
    #[serde(default)]
    unpkg: Value,
    #[serde(default)]
    jsdelivr: Value,
    #[serde(default)]
    browser: Value,
    #[serde(default)]
    main: Value,
}

/// The file of a package to take when nobody says which: what it offers to pages, then what looks as if it was made for
/// them, then what Node.js would take.
pub(crate) fn choose(package: &str, hints: &Hints, files: &[String]) -> Option<String> {
    let offered = |hint: &Value| resolve(hint.as_str()?, files);
    offered(&hints.unpkg)
        .or_else(|| offered(&hints.jsdelivr))
        .or_else(|| bundle(package, files))
        .or_else(|| offered(&hints.browser))
        .or_else(|| offered(&hints.main))
        .or_else(|| resolve("index.js", files))
}

/// The file that a path names as Node.js understands it: the ending may be left out, and a directory means its index.
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

/// A file that is named as bundles for pages are, the most likely name first, then the shortest path.
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
    fn what_a_package_offers_to_pages_comes_first() {
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
        for (hints, expected) in [
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
            let hints = serde_json::from_value(hints).unwrap();
            assert_eq!(choose("@s/p", &hints, &files).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_node_would_take_comes_last() {
        let files = ["index.js", "lib/main.js", "browser.js"].map(String::from);
        for (hints, expected) in [
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
            let hints = serde_json::from_value(hints).unwrap();
            assert_eq!(choose("p", &hints, &files).as_deref(), Some(expected));
        }
        assert_eq!(choose("p", &Hints::default(), &[]), None);
    }

    #[test]
    fn the_shortest_of_equal_names_is_taken() {
        let files = ["dist/deep/p.min.js", "dist/p.min.js"].map(String::from);
        let chosen = choose("p.js", &Hints::default(), &files);
        assert_eq!(chosen.as_deref(), Some("dist/p.min.js"));
    }
}
