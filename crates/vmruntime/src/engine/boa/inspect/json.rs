//! The JSON of a value: that of `JSON.stringify` for data, without calling accessors and proxy
//! traps.

use std::fmt::Write as _;

use boa_engine::{
    Context, JsObject, JsString, JsValue, builtins::typed_array::TypedArray, js_string,
    object::builtins::JsTypedArray, property::PropertyKey, string::CodePoint,
};

use super::{
    kind,
    properties::{self, Lookup, Property, Slot, Wanted},
};

/// How deep nesting is written at most: each level takes native stack.
const MAX_DEPTH: usize = 200;

/// How many keys are read at most. Those that are not enumerable leave no text, which has a limit
/// of its own.
const MAX_KEYS: usize = 1 << 24;

/// The JSON form of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Text(String),
    /// The value has none, or finding it out would take running code.
    Absent,
    TooLarge,
}

/// Why writing ended early.
enum Stop {
    Absent,
    TooLarge,
}

pub(super) fn json(value: &JsValue, max_bytes: usize, context: &mut Context) -> Json {
    let mut writer = Writer {
        out: String::new(),
        max_bytes,
        open: Vec::new(),
        examined: 0,
        context,
    };
    match writer.top(value) {
        Ok(()) => Json::Text(writer.out),
        Err(Stop::Absent) => Json::Absent,
        Err(Stop::TooLarge) => Json::TooLarge,
    }
}

struct Writer<'a> {
    out: String,
    max_bytes: usize,
    /// The objects that are being written, outermost first.
    open: Vec<JsObject>,
    examined: usize,
    context: &'a mut Context,
}

