//! Static imports at the top level of a script, as dynamic ones.

use oxc_ast::ast::{ImportDeclaration, ImportDeclarationSpecifier, ModuleExportName};
use oxc_span::{GetSpan, Span};

use super::globals::BINDINGS;
use super::position::line_and_column;

/// The statement that imports dynamically what `import` imports statically, and the names that it
/// assigns to. It throws at the position of the import if the module lacks an export.
pub(super) fn as_statement(
    source: &str,
    path: &str,
    import: &ImportDeclaration<'_>,
) -> (String, Vec<String>) {
    let text = |span: Span| &source[span.start as usize..span.end as usize];
    let specifier = text(import.source.span);
    let (mut members, mut required) = (Vec::new(), Vec::new());
    let mut namespace = None;
    let mut locals = Vec::new();
    for specifier in import.specifiers.iter().flatten() {
        let local = specifier.local().name.to_string();
        match specifier {
            ImportDeclarationSpecifier::ImportSpecifier(named) => {
                let imported = match &named.imported {
                    ModuleExportName::StringLiteral(name) => text(name.span),
                    other => text(other.span()),
                };
                members.push(format!("{imported}: {local}"));
                required.push(format!("{:?}", named.imported.name().as_str()));
            }
            ImportDeclarationSpecifier::ImportDefaultSpecifier(_) => {
                members.push(format!("default: {local}"));
                required.push("\"default\"".to_owned());
            }
            ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => {
                namespace = Some(local.clone());
            }
        }
        locals.push(local);
    }
    let mut call = format!("await import({specifier}");
    if let Some(with) = &import.with_clause {
        let attributes = text(with.span);
        let object = attributes.find('{').map_or("{}", |at| &attributes[at..]);
        call.push_str(", {with: ");
        call.push_str(object);
        call.push('}');
    }
    call.push(')');
    if !required.is_empty() {
        let (line, column) = line_and_column(source, import.span.start as usize);
        let place = format!("{path}:{line}:{column}");
        let required = required.join(", ");
        call = format!("{BINDINGS}.imported({call}, {specifier}, {place:?}, {required})");
    }
    let members = members.join(", ");
    let statement = match namespace {
        Some(namespace) if members.is_empty() => format!("{namespace} = {call};"),
        Some(namespace) => format!("{namespace} = {call}; ({{{members}}} = {namespace});"),
        None if members.is_empty() => format!("{call};"),
        None => format!("({{{members}}} = {call});"),
    };
    (statement, locals)
}
