//! The global scope: what the rewriting of scripts asks of it, and what the policy of a session
//! puts there.

use std::collections::HashSet;

use boa_engine::object::JsObject;
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsArgs, JsNativeError, JsResult, JsString, JsValue, js_string};
use serde_json::{Map, Value};

use super::define::{define_hidden, function};
use super::errors::located;
use crate::engine::source::{BINDINGS, Globals, Slot};

/// The global scope at one moment.
pub(super) struct GlobalScope<'a> {
    pub(super) context: &'a Context,
    /// Names whose last declaration was a `const`.
    pub(super) constants: &'a HashSet<String>,
    /// Names that functions of scripts use, and that were not declared when those were compiled.
    pub(super) used: &'a HashSet<String>,
}

impl GlobalScope<'_> {
    /// Whether the global object itself has a property of that name.
    pub(super) fn has_property(&self, name: &str) -> bool {
        let global = self.context.global_object();
        let key = PropertyKey::from(JsString::from(name));
        global.borrow().properties().contains_key(&key)
    }
}

impl Globals for GlobalScope<'_> {
    fn slot(&self, name: &str) -> Slot {
        let name = JsString::from(name);
        if self.context.realm().scope().has_lex_binding(&name) {
            return Slot::Lexical;
        }
        let global = self.context.global_object();
        let property = global.borrow().properties().get(&PropertyKey::from(name));
        match property {
            Some(property)
                if property.configurable() == Some(false) && property.writable() == Some(true) =>
            {
                Slot::Fixed
            }
            _ => Slot::Free,
        }
    }

    fn is_constant(&self, name: &str) -> bool {
        self.constants.contains(name)
    }

    fn has_constants(&self) -> bool {
        !self.constants.is_empty()
    }

    fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }
}

/// Defines the object by which rewritten scripts do what a plain assignment can't.
pub(super) fn define_bindings(context: &mut Context) -> JsResult<()> {
    let bindings = JsObject::with_null_proto();
    let early = function("early", 1, early, context);
    bindings.create_data_property_or_throw(js_string!("early"), early, context)?;
    let imported = function("imported", 4, imported, context);
    bindings.create_data_property_or_throw(js_string!("imported"), imported, context)?;
    let constant = PropertyDescriptor::builder()
        .get(JsValue::undefined())
        .set(function("constant", 1, assign_constant, context))
        .configurable(false)
        .enumerable(false);
    bindings.define_property_or_throw(js_string!("constant"), constant, context)?;
    define_hidden(BINDINGS, bindings, context)
}

/// `early(name)`: throws the error of a variable that is used before its declaration.
fn early(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = args.get_or_undefined(0).to_string(context)?;
    let name = name.to_std_string_lossy();
    Err(JsNativeError::reference()
        .with_message(format!("Cannot access '{name}' before initialization"))
        .into())
}

/// `imported(namespace, specifier, place, ...names)`: the namespace; throws at `place` if it lacks
/// one of the names.
fn imported(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let namespace = args.get_or_undefined(0);
    let object = namespace.to_object(context)?;
    for name in args.get(3..).unwrap_or_default() {
        let key = name.to_property_key(context)?;
        if !object.has_property(key.clone(), context)? {
            let mut text = |index| -> JsResult<String> {
                let text = args.get_or_undefined(index).to_string(context)?;
                Ok(text.to_std_string_lossy())
            };
            let (specifier, place) = (text(1)?, text(2)?);
            let message = format!("the module '{specifier}' has no export named '{key}'");
            let error = JsNativeError::syntax().with_message(message);
            return Err(located(error, None, Some(&place), context));
        }
    }
    Ok(namespace.clone())
}

/// The setter of `constant`: throws the error of an assignment to a constant.
fn assign_constant(_: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    Err(JsNativeError::typ()
        .with_message("Assignment to constant variable.")
        .into())
}

/// Defines the globals that the capabilities of kind `global` give.
pub(super) fn define_values(values: &[(String, Value)], context: &mut Context) -> JsResult<()> {
    for (name, value) in values {
        let value = plain(value, context)?;
        let property = PropertyDescriptor::builder()
            .value(value)
            .writable(true)
            .enumerable(true)
            .configurable(true);
        let global = context.global_object();
        global.define_property_or_throw(JsString::from(name.as_str()), property, context)?;
    }
    Ok(())
}

/// A value of plain JSON: no key has a meaning to the service.
pub(super) fn plain(value: &Value, context: &mut Context) -> JsResult<JsValue> {
    JsValue::from_json(value, context)
}

/// Fills `process.env`.
pub(super) fn set_environment(
    variables: &Map<String, Value>,
    context: &mut Context,
) -> JsResult<()> {
    let global = context.global_object();
    let process = global.get(js_string!("process"), context)?;
    let Some(process) = process.as_object() else {
        return Ok(());
    };
    let variables = plain(&Value::Object(variables.clone()), context)?;
    process.create_data_property_or_throw(js_string!("env"), variables, context)?;
    Ok(())
}
