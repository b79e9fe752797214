//! The documentation lists exactly the calls that the filter allows.

use crate::worker::sandbox::filter;

const DOCUMENT: &str = include_str!("../../../../../../docs/isolation.md");

#[test]
fn the_documentation_lists_every_allowed_call_and_no_other() {
    let documented: Vec<&str> = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with("| system call"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    assert_eq!(documented, filter::names().collect::<Vec<_>>());
}
