//! Capabilities of kind `fs`: which files of the worktree the module `fs` reaches.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Map, Value};

use super::config::{self, ConfigError, Problem};

/// Which files may be read and which may be written. Without capabilities, all.
#[derive(Clone, Debug, Default)]
pub struct FsGrant {
    read: Rule,
    write: Rule,
}

/// Why an access to a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsRefusal {
    /// The template has patterns, and none covers the file.
    NotAllowed,
    /// The pattern of a capability that is not enabled covers the file.
    Denied,
}

impl FsGrant {
    pub(super) fn add(
        &mut self,
        enabled: bool,
        config: &Map<String, Value>,
    ) -> Result<(), ConfigError> {
        config::only(config, &["read", "write"], "fs")?;
        let read = patterns(config, "read")?;
        let write = patterns(config, "write")?;
        let is_empty = config.is_empty();
        if !enabled {
            self.read.deny(read, is_empty);
            self.write.deny(write, is_empty);
        } else if !is_empty {
            self.read.allow(read);
            self.write.allow(write);
        }
        Ok(())
    }

    /// Allows nothing, or denies all, in place of a capability that can't be parsed.
    pub(super) fn close(&mut self, enabled: bool) {
        for rule in [&mut self.read, &mut self.write] {
            if enabled {
                rule.allow(None);
            } else {
                rule.deny(None, true);
            }
        }
    }

    /// Whether the file at a path below the worktree may be read, as far as the path says.
    pub fn may_read(&self, below: &Path) -> bool {
        self.check_read(below).is_ok()
    }

    /// Whether the file at a path below the worktree may be written, made or deleted, as far as the
    /// path says.
    pub fn may_write(&self, below: &Path) -> bool {
        self.check_write(below).is_ok()
    }

    /// As [`may_read`](Self::may_read), with the reason.
    ///
    /// # Errors
    /// When it may not be read.
    pub fn check_read(&self, below: &Path) -> Result<(), FsRefusal> {
        self.read.check(below)
    }

    /// As [`may_write`](Self::may_write), with the reason.
    ///
    /// # Errors
    /// When it may not be written.
    pub fn check_write(&self, below: &Path) -> Result<(), FsRefusal> {
        self.write.check(below)
    }

    /// Whether the metadata of a file may be read. It may if the file may be written: a write
    /// reveals whether it exists anyway.
    ///
    /// # Errors
    /// When it may be neither read nor written, or reading it is denied.
    pub fn check_see(&self, below: &Path) -> Result<(), FsRefusal> {
        match self.check_read(below) {
            Err(FsRefusal::NotAllowed) if self.may_write(below) => Ok(()),
            result => result,
        }
    }

    /// Whether every file may be read and written.
    pub fn is_unrestricted(&self) -> bool {
        self.read.is_unrestricted() && self.write.is_unrestricted()
    }
}

/// The patterns of one key (`read` or `write`) in all capabilities.
#[derive(Clone, Debug, Default)]
struct Rule {
    /// The files that are allowed; `None` for all, when no capability has patterns.
    allowed: Option<Vec<Patterns>>,
    denied: Vec<Patterns>,
    all_denied: bool,
}

impl Rule {
    fn allow(&mut self, patterns: Option<Patterns>) {
        self.allowed.get_or_insert_default().extend(patterns);
    }

    fn deny(&mut self, patterns: Option<Patterns>, all: bool) {
        self.denied.extend(patterns);
        self.all_denied |= all;
    }

    fn check(&self, below: &Path) -> Result<(), FsRefusal> {
        let covered = |list: &[Patterns]| list.iter().any(|patterns| patterns.cover(below));
        if self.all_denied || covered(&self.denied) {
            return Err(FsRefusal::Denied);
        }
        match &self.allowed {
            Some(allowed) if !covered(allowed) => Err(FsRefusal::NotAllowed),
            _ => Ok(()),
        }
    }

    fn is_unrestricted(&self) -> bool {
        self.allowed.is_none() && self.denied.is_empty() && !self.all_denied
    }
}

/// The patterns of one list.
#[derive(Clone, Debug)]
struct Patterns {
    set: GlobSet,
    /// Whether the worktree's own directory is covered, which has no name to match.
    cover_root: bool,
}

impl Patterns {
    fn cover(&self, below: &Path) -> bool {
        if below.as_os_str().is_empty() || below == Path::new(".") {
            return self.cover_root;
        }
        self.set.is_match(below)
    }
}

fn patterns(config: &Map<String, Value>, key: &str) -> Result<Option<Patterns>, ConfigError> {
    let Some(list) = config::list(config, key, pattern)? else {
        return Ok(None);
    };
    let wrong =
        |error: globset::Error| ConfigError::new(format!("config.{key}"), error.to_string());
    let mut set = GlobSetBuilder::new();
    let mut cover_root = false;
    for text in list {
        // `dir/**` covers the folder itself too.
        let folder = text.strip_suffix("/**");
        cover_root |= text == "**";
        for text in [Some(text.as_str()), folder].into_iter().flatten() {
            set.add(glob(text).map_err(wrong)?);
        }
    }
    let set = set.build().map_err(wrong)?;
    Ok(Some(Patterns { set, cover_root }))
}

