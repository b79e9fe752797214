//! Resolves the paths in the code of a crate to the files that define the items.

use std::collections::{BTreeMap, BTreeSet};

use super::mentions::Path;
use super::modules::{Module, modules};
use crate::repository::TextFile;

/// The largest number of re-exports that are followed from one name: more would be a circle of
/// re-exports.
const MOST_STEPS: usize = 32;

/// How a path to a re-export is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It counts for the module that re-exports the item, which the path names.
    AsWritten,
    /// It counts for the file that defines the item.
    Resolved,
}

/// The imports between the files of a crate.
pub(super) struct Graph {
    /// The directory of the crate's code, with a `/` at the end.
    source: String,
    files: BTreeSet<String>,
    names: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Graph {
    /// The imports: the importing file, the imported file, and the names.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&str, &str, String)> {
        self.names.iter().map(|((from, to), names)| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            (from.as_str(), to.as_str(), names.join(", "))
        })
    }

    /// The top-level module that a file belongs to.
    pub(super) fn top_level<'a>(&self, file: &'a str) -> &'a str {
        let path = file
            .strip_prefix(&self.source)
            .expect("a file of the crate");
        let first = path.split('/').next().unwrap_or(path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether the crate has a top-level module of this name.
    pub(super) fn has_top_level(&self, name: &str) -> bool {
        self.files.iter().any(|file| self.top_level(file) == name)
    }
}

/// The graph of the crate with this root file. A name of an enclosing module is no import.
pub(super) fn graph(root: &TextFile, files: &[TextFile], reading: Reading) -> Graph {
    let modules = modules(root, files);
    let mut names: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (place, module) in modules.iter().enumerate() {
        let resolver = Resolver {
            modules: &modules,
            reading,
            from: place,
        };
        let around = resolver.files_around(place);
        for path in module.imports.iter().chain(&module.mentions) {
            if let Some(Target::Item(file, name)) = resolver.resolve(place, path, 0)
                && !around.contains(file)
            {
                let edge = (module.file.clone(), file.to_owned());
                names.entry(edge).or_default().insert(name.to_owned());
            }
        }
    }
    let (source, _) = root.path.rsplit_once('/').expect("it is in a directory");
    Graph {
        source: format!("{source}/"),
        files: modules.iter().map(|module| module.file.clone()).collect(),
        names,
    }
}

/// What a path resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target<'a> {
    /// A module, by its index.
    Module(usize),
    /// A file, and the name of an item in it.
    Item(&'a str, &'a str),
}

struct Resolver<'a> {
    modules: &'a [Module],
    reading: Reading,
    /// The index of the module whose imports are resolved.
    from: usize,
}

