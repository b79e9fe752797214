//! Naming the expression that an error of the engine is about.
//!
//! The engine says "not a callable function", with a position and no name. The expression that was
//! called, or whose property was read, is found in the source text again. One position can mean
//! several expressions: the engine records none for the function of a call like `a.b()`, so reading
//! `b` fails at the position that holds around it. Then all of them are named.

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, CallExpression, ChainExpression,
    ComputedMemberExpression, Expression, FunctionBody, NewExpression, StaticMemberExpression,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType, Span};

use crate::engine::source::offset_of;

/// How much of an expression's text is shown, in characters.
const MAX_TEXT_CHARS: usize = 60;

/// The longest source that is searched, in bytes: its tree takes many times as much memory, which
/// counts towards the limit of the script.
const MAX_SOURCE_BYTES: usize = 128 * 1024;

/// How many expressions an error names at most.
const MAX_NAMED: usize = 3;

/// The word before a property that was read.
const READING: &str = "reading ";

/// What an error of the engine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// What was called is no function.
    NotCallable,
    /// What stands after `new` is no constructor.
    NotConstructor,
    /// A property of `undefined` or `null` was read or set.
    Nothing,
}

/// The message that names the expression at a position, a line and a column from 1; `None` if it is
/// not found.
pub(crate) fn name_culprit(
    source: &str,
    place: (usize, usize),
    complaint: Complaint,
) -> Option<String> {
    if source.len() > MAX_SOURCE_BYTES {
        return None;
    }
    let place = offset_of(source, place)?;
    [SourceType::mjs(), SourceType::script()]
        .into_iter()
        .find_map(|kind| {
            let allocator = Allocator::default();
            let parsed = Parser::new(&allocator, source, kind).parse();
            if !parsed.diagnostics.is_empty() {
                return None;
            }
            let mut search = Search {
                source,
                place,
                complaint,
                around: None,
                last: None,
                found: Vec::new(),
            };
            search.visit_program(allocator.alloc(parsed.program));
            search.words()
        })
}

/// A walk that knows at which position the engine reports the failure of each expression.
struct Search<'s> {
    source: &'s str,
    /// The reported position, in bytes.
    place: usize,
    complaint: Complaint,
    /// The position that the engine reports for nodes without one of their own, in bytes; `None` at
    /// the top level.
    around: Option<usize>,
    /// The position that was recorded last, which the engine reports at the top level; `None` at
    /// the start.
    last: Option<usize>,
    found: Vec<String>,
}

impl Search<'_> {
    fn words(&self) -> Option<String> {
        if self.found.is_empty() || self.found.len() > MAX_NAMED {
            return None;
        }
        let named = self.found.join(" or ");
        Some(match self.complaint {
            Complaint::NotCallable => format!("{named} is not a function"),
            Complaint::NotConstructor => format!("{named} is not a constructor"),
            Complaint::Nothing => {
                let is_read = |found: &String| found.starts_with(READING);
                let verb = match self.found.iter().filter(|found| is_read(found)).count() {
                    0 => "set",
                    reads if reads == self.found.len() => "read",
                    _ => "access",
                };
                format!("Cannot {verb} properties of undefined or null ({named})")
            }
        })
    }

    fn is_at(&self, at: Option<usize>) -> bool {
        at == Some(self.place)
    }

    /// The text of an expression, in one line and not too long.
    fn text(&self, span: Span) -> String {
        let text = &self.source[span.start as usize..span.end as usize];
        let text: Vec<&str> = text.split_whitespace().collect();
        let text = text.join(" ");
        match text.char_indices().nth(MAX_TEXT_CHARS) {
            Some((at, _)) => format!("{}...", &text[..at]),
            None => text,
        }
    }

    fn find(
        &mut self,
        complaint: Complaint,
        at: Option<usize>,
        name: impl FnOnce(&Self) -> String,
    ) {
        if self.complaint == complaint && self.is_at(at) {
            let name = name(self);
            if !self.found.contains(&name) {
                self.found.push(name);
            }
        }
    }

    /// Visits nodes that the engine reports at `at` unless they have a position of their own.
    fn within(&mut self, at: usize, visit: impl FnOnce(&mut Self)) {
        let around = self.around.replace(at);
        visit(self);
        self.around = around;
        self.last = Some(at);
    }

    fn access(&mut self, whole: Span, object: &Expression<'_>, at: Option<usize>) {
        self.find(Complaint::Nothing, at, |search| {
            let property = search.text(Span::new(object.span().end, whole.end));
            let property = property.trim_start_matches('.').trim();
            let property = property.trim_start_matches('[').trim_end_matches(']');
            format!("{READING}'{property}' of {}", search.text(object.span()))
        });
    }

    /// Visits the function of a call. If it is a property, the engine records no position for
    /// reading it.
    fn callee(&mut self, callee: &Expression<'_>) {
        let object = match callee {
            Expression::StaticMemberExpression(member) if !member.optional => &member.object,
            Expression::ComputedMemberExpression(member) if !member.optional => {
                self.visit_expression(&member.expression);
                &member.object
            }
            other => return self.visit_expression(other),
        };
        self.visit_expression(object);
        self.access(callee.span(), object, self.around.or(self.last));
    }

    fn arguments(&mut self, at: usize, arguments: &[Argument<'_>]) {
        self.within(at, |search| {
            for argument in arguments {
                search.visit_argument(argument);
            }
        });
    }

    /// Where the parenthesis of a call is, in bytes.
    fn parenthesis(&self, callee: Span) -> usize {
        let behind = &self.source[callee.end as usize..];
        callee.end as usize + behind.find('(').unwrap_or(0)
    }

    /// Visits the target of an assignment.
    fn target(&mut self, target: &AssignmentTarget<'_>, at: usize) {
        let (object, whole) = match target {
            AssignmentTarget::StaticMemberExpression(member) => (&member.object, member.span),
            AssignmentTarget::ComputedMemberExpression(member) => {
                self.visit_expression(&member.expression);
                (&member.object, member.span)
            }
            other => return self.visit_assignment_target(other),
        };
        self.visit_expression(object);
        self.find(Complaint::Nothing, Some(at), |search| {
            format!("setting {}", search.text(whole))
        });
    }
}

