//! The first pass over the tree of a script: it finds what can stand at any depth.
//!
//! It looks for `await` at the top level, rewrites `var`, and restores errors that rewriting would
//! lose. Names that `let`, `const` and `class` declare at the top level become ordinary variables,
//! so an assignment to a constant and a use before the declaration would succeed. The walk replaces
//! both by an access to [`BINDINGS`] that throws. A use within a function that is called too early
//! is not found.

use std::collections::{BTreeSet, HashMap};

use oxc_ast::ast::{
    ArrowFunctionExpression, AssignmentTargetPropertyIdentifier, AwaitExpression, ForInStatement,
    ForOfStatement, ForStatementLeft, Function, IdentifierReference, ObjectProperty, Program,
    PropertyDefinition, Statement, StaticBlock, VariableDeclaration, VariableDeclarationKind,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::Scoping;
use oxc_syntax::scope::ScopeFlags;
use oxc_syntax::symbol::SymbolId;

use super::edits::Edits;
use super::globals::{BINDINGS, Globals, Slot, names_of};

/// How a name of the top level is declared.
struct Declared {
    is_constant: bool,
    /// The byte from which on the name has a value; an earlier use throws.
    known_from: usize,
}

/// The walk over one script.
pub(super) struct Walk<'s> {
    source: &'s str,
    scoping: &'s Scoping,
    globals: &'s dyn Globals,
    /// Whether the script becomes the body of an async function, whose variables would be local.
    is_async: bool,
    declared: HashMap<SymbolId, Declared>,
    /// How many functions the current node is in; 0 at the top level.
    depth: usize,
    /// Whether the next identifier also names a property, as in `{x}`.
    in_shorthand: bool,
    /// Whether the top level has an `await`.
    pub(super) waits: bool,
    /// Names that functions use and the script does not declare.
    pub(super) used: BTreeSet<String>,
    /// Names of rewritten `var` declarations, which are to be declared before the script.
    pub(super) variables: BTreeSet<String>,
    pub(super) edits: Edits,
}

impl<'s> Walk<'s> {
    pub(super) fn new(
        source: &'s str,
        scoping: &'s Scoping,
        globals: &'s dyn Globals,
        is_async: bool,
    ) -> Self {
        Self {
            source,
            scoping,
            globals,
            is_async,
            declared: HashMap::new(),
            depth: 0,
            in_shorthand: false,
            waits: false,
            used: BTreeSet::new(),
            variables: BTreeSet::new(),
            edits: Edits::default(),
        }
    }

