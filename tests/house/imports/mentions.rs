//! The paths that code mentions.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::modules::Module;
use crate::signatures::is_for_tests;

/// The segments of a path.
pub(super) type Path = Vec<String>;

/// A `use` declaration of one name or of a glob.
struct Use {
    path: Path,
    /// The name that the declaration binds; `None` for a glob.
    name: Option<String>,
    /// Whether the declaration is visible to other modules.
    is_re_export: bool,
}

/// Collects the `use` declarations and the paths of an item, including those in its functions.
#[derive(Default)]
pub(super) struct Mentions {
    paths: BTreeSet<Path>,
    uses: Vec<Use>,
}

impl Mentions {
    /// Adds the collected paths and declarations to a module.
    pub(super) fn hand_over(self, module: &mut Module) {
        module.mentions.extend(self.paths);
        for import in self.uses {
            match import.name {
                Some(name) => {
                    if !import.is_re_export {
                        module.imports.insert(import.path.clone());
                    }
                    module.bindings.insert(name, import.path);
                }
                None => module.globs.push(import.path),
            }
        }
    }

    fn add_tree(&mut self, tree: &syn::UseTree, mut before: Path, is_re_export: bool) {
        let (path, name) = match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                return self.add_tree(&path.tree, before, is_re_export);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(tree, before.clone(), is_re_export);
                }
                return;
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let name = before.last().cloned();
                (before, name)
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                before.push(name.clone());
                (before, Some(name))
            }
            syn::UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    before.push(rename.ident.to_string());
                }
                (before, Some(rename.rename.to_string()))
            }
            syn::UseTree::Glob(_) => (before, None),
        };
        self.uses.push(Use {
            path,
            name,
            is_re_export,
        });
    }

    /// Adds the paths in the tokens of a macro or an attribute, which are not parsed.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.add(&mut path);
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.add(&mut path);
                    colons = 0;
                    match other {
                        TokenTree::Group(group) => self.add_tokens(group.stream()),
                        TokenTree::Literal(literal) => self.add_text(&literal.to_string()),
                        _ => {}
                    }
                }
            }
        }
        self.add(&mut path);
    }

    /// Adds a path in a string literal, as in attributes of serde.
    fn add_text(&mut self, literal: &str) {
        let text = literal.trim_matches('"');
        let is_path = text.contains("::")
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || c == ':' || c == '_');
        if is_path {
            self.paths
                .insert(text.split("::").map(str::to_owned).collect());
        }
    }

    fn add(&mut self, path: &mut Path) {
        if !path.is_empty() {
            self.paths.insert(std::mem::take(path));
        }
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Mod(module) if is_for_tests(&module.attrs) => {}
            syn::Item::Fn(function) if is_for_tests(&function.attrs) => {}
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_re_export = !matches!(item.vis, syn::Visibility::Inherited);
        if item.leading_colon.is_none() {
            self.add_tree(&item.tree, Path::new(), is_re_export);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter();
            self.paths
                .insert(segments.map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.add_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }
}