impl Writer<'_> {
    fn top(&mut self, value: &JsValue) -> Result<(), Stop> {
        let value = self.converted(value, &PropertyKey::from(js_string!()))?;
        if value.is_undefined() {
            return self.push("null");
        }
        if self.value(&value)? {
            Ok(())
        } else {
            Err(Stop::Absent)
        }
    }

    fn push(&mut self, text: &str) -> Result<(), Stop> {
        self.out.push_str(text);
        if self.out.len() > self.max_bytes {
            return Err(Stop::TooLarge);
        }
        Ok(())
    }

    /// What is written in place of a value: the result of its `toJSON`, if it has one.
    fn converted(&mut self, value: &JsValue, key: &PropertyKey) -> Result<JsValue, Stop> {
        let holder = if value.is_bigint() {
            self.context
                .intrinsics()
                .constructors()
                .bigint()
                .prototype()
        } else if let Some(object) = value.as_object() {
            object
        } else {
            return Ok(value.clone());
        };
        let to_json = PropertyKey::from(js_string!("toJSON"));
        let method = match properties::lookup(&holder, &to_json, self.context) {
            Lookup::Absent => return Ok(value.clone()),
            Lookup::Found(Property {
                slot: Slot::Value(method),
                ..
            }) => method,
            Lookup::Found(_) | Lookup::Unreachable => return Err(Stop::Absent),
        };
        let Some(method) = method.as_callable() else {
            return Ok(value.clone());
        };
        let key = match key {
            PropertyKey::Index(index) => JsString::from(index.get().to_string()),
            PropertyKey::String(name) => name.clone(),
            PropertyKey::Symbol(_) => return Err(Stop::Absent),
        };
        method
            .call(value, &[key.into()], self.context)
            .map_err(|_| Stop::Absent)
    }

    /// Writes a value; `false` if it has no JSON form and nothing was written.
    fn value(&mut self, value: &JsValue) -> Result<bool, Stop> {
        let boxed = value.as_object().and_then(|object| kind::boxed(&object));
        let value = boxed
            .filter(|boxed| !boxed.is_symbol())
            .unwrap_or_else(|| value.clone());
        if let Some(object) = value.as_object() {
            return self.object(&object);
        }
        if let Some(text) = value.as_string() {
            self.string(&text)?;
        } else if let Some(number) = value.as_number() {
            let text = if number.is_finite() {
                JsValue::from(number + 0.0).display().to_string()
            } else {
                "null".to_owned()
            };
            self.push(&text)?;
        } else if let Some(boolean) = value.as_boolean() {
            self.push(if boolean { "true" } else { "false" })?;
        } else if value.is_null() {
            self.push("null")?;
        } else if value.is_bigint() {
            return Err(Stop::Absent);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn object(&mut self, object: &JsObject) -> Result<bool, Stop> {
        if properties::is_proxy(object) {
            return Err(Stop::Absent);
        }
        if object.is_callable() {
            return Ok(false);
        }
        let repeated = self.open.iter().any(|open| JsObject::equals(open, object));
        if repeated || self.open.len() == MAX_DEPTH {
            return Err(Stop::Absent);
        }
        self.open.push(object.clone());
        if object.is_array() {
            self.array(object)?;
        } else if object.is::<TypedArray>() {
            self.typed_array(object)?;
        } else {
            self.members(object)?;
        }
        self.open.pop();
        Ok(true)
    }

    fn array(&mut self, object: &JsObject) -> Result<(), Stop> {
        self.push("[")?;
        let length = properties::array_length(object, self.context);
        for position in 0..length {
            if position > 0 {
                self.push(",")?;
            }
            let Ok(index) = u32::try_from(position) else {
                return Err(Stop::TooLarge);
            };
            let key = PropertyKey::from(index);
            let element = match properties::own(object, &key, self.context) {
                None => JsValue::undefined(),
                Some(Property {
                    slot: Slot::Value(value),
                    ..
                }) => value,
                Some(_) => return Err(Stop::Absent),
            };
            let element = self.converted(&element, &key)?;
            if !self.value(&element)? {
                self.push("null")?;
            }
        }
        self.push("]")
    }

    /// A typed array is written as an object with its indices as keys.
    fn typed_array(&mut self, object: &JsObject) -> Result<(), Stop> {
        self.push("{")?;
        let length = JsTypedArray::from_object(object.clone())
            .and_then(|array| array.length(self.context))
            .map_err(|_| Stop::Absent)?;
        let mut first = true;
        for position in 0..length {
            let index = u32::try_from(position).map_err(|_| Stop::TooLarge)?;
            let element = object.get(index, self.context).map_err(|_| Stop::Absent)?;
            self.member(&PropertyKey::from(index), &element, &mut first)?;
        }
        self.named(object, false, first)
    }

    fn members(&mut self, object: &JsObject) -> Result<(), Stop> {
        self.push("{")?;
        self.named(object, true, true)
    }

    /// The own enumerable properties, and the closing brace.
    fn named(&mut self, object: &JsObject, indices: bool, mut first: bool) -> Result<(), Stop> {
        let wanted = Wanted {
            indices,
            hidden: false,
            symbols: false,
            limit: usize::MAX,
        };
        let keys = properties::own_keys(object, wanted);
        self.examined += keys.examined;
        if self.examined > MAX_KEYS {
            return Err(Stop::TooLarge);
        }
        for key in keys.list {
            match properties::own(object, &key, self.context).map(|property| property.slot) {
                None => {}
                Some(Slot::Value(value)) => self.member(&key, &value, &mut first)?,
                Some(_) => return Err(Stop::Absent),
            }
        }
        self.push("}")
    }

    fn member(&mut self, key: &PropertyKey, value: &JsValue, first: &mut bool) -> Result<(), Stop> {
        let value = self.converted(value, key)?;
        if is_skipped(&value) {
            return Ok(());
        }
        if !*first {
            self.push(",")?;
        }
        *first = false;
        match key {
            PropertyKey::Index(index) => self.push(&format!("\"{}\"", index.get()))?,
            PropertyKey::String(name) => self.string(name)?,
            PropertyKey::Symbol(_) => return Err(Stop::Absent),
        }
        self.push(":")?;
        self.value(&value)?;
        Ok(())
    }

    fn string(&mut self, text: &JsString) -> Result<(), Stop> {
        // Each code unit takes at least one byte.
        if self.out.len() + text.len() > self.max_bytes {
            return Err(Stop::TooLarge);
        }
        self.out.push('"');
        for point in text.code_points() {
            match point {
                CodePoint::Unicode('"') => self.out.push_str("\\\""),
                CodePoint::Unicode('\\') => self.out.push_str("\\\\"),
                CodePoint::Unicode('\u{8}') => self.out.push_str("\\b"),
                CodePoint::Unicode('\u{c}') => self.out.push_str("\\f"),
                CodePoint::Unicode('\n') => self.out.push_str("\\n"),
                CodePoint::Unicode('\r') => self.out.push_str("\\r"),
                CodePoint::Unicode('\t') => self.out.push_str("\\t"),
                CodePoint::Unicode(control) if control < ' ' => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(control));
                }
                CodePoint::Unicode(other) => self.out.push(other),
                // Strict parsers of clients refuse an unpaired surrogate, even an escaped one.
                CodePoint::UnpairedSurrogate(_) => {
                    self.out.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        self.push("\"")
    }
}

/// Whether a member with this value is left out. A proxy is not, so that writing it stops.
fn is_skipped(value: &JsValue) -> bool {
    let is_function = |object: JsObject| object.is_callable() && !properties::is_proxy(&object);
    value.is_undefined() || value.is_symbol() || value.as_object().is_some_and(is_function)
}
