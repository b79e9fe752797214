use std::fs;

use insta::assert_snapshot;

use super::*;
use crate::output::testing::printed;

#[test]
fn a_download_is_one_line() {
    let outcome = |downloaded| Outcome {
        name: "lodash-4.17.21".into(),
        downloaded,
        size_bytes: 73_015,
    };
    assert_snapshot!(
        printed(|out| downloaded(out, &outcome(true))),
        @"Downloaded lodash-4.17.21 (73 KB)"
    );
    assert_snapshot!(
        printed(|out| downloaded(out, &outcome(false))),
        @"lodash-4.17.21 is already in the cache"
    );
}

#[test]
fn a_library_is_found_with_or_without_its_version() {
    assert_eq!(find("ramda").unwrap().name(), "ramda-0.29.0");
    assert_eq!(find("ramda-0.29.0").unwrap().name(), "ramda-0.29.0");
    assert_eq!(wanted(&[]).unwrap().len(), LIBRARIES.len());
    let error = find("left-pad").err();
    assert!(matches!(error, Some(Failure::Usage(text)) if text.contains("\"left-pad\"")));
}

#[test]
fn the_list_holds_what_is_there_and_what_is_missing() {
    let cache = tempfile::tempdir().unwrap();
    fs::write(cache.path().join("dayjs-1.11.10.js"), [b' '; 7161]).unwrap();
    fs::write(cache.path().join("own.js"), "var own;").unwrap();
    let list = entries(cache.path()).unwrap();
    let plain = Paint::new(false);
    assert_snapshot!(printed(|out| entry_list(out, plain, &list)), @r"
    NAME            GLOBAL   SIZE
    dayjs-1.11.10   dayjs    7 KB
    own             -        8 B
    lodash-4.17.21  _        not downloaded
    moment-2.29.4   moment   not downloaded
    axios-1.6.0     axios    not downloaded
    ramda-0.29.0    R        not downloaded
    zustand-4.4.7   zustand  not downloaded
    ");
}

#[test]
fn the_cache_is_described_in_three_lines() {
    let info = CacheInfo {
        directory: "/srv/.vm-cache/libraries".into(),
        files: 2,
        size_bytes: 1_234_567,
    };
    assert_snapshot!(printed(|out| cache_info(out, &info)), @r"
    Directory: /srv/.vm-cache/libraries
    Files: 2
    Size: 1.2 MB
    ");
}
