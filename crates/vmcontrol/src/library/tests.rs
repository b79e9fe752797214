//! The cache of libraries, also with several writers.

use std::fs;
use std::sync::{Arc, Barrier};
use std::thread;

use tempfile::{NamedTempFile, TempDir};

use super::*;

fn cache() -> (TempDir, LibraryCache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = LibraryCache::new(dir.path().join("not/there/yet"));
    (dir, cache)
}

fn entry(code: &[u8]) -> LockedLibrary {
    LockedLibrary {
        integrity: integrity_of(code),
        size_bytes: code.len() as u64,
        package: "p".into(),
        package_version: "1.0.0".into(),
        file: "index.js".into(),
        package_integrity: None,
    }
}

fn store(cache: &LibraryCache, name: &str, code: &str) {
    let code = code.as_bytes();
    cache.store(name, code, entry(code)).unwrap();
}

fn overwrite(cache: &LibraryCache, name: &str, code: &str) {
    fs::write(cache.path_of(name).unwrap(), code).unwrap();
}

#[test]
fn what_is_stored_is_listed_by_name_and_nothing_else_is() {
    let (_dir, cache) = cache();
    assert_eq!(cache.files().unwrap(), []);
    store(&cache, "b-1.0.0", "var b;");
    store(&cache, "a", "old");
    store(&cache, "a", "var a = 1;");
    fs::write(cache.dir().join("notes.txt"), "").unwrap();
    fs::create_dir(cache.dir().join("directory.js")).unwrap();
    let file = |name: &str, size_bytes| CachedFile {
        name: name.into(),
        size_bytes,
    };
    assert_eq!(
        cache.files().unwrap(),
        [file("a", 10), file("b-1.0.0", 6)],
        "the lock file and the guard are no libraries"
    );
    let lock = cache.lock().unwrap();
    assert_eq!(lock.libraries["a"], entry(b"var a = 1;"));
}

#[test]
fn a_cache_that_is_a_file_is_named() {
    let file = NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let cache = LibraryCache::new(file.path());
    let error = cache.store("a", b"", entry(b"")).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot make {path}"));
    let error = cache.files().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read the library cache {path}")
    );
}

#[test]
fn no_name_leads_out_of_the_cache() {
    let (_dir, cache) = cache();
    for name in ["", "../a", "a/b", ".hidden"] {
        let error = cache.load(name).unwrap_err();
        assert!(matches!(error, LibraryError::Name { .. }), "{name:?}");
        let error = cache.store(name, b"", entry(b"")).unwrap_err();
        assert!(matches!(error, LibraryError::Name { .. }), "{name:?}");
    }
}

#[test]
fn a_library_is_loaded_with_its_checksum_and_kept() {
    let (_dir, cache) = cache();
    store(&cache, "a", "var a;");
    let first = cache.load("a").unwrap();
    assert_eq!(
        (&*first.source, &first.integrity),
        ("var a;", &integrity_of(b"var a;"))
    );
    let second = cache.load("a").unwrap();
    assert!(Arc::ptr_eq(&first.source, &second.source));
}

#[test]
fn a_library_that_changed_is_loaded_anew() {
    let (_dir, cache) = cache();
    store(&cache, "a", "var a;");
    cache.load("a").unwrap();
    store(&cache, "a", "var b;");
    assert_eq!(&*cache.load("a").unwrap().source, "var b;");
}

#[test]
fn a_library_is_checked_anew_when_the_lock_file_changes() {
    let (_dir, cache) = cache();
    fs::create_dir_all(cache.dir()).unwrap();
    overwrite(&cache, "a", "var a;");
    assert_eq!(&*cache.load("a").unwrap().source, "var a;");
    store(&cache, "a", "var b;");
    overwrite(&cache, "a", "var a;");
    let error = cache.load("a").unwrap_err();
    assert!(matches!(error, LibraryError::Damaged { .. }), "{error}");
    fs::remove_file(cache.dir().join(LOCK_FILE)).unwrap();
    assert_eq!(&*cache.load("a").unwrap().source, "var a;");
}

