//! Defining functions and globals.

use boa_engine::object::FunctionObjectBuilder;
use boa_engine::object::builtins::JsFunction;
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsResult, JsString, JsValue, NativeFunction};

/// A native function, as the engine calls it: with `this` and the arguments.
pub(super) type Native = fn(&JsValue, &[JsValue], &mut Context) -> JsResult<JsValue>;

/// A function with that `name` and `length`.
pub(super) fn function(
    name: &str,
    length: usize,
    native: Native,
    context: &mut Context,
) -> JsFunction {
    FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(native))
        .name(JsString::from(name))
        .length(length)
        .build()
}

/// Defines a global that listings of the global object leave out.
///
/// # Errors
/// When a script has defined it so that it can't be redefined.
pub(super) fn define_hidden(
    name: &str,
    value: impl Into<JsValue>,
    context: &mut Context,
) -> JsResult<()> {
    let property = PropertyDescriptor::builder()
        .value(value)
        .writable(true)
        .enumerable(false)
        .configurable(true);
    let global = context.global_object();
    global.define_property_or_throw(JsString::from(name), property, context)?;
    Ok(())
}

/// Removes a global.
///
/// # Errors
/// When a script has defined it so that it can't be removed.
pub(super) fn remove(name: &str, context: &mut Context) -> JsResult<()> {
    let global = context.global_object();
    global.delete_property_or_throw(JsString::from(name), context)?;
    Ok(())
}
