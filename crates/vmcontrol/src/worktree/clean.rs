//! Cleaning paths as texts, without access to the file system.

use std::path::{Component, Path, PathBuf};

use super::error::FileError;

/// A path without `.`, `..` and what they cancel: `./a//b/../c.js` is `a/c.js`. `None` when a
/// relative path climbs above its start; an absolute one stops at the root.
pub fn cleaned(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::RootDir => clean.push("/"),
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                if !clean.pop() && !clean.has_root() {
                    return None;
                }
            }
        }
    }
    Some(clean)
}

/// The clean path of a file below a worktree, which need not exist yet.
///
/// # Errors
/// [`FileError::Outside`] for a path that is blank, absolute, has a NUL, or names the worktree's
/// own directory or something above it.
pub(crate) fn cleaned_below(path: &str) -> Result<String, FileError> {
    let outside = |reason: &str| Err(FileError::Outside(reason.into()));
    if path.contains('\0') {
        return outside("it contains a NUL");
    }
    if Path::new(path).is_absolute() {
        return outside("it is absolute: name the file as it is called inside the worktree");
    }
    let Some(clean) = cleaned(Path::new(path)) else {
        return outside("it leaves the worktree by `..`");
    };
    match clean.to_str() {
        Some("") | None if !path.trim().is_empty() => outside("it is the worktree itself"),
        Some(clean) if !clean.trim().is_empty() => Ok(clean.to_owned()),
        _ => outside("it is blank"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_cleaned_as_a_text() {
        for (path, clean) in [
            ("c.js", "c.js"),
            ("./c.js", "c.js"),
            ("././c.js/", "c.js"),
            ("x/../b.js", "b.js"),
            ("a//b.js", "a/b.js"),
            ("a/./b/../../c/d.js", "c/d.js"),
            ("...", "..."),
            (" a.js", " a.js"),
            ("..a/..b", "..a/..b"),
        ] {
            assert_eq!(cleaned_below(path).unwrap(), clean, "{path:?}");
        }
    }

    #[test]
    fn what_names_no_file_below_is_refused() {
        for path in [
            "",
            " ",
            "\t\n",
            " /",
            "./ ",
            "\u{a0}",
            ".",
            "./",
            "./.",
            "x/..",
            "..",
            "../a.js",
            "x/../../a.js",
            "/a.js",
            "/",
            "//a",
            "a\0b",
        ] {
            let refused = cleaned_below(path);
            assert!(matches!(refused, Err(FileError::Outside(_))), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_clean_stays_as_it_is(path in "[./a ]{0,16}") {
            if let Ok(clean) = cleaned_below(&path) {
                prop_assert_eq!(cleaned_below(&clean).unwrap(), clean.clone());
                let all_are_names = Path::new(&clean).components().all(|part| matches!(part, Component::Normal(_)));
                prop_assert!(all_are_names && !clean.contains("//"), "{}", clean);
            }
        }

        #[test]
        fn an_absolute_path_never_climbs_above_the_root(path in "/[./a]{0,16}") {
            let clean = cleaned(Path::new(&path)).unwrap();
            prop_assert!(clean.is_absolute());
            prop_assert!(!clean.components().any(|part| part == Component::ParentDir));
        }
    }
}
