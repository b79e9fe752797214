//! Preparing a script: choosing the form that it is rewritten in.

use oxc_allocator::Allocator;
use oxc_ast::ast::{Program, Statement};
use oxc_ast_visit::Visit;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

use super::disposal::{self, NO_DISPOSAL};
use super::edits::blanked;
use super::globals::Globals;
use super::position::{Move, line_and_column, tagged, with_prefix};
use super::rewriter::{Form, Rewriter, Script, Snippet};
use super::walk::Walk;

/// Words without any of which, and without methods and constants, a script declares nothing and
/// uses nothing that needs rewriting.
const WORDS_TO_REWRITE: [&str; 9] = [
    "let", "const", "class", "var", "function", "=>", "using", "await", "import",
];

/// Prepares a script. A text with a syntax error is left as it is, since the engine finds the error
/// again and reports its position. In a console (`is_console`) a text that is an object literal
/// gives the object.
pub(crate) fn prepare(source: &str, path: &str, is_console: bool, globals: &dyn Globals) -> Script {
    if is_console && let Some(script) = prepare_object(source, path, globals) {
        return script;
    }
    let is_plain = !globals.has_constants()
        && WORDS_TO_REWRITE.iter().all(|word| !source.contains(word))
        && !has_method(source);
    if is_plain {
        return Script::default();
    }
    prepare_text(source, path, 0, globals).unwrap_or_default()
}

/// Whether there may be a method, which is a function without a keyword.
fn has_method(source: &str) -> bool {
    source
        .split(')')
        .skip(1)
        .any(|behind| behind.trim_start().starts_with('{'))
}

/// Prepares `{a: 1}`, which is a block to the language, as the object that the user of a console
/// means; `None` if the text is no object literal.
fn prepare_object(source: &str, path: &str, globals: &dyn Globals) -> Option<Script> {
    let trimmed = source.trim();
    if !trimmed.starts_with('{') || trimmed.ends_with(';') {
        return None;
    }
    let wrapped = format!("({source}\n)");
    let mut script = prepare_text(&wrapped, path, 1, globals)?;
    script.body.get_or_insert_with(|| Snippet {
        path: with_prefix(path, 1),
        text: wrapped,
    });
    Some(script)
}

/// Prepares a text in the first form that it parses in; `None` if it has a syntax error in both.
fn prepare_text(source: &str, path: &str, prefix: usize, globals: &dyn Globals) -> Option<Script> {
    let waits = source.contains("await") || source.contains("import");
    waits
        .then(|| rewrite(source, path, prefix, globals, Form::Async))
        .flatten()
        .or_else(|| rewrite(source, path, prefix, globals, Form::Plain))
        .or_else(|| {
            Some(refusal(
                source,
                path,
                prefix,
                disposal::disposal_in(source)?,
            ))
        })
}

/// Rewrites a text in one form; `None` if it is not of that form or has a syntax error in it.
fn rewrite(
    source: &str,
    path: &str,
    prefix: usize,
    globals: &dyn Globals,
    form: Form,
) -> Option<Script> {
    let allocator = Allocator::default();
    let kind = match form {
        Form::Plain => SourceType::script(),
        // Only in a module is `await` an operator at the top level.
        Form::Async => SourceType::mjs(),
    };
    let parsed = Parser::new(&allocator, source, kind).parse();
    if !parsed.diagnostics.is_empty() {
        return None;
    }
    let program = allocator_ref(&allocator, parsed.program);
    let analysed = SemanticBuilder::new()
        .with_check_syntax_error(true)
        .with_build_nodes(true)
        .build(program);
    if !analysed.diagnostics.is_empty() {
        return None;
    }
    if source.contains("using")
        && let Some(at) = disposal::first(program)
    {
        return Some(refusal(source, path, prefix, at));
    }
    let mut walk = Walk::new(
        source,
        analysed.semantic.scoping(),
        globals,
        form == Form::Async,
    );
    walk.visit_program(program);
    let has_imports = program
        .body
        .iter()
        .any(|statement| matches!(statement, Statement::ImportDeclaration(_)));
    let exports = program.body.iter().any(|statement| {
        statement.is_module_declaration() && !matches!(statement, Statement::ImportDeclaration(_))
    });
    if form == Form::Async && (exports || !(walk.waits || has_imports)) {
        return None;
    }
    let rewriter = Rewriter::new(source, path, globals, form, &mut walk);
    Some(rewriter.finish(program, prefix))
}

/// A script that throws, in place of one that declares something with `using` at byte `at`.
fn refusal(source: &str, path: &str, prefix: usize, at: usize) -> Script {
    // The engine reports the position of the thrown expression.
    const THROW: &str = "throw ";
    let text = format!(
        "{}{THROW}new SyntaxError(\"{NO_DISPOSAL}\")",
        blanked(&source[..at])
    );
    let (line, column) = line_and_column(source, at);
    let before = if line == 1 { prefix } else { 0 };
    let thrown = Move {
        line,
        column: column + THROW.len(),
        by: (before + THROW.len()).cast_signed(),
    };
    let path = tagged(path, &[thrown]);
    Script {
        body: Some(Snippet { text, path }),
        ..Script::default()
    }
}

fn allocator_ref<'a>(allocator: &'a Allocator, program: Program<'a>) -> &'a Program<'a> {
    allocator.alloc(program)
}
