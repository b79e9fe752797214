//! Work on the text of scripts that no engine has to do: rewriting, positions, completeness.
//! Nothing here names an engine.
//!
//! # Why scripts are rewritten
//!
//! Engines evaluate scripts by the rules of the language: a name that `let`, `const` or `class` has
//! declared can't be declared again, and `await` belongs into functions. A console follows other
//! rules: each snippet may declare its names anew, and `await` and `import` stand at the top level.
//! So [`prepare`] turns a snippet into a script that means the same under the rules of the
//! language. It parses the text with oxc, which knows the position of every node, and edits the
//! text; the engine then parses the result.
//!
//! # What happens in which order
//!
//! 1. *Object literals.* In a console `{a: 1}` is put into parentheses if it parses so.
//! 2. *The fast path.* A text without any word that declares, awaits or imports is not parsed here
//!    at all, unless a constant exists that it could assign to.
//! 3. *The form* ([`script`]). A text with `await` or `import` in it is parsed as a module. If its
//!    top level awaits or imports something, it becomes the body of an async function that is
//!    called at once. In every other case it is parsed as a script and stays one. If neither
//!    parses, the text goes to the engine unchanged, which reports the error with its own words and
//!    position.
//! 4. *The walk* ([`walk`]) goes over the whole tree. It rewrites `var` where the name can't be
//!    declared or would be local to the async function, replaces uses that must throw by accesses
//!    to [`BINDINGS`], and collects the names that functions use.
//! 5. *The rewriter* ([`rewriter`]) goes over the statements of the top level. Declarations become
//!    assignments to names that `before` declares; functions move into `before` where they can't
//!    stay; static imports become dynamic ones; the last expression of an async body gets a
//!    `return`.
//! 6. *The edits* ([`edits`]) of both passes are applied together, in the order of their positions.
//!    The walk edits identifiers and the word `var`; the rewriter edits whole functions and
//!    imports, the keywords of other declarations, and points between nodes. An edit within a part
//!    that another one replaces is dropped.
//!
//! # Why it is right
//!
//! - A name is declared in `before` only if it is free, so `before` never throws. If the body
//!   throws, the names that it has not reached stay declared, with the value `undefined`.
//! - Names are declared with `let`, as the language would, unless a function of an earlier
//!   execution uses the name: such a function looks it up on the global object, where only a `var`
//!   stands.
//! - An assignment evaluates its parts in the order of the declaration that it replaces, because
//!   the text behind the keyword stays as it is.
//! - The body of the async function has no declarations of its own at the top level, so everything
//!   that it declares is global and outlives it.
//!
//! # Positions
//!
//! Most edits are as long as what they replace, and none changes the number of lines. The rest is
//! written into the path that the engine parses the text under, and comes back in each frame of a
//! stack, where [`original_of`] maps it to the text of the user ([`position`]).
//!
//! # What else is here
//!
//! [`completeness`] judges whether a text is all of a snippet; [`tokens`] and [`cursor`] read a
//! text that may end anywhere, for completion and highlighting; [`exports`] finds the names that a
//! `CommonJS` module exports; [`disposal`] finds declarations with `using`, which some engines
//! accept without their effect.

mod completeness;
mod cursor;
mod disposal;
mod edits;
mod exports;
mod globals;
mod imports;
pub(crate) mod keywords;
mod position;
mod rewriter;
mod script;
#[cfg(test)]
mod tests;
mod tokens;
mod walk;

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

pub(crate) use completeness::completeness;
pub(crate) use cursor::{Typed, typed};
pub(crate) use disposal::{NO_DISPOSAL, disposal_in};
pub(crate) use exports::common_js_exports;
pub(crate) use globals::{BINDINGS, Globals, Slot};
pub(crate) use position::{line_and_column, offset_of, original_of, untagged, with_prefix};
pub(crate) use script::prepare;
pub(crate) use tokens::{End, TokenKind, is_name, scan, scan_on};

/// The prefix of the paths of the service's own scripts. No stack shows their frames.
pub(crate) const INTERNAL: &str = "vm:";

/// Whether a text uses the syntax of ES modules: `import` and `export` declarations, `import.meta`.
/// A dynamic import is no such syntax.
pub(crate) fn has_module_syntax(source: &str) -> bool {
    if !source.contains("import") && !source.contains("export") {
        return false;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::unambiguous()).parse();
    if parsed.diagnostics.is_empty() {
        return parsed.module_record.has_module_syntax;
    }
    // It has an error. The parser of modules still finds the declarations before the error.
    let module = Parser::new(&allocator, source, SourceType::mjs()).parse();
    module.module_record.has_module_syntax
}

/// Whether a text is written for a loader of `CommonJS` modules, perhaps among others: it uses
/// `module` or `exports` and declares neither.
pub(crate) fn uses_common_js(source: &str) -> bool {
    if !source.contains("module") && !source.contains("exports") {
        return false;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::script()).parse();
    let program = allocator.alloc(parsed.program);
    let analysed = SemanticBuilder::new().build(program);
    let undeclared = analysed.semantic.scoping().root_unresolved_references();
    undeclared
        .keys()
        .any(|name| matches!(name.as_str(), "module" | "exports"))
}

/// Whether the top level of a module declares a name.
pub(crate) fn declares(source: &str, name: &str) -> bool {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    let program = allocator.alloc(parsed.program);
    let analysed = SemanticBuilder::new().build(program);
    let scoping = analysed.semantic.scoping();
    let root = scoping.root_scope_id();
    scoping
        .get_bindings(root)
        .keys()
        .any(|declared| declared.as_str() == name)
}

/// The line and column, from 1, at which a text names a specifier in quotes; `None` if it does not.
pub(crate) fn position_of_request(source: &str, specifier: &str) -> Option<(usize, usize)> {
    let at = ['"', '\'', '`']
        .into_iter()
        .filter_map(|quote| source.find(&format!("{quote}{specifier}{quote}")))
        .min()?;
    Some(line_and_column(source, at))
}
