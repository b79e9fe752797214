//! Errors that native functions throw, and what is read of errors that scripts threw.

use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsError, JsNativeError, JsString, JsValue, js_string};
use serde_json::Value;

use super::wire;
use crate::ipc::HostError;

/// The exception that a script gets for the error of a host module.
pub(super) fn of_host(error: HostError, context: &mut Context) -> JsError {
    let object = JsNativeError::error()
        .with_message(error.message)
        .into_opaque(context);
    let code = error
        .code
        .map(|code| ("code".to_owned(), Value::from(code)));
    for (name, value) in code.into_iter().chain(error.properties) {
        let set = wire::decode(&value, &[], context).and_then(|value| {
            object.create_data_property_or_throw(JsString::from(name.as_str()), value, context)
        });
        if let Err(error) = set {
            return error;
        }
    }
    JsError::from_opaque(object.into())
}

/// An error with a code, and with a stack that names `place` instead of where the engine is: as in
/// Node, an error about a file that can't be loaded names that file.
pub(super) fn located(
    error: JsNativeError,
    code: Option<&str>,
    place: Option<&str>,
    context: &mut Context,
) -> JsError {
    let headline = format!("{}: {}", error.kind(), error.message());
    let object = error.into_opaque(context);
    let mut define = |name: JsString, value: JsString| {
        let property = PropertyDescriptor::builder()
            .value(value)
            .writable(true)
            .enumerable(false)
            .configurable(true);
        object.define_property_or_throw(name, property, context)
    };
    let mut defined = Ok(true);
    if let Some(place) = place {
        let stack = format!("{headline}\n    at {place}");
        defined = define(js_string!("stack"), JsString::from(stack));
    }
    if let (Ok(_), Some(code)) = (&defined, code) {
        defined =
            object.create_data_property_or_throw(js_string!("code"), JsString::from(code), context);
    }
    match defined {
        Ok(_) => JsError::from_opaque(object.into()),
        Err(error) => error,
    }
}

/// The `code` of an error; `None` if it has none that is a string.
pub(super) fn code_of(error: &JsError, context: &mut Context) -> Option<String> {
    let error = error.as_opaque()?.as_object()?;
    let code = error.get(js_string!("code"), context).ok()?;
    code.as_string().map(|code| code.to_std_string_lossy())
}

/// The message of an error, without the name of its class.
pub(super) fn message_of(error: &JsError, context: &mut Context) -> String {
    if let Some(native) = error.as_native() {
        return native.message().to_string();
    }
    let message = error
        .as_opaque()
        .and_then(JsValue::as_object)
        .and_then(|error| error.get(js_string!("message"), context).ok())
        .and_then(|message| message.as_string().map(|text| text.to_std_string_lossy()));
    message.unwrap_or_else(|| error.to_string())
}