    fn note_declarations(&mut self, program: &Program<'_>) {
        for statement in &program.body {
            match statement {
                Statement::VariableDeclaration(declaration) if declaration.kind.is_lexical() => {
                    let is_constant = declaration.kind == VariableDeclarationKind::Const;
                    for declarator in &declaration.declarations {
                        let known_from = declarator.span.end as usize;
                        for id in declarator.id.get_binding_identifiers() {
                            self.note(id.symbol_id.get(), is_constant, known_from);
                        }
                    }
                }
                Statement::ClassDeclaration(class) => {
                    let id = class.id.as_ref().and_then(|id| id.symbol_id.get());
                    // Uses within the class mean a binding of its own.
                    self.note(id, false, class.span.start as usize);
                }
                Statement::ImportDeclaration(import) => {
                    for specifier in import.specifiers.iter().flatten() {
                        self.note(specifier.local().symbol_id.get(), true, 0);
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, symbol: Option<SymbolId>, is_constant: bool, known_from: usize) {
        if let Some(symbol) = symbol {
            self.declared.insert(
                symbol,
                Declared {
                    is_constant,
                    known_from,
                },
            );
        }
    }

    fn is_undeclared(&self, used: &IdentifierReference<'_>) -> bool {
        used.reference_id
            .get()
            .is_some_and(|id| self.scoping.get_reference(id).symbol_id().is_none())
    }

    /// The replacement for a use of a name that the language forbids; `None` if it does not.
    fn refusal(&self, used: &IdentifierReference<'_>) -> Option<String> {
        let reference = self.scoping.get_reference(used.reference_id.get()?);
        let name = used.name.as_str();
        let is_write = reference.flags().is_write();
        let (is_constant, is_early) = match reference.symbol_id() {
            Some(symbol) => {
                let declared = self.declared.get(&symbol)?;
                let is_early = self.depth == 0 && (used.span.start as usize) < declared.known_from;
                (declared.is_constant, is_early)
            }
            None => (self.globals.is_constant(name), false),
        };
        if is_early {
            let early = format!("{BINDINGS}.early(\"{name}\")");
            Some(if is_write {
                format!("{early}.value")
            } else {
                early
            })
        } else if is_write && is_constant {
            Some(format!("{BINDINGS}.constant"))
        } else {
            None
        }
    }

    /// Visits what is inside a function.
    fn inside(&mut self, visit: impl FnOnce(&mut Self)) {
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }

    /// Rewrites a `var` that the language refuses here, or that would be local to the async
    /// function. `0,` keeps the length; the head of a `for`-`in` or `for`-`of` loop takes the bare
    /// target.
    fn variable(&mut self, declaration: &VariableDeclaration<'_>, is_loop_target: bool) {
        if declaration.kind != VariableDeclarationKind::Var || self.depth > 0 {
            return;
        }
        let names = names_of(declaration);
        let is_taken = |name: &String| self.globals.slot(name) == Slot::Lexical;
        if !self.is_async && !names.iter().any(is_taken) {
            return;
        }
        let start = declaration.span.start as usize;
        let replacement = if is_loop_target { "" } else { "0," };
        self.edits.pad(start, start + "var".len(), replacement);
        let free = names
            .into_iter()
            .filter(|name| self.globals.slot(name) != Slot::Lexical);
        self.variables.extend(free);
    }

    fn loop_target(&mut self, left: &ForStatementLeft<'_>) {
        if let ForStatementLeft::VariableDeclaration(declaration) = left {
            self.variable(declaration, true);
            walk::walk_variable_declaration(self, declaration);
        } else {
            walk::walk_for_statement_left(self, left);
        }
    }
}

impl<'a> Visit<'a> for Walk<'_> {
    fn visit_program(&mut self, program: &Program<'a>) {
        self.note_declarations(program);
        walk::walk_program(self, program);
    }

    fn visit_identifier_reference(&mut self, used: &IdentifierReference<'a>) {
        let in_shorthand = std::mem::take(&mut self.in_shorthand);
        if self.depth > 0 && self.is_undeclared(used) {
            self.used.insert(used.name.to_string());
        }
        if let Some(text) = self.refusal(used) {
            let text = if in_shorthand {
                format!("{}: {text}", used.name)
            } else {
                text
            };
            let (start, end) = (used.span.start as usize, used.span.end as usize);
            self.edits.replace(self.source, start, end, text);
        }
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        if property.shorthand {
            self.in_shorthand = true;
            self.visit_expression(&property.value);
            self.in_shorthand = false;
        } else {
            walk::walk_object_property(self, property);
        }
    }

    fn visit_assignment_target_property_identifier(
        &mut self,
        target: &AssignmentTargetPropertyIdentifier<'a>,
    ) {
        self.in_shorthand = true;
        self.visit_identifier_reference(&target.binding);
        if let Some(init) = &target.init {
            self.visit_expression(init);
        }
    }

    fn visit_await_expression(&mut self, waits: &AwaitExpression<'a>) {
        self.waits |= self.depth == 0;
        walk::walk_await_expression(self, waits);
    }

    fn visit_for_of_statement(&mut self, of: &ForOfStatement<'a>) {
        self.waits |= of.r#await && self.depth == 0;
        self.loop_target(&of.left);
        self.visit_expression(&of.right);
        self.visit_statement(&of.body);
    }

    fn visit_for_in_statement(&mut self, r#in: &ForInStatement<'a>) {
        self.loop_target(&r#in.left);
        self.visit_expression(&r#in.right);
        self.visit_statement(&r#in.body);
    }

    fn visit_variable_declaration(&mut self, declaration: &VariableDeclaration<'a>) {
        self.variable(declaration, false);
        walk::walk_variable_declaration(self, declaration);
    }

    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        self.inside(|walk| walk::walk_function(walk, function, flags));
    }

    fn visit_arrow_function_expression(&mut self, arrow: &ArrowFunctionExpression<'a>) {
        self.inside(|walk| walk::walk_arrow_function_expression(walk, arrow));
    }

    fn visit_property_definition(&mut self, property: &PropertyDefinition<'a>) {
        if property.computed {
            self.visit_property_key(&property.key);
        }
        if let Some(value) = &property.value {
            self.inside(|walk| walk.visit_expression(value));
        }
    }

    fn visit_static_block(&mut self, block: &StaticBlock<'a>) {
        self.inside(|walk| walk::walk_static_block(walk, block));
    }
}
