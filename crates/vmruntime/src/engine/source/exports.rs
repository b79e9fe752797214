//! The names that a `CommonJS` module exports, read from its text.
//!
//! A module that imports another one is linked before anything runs, so the names must follow from
//! the text. The recognised forms are those of Node:
//!
//! - `exports.a = …` and `module.exports.a = …`
//! - `Object.defineProperty(exports, "a", …)`
//! - `module.exports = {a, b: …}`
//! - `module.exports = require("…")`

use std::collections::BTreeSet;

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, CallExpression, Expression, ObjectExpression,
    ObjectPropertyKind, PropertyKey,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::SourceType;

/// What a `CommonJS` module exports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CommonJsExports {
    /// The names, without `default`.
    pub(crate) names: BTreeSet<String>,
    /// Specifiers of the modules whose exports it exports too.
    pub(crate) passed_on: Vec<String>,
}

/// The exports that a text shows. A syntax error is none here: it is reported when the module is
/// evaluated.
pub(crate) fn common_js_exports(source: &str) -> CommonJsExports {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::cjs()).parse();
    let mut found = Found(CommonJsExports::default());
    found.visit_program(&parsed.program);
    found.0.names.remove("default");
    found.0
}

struct Found(CommonJsExports);

impl Found {
    fn object(&mut self, object: &ObjectExpression<'_>) {
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) => match key_of(&property.key) {
                    Some(name) if !property.computed => {
                        self.0.names.insert(name);
                    }
                    _ => {}
                },
                ObjectPropertyKind::SpreadProperty(spread) => {
                    self.0.passed_on.extend(required(&spread.argument));
                }
            }
        }
    }
}

impl<'a> Visit<'a> for Found {
    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        match &assignment.left {
            AssignmentTarget::StaticMemberExpression(member) => {
                if is_exports(&member.object) {
                    self.0.names.insert(member.property.name.to_string());
                } else if member.property.name == "exports" && is_name(&member.object, "module") {
                    match &assignment.right {
                        Expression::ObjectExpression(object) => self.object(object),
                        right => self.0.passed_on.extend(required(right)),
                    }
                }
            }
            AssignmentTarget::ComputedMemberExpression(member) if is_exports(&member.object) => {
                if let Expression::StringLiteral(name) = &member.expression {
                    self.0.names.insert(name.value.to_string());
                }
            }
            _ => {}
        }
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let is_definition = matches!(
            &call.callee,
            Expression::StaticMemberExpression(member)
                if member.property.name == "defineProperty" && is_name(&member.object, "Object")
        );
        if is_definition
            && let [target, Argument::StringLiteral(name), _] = call.arguments.as_slice()
            && target.as_expression().is_some_and(is_exports)
        {
            self.0.names.insert(name.value.to_string());
        }
        walk::walk_call_expression(self, call);
    }
}

/// `exports` or `module.exports`.
fn is_exports(expression: &Expression<'_>) -> bool {
    match expression {
        Expression::Identifier(name) => name.name == "exports",
        Expression::StaticMemberExpression(member) => {
            member.property.name == "exports" && is_name(&member.object, "module")
        }
        _ => false,
    }
}

fn is_name(expression: &Expression<'_>, name: &str) -> bool {
    matches!(expression, Expression::Identifier(found) if found.name == name)
}

/// The specifier of `require("…")`; `None` for another expression.
fn required(expression: &Expression<'_>) -> Option<String> {
    let Expression::CallExpression(call) = expression else {
        return None;
    };
    match (&call.callee, call.arguments.as_slice()) {
        (Expression::Identifier(name), [Argument::StringLiteral(specifier)])
            if name.name == "require" =>
        {
            Some(specifier.value.to_string())
        }
        _ => None,
    }
}

/// The name of a property; `None` if it is computed.
fn key_of(key: &PropertyKey<'_>) -> Option<String> {
    match key {
        PropertyKey::StaticIdentifier(name) => Some(name.name.to_string()),
        PropertyKey::StringLiteral(name) => Some(name.value.to_string()),
        _ => None,
    }
}
