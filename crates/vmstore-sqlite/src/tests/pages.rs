//! Files with damaged pages, and the check of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::damage::Stored;
use crate::{SqliteStore, check_file};
use vmcontrol::testing::{self, PAGE};
use vmcontrol::{Control, Error, ExecutionFilter, SessionFilter, Store, StoreError};

/// Reads everything that clients can ask for; returns the errors.
async fn read_all(control: &Control, stored: &[Uuid; 5]) -> Vec<Error> {
    let [template, session, execution, other_session, other_execution] = *stored;
    let mut errors = Vec::new();
    errors.extend(control.list_templates().await.err());
    errors.extend(control.get_template(template).await.err());
    let filter = SessionFilter::default();
    errors.extend(control.list_sessions(filter, PAGE).await.err());
    errors.extend(control.ids_like("0").await.err());
    for session in [session, other_session] {
        errors.extend(control.get_session(session).await.err());
        let filter = ExecutionFilter::default();
        errors.extend(control.list_executions(session, filter, PAGE).await.err());
    }
    for execution in [execution, other_execution] {
        errors.extend(control.get_execution(execution).await.err());
        errors.extend(control.list_events(execution, 0, usize::MAX).await.err());
    }
    errors
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Zero,
    Random,
    Truncate,
}

impl Damage {
    fn on(self, whole: &[u8], page: usize, page_bytes: usize) -> Vec<u8> {
        let bytes_of_page = page * page_bytes..(page + 1) * page_bytes;
        let mut damaged = whole.to_vec();
        match self {
            Self::Zero => damaged[bytes_of_page].fill(0),
            Self::Random => {
                // The generator of Knuth's MMIX.
                let mut state = page as u64 + 1;
                for byte in &mut damaged[bytes_of_page] {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    *byte = state.to_le_bytes()[7];
                }
            }
            Self::Truncate => damaged.truncate(bytes_of_page.start),
        }
        damaged
    }
}

/// The pages that are in use: all but those of the list of free pages, whose trunk is in use.
fn pages_in_use(whole: &[u8], page_bytes: usize) -> Vec<usize> {
    let number = |offset: usize| {
        let bytes: [u8; 4] = whole[offset..offset + 4].try_into().unwrap();
        u32::from_be_bytes(bytes) as usize
    };
    let mut free = Vec::new();
    let mut trunk = number(32);
    while trunk > 0 {
        let start = (trunk - 1) * page_bytes;
        free.extend((0..number(start + 4)).map(|leaf| number(start + 8 + 4 * leaf) - 1));
        trunk = number(start);
    }
    let all = 0..whole.len() / page_bytes;
    all.filter(|page| !free.contains(page)).collect()
}

#[tokio::test]
async fn any_page_that_is_damaged_is_found_and_a_daemon_on_it_answers_or_does_not_start() {
    let stored = Stored::new().await;
    let [_, other_session, other_execution] = stored.others;
    let ids = [
        stored.template,
        stored.session,
        stored.execution,
        other_session,
        other_execution,
    ];
    let dir = stored.fixture.close().await;
    let path = dir.path().join("test.db");
    assert!(check_file(&path).unwrap().ok);
    let whole = std::fs::read(&path).unwrap();
    let page_bytes = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    let pages = pages_in_use(&whole, page_bytes);
    assert!(pages.len() > 20, "{}", pages.len());
    for damage in [Damage::Zero, Damage::Random, Damage::Truncate] {
        for page in &pages {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("test.db");
            let damaged = damage.on(&whole, *page, page_bytes);
            std::fs::write(&path, &damaged).unwrap();
            let what = format!("{damage:?} of page {}", page + 1);
            let report = check_file(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(!report.ok, "{what} is not found");
            assert!(
                std::fs::read(&path).unwrap() == damaged,
                "{what}: the check wrote"
            );
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{what}");
            start_and_read(&path, dir, &ids, &what).await;
        }
    }
}

async fn start_and_read(path: &Path, dir: TempDir, ids: &[Uuid; 5], what: &str) {
    // An empty file is a new database.
    let is_new = std::fs::metadata(path).unwrap().len() == 0;
    let store = match SqliteStore::open(path) {
        Ok(store) => store,
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains(path.to_str().unwrap()), "{what}: {said}");
            return;
        }
    };
    let store = Arc::new(store);
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let opened = testing::open(shared, dir.path(), |options| options).await;
    let control = match opened.map(|(control, _)| control) {
        Ok(control) => control,
        Err(Error::Unavailable { .. }) => return,
        Err(error) => panic!("{what}: {error:?}"),
    };
    for error in read_all(&control, ids).await {
        let is_damage = matches!(
            error,
            Error::Unavailable { .. }
                | Error::RecordUnreadable(_)
                | Error::TemplateNotFound { .. }
                | Error::SessionNotFound { .. }
                | Error::ExecutionNotFound { .. }
        );
        assert!(is_damage, "{what}: {error:?}");
    }
    let checked = control.check().await;
    assert_eq!(checked.unwrap().ok, is_new, "{what}");
    store.close().await;
}

