//! Rewriting the top level of a script: the second of two passes over its tree, after [`Walk`].

use std::collections::BTreeSet;

use oxc_ast::ast::{
    Class, ImportDeclaration, Program, Statement, VariableDeclaration, VariableDeclarationKind,
};
use oxc_span::{GetSpan, Span};

use super::edits::{Edits, blanked};
use super::globals::{Globals, Slot, names_of};
use super::imports;
use super::position::{HIDDEN, Move, tagged};
use super::walk::Walk;

/// A text for an engine, with the path that it is parsed under. The path carries the moved
/// positions (see [`super::position`]).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    pub(crate) text: String,
    pub(crate) path: String,
}

/// A script in the form that an engine evaluates: first `before`, in order, then `body`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// Texts that declare names. They can't throw.
    pub(crate) before: Vec<Snippet>,
    /// The rewritten script; `None` if the engine is to evaluate the text of the user.
    pub(crate) body: Option<Snippet>,
    /// Whether the value of the body is a promise whose result is the value of the script.
    pub(crate) is_async: bool,
    /// The names that the script declares as constants.
    pub(crate) constants: Vec<String>,
    /// The names that the script declares in another way.
    pub(crate) variables: Vec<String>,
    /// The names that functions of the script use, and that it does not declare.
    pub(crate) used: Vec<String>,
}

/// The form of a rewritten body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Statements of a script.
    Plain,
    /// The body of an async function that is called at once, because the top level awaits
    /// something.
    Async,
}

pub(super) struct Rewriter<'s> {
    source: &'s str,
    path: &'s str,
    globals: &'s dyn Globals,
    form: Form,
    edits: Edits,
    /// Names that `before` declares with `let`.
    fresh: BTreeSet<String>,
    /// Names that `before` declares with `var`.
    fresh_variables: BTreeSet<String>,
    /// Functions that move into `before`, each with the text that defines it there.
    functions: Vec<(Span, String)>,
    script: Script,
}

impl<'s> Rewriter<'s> {
    /// A rewriter that goes on with what the walk over the same script has found.
    pub(super) fn new(
        source: &'s str,
        path: &'s str,
        globals: &'s dyn Globals,
        form: Form,
        walk: &mut Walk<'s>,
    ) -> Self {
        Self {
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
        }
    }

    /// The script. `prefix` is how many characters stand before the first line that the user did
    /// not write.
    pub(super) fn finish(mut self, program: &Program<'_>, prefix: usize) -> Script {
        if self.form == Form::Async {
            // It is inserted first, so that it stands before all other insertions at the start.
            self.edits.insert(0, "(async () => {");
        }
        for statement in &program.body {
            self.statement(statement);
        }
        let last = last_of(&program.body);
        let suffix = match self.form {
            Form::Plain => match last {
                // A declaration has no value, but the assignment that it has become would have one.
                Some(Statement::VariableDeclaration(_) | Statement::ClassDeclaration(_)) => {
                    "\n;void 0"
                }
                _ => "",
            },
            Form::Async => {
                if let Some(last) = last {
                    self.return_value_of(last);
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

    /// Makes the texts of `before`.
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
            // The functions keep their lines and columns: everything else is blank.
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

    /// Makes the async function return the value of its last statement. The value of a loop or a
    /// `switch` is lost.
    fn return_value_of(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::ExpressionStatement(last) => {
                self.edits.insert(last.span.start as usize, "return (");
                let end = last.expression.span().end as usize;
                self.edits.insert(end, ")");
            }
            Statement::BlockStatement(block) => self.return_last_of(&block.body),
            Statement::IfStatement(branches) => {
                self.return_value_of(&branches.consequent);
                if let Some(alternate) = &branches.alternate {
                    self.return_value_of(alternate);
                }
            }
            Statement::TryStatement(attempt) => {
                self.return_last_of(&attempt.block.body);
                if let Some(handler) = &attempt.handler {
                    self.return_last_of(&handler.body.body);
                }
            }
            Statement::LabeledStatement(labeled) => self.return_value_of(&labeled.body),
            _ => {}
        }
    }

    fn return_last_of(&mut self, statements: &[Statement<'_>]) {
        if let Some(last) = last_of(statements) {
            self.return_value_of(last);
        }
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::VariableDeclaration(declaration) => match declaration.kind {
                VariableDeclarationKind::Let | VariableDeclarationKind::Const => {
                    self.lexical(declaration);
                }
                // The walk has rewritten those already, at any depth.
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

    /// Notes a name that `let`, `const`, `class` or `import` declares; gives whether it was
    /// declared before.
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
        // A function that was compiled when the name meant nothing looks it up on the global
        // object, where only a `var` stands.
        let fresh = if self.globals.is_used(name) {
            &mut self.fresh_variables
        } else {
            &mut self.fresh
        };
        fresh.insert(name.to_owned());
        false
    }

    /// `let x = 1, y` becomes `0,  x = 1, y`: an assignment of the same length.
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

    /// A function stays where it is, unless its name can't be declared again or the async function
    /// would make it a local.
    fn function(&mut self, whole: Span, id: Span, name: &str) {
        self.script.variables.push(name.to_owned());
        let is_lexical = self.globals.slot(name) == Slot::Lexical;
        if !is_lexical && self.form == Form::Plain {
            return;
        }
        let (start, end) = (whole.start as usize, whole.end as usize);
        let text = &self.source[start..end];
        let definition = if is_lexical {
            // `function f(` becomes `f=function(`, which has the same length.
            let head = self.source[start..id.start as usize].trim_end();
            let rest = &self.source[id.end as usize..end];
            format!("{name}={head}{rest};")
        } else {
            text.to_owned()
        };
        self.functions.push((whole, definition));
        self.edits.blank(self.source, start, end);
    }

    /// A static import becomes a dynamic one, since a script has no static imports.
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

/// The last statement that is not empty.
fn last_of<'s, 'a>(statements: &'s [Statement<'a>]) -> Option<&'s Statement<'a>> {
    let mut backwards = statements.iter().rev();
    backwards.find(|statement| !matches!(statement, Statement::EmptyStatement(_)))
}

/// The moves in a text that has `prefix` more characters before its first line.
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
