//! Deleting and renaming.

use serde_json::json;

use super::*;

#[test]
fn a_tree_is_deleted_and_what_its_links_lead_to_is_not() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    assert_eq!(
        io_kind(files.remove("data", false, true)),
        io::ErrorKind::IsADirectory
    );
    assert_eq!(
        io_kind(files.remove_dir("data")),
        io::ErrorKind::DirectoryNotEmpty
    );
    assert_eq!(io_kind(files.unlink("data")), io::ErrorKind::IsADirectory);
    files.make_dir("data/x/y/z", true).unwrap();
    files.remove("data", true, false).unwrap();
    assert!(!files.exists("data"));
    assert_eq!(fixture.text("secret.txt").unwrap(), "secret.txt");
    assert_eq!(
        io_kind(files.remove("data", true, false)),
        io::ErrorKind::NotFound
    );
    files.remove("data", true, true).unwrap();
    files.remove("no/such/folder", true, true).unwrap();
    for root in [".", "./", fixture.tree.path().to_str().unwrap()] {
        assert!(matches!(
            files.remove(root, true, true),
            Err(FileError::Root)
        ));
        assert!(matches!(files.remove_dir(root), Err(FileError::Root)));
        assert!(matches!(files.rename(root, "x"), Err(FileError::Root)));
    }
}

#[test]
fn a_tree_is_deleted_only_if_all_of_it_may_be() {
    let fixture = Fixture::new();
    let some = grant(&[(false, json!({"write": ["data/deep/b.txt"]}))]);
    let files = fixture.tree.scoped(&some);
    assert!(refused(&files.remove("data", true, true)));
    assert!(refused(&files.rename("data", "moved")));
    assert!(refused(&files.rename("data/deep", "moved")));
    assert!(fixture.text("data/a.txt").is_some());
    files.unlink("data/a.txt").unwrap();
}

#[test]
fn a_move_makes_nothing_readable() {
    let fixture = Fixture::new();
    let some = grant(&[(false, json!({"read": ["secret.txt", "data/deep/**"]}))]);
    let files = fixture.tree.scoped(&some);
    assert!(refused(&files.rename("secret.txt", "open.txt")));
    assert!(refused(&files.rename("data", "moved")));
    assert!(refused(&files.copy("secret.txt", "open.txt", false)));
    files.rename("data/a.txt", "out/a.txt").unwrap();
    files.rename("out/a.txt", "data/deep/a.txt").unwrap();
    let write_only = grant(&[(true, json!({"write": ["out/**"]}))]);
    let files = fixture.tree.scoped(&write_only);
    files.write("out/a.tmp", b"x", NEW).unwrap();
    files.rename("out/a.tmp", "out/a").unwrap();
}

#[test]
fn a_wide_tree_with_links_and_guarded_files_is_removed_whole_or_not_at_all() {
    let fixture = Fixture::new();
    let root = fixture.tree.path();
    for folder in 0..30 {
        let folder = root.join(format!("wide/{folder}/inner"));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..30 {
            fs::write(folder.join(file.to_string()), "x").unwrap();
        }
        symlink("../../../data", folder.join("link")).unwrap();
    }
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    fs::hard_link(root.join("db/own.db"), root.join("wide/29/inner/own")).unwrap();
    assert!(matches!(
        files.remove("wide", true, false),
        Err(FileError::Outside(_))
    ));
    let any = |_| Some(crate::Lease::default());
    let count = files.read_dir("wide", true, any).unwrap().entries.len();
    assert_eq!(count, 30 * 2 + 30 * 31 + 1);
    fs::remove_file(root.join("wide/29/inner/own")).unwrap();
    files.remove("wide", true, false).unwrap();
    assert!(!files.exists("wide"));
    assert_eq!(fixture.text("data/a.txt").unwrap(), "data/a.txt");
}
