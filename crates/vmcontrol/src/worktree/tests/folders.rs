//! Listing and making folders.

use serde_json::json;

use super::*;

#[test]
fn a_folder_is_listed_with_and_without_what_is_below() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let names = |path: &str, recursive| -> Vec<String> {
        let listed = files.read_dir(path, recursive, no_room).unwrap().entries;
        listed.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names(".", false),
        ["alias", "data", "db", "out", "secret.txt"]
    );
    assert_eq!(names("alias", false), ["a.txt", "deep", "escape", "link"]);
    assert_eq!(
        names("data", true),
        ["a.txt", "deep", "deep/b.txt", "escape", "link"]
    );
    assert_eq!(
        io_kind(files.read_dir("secret.txt", false, no_room)),
        io::ErrorKind::NotADirectory
    );
    let some = grant(&[(false, json!({"read": ["data/deep/**"]}))]);
    let some = fixture.tree.scoped(&some);
    let listed = some.read_dir("data", true, no_room).unwrap().entries;
    assert!(listed.iter().all(|(name, _)| name != "deep/b.txt"));
    assert!(refused(&some.read_dir("data/deep", false, no_room)));
}

#[test]
fn folders_are_made_one_by_one_or_with_those_that_lead_to_them() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    assert_eq!(
        io_kind(files.make_dir("a/b", false)),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        io_kind(files.make_dir("out", false)),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(
        io_kind(files.make_dir(".", false)),
        io::ErrorKind::AlreadyExists
    );
    let first = |path| files.make_dir(path, true).unwrap();
    assert_eq!(first("a/b/c"), Some("a".into()));
    assert_eq!(first("a/b/d/e"), Some("a/b/d".into()));
    assert_eq!(first("a/b"), None);
    assert_eq!(first("."), None);
    assert_eq!(first("alias/new"), Some("alias/new".into()));
    assert!(fixture.tree.path().join("data/new").is_dir());
    assert_eq!(
        io_kind(files.make_dir("secret.txt", true)),
        io::ErrorKind::AlreadyExists
    );
    let some = grant(&[(true, json!({"write": ["build/out/**", "out/**"]}))]);
    let some = fixture.tree.scoped(&some);
    assert!(refused(&some.make_dir("build/out", true)));
    assert_eq!(
        some.make_dir("out/x/y", true).unwrap(),
        Some("out/x".into())
    );
    assert_eq!(some.make_dir("out", true).unwrap(), None);
}

/// A folder in which one path of folders is much longer than a path may be that the system is
/// given.
fn deep(fixture: &Fixture, levels: usize) {
    let root = fixture.tree.path();
    fs::create_dir(root.join("deep")).unwrap();
    fs::write(root.join("deep/leaf"), "leaf").unwrap();
    let name = "n".repeat(200);
    for _ in 0..levels {
        // From below: each folder is moved into the next one.
        fs::create_dir(root.join("next")).unwrap();
        fs::rename(root.join("deep"), root.join("next").join(&name)).unwrap();
        fs::rename(root.join("next"), root.join("deep")).unwrap();
    }
}

#[test]
fn paths_of_any_length_are_walked_with_one_handle() {
    let fixture = Fixture::new();
    deep(&fixture, 300);
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let room = |_| Some(crate::Lease::default());
    let listed = files.read_dir("deep", true, room).unwrap().entries;
    assert_eq!(listed.len(), 301);
    assert_eq!(
        listed.iter().map(|(path, _)| path.len()).max(),
        Some(300 * 201 + 4)
    );
    let some = grant(&[(
        true,
        json!({"read": ["deep/**", "moved/**"], "write": ["deep/**", "moved/**"]}),
    )]);
    let some = fixture.tree.scoped(&some);
    some.rename("deep", "moved").unwrap();
    some.remove("moved", true, false).unwrap();
    assert!(!files.exists("moved") && !files.exists("deep"));
}

#[test]
fn a_listing_is_bounded_in_bytes_and_what_is_too_long_to_list_can_still_be_removed() {
    let fixture = Fixture::new();
    deep(&fixture, 600);
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let room = |_| Some(crate::Lease::default());
    assert!(matches!(
        files.read_dir("deep", true, room),
        Err(FileError::ListingTooLarge(_))
    ));
    assert_eq!(
        files
            .read_dir("deep", false, no_room)
            .unwrap()
            .entries
            .len(),
        1
    );
    assert!(matches!(
        files.read_dir("deep", true, no_room),
        Err(FileError::Busy)
    ));
    files.remove("deep", true, false).unwrap();
    assert!(!files.exists("deep"));
}
