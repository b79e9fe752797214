//! Scripts as a console takes them.

use std::collections::BTreeSet;

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Class, ImportDeclaration, ImportDeclarationSpecifier, ModuleExportName, Program, Statement,
    VariableDeclaration, VariableDeclarationKind,
};
use oxc_ast_visit::Visit;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::{GetSpan, SourceType, Span};

use super::edits::{Edits, blanked};
use super::position::{HIDDEN, Move, tagged};
use super::walk::Walk;

/// The name of the object that stands in for bindings that must not be used as they are written: see
/// [`Walk`]. Engines define it.
pub(crate) const BINDINGS: &str = "__vmBindings__";

/// What a name at the top of a script means before the script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing, or a property of the global object that a declaration may hide.
    Free,
    /// A `let` of an earlier execution.
    Lexical,
    /// A property of the global object that can't be hidden: a `var` or a function of an earlier execution.
    Fixed,
}

/// What is known of the global scope.
pub(crate) trait Globals {
    /// What a name means.
    fn slot(&self, name: &str) -> Slot;

    /// Whether the last declaration of a name was a `const`.
    fn is_constant(&self, name: &str) -> bool;

    /// Whether there is any constant.
    fn has_constants(&self) -> bool;
}

/// A text for an engine, with the path that says where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    pub(crate) text: String,
    pub(crate) path: String,
}

/// A script, ready for an engine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// What is evaluated first, in order: it declares names, and can't fail.
    pub(crate) before: Vec<Snippet>,
    /// The script itself; nothing if the text can be taken as it is.
    pub(crate) body: Option<Snippet>,
    /// Whether the body's value is a promise to wait for.
    pub(crate) is_async: bool,
    /// The names that are constants from now on.
    pub(crate) constants: Vec<String>,
    /// The names that are declared, and not as constants.
    pub(crate) variables: Vec<String>,
}

/// Prepares a script. A text that has a syntax error is left as it is: the engine finds the error again and says where.
/// In a console (`is_console`) an object literal alone is an object.
pub(crate) fn prepare(source: &str, path: &str, is_console: bool, globals: &dyn Globals) -> Script {
    if is_console && let Some(script) = prepare_object(source, path, globals) {
        return script;
    }
    let is_plain = !globals.has_constants()
        && [
            "let", "const", "class", "var", "function", "await", "import",
        ]
        .iter()
        .all(|word| !source.contains(word));
    if is_plain {
        return Script::default();
    }
    prepare_text(source, path, 0, globals).unwrap_or_default()
}

/// `{a: 1}` is a block to the language and an object to whoever types it.
fn prepare_object(source: &str, path: &str, globals: &dyn Globals) -> Option<Script> {
    let trimmed = source.trim();
    if !trimmed.starts_with('{') || trimmed.ends_with(';') {
        return None;
    }
    let wrapped = format!("({source}\n)");
    let mut script = prepare_text(&wrapped, path, 1, globals)?;
    script.body.get_or_insert_with(|| Snippet {
        path: super::with_prefix(path, 1),
        text: wrapped,
    });
    Some(script)
}

fn prepare_text(source: &str, path: &str, prefix: usize, globals: &dyn Globals) -> Option<Script> {
    let waits = source.contains("await") || source.contains("import");
    waits
        .then(|| rewrite(source, path, prefix, globals, Form::Async))
        .flatten()
        .or_else(|| rewrite(source, path, prefix, globals, Form::Plain))
}

/// What becomes of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A script.
    Plain,
    /// An async function that is called at once, because something at the top waits.
    Async,
}

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
        // In a module `await` is what it should be here.
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
    let rewriter = Rewriter {
        source,
        path,
        globals,
        form,
        edits: std::mem::take(&mut walk.edits),
        fresh: BTreeSet::new(),
        fresh_variables: std::mem::take(&mut walk.variables),
        functions: Vec::new(),
        script: Script {
            is_async: form == Form::Async,
            ..Script::default()
        },
    };
    Some(rewriter.finish(program, prefix))
}

