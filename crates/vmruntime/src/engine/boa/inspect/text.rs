//! Values as plain text, as `String(value)` gives them.

use boa_engine::JsValue;

/// A primitive as `String(value)` gives it, with the sign of a negative zero; `None` for an object.
pub(super) fn primitive(value: &JsValue) -> Option<String> {
    if let Some(text) = value.as_string() {
        return Some(text.to_std_string_lossy());
    }
    if let Some(number) = value.as_number() {
        return Some(number_text(number));
    }
    if let Some(bigint) = value.as_bigint() {
        return Some(bigint.to_string());
    }
    if let Some(boolean) = value.as_boolean() {
        return Some(boolean.to_string());
    }
    if let Some(symbol) = value.as_symbol() {
        return Some(symbol.descriptive_string().to_std_string_lossy());
    }
    if value.is_null() {
        return Some("null".to_owned());
    }
    value.is_undefined().then(|| "undefined".to_owned())
}

/// A number as JavaScript writes it, except that a negative zero keeps its sign.
pub(super) fn number_text(number: f64) -> String {
    if number == 0.0 && number.is_sign_negative() {
        return "-0".to_owned();
    }
    JsValue::from(number).display().to_string()
}
