//! Scripts as a console takes them.

use std::collections::BTreeSet;

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Class, ImportDeclaration, Program, Statement, VariableDeclaration, VariableDeclarationKind,
};
use oxc_ast_visit::Visit;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::{GetSpan, SourceType, Span};

use super::disposal::{self, NO_DISPOSAL};
use super::edits::{Edits, blanked};
use super::imports;
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

    /// Whether a function of an earlier execution uses a name that nothing had then.
    fn is_used(&self, name: &str) -> bool;
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
    /// The names that its functions use, and that it does not declare.
    pub(crate) used: Vec<String>,
}

/// Prepares a script. A text that has a syntax error is left as it is: the engine finds the error again and says where.
/// In a console (`is_console`) an object literal alone is an object.
pub(crate) fn prepare(source: &str, path: &str, is_console: bool, globals: &dyn Globals) -> Script {
    if is_console && let Some(script) = prepare_object(source, path, globals) {
        return script;
    }
    let is_plain = !globals.has_constants()
        && [
            "let", "const", "class", "var", "function", "=>", "using", "await", "import",
        ]
        .iter()
        .all(|word| !source.contains(word))
        && !has_method(source);
    if is_plain {
        return Script::default();
    }
    prepare_text(source, path, 0, globals).unwrap_or_default()
}

/// Whether there may be a method, which is a function without a word for it.
fn has_method(source: &str) -> bool {
    source
        .split(')')
        .skip(1)
        .any(|behind| behind.trim_start().starts_with('{'))
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
        .or_else(|| {
            Some(refusal(
                source,
                path,
                prefix,
                disposal::disposal_in(source)?,
            ))
        })
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
            used: std::mem::take(&mut walk.used).into_iter().collect(),
            ..Script::default()
        },
    };
    Some(rewriter.finish(program, prefix))
}

/// In place of a script that declares something with `using`, of which an engine would make something else: one that says so.
fn refusal(source: &str, path: &str, prefix: usize, at: usize) -> Script {
    // The engine's place of an exception is that of what is thrown.
    const THROW: &str = "throw ";
    let text = format!(
        "{}{THROW}new SyntaxError(\"{NO_DISPOSAL}\")",
        blanked(&source[..at])
    );
    let (line, column) = super::line_and_column(source, at);
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
        let last = last_of(&program.body);
        let suffix = match self.form {
            Form::Plain => match last {
                // As declarations they have no value; as assignments they would have one.
                Some(Statement::VariableDeclaration(_) | Statement::ClassDeclaration(_)) => {
                    "\n;void 0"
                }
                _ => "",
            },
            Form::Async => {
                if let Some(last) = last {
                    self.give(last);
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

    /// Has the async function return what the last statement comes to. A loop and a `switch` come to nothing here.
    fn give(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::ExpressionStatement(last) => {
                self.edits.insert(last.span.start as usize, "return (");
                let end = last.expression.span().end as usize;
                self.edits.insert(end, ")");
            }
            Statement::BlockStatement(block) => self.give_last(&block.body),
            Statement::IfStatement(branches) => {
                self.give(&branches.consequent);
                if let Some(alternate) = &branches.alternate {
                    self.give(alternate);
                }
            }
            Statement::TryStatement(attempt) => {
                self.give_last(&attempt.block.body);
                if let Some(handler) = &attempt.handler {
                    self.give_last(&handler.body.body);
                }
            }
            Statement::LabeledStatement(labeled) => self.give(&labeled.body),
            _ => {}
        }
    }

    fn give_last(&mut self, statements: &[Statement<'_>]) {
        if let Some(last) = last_of(statements) {
            self.give(last);
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
        if self.globals.slot(name) != Slot::Free {
            return true;
        }
        // A function that was compiled before finds it as a property of the global object alone.
        let fresh = if self.globals.is_used(name) {
            &mut self.fresh_variables
        } else {
            &mut self.fresh
        };
        fresh.insert(name.to_owned());
        false
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
        let (statement, locals) = imports::as_statement(self.source, self.path, import);
        let (start, end) = (import.span.start as usize, import.span.end as usize);
        self.edits
            .replace(self.source, start, end, format!(";{statement}"));
        for local in locals {
            self.declares(&local, true);
        }
    }
}

/// The last statement that does anything.
fn last_of<'s, 'a>(statements: &'s [Statement<'a>]) -> Option<&'s Statement<'a>> {
    let mut backwards = statements.iter().rev();
    backwards.find(|statement| !matches!(statement, Statement::EmptyStatement(_)))
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
