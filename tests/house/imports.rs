//! Which file imports from which, and the circles of imports.
//!
//! File A imports from file B when code in A names an item of B: in a `use`, in a path, in an
//! attribute or in the arguments of a macro. A `mod` declaration is no import, nor is a name that a
//! module around the file defines. Code for tests alone is left out. Re-exports are read in two
//! ways, see [`Reading`].

mod circles;
mod graph;
mod mentions;
mod modules;

use std::fmt::Write;

use circles::{Circle, circles};
use graph::{Graph, Reading, graph};

use crate::limits;
use crate::report::{Finding, expect_at_most};
use crate::repository::{FILES, TextFile, file};

/// The roots of the crates whose imports are judged.
fn crate_roots() -> impl Iterator<Item = &'static TextFile> {
    FILES.iter().filter(|file| {
        let mut parts = file.path.rsplit('/');
        let is_root = parts
            .next()
            .is_some_and(|name| name == "lib.rs" || name == "main.rs");
        is_root && parts.next() == Some("src")
    })
}

/// The circles of all crates, each with the top-level modules that it goes through.
fn circles_with_modules(reading: Reading) -> Vec<(Vec<String>, Finding)> {
    let mut found = Vec::new();
    for root in crate_roots() {
        let graph = graph(root, &FILES, reading);
        for circle in circles(&graph) {
            let modules = circle.files.iter().map(|file| graph.top_level(file));
            let mut modules: Vec<_> = modules.map(str::to_owned).collect();
            modules.sort_unstable();
            modules.dedup();
            let what = format!("in {}: {}", modules.join(", "), ties(&graph, &circle));
            found.push((modules, Finding::new(&circle.files[0], 0, what)));
        }
    }
    found
}

/// The files of a circle, and the names that each imports from the others.
fn ties(graph: &Graph, circle: &Circle) -> String {
    let mut text = format!("{} files", circle.files.len());
    for (from, to, names) in graph.edges() {
        if circle.has(from) && circle.has(to) {
            let _ = write!(text, "\n    {from} -> {to}: {names}");
        }
    }
    text
}

const REMEDY: &str =
    "Move what both sides need into a file below them, or hand it over as an argument.";

#[test]
fn few_files_import_each_other_in_a_circle() {
    for (reading, limit) in [
        (Reading::AsWritten, limits::CIRCLES),
        (Reading::Resolved, limits::RESOLVED_CIRCLES),
    ] {
        let found = circles_with_modules(reading);
        let found = found.into_iter().map(|(_, finding)| finding).collect();
        let rule = format!("circles of imports, {reading:?}");
        expect_at_most(limit, &rule, REMEDY, found);
    }
}

#[test]
fn no_circle_spans_two_top_level_modules_of_a_crate() {
    for (reading, limit) in [
        (Reading::AsWritten, limits::CIRCLES_ACROSS_MODULES),
        (Reading::Resolved, limits::RESOLVED_CIRCLES_ACROSS_MODULES),
    ] {
        let mut found = circles_with_modules(reading);
        found.retain(|(modules, _)| modules.len() > 1);
        let found = found.into_iter().map(|(_, finding)| finding).collect();
        let rule = format!("circles that span top-level modules, {reading:?}");
        expect_at_most(limit, &rule, REMEDY, found);
    }
}

#[test]
fn nothing_below_the_supervisor_imports_from_it() {
    let root = file("crates/vmruntime/src/lib.rs");
    let graph = graph(root, &FILES, Reading::Resolved);
    for module in limits::BELOW_THE_SUPERVISOR
        .into_iter()
        .chain([limits::SUPERVISOR])
    {
        assert!(
            graph.has_top_level(module),
            "vmruntime has no module {module}: name in tests/house/limits.rs what took its place"
        );
    }
    let imports = graph.edges().filter(|(from, to, _)| {
        limits::BELOW_THE_SUPERVISOR.contains(&graph.top_level(from))
            && graph.top_level(to) == limits::SUPERVISOR
    });
    let found = imports
        .map(|(from, to, names)| Finding::new(from, 0, format!("imports {names} from {to}")))
        .collect();
    expect_at_most(
        0,
        "imports from the supervisor by what is below it",
        REMEDY,
        found,
    );
}
