//! Values on their way to a host module and back, in the form of [`crate::ipc::value`].

use boa_engine::object::builtins::{JsArray, JsArrayBuffer, JsUint8Array};
use boa_engine::property::PropertyKey;
use boa_engine::{
    Context, JsBigInt, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string,
};
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};
use vmcontrol::FileKind;

use crate::ipc::value::{self, BIGINT, BYTES, ENTRIES, OBJECT, Span, TEXT};

/// How deeply arguments may be nested.
const MAX_DEPTH: usize = 64;

/// Encodes an argument. Its bytes and long texts go into the body. Getters and `toJSON` methods of
/// scripts are called.
///
/// # Errors
/// When the argument has no such form, and the exceptions of the methods.
pub(super) fn encode(
    value: &JsValue,
    body: &mut Vec<u8>,
    context: &mut Context,
) -> JsResult<Value> {
    encode_at(value, MAX_DEPTH, body, context)
}

fn encode_at(
    value: &JsValue,
    depth: usize,
    body: &mut Vec<u8>,
    context: &mut Context,
) -> JsResult<Value> {
    if let Some(object) = value.as_object() {
        if depth == 0 {
            return Err(JsNativeError::typ()
                .with_message("an argument is nested too deeply, or contains itself")
                .into());
        }
        return encode_object(&object, depth - 1, body, context);
    }
    if let Some(bigint) = value.as_bigint() {
        return Ok(json!({ BIGINT: bigint.to_string() }));
    }
    if let Some(text) = value.as_string() {
        return Ok(value::text(text.to_std_string_lossy().into(), body));
    }
    if let Some(flag) = value.as_boolean() {
        return Ok(Value::Bool(flag));
    }
    if let Some(number) = value.as_number() {
        return Ok(json_number(number));
    }
    if value.is_null_or_undefined() {
        return Ok(Value::Null);
    }
    Err(JsNativeError::typ()
        .with_message("a symbol can't be an argument")
        .into())
}

fn encode_object(
    object: &JsObject,
    depth: usize,
    body: &mut Vec<u8>,
    context: &mut Context,
) -> JsResult<Value> {
    if let Ok(bytes) = JsUint8Array::from_object(object.clone()) {
        return Ok(value::bytes(&bytes.to_vec(context)?, body));
    }
    if object.is_callable() {
        return Err(JsNativeError::typ()
            .with_message("a function can't be an argument")
            .into());
    }
    if object.is_array() {
        let length = JsArray::from_object(object.clone())?.length(context)?;
        return (0..length)
            .map(|index| encode_at(&object.get(index, context)?, depth, body, context))
            .collect::<JsResult<Vec<Value>>>()
            .map(Value::Array);
    }
    let to_json = object.get(js_string!("toJSON"), context)?;
    if let Some(to_json) = to_json.as_callable() {
        let value = to_json.call(&object.clone().into(), &[], context)?;
        return encode_at(&value, depth, body, context);
    }
    let mut map = Map::new();
    for key in object.own_property_keys(context)? {
        let PropertyKey::Symbol(_) = &key else {
            let name = key.to_string();
            let value = object.get(key, context)?;
            if !value.is_undefined() && !value.is_callable() {
                map.insert(name, encode_at(&value, depth, body, context)?);
            }
            continue;
        };
    }
    Ok(value::object(map))
}

/// A number as JSON. An integer has no `.0`, as in JavaScript.
fn json_number(number: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is a whole number in the range of integers that a double holds"
    )]
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Decodes an answer. Its bytes, long texts and entries are in its bodies.
pub(super) fn decode(
    value: &Value,
    bodies: &[Vec<u8>],
    context: &mut Context,
) -> JsResult<JsValue> {
    Ok(match value {
        Value::Null => JsValue::null(),
        Value::Bool(flag) => JsValue::from(*flag),
        Value::Number(number) => JsValue::from(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => JsString::from(text.as_str()).into(),
        Value::Array(elements) => {
            let elements = elements
                .iter()
                .map(|element| decode(element, bodies, context))
                .collect::<JsResult<Vec<_>>>()?;
            JsArray::from_iter(elements, context).into()
        }
        Value::Object(map) => match special(map) {
            Some((BYTES, span)) => bytes_value(part(span, bodies), context)?,
            Some((TEXT, span)) => {
                JsString::from(&*String::from_utf8_lossy(part(span, bodies))).into()
            }
            Some((ENTRIES, number)) => {
                let body = number
                    .as_u64()
                    .and_then(|number| bodies.get(usize::try_from(number).ok()?));
                entries_value(body.map_or(&[], Vec::as_slice), context)?
            }
            Some((BIGINT, Value::String(digits))) => {
                JsBigInt::from_string(digits).map_or_else(JsValue::null, JsValue::from)
            }
            Some((OBJECT, Value::Object(map))) => object_value(map, bodies, context)?,
            _ => object_value(map, bodies, context)?,
        },
    })
}

/// A part of a body; empty if the body has no such part.
fn part<'a>(span: &Value, bodies: &'a [Vec<u8>]) -> &'a [u8] {
    let Ok(Span(body, start, end)) = Span::deserialize(span) else {
        return &[];
    };
    let body = bodies.get(usize::from(body));
    body.and_then(|body| body.get(start..end))
        .unwrap_or_default()
}

/// The entries of a folder: objects with a name and a kind.
fn entries_value(entries: &[u8], context: &mut Context) -> JsResult<JsValue> {
    let array = JsArray::new(context)?;
    for entry in entries.split(|byte| *byte == 0) {
        let Some((kind, name)) = entry.split_first() else {
            // Nothing follows the NUL of the last entry.
            continue;
        };
        let object = JsObject::with_object_proto(context.intrinsics());
        let name = JsString::from(&*String::from_utf8_lossy(name));
        let kind = FileKind::of_letter(*kind).as_str();
        object.create_data_property_or_throw(js_string!("name"), name, context)?;
        object.create_data_property_or_throw(js_string!("kind"), JsString::from(kind), context)?;
        array.push(object, context)?;
    }
    Ok(array.into())
}

/// The only key of an object and its value; `None` if it has another number of keys.
fn special(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, value) = map.iter().next().filter(|_| map.len() == 1)?;
    Some((key.as_str(), value))
}

fn object_value(
    map: &Map<String, Value>,
    bodies: &[Vec<u8>],
    context: &mut Context,
) -> JsResult<JsValue> {
    let object = JsObject::with_object_proto(context.intrinsics());
    for (key, value) in map {
        let value = decode(value, bodies, context)?;
        object.create_data_property_or_throw(JsString::from(key.as_str()), value, context)?;
    }
    Ok(object.into())
}

/// A `Uint8Array` with these bytes.
pub(super) fn bytes_value(bytes: &[u8], context: &mut Context) -> JsResult<JsValue> {
    let buffer = JsArrayBuffer::new(bytes.len(), context)?;
    if let Some(mut data) = buffer.data_mut() {
        data.copy_from_slice(bytes);
    }
    Ok(JsUint8Array::from_array_buffer(buffer, context)?.into())
}