fn allocator_ref<'a>(allocator: &'a Allocator, program: Program<'a>) -> &'a Program<'a> {
    allocator.alloc(program)
}

struct Rewriter<'s> {
    source: &'s str,
    path: &'s str,
    globals: &'s dyn Globals,
    form: Form,
    edits: Edits,
    /// Names that are to be declared with `let` first.
    fresh: BTreeSet<String>,
    /// Names that are to be declared with `var` first.
    fresh_variables: BTreeSet<String>,
    /// Functions that move in front of the body, with the text that defines them there.
    functions: Vec<(Span, String)>,
    script: Script,
}

impl Rewriter<'_> {
    fn finish(mut self, program: &Program<'_>, prefix: usize) -> Script {
        if self.form == Form::Async {
            // The first of all that goes in front of the text.
            self.edits.insert(0, "(async () => {");
        }
        for statement in &program.body {
            self.statement(statement);
        }
        let last = program
            .body
            .iter()
            .rfind(|statement| !matches!(statement, Statement::EmptyStatement(_)));
        let suffix = match self.form {
            Form::Plain => match last {
                // As declarations they have no value; as assignments they would have one.
                Some(Statement::VariableDeclaration(_) | Statement::ClassDeclaration(_)) => {
                    "\n;void 0"
                }
                _ => "",
            },
            Form::Async => {
                if let Some(Statement::ExpressionStatement(last)) = last {
                    self.edits.insert(last.span.start as usize, "return (");
                    let end = last.expression.span().end as usize;
                    self.edits.insert(end, ")");
                }
                "\n})()"
            }
        };
        self.declare();
        let (mut text, moves) = self.edits.apply(self.source);
        if text != self.source || !suffix.is_empty() {
            let mut moves = moved_further(moves, prefix);
            if self.form == Form::Async {
                let call = Move {
                    line: text.matches('\n').count() + 2,
                    column: 1,
                    by: HIDDEN,
                };
                moves.insert(0, call);
            }
            text.push_str(suffix);
            let path = tagged(self.path, &moves);
            self.script.body = Some(Snippet { text, path });
        }
        self.script
    }

    /// Makes what runs before the body.
    fn declare(&mut self) {
        let path = self.path.to_owned();
        let lists = [("let", &self.fresh), ("var", &self.fresh_variables)];
        for (keyword, names) in lists {
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.script.before.push(Snippet {
                    text: format!("{keyword} {};", names.join(",")),
                    path: path.clone(),
                });
            }
        }
        if !self.functions.is_empty() {
            // The same lines and columns with nothing but the functions.
            let mut text = String::with_capacity(self.source.len());
            let mut done = 0;
            for (span, definition) in &self.functions {
                text.push_str(&blanked(&self.source[done..span.start as usize]));
                text.push_str(definition);
                done = span.end as usize;
            }
            self.script.before.push(Snippet { text, path });
        }
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::VariableDeclaration(declaration) => match declaration.kind {
                VariableDeclarationKind::Let | VariableDeclarationKind::Const => {
                    self.lexical(declaration);
                }
                // Those are the walk's, wherever they stand.
                VariableDeclarationKind::Var
                | VariableDeclarationKind::Using
                | VariableDeclarationKind::AwaitUsing => {
                    let names = names_of(declaration);
                    self.script.variables.extend(names);
                }
            },
            Statement::ClassDeclaration(class) => self.class(class),
            Statement::FunctionDeclaration(function) => {
                if let Some(id) = &function.id {
                    self.function(function.span, id.span, id.name.as_str());
                }
            }
            Statement::ImportDeclaration(import) => self.import(import),
            _ => {}
        }
    }

    /// Notes a name that `let`, `const`, `class` or `import` declares; says whether it was there before.
    fn declares(&mut self, name: &str, is_constant: bool) -> bool {
        let names = if is_constant {
            &mut self.script.constants
        } else {
            &mut self.script.variables
        };
        names.push(name.to_owned());
        if self.globals.slot(name) == Slot::Free {
            self.fresh.insert(name.to_owned());
            return false;
        }
        true
    }

    /// `let x = 1, y` becomes `0,  x = 1, y`: as long, and an assignment.
    fn lexical(&mut self, declaration: &VariableDeclaration<'_>) {
        let is_constant = declaration.kind == VariableDeclarationKind::Const;
        let start = declaration.span.start as usize;
        let keyword = if is_constant { "const" } else { "let" };
        self.edits.pad(start, start + keyword.len(), "0,");
        for declarator in &declaration.declarations {
            let mut is_known = false;
            for id in declarator.id.get_binding_identifiers() {
                is_known |= self.declares(id.name.as_str(), is_constant);
            }
            if declarator.init.is_none() && is_known {
                let end = declarator.span.end as usize;
                self.edits.insert(end, "=void 0");
            }
        }
    }

    /// `class A {}` becomes `A=class A {};`.
    fn class(&mut self, class: &Class<'_>) {
        let Some(id) = &class.id else { return };
        self.declares(id.name.as_str(), false);
        self.edits
            .insert(class.span.start as usize, format!("{}=", id.name));
        self.edits.insert(class.span.end as usize, ";");
    }

    /// A function stays where it is, unless its name can't be declared there or it would be the async function's own.
    fn function(&mut self, whole: Span, id: Span, name: &str) {
        self.script.variables.push(name.to_owned());
        let is_lexical = self.globals.slot(name) == Slot::Lexical;
        if !is_lexical && self.form == Form::Plain {
            return;
        }
        let (start, end) = (whole.start as usize, whole.end as usize);
        let text = &self.source[start..end];
        let definition = if is_lexical {
            // `function f(` becomes `f=function(`, which is as long.
            let head = self.source[start..id.start as usize].trim_end();
            let rest = &self.source[id.end as usize..end];
            format!("{name}={head}{rest};")
        } else {
            text.to_owned()
        };
        self.functions.push((whole, definition));
        self.edits.blank(self.source, start, end);
    }

    /// A static import becomes a dynamic one.
    fn import(&mut self, import: &ImportDeclaration<'_>) {
        let text = |span: Span| &self.source[span.start as usize..span.end as usize];
        let mut members = Vec::new();
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
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(_) => {
                    members.push(format!("default: {local}"));
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => {
                    namespace = Some(local.clone());
                }
            }
            locals.push(local);
        }
        let mut call = format!("await import({}", text(import.source.span));
        if let Some(with) = &import.with_clause {
            let attributes = text(with.span);
            let object = attributes.find('{').map_or("{}", |at| &attributes[at..]);
            call.push_str(", {with: ");
            call.push_str(object);
            call.push('}');
        }
        call.push(')');
        let statement = match (namespace, members.is_empty()) {
            (Some(namespace), true) => format!("{namespace} = {call};"),
            (Some(namespace), false) => {
                format!(
                    "{namespace} = {call}; ({{{}}} = {namespace});",
                    members.join(", ")
                )
            }
            (None, true) => format!("{call};"),
            (None, false) => format!("({{{}}} = {call});", members.join(", ")),
        };
        let (start, end) = (import.span.start as usize, import.span.end as usize);
        self.edits
            .replace(self.source, start, end, format!(";{statement}"));
        for local in locals {
            self.declares(&local, true);
        }
    }
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

/// The moves in a text that has more in front of its first line than the user wrote.
fn moved_further(mut moves: Vec<Move>, prefix: usize) -> Vec<Move> {
    if prefix == 0 {
        return moves;
    }
    for moved in moves.iter_mut().filter(|moved| moved.line == 1) {
        moved.by += prefix.cast_signed();
    }
    let first = Move {
        line: 1,
        column: prefix + 1,
        by: prefix.cast_signed(),
    };
    moves.insert(0, first);
    moves
}
