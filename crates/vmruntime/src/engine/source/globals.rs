//! What rewriting needs to know of the global scope, and what it needs the engine to define there.

use oxc_ast::ast::VariableDeclaration;

/// The name of the object by which rewritten scripts do what a plain assignment can't. The engine
/// defines it as a hidden global, with these properties:
///
/// - `early(name)` throws the error of a variable that is used before its declaration.
/// - `constant` has a setter, which throws the error of an assignment to a constant.
/// - `imported(namespace, specifier, place, ...names)` gives the namespace, or throws a syntax
///   error at `place` if the namespace lacks one of the names.
pub(crate) const BINDINGS: &str = "__vmBindings__";

/// What a name means in the global scope before a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing, or a property of the global object that a declaration may hide.
    Free,
    /// A `let` of an earlier execution. The language refuses a second declaration.
    Lexical,
    /// A property of the global object that can't be configured: a `var` or a function of an
    /// earlier execution. The language refuses a `let`.
    Fixed,
}

/// The global scope, as the engine knows it.
pub(crate) trait Globals {
    /// What a name means.
    fn slot(&self, name: &str) -> Slot;

    /// Whether the last declaration of a name was a `const`.
    fn is_constant(&self, name: &str) -> bool;

    /// Whether any name is a constant.
    fn has_constants(&self) -> bool;

    /// Whether a function of an earlier execution uses a name that was not declared when the
    /// function was compiled. The function looks such a name up on the global object for ever.
    fn is_used(&self, name: &str) -> bool;
}

/// The names that a declaration binds.
pub(super) fn names_of(declaration: &VariableDeclaration<'_>) -> Vec<String> {
    declaration
        .declarations
        .iter()
        .flat_map(|declarator| declarator.id.get_binding_identifiers())
        .map(|id| id.name.to_string())
        .collect()
}