#[test]
fn a_damaged_library_names_both_checksums_and_the_remedy() {
    let (_dir, cache) = cache();
    store(&cache, "a-1.0.0", "var a;");
    cache.load("a-1.0.0").unwrap();
    overwrite(&cache, "a-1.0.0", "evil()");
    let text = cache.load("a-1.0.0").unwrap_err().to_string();
    for part in [
        integrity_of(b"var a;").as_str(),
        &integrity_of(b"evil()"),
        "`vm-system libs download a-1.0.0`",
        &format!("`--cache {}`", cache.dir().display()),
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_can_not_be_loaded_says_why() {
    let (_dir, cache) = cache();
    let error = cache.load("a").unwrap_err();
    assert!(
        error.to_string().contains("vm-system libs download a"),
        "{error}"
    );
    fs::create_dir_all(cache.dir()).unwrap();
    fs::write(cache.path_of("bytes").unwrap(), [0xff]).unwrap();
    let error = cache.load("bytes").unwrap_err();
    assert!(matches!(error, LibraryError::NotUtf8 { .. }), "{error}");
    let large = fs::File::create(cache.path_of("large").unwrap()).unwrap();
    large.set_len(MAX_LIBRARY_BYTES + 1).unwrap();
    let error = cache.load("large").unwrap_err();
    assert!(matches!(error, LibraryError::TooLarge { .. }), "{error}");
    fs::create_dir(cache.path_of("directory").unwrap()).unwrap();
    let error = cache.load("directory").unwrap_err();
    assert!(matches!(error, LibraryError::Missing { .. }), "{error}");
}

#[test]
fn a_lock_file_that_is_not_understood_lets_nothing_be_loaded() {
    let (_dir, cache) = cache();
    fs::create_dir_all(cache.dir()).unwrap();
    overwrite(&cache, "a", "var a;");
    for (text, reason) in [
        ("{", "EOF while parsing"),
        (
            r#"{"version":2}"#,
            "it has version 2, and only version 1 is known",
        ),
        (r#"{"version":1}"#, "missing field `libraries`"),
    ] {
        fs::write(cache.dir().join(LOCK_FILE), text).unwrap();
        let error = cache.load("a").unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        let error = cache.store("a", b"", entry(b"")).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn caches_that_store_at_once_lose_nothing() {
    const AT_ONCE: usize = 8;
    let (_dir, cache) = cache();
    let start = Barrier::new(AT_ONCE);
    thread::scope(|scope| {
        for n in 0..AT_ONCE {
            let (start, dir) = (&start, cache.dir());
            scope.spawn(move || {
                // As another process would, each thread has its own `LibraryCache`.
                let cache = LibraryCache::new(dir);
                start.wait();
                for version in 0..5 {
                    store(&cache, &format!("a{n}-{version}"), "var a;");
                }
            });
        }
    });
    let checked = cache.verify().unwrap();
    assert_eq!(checked.len(), AT_ONCE * 5);
    assert!(checked.iter().all(|it| it.state == LibraryState::Ok));
}

#[test]
fn a_library_that_is_replaced_while_it_is_loaded_is_never_damaged() {
    let (_dir, cache) = cache();
    store(&cache, "a", "var a;");
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let cache = LibraryCache::new(cache.dir());
            for n in 0..50 {
                store(&cache, "a", &format!("var a = {n};"));
            }
        });
        while !writer.is_finished() {
            cache.load("a").unwrap();
        }
    });
}

#[test]
fn verify_tells_the_states_apart() {
    let (_dir, cache) = cache();
    assert_eq!(cache.verify().unwrap(), []);
    for name in ["damaged", "gone", "whole"] {
        store(&cache, name, "var a;");
    }
    overwrite(&cache, "damaged", "evil()");
    overwrite(&cache, "own", "var own;");
    fs::remove_file(cache.path_of("gone").unwrap()).unwrap();
    let states: Vec<_> = cache
        .verify()
        .unwrap()
        .into_iter()
        .map(|checked| (checked.name, checked.state, checked.size_bytes))
        .collect();
    let damaged = LibraryState::Damaged {
        expected: integrity_of(b"var a;"),
        actual: integrity_of(b"evil()"),
    };
    assert_eq!(
        states,
        [
            ("damaged".into(), damaged, Some(6)),
            ("gone".into(), LibraryState::Missing, None),
            ("own".into(), LibraryState::NotLocked, Some(8)),
            ("whole".into(), LibraryState::Ok, Some(6)),
        ]
    );
}
