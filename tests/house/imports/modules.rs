//! The modules of a crate: what each defines, imports and mentions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use syn::visit::Visit;

use super::mentions::{Mentions, Path};
use crate::repository::TextFile;
use crate::signatures::is_for_tests;
use crate::source::syntax;

/// A module: a file, or a `mod name { … }` in one.
#[derive(Default)]
pub(super) struct Module {
    /// The path of the file with the module.
    pub(super) file: String,
    /// The index of the enclosing module; `None` for the root.
    pub(super) parent: Option<usize>,
    /// The indices of the child modules, by name.
    pub(super) children: HashMap<String, usize>,
    /// The names of the items that the module defines.
    pub(super) items: BTreeSet<String>,
    /// The paths that its `use` declarations bind to names.
    pub(super) bindings: BTreeMap<String, Path>,
    /// The paths of private `use` declarations, which are no re-exports.
    pub(super) imports: BTreeSet<Path>,
    /// The paths of `use path::*` declarations.
    pub(super) globs: Vec<Path>,
    /// The paths in the code of the module.
    pub(super) mentions: BTreeSet<Path>,
}

/// Reads the modules of a crate. The first one is the root.
pub(super) fn modules(root: &TextFile, files: &[TextFile]) -> Vec<Module> {
    let mut reader = Reader {
        files: files
            .iter()
            .map(|file| (file.path.as_str(), file))
            .collect(),
        modules: Vec::new(),
    };
    let directory = parent(&root.path).to_owned();
    reader.read_file(root, None, &directory);
    reader.modules
}

struct Reader<'a> {
    files: HashMap<&'a str, &'a TextFile>,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// Reads a file whose child modules are in `directory`.
    fn read_file(&mut self, file: &TextFile, parent: Option<usize>, directory: &str) -> usize {
        let syntax = syntax(file);
        self.read(&syntax.items, &file.path, parent, directory)
    }

    fn read(
        &mut self,
        items: &[syn::Item],
        file: &str,
        parent: Option<usize>,
        directory: &str,
    ) -> usize {
        let place = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            ..Module::default()
        });
        for item in items {
            if is_for_tests(attributes(item)) {
                continue;
            }
            if let syn::Item::Mod(module) = item {
                let name = module.ident.to_string();
                let child = self.read_module(module, file, place, directory);
                self.modules[place].children.insert(name, child);
                continue;
            }
            let module = &mut self.modules[place];
            module.items.extend(defined(item));
            let mut mentions = Mentions::default();
            mentions.visit_item(item);
            mentions.hand_over(module);
        }
        place
    }

    fn read_module(
        &mut self,
        module: &syn::ItemMod,
        file: &str,
        parent: usize,
        directory: &str,
    ) -> usize {
        let name = module.ident.to_string();
        let below = format!("{directory}/{name}");
        if let Some((_, items)) = &module.content {
            return self.read(items, file, Some(parent), &below);
        }
        let candidates = [format!("{below}.rs"), format!("{below}/mod.rs")];
        let found = candidates
            .iter()
            .find_map(|path| self.files.get(path.as_str()));
        let found = found.unwrap_or_else(|| panic!("{file} declares {name}, which has no file"));
        self.read_file(found, Some(parent), &below)
    }
}

/// The directory of a path.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The name that an item defines, if it is one that a path can lead to.
fn defined(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::TraitAlias(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