impl<'a> Resolver<'a> {
    /// The files of a module and of the enclosing modules.
    fn files_around(&self, place: usize) -> BTreeSet<&'a str> {
        let around = std::iter::successors(Some(place), |place| self.modules[*place].parent);
        around
            .map(|place| self.modules[place].file.as_str())
            .collect()
    }

    fn item(&self, place: usize, name: &'a str) -> Target<'a> {
        Target::Item(&self.modules[place].file, name)
    }

    /// Resolves a path in a module; `None` if it leads out of the crate, or to a local name.
    fn resolve(&self, from: usize, path: &'a Path, steps: usize) -> Option<Target<'a>> {
        let mut segments = path.iter().map(String::as_str);
        let mut is_rooted = true;
        let mut target = match segments.next()? {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.modules[from].parent?),
            name => {
                is_rooted = false;
                self.look_up(from, name, steps)?
            }
        };
        for segment in segments {
            let Target::Module(module) = target else {
                break;
            };
            target = match segment {
                "super" => Target::Module(self.modules[module].parent?),
                name => match self.look_up(module, name, steps) {
                    Some(found) => found,
                    // The name may be defined by a macro.
                    None if is_rooted => self.item(module, name),
                    None => return None,
                },
            };
        }
        Some(target)
    }

    /// Resolves a name in a module; `None` if it is not a name of the crate.
    fn look_up(&self, place: usize, name: &'a str, steps: usize) -> Option<Target<'a>> {
        if steps > MOST_STEPS {
            return None;
        }
        let module = &self.modules[place];
        if let Some(child) = module.children.get(name) {
            return Some(Target::Module(*child));
        }
        if module.items.contains(name) {
            return Some(self.item(place, name));
        }
        if let Some(path) = module.bindings.get(name) {
            if self.reading == Reading::AsWritten && place != self.from {
                return Some(self.item(place, name));
            }
            // `use tokio;` names another crate.
            let is_of_crate = path.first().is_some_and(|first| first != name);
            return is_of_crate
                .then(|| self.resolve(place, path, steps + 1))
                .flatten();
        }
        module.globs.iter().find_map(|glob| {
            let Target::Module(from) = self.resolve(place, glob, steps + 1)? else {
                return None;
            };
            (from != place)
                .then(|| self.look_up(from, name, steps + 1))
                .flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges_of(reading: Reading, files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| TextFile {
                path: format!("src/{path}"),
                text: (*text).to_owned(),
            })
            .collect();
        let graph = graph(&files[0], &files, reading);
        let short = |path: &str| path.trim_start_matches("src/").to_owned();
        graph
            .edges()
            .map(|(from, to, names)| format!("{} -> {}: {names}", short(from), short(to)))
            .collect()
    }

    #[test]
    fn a_re_export_counts_for_its_module_as_written_and_for_the_definition_as_resolved() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use b::Deep;"),
            (
                "a.rs",
                "use crate::{b::{self, c::Inner as I, Deep as D}, Deep}; fn f() { b::g(); }",
            ),
            ("b/mod.rs", "pub(crate) mod c; pub(crate) use c::{Deep, g};"),
            (
                "b/c.rs",
                "pub struct Deep; pub struct Inner; pub fn g() { super::super::a::f() }",
            ),
        ];
        assert_eq!(
            edges_of(Reading::AsWritten, &files),
            [
                "a.rs -> b/c.rs: Inner",
                "a.rs -> b/mod.rs: Deep, g",
                "b/c.rs -> a.rs: f"
            ]
        );
        assert_eq!(
            edges_of(Reading::Resolved, &files),
            ["a.rs -> b/c.rs: Deep, Inner, g", "b/c.rs -> a.rs: f"]
        );
    }

    #[test]
    fn what_the_modules_around_define_is_no_import() {
        let files = [
            ("lib.rs", "mod a; mod other; struct T;"),
            (
                "a/mod.rs",
                "mod b; use super::T; struct U; fn f() { b::g() }",
            ),
            (
                "a/b.rs",
                "use super::{T, U}; pub fn g() { crate::other::h(); }",
            ),
            ("other.rs", "pub fn h() { loop {} }"),
        ];
        for reading in [Reading::AsWritten, Reading::Resolved] {
            assert_eq!(
                edges_of(reading, &files),
                ["a/b.rs -> other.rs: h", "a/mod.rs -> a/b.rs: g"]
            );
        }
    }

    #[test]
    fn paths_in_macros_attributes_and_globs_are_imports_and_tests_are_not() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            (
                "a.rs",
                "fn f() { assert!(crate::b::ok()) } #[serde(with = \"crate::c::ms\")] struct S;",
            ),
            (
                "b.rs",
                "use super::c::*; pub fn ok() -> T { } #[cfg(test)] mod tests { use crate::a::f; }",
            ),
            ("c.rs", "pub struct T; pub fn ms() { tokio::spawn(); }"),
        ];
        assert_eq!(
            edges_of(Reading::Resolved, &files),
            ["a.rs -> b.rs: ok", "a.rs -> c.rs: ms", "b.rs -> c.rs: T"]
        );
    }
}
