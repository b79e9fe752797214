//! Files that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;

/// Files that each import from all the others, directly or through others of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Circle {
    pub(super) files: Vec<String>,
}

impl Circle {
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.iter().any(|other| other == file)
    }
}

/// The circles of a crate: the strongly connected components of its graph with more than one file.
pub(super) fn circles(graph: &Graph) -> Vec<Circle> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to, _) in graph.edges() {
        next.entry(from).or_default().push(to);
    }
    strongly_connected(&next)
}

fn strongly_connected(next: &BTreeMap<&str, Vec<&str>>) -> Vec<Circle> {
    let reached: BTreeMap<_, _> = next
        .keys()
        .map(|file| (*file, reached(next, file)))
        .collect();
    let mut circles = Vec::new();
    let mut done = BTreeSet::new();
    for (file, others) in &reached {
        if !others.contains(file) || !done.insert(*file) {
            continue;
        }
        let mutual = others.iter().filter(|other| {
            let back = reached.get(*other);
            back.is_some_and(|back| back.contains(file))
        });
        let files: Vec<_> = mutual.map(|other| (*other).to_owned()).collect();
        done.extend(
            others
                .iter()
                .filter(|other| files.iter().any(|file| file == *other)),
        );
        circles.push(Circle { files });
    }
    circles
}

/// The files that are reachable by imports from a file; they include the file itself only if it is
/// in a circle.
fn reached<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, file: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut to_do: Vec<&str> = next.get(file).into_iter().flatten().copied().collect();
    while let Some(file) = to_do.pop() {
        if found.insert(file) {
            to_do.extend(next.get(file).into_iter().flatten());
        }
    }
    found
}

#[test]
fn two_circles_that_touch_are_one_and_a_chain_is_none() {
    let next = BTreeMap::from([
        ("a", vec!["b"]),
        ("b", vec!["a", "c", "d"]),
        ("c", vec!["b"]),
        ("d", vec!["e"]),
        ("f", vec!["g"]),
        ("g", vec!["f", "a"]),
    ]);
    let files = |names: &[&str]| Circle {
        files: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!(
        strongly_connected(&next),
        [files(&["a", "b", "c"]), files(&["f", "g"])]
    );
}
