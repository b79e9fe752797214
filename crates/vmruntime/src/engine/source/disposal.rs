//! Declarations with `using`, which an engine may accept without disposing of anything.

use oxc_allocator::Allocator;
use oxc_ast::ast::{Program, VariableDeclaration, VariableDeclarationKind};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::SourceType;

/// The message of the error for a script with such a declaration.
pub(crate) const NO_DISPOSAL: &str =
    "declarations with 'using' are not supported: release it in a 'finally' block";

/// The position of the first such declaration in a script or a module, in bytes; `None` if there is
/// none, or the text can't be parsed.
pub(crate) fn disposal_in(source: &str) -> Option<usize> {
    if !source.contains("using") {
        return None;
    }
    [SourceType::mjs(), SourceType::script()]
        .into_iter()
        .find_map(|kind| {
            let allocator = Allocator::default();
            let parsed = Parser::new(&allocator, source, kind).parse();
            first(allocator.alloc(parsed.program))
        })
}

/// The position of the first such declaration in a program, in bytes; `None` if there is none.
pub(super) fn first(program: &Program<'_>) -> Option<usize> {
    let mut finder = Finder(None);
    finder.visit_program(program);
    finder.0
}

struct Finder(Option<usize>);

impl<'a> Visit<'a> for Finder {
    fn visit_variable_declaration(&mut self, declaration: &VariableDeclaration<'a>) {
        let disposes = matches!(
            declaration.kind,
            VariableDeclarationKind::Using | VariableDeclarationKind::AwaitUsing
        );
        if disposes {
            self.0.get_or_insert(declaration.span.start as usize);
        }
        walk::walk_variable_declaration(self, declaration);
    }
}