fn pattern(text: &str) -> Result<String, Problem> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.starts_with('/') {
        return Err("must be relative to the worktree, without a leading `/`".into());
    }
    if text.contains('\0') {
        return Err("contains a NUL".into());
    }
    if text.ends_with('/') {
        return Err(
            format!("ends with `/`: use {text}** for a folder and all that is in it").into(),
        );
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("must have no part that is empty, `.` or `..`".into());
    }
    glob(text).map_err(|error| format!("is not a pattern: {}", error.kind()))?;
    Ok(text.to_owned())
}

fn glob(text: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn grant(capabilities: &[(bool, Value)]) -> FsGrant {
        let mut grant = FsGrant::default();
        for (enabled, config) in capabilities {
            grant.add(*enabled, config.as_object().unwrap()).unwrap();
        }
        grant
    }

    fn reads(grant: &FsGrant, path: &str) -> bool {
        grant.may_read(Path::new(path))
    }

    fn writes(grant: &FsGrant, path: &str) -> bool {
        grant.may_write(Path::new(path))
    }

    #[test]
    fn nothing_and_an_empty_configuration_narrow_nothing() {
        for grant in [grant(&[]), grant(&[(true, json!({}))])] {
            assert!(reads(&grant, "a") && writes(&grant, "a/b") && reads(&grant, "."));
            assert!(grant.is_unrestricted());
        }
    }

    #[test]
    fn a_key_alone_leaves_nothing_to_the_other() {
        let grant = grant(&[(true, json!({"read": ["data/**"]}))]);
        assert!(reads(&grant, "data/a/b.txt") && reads(&grant, "data"));
        assert!(!reads(&grant, "data2/a") && !reads(&grant, "a") && !reads(&grant, "."));
        assert!(!writes(&grant, "data/a"));
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        let grant = grant(&[(
            true,
            json!({"read": ["*.txt", "src/*/x", "[ab]", "{c,d}.js"]}),
        )]);
        for path in ["a.txt", "src/one/x", "b", "d.js"] {
            assert!(reads(&grant, path), "{path}");
        }
        for path in ["a/a.txt", "src/one/two/x", "c", "A.TXT", "src/x"] {
            assert!(!reads(&grant, path), "{path}");
        }
    }

    #[test]
    fn several_are_added_up_and_an_empty_one_beside_them_gives_nothing_more() {
        let grant = grant(&[
            (true, json!({"read": ["a/**"]})),
            (true, json!({"write": ["b/**"]})),
            (true, json!({})),
        ]);
        assert!(reads(&grant, "a/x") && writes(&grant, "b/x"));
        assert!(!reads(&grant, "b/x") && !writes(&grant, "a/x") && !reads(&grant, "c"));
    }

    #[test]
    fn a_disabled_one_wins() {
        let secret = json!({"read": ["**/secret/**", "**/.env"]});
        let some = grant(&[(true, json!({"read": ["**"]})), (false, secret)]);
        assert!(reads(&some, "a/b") && reads(&some, "."));
        for path in [".env", "a/.env", "secret", "secret/x", "a/secret/b/c"] {
            assert_eq!(
                some.check_read(Path::new(path)),
                Err(FsRefusal::Denied),
                "{path}"
            );
        }
        let all = grant(&[(false, json!({})), (true, json!({"read": ["**"]}))]);
        assert!(!reads(&all, "a") && !writes(&all, "a"));
    }

    #[test]
    fn what_may_be_written_may_be_seen_unless_reading_is_taken_away() {
        let given = grant(&[(true, json!({"write": ["out/**"]}))]);
        assert!(given.check_see(Path::new("out/a")).is_ok());
        assert!(given.check_see(Path::new("a")).is_err());
        let taken = grant(&[(false, json!({"read": ["out/**"]}))]);
        assert!(taken.check_see(Path::new("out/a")).is_err());
        assert!(taken.may_write(Path::new("out/a")));
    }

    #[test]
    fn patterns_that_can_never_match_are_refused() {
        for text in [
            "", "/a", "a/", "./a", "a//b", "../a", "a/../b", "..", ".", "a\0", "[", "{a", "a/**/..",
        ] {
            assert!(pattern(text).is_err(), "{text:?}");
        }
        for text in ["a", "**", "a/**", "..a", "a..b", "*", "**/x"] {
            assert!(pattern(text).is_ok(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_folder_pattern_covers_what_begins_with_the_folder_and_nothing_else(
            path in "[ab]{1,2}(/[ab.]{1,2}){0,3}"
        ) {
            let grant = grant(&[(true, json!({"write": ["a/b/**"]}))]);
            let inside = path == "a/b" || path.starts_with("a/b/");
            prop_assert_eq!(writes(&grant, &path), inside);
        }

        #[test]
        fn what_a_disabled_one_covers_is_never_given(path in "[abc]{1,2}(/[abc]{1,2}){0,3}") {
            let grant = grant(&[
                (true, json!({"read": ["**"], "write": ["**"]})),
                (false, json!({"read": ["a/**", "*/b"], "write": ["a/**", "*/b"]})),
            ]);
            let parts: Vec<_> = path.split('/').collect();
            let denied = parts[0] == "a" || (parts.len() == 2 && parts[1] == "b");
            prop_assert_eq!(reads(&grant, &path), !denied);
            prop_assert_eq!(writes(&grant, &path), !denied);
        }

        #[test]
        fn any_text_is_a_pattern_or_refused(text in ".{0,32}") {
            let config = json!({"read": [text]});
            let _ = FsGrant::default().add(true, config.as_object().unwrap());
        }
    }
}