impl<'a> Visit<'a> for Search<'_> {
    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        let at = member.property.span.start as usize;
        self.within(at, |search| search.visit_expression(&member.object));
        self.access(member.span, &member.object, Some(at));
    }

    fn visit_computed_member_expression(&mut self, member: &ComputedMemberExpression<'a>) {
        let at = member.expression.span().start as usize;
        self.within(at, |search| {
            search.visit_expression(&member.object);
            search.visit_expression(&member.expression);
        });
        self.access(member.span, &member.object, Some(at));
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        self.callee(&call.callee);
        let at = self.parenthesis(call.callee.span());
        self.find(Complaint::NotCallable, Some(at), |search| {
            search.text(call.callee.span())
        });
        self.arguments(at, &call.arguments);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        self.visit_expression(&new.callee);
        let at = if new.arguments.is_empty() {
            None
        } else {
            Some(self.parenthesis(new.callee.span()))
        };
        for at in [Some(new.span.start as usize), at] {
            self.find(Complaint::NotConstructor, at, |search| {
                search.text(new.callee.span())
            });
        }
        self.arguments(new.span.start as usize, &new.arguments);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        let at = assignment.span.start as usize;
        self.within(at, |search| {
            search.target(&assignment.left, at);
            search.visit_expression(&assignment.right);
        });
    }

    fn visit_function_body(&mut self, body: &FunctionBody<'a>) {
        let at = body.span.start as usize;
        self.within(at, |search| walk::walk_function_body(search, body));
    }

    /// Nothing is visited: in a chain `undefined` and `null` are allowed.
    fn visit_chain_expression(&mut self, _: &ChainExpression<'a>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str, place: (usize, usize), complaint: Complaint) -> String {
        name_culprit(source, place, complaint).unwrap_or_default()
    }

    #[test]
    fn what_was_called_is_named() {
        let called = |source: &str, column| named(source, (1, column), Complaint::NotCallable);
        assert_eq!(called("1; o.f(1)", 7), "o.f is not a function");
        assert_eq!(called("f()()", 4), "f() is not a function");
        assert_eq!(called("f()()", 2), "f is not a function");
        assert_eq!(called("o.f(1)", 1), "");
        assert_eq!(
            named("new o.f(1)", (1, 1), Complaint::NotConstructor),
            "o.f is not a constructor"
        );
    }

    #[test]
    fn what_was_read_is_named_with_all_that_it_could_have_been() {
        let read = |source: &str, column| named(source, (1, column), Complaint::Nothing);
        let words = |named: &str| format!("Cannot read properties of undefined or null ({named})");
        assert_eq!(read("o.a.b", 5), words("reading 'b' of o.a"));
        assert_eq!(read("o.a[0]", 5), words("reading '0' of o.a"));
        assert_eq!(
            read("o.a.b()", 3),
            words("reading 'a' of o or reading 'b' of o.a")
        );
        assert_eq!(
            read("function f() { return o.list.map(g) }", 14),
            words("reading 'map' of o.list")
        );
        assert_eq!(
            read("o.x.y = 5", 1),
            "Cannot set properties of undefined or null (setting o.x.y)"
        );
        assert_eq!(read("Object.keys(o)", 12), "");
        let long = format!("o.a.b{}", " ".repeat(MAX_SOURCE_BYTES));
        assert_eq!(read(&long, 5), "");
    }
}