#[tokio::test]
async fn a_wal_that_was_cut_off_under_a_daemon_is_reported() {
    let stored = Stored::new().await;
    let log = stored.fixture.dir.path().join("test.db-wal");
    std::fs::OpenOptions::new()
        .write(true)
        .open(&log)
        .unwrap()
        .set_len(100)
        .unwrap();
    let report = stored.fixture.control.check().await;
    let is_said = match &report {
        Ok(report) => !report.ok,
        Err(error) => matches!(error, Error::Unavailable { .. }),
    };
    assert!(is_said, "{report:?}");
}

#[tokio::test]
async fn a_database_with_a_wal_is_checked_and_no_file_changes() {
    let stored = Stored::new().await;
    // The copy is what a killed daemon leaves.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.db");
    for end in ["", "-wal"] {
        let name = |base: &Path| {
            let mut name = base.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        std::fs::copy(name(&stored.path()), name(&path)).unwrap();
    }
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                (path.clone(), std::fs::read(path).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    let before = files();
    let report = check_file(&path).unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!(report.executions, 2);
    assert!(files() == before);
    // The daemon that has the original open goes on.
    let served = check_file(&stored.path()).unwrap();
    assert_eq!(served, report);
    stored
        .fixture
        .run(stored.session, "value commit")
        .await
        .unwrap();
}

#[test]
fn the_check_reports_files_that_are_not_databases_of_vm_system() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let missing = check_file(&path).unwrap_err().to_string();
    assert!(missing.contains("no database"), "{missing}");
    let said = |path: &Path| {
        let report = check_file(path).unwrap();
        assert!(!report.ok);
        report.problems.join("\n")
    };
    std::fs::write(&path, "").unwrap();
    assert!(said(&path).contains("empty"));
    std::fs::write(&path, [0; 4096]).unwrap();
    assert!(said(&path).contains("does not begin"));
    std::fs::write(&path, "SQLite format 3\0 and then something else").unwrap();
    assert!(said(&path).contains("not an SQLite"), "{}", said(&path));
    std::fs::remove_file(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE theirs (x); PRAGMA application_id = 7")
        .unwrap();
    assert!(said(&path).contains("another program"));
    connection
        .execute_batch("PRAGMA application_id = 1986876281; PRAGMA user_version = 99")
        .unwrap();
    assert!(said(&path).contains("schema 99"), "{}", said(&path));
    assert!(check_file(dir.path()).is_err());
}

#[tokio::test]
async fn a_table_that_is_gone_is_damage_and_not_a_bug() {
    let stored = Stored::new().await;
    stored.change("DROP TABLE event");
    let listed = stored.fixture.control.list_events(stored.execution, 0, 9);
    let listed = listed.await;
    assert!(
        matches!(listed, Err(Error::Unavailable { .. })),
        "{listed:?}"
    );
    let store = &stored.fixture.store;
    let refused = store.read(|connection| {
        connection.query_row("SELECT * FROM event", [], |_| Ok(()))?;
        Ok(())
    });
    assert!(matches!(refused.await, Err(StoreError::Damaged(_))));
    store.close().await;
    let said = SqliteStore::open(&stored.path()).err().unwrap().to_string();
    assert!(said.contains("no table event"), "{said}");
}
