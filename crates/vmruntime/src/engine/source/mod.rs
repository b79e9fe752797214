//! What a source text is before an engine sees it: whether it is a module, and, for scripts, a form in which the names of
//! earlier executions may be declared again and `await` may stand at the top.
//!
//! Engines evaluate scripts as the language says: a name that `let`, `const` or `class` declared once can't be declared
//! again, and `await` belongs into functions. A console follows other rules. So a script is parsed here, by a parser that
//! knows where everything stands, and its top-level declarations become assignments to names that were declared before it
//! runs. Positions are kept: most edits are as long as what they replace, and the rest is written into the path that the
//! engine sees ([`position`]).

mod completeness;
mod culprit;
mod cursor;
mod disposal;
mod edits;
mod exports;
mod imports;
mod position;
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
pub(crate) use culprit::{Complaint, name_culprit};
pub(crate) use cursor::{Typed, typed};
pub(crate) use disposal::{NO_DISPOSAL, disposal_in};
pub(crate) use exports::common_js_exports;
pub(crate) use position::{line_and_column, original_of, untagged, with_prefix};
pub(crate) use script::{BINDINGS, Globals, Slot, prepare};
pub(crate) use tokens::{End, TokenKind, is_name, scan, scan_on};

/// What the paths of the service's own texts start with: they never show in a stack.
pub(crate) const INTERNAL: &str = "vm:";

/// Whether a text uses the syntax of ES modules: `import` and `export` declarations, `import.meta`. Dynamic imports are
/// not among it.
pub(crate) fn has_module_syntax(source: &str) -> bool {
    if !source.contains("import") && !source.contains("export") {
        return false;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::unambiguous()).parse();
    if parsed.diagnostics.is_empty() {
        return parsed.module_record.has_module_syntax;
    }
    // It may be broken in one way only: then it is the kind of text in which it is broken later.
    let module = Parser::new(&allocator, source, SourceType::mjs()).parse();
    module.module_record.has_module_syntax
}

/// Whether a text is written for a loader of `CommonJS` modules, or for one among others: it uses `module` or `exports`, and
/// declares neither.
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

/// Whether a name is declared at the top of a module.
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

/// Where a text asks for a module: the line and column, from 1, of the specifier.
pub(crate) fn position_of_request(source: &str, specifier: &str) -> Option<(usize, usize)> {
    let at = ['"', '\'', '`']
        .into_iter()
        .filter_map(|quote| source.find(&format!("{quote}{specifier}{quote}")))
        .min()?;
    Some(line_and_column(source, at))
}
