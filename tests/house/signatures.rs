//! An error that leaves its module has a type.

use syn::visit::Visit;

use crate::limits;
use crate::report::{Finding, expect_at_most};
use crate::repository::{TextFile, rust_files};
use crate::source::syntax;

#[test]
fn no_visible_function_fails_with_a_bare_string() {
    let sources = rust_files().filter(|file| file.path.starts_with("crates/"));
    let sources = sources.filter(|file| file.path.contains("/src/"));
    expect_at_most(
        limits::STRING_ERRORS,
        "signatures with `Result<_, String>` that are visible outside their module",
        "Make the failure a type (thiserror) that names the operation and the object.",
        sources.flat_map(string_errors).collect(),
    );
}

fn string_errors(file: &TextFile) -> Vec<Finding> {
    let mut search = Search {
        path: &file.path,
        found: Vec::new(),
    };
    search.visit_file(&syntax(file));
    search.found
}

struct Search<'a> {
    path: &'a str,
    found: Vec<Finding>,
}

impl Search<'_> {
    fn check(&mut self, visibility: Option<&syn::Visibility>, signature: &syn::Signature) {
        if matches!(visibility, Some(syn::Visibility::Inherited)) {
            return;
        }
        let mut mention = Mention(false);
        mention.visit_signature(signature);
        if mention.0 {
            let name = &signature.ident;
            let line = name.span().start().line;
            self.found
                .push(Finding::new(self.path, line, format!("{name}")));
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.check(Some(&function.vis), &function.sig);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.check(Some(&function.vis), &function.sig);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if !matches!(item.vis, syn::Visibility::Inherited) {
            for member in &item.items {
                if let syn::TraitItem::Fn(function) = member {
                    self.check(None, &function.sig);
                }
            }
        }
        syn::visit::visit_item_trait(self, item);
    }
}

/// Whether a type mentions a `Result` whose error is a `String`.
struct Mention(bool);

impl<'ast> Visit<'ast> for Mention {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        if segment.ident == "Result"
            && let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
            && let Some(syn::GenericArgument::Type(syn::Type::Path(error))) =
                arguments.args.iter().nth(1)
        {
            self.0 |= error
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "String");
        }
        syn::visit::visit_path_segment(self, segment);
    }
}

/// Whether an item is compiled for tests alone.
pub(crate) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

#[test]
fn a_string_as_an_error_is_found_where_others_see_it() {
    let text = "pub fn a() -> Result<u8, String> { b() }\nfn b() -> Result<u8, String> { todo!() }\n\
                impl S {\n pub(super) fn c(&self, f: impl Fn() -> Result<(), String>) {}\n}\n\
                pub trait T {\n fn d() -> Option<Result<u8, String>>;\n}\n\
                #[cfg(test)]\nmod tests { pub fn e() -> Result<u8, String> { todo!() } }\n\
                pub fn f() -> Result<String, u8> { todo!() }\n";
    let file = TextFile {
        path: "example.rs".into(),
        text: text.into(),
    };
    let names: Vec<_> = string_errors(&file)
        .into_iter()
        .map(|finding| (finding.line, finding.what))
        .collect();
    assert_eq!(names, [(1, "a".into()), (4, "c".into()), (7, "d".into())]);
}
