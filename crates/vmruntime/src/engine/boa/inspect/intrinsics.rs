//! Built-in functions, taken from a context before any script runs: scripts may overwrite them
//! later.

use boa_engine::{
    Context, Finalize, JsNativeError, JsObject, JsResult, JsString, JsValue, Trace,
    object::builtins::JsFunction,
    property::{DescriptorKind, PropertyKey},
};

/// The letters of a regular expression's flags with the getters that tell them, in the order in
/// which the language writes them.
const FLAGS: [(char, &str); 8] = [
    ('d', "hasIndices"),
    ('g', "global"),
    ('i', "ignoreCase"),
    ('m', "multiline"),
    ('s', "dotAll"),
    ('u', "unicode"),
    ('v', "unicodeSets"),
    ('y', "sticky"),
];

#[derive(Clone, Trace, Finalize)]
pub(super) struct Intrinsics {
    error_stack: JsFunction,
    function_to_string: JsFunction,
    object_to_string: JsFunction,
    regexp_source: JsFunction,
    regexp_flags: Vec<(u32, JsFunction)>,
    parse_int: JsFunction,
    parse_float: JsFunction,
    json_stringify: JsFunction,
}

impl Intrinsics {
    pub(super) fn new(context: &mut Context) -> JsResult<Self> {
        let constructors = context.intrinsics().constructors();
        let error = constructors.error().prototype();
        let function = constructors.function().prototype();
        let object = constructors.object().prototype();
        let regexp = constructors.regexp().prototype();
        let global = context.global_object();
        let json = own_object(&global, "JSON")?;
        let flags = FLAGS
            .iter()
            .map(|&(letter, name)| Ok((u32::from(letter), getter(&regexp, name)?)));
        Ok(Self {
            error_stack: getter(&error, "stack")?,
            function_to_string: method(&function, "toString")?,
            object_to_string: method(&object, "toString")?,
            regexp_source: getter(&regexp, "source")?,
            regexp_flags: flags.collect::<JsResult<_>>()?,
            parse_int: method(&global, "parseInt")?,
            parse_float: method(&global, "parseFloat")?,
            json_stringify: method(&json, "stringify")?,
        })
    }

    /// The frames that the engine recorded for an error, one in each line.
    pub(super) fn error_stack(&self, error: &JsObject, context: &mut Context) -> Option<String> {
        call_text(&self.error_stack, error, context)
    }

    /// The source of a function that a script defined.
    pub(super) fn function_text(&self, f: &JsObject, context: &mut Context) -> Option<String> {
        call_text(&self.function_to_string, f, context)
    }

    /// `[object Arguments]` and the like. Runs no code of a script only if nothing on the prototype
    /// chain has a `Symbol.toStringTag` and no proxy is on it.
    pub(super) fn object_text(&self, object: &JsObject, context: &mut Context) -> Option<String> {
        call_text(&self.object_to_string, object, context)
    }

    /// A regular expression as it is written in source: `/a/g`.
    pub(super) fn regexp_text(&self, regexp: &JsObject, context: &mut Context) -> String {
        let source = call_text(&self.regexp_source, regexp, context);
        let mut text = format!(
            "/{}/",
            source.map_or_else(String::new, |text| literal(&text))
        );
        let this = JsValue::from(regexp.clone());
        for (letter, getter) in &self.regexp_flags {
            let set = getter.call(&this, &[], context);
            if set.is_ok_and(|set| set.to_boolean()) {
                text.extend(char::from_u32(*letter));
            }
        }
        text
    }

    pub(super) fn parse_int(&self, value: &JsValue, context: &mut Context) -> JsResult<JsValue> {
        self.parse_int
            .call(&JsValue::undefined(), std::slice::from_ref(value), context)
    }

    pub(super) fn parse_float(&self, value: &JsValue, context: &mut Context) -> JsResult<JsValue> {
        self.parse_float
            .call(&JsValue::undefined(), std::slice::from_ref(value), context)
    }

    pub(super) fn json_stringify(
        &self,
        value: &JsValue,
        context: &mut Context,
    ) -> JsResult<JsValue> {
        self.json_stringify
            .call(&JsValue::undefined(), std::slice::from_ref(value), context)
    }
}

fn call_text(function: &JsFunction, this: &JsObject, context: &mut Context) -> Option<String> {
    let result = function
        .call(&JsValue::from(this.clone()), &[], context)
        .ok()?;
    result.as_string().map(|text| text.to_std_string_lossy())
}

/// A pattern without superfluous backslashes: the engine puts one before every slash, even where
/// one is already, and within brackets, where none is needed.
fn literal(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut in_class = false;
    let mut escaped = false;
    for character in source.replace("\\/", "/").chars() {
        match character {
            '/' if !escaped && !in_class => out.push('\\'),
            '[' if !escaped => in_class = true,
            ']' if !escaped => in_class = false,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        out.push(character);
    }
    out
}

fn missing(name: &str) -> JsNativeError {
    JsNativeError::typ().with_message(format!("the engine has no {name}"))
}

fn own_object(object: &JsObject, name: &str) -> JsResult<JsObject> {
    let key = PropertyKey::from(JsString::from(name));
    let descriptor = object.borrow().properties().get(&key);
    let value = descriptor.and_then(|found| found.value().and_then(JsValue::as_object));
    Ok(value.ok_or_else(|| missing(name))?)
}

fn method(object: &JsObject, name: &str) -> JsResult<JsFunction> {
    let function = own_object(object, name)?;
    Ok(JsFunction::from_object(function).ok_or_else(|| missing(name))?)
}

fn getter(object: &JsObject, name: &str) -> JsResult<JsFunction> {
    let key = PropertyKey::from(JsString::from(name));
    let descriptor = object.borrow().properties().get(&key);
    let function = descriptor.and_then(|found| match found.kind() {
        DescriptorKind::Accessor { get, .. } => get.as_ref()?.as_function(),
        _ => None,
    });
    Ok(function.ok_or_else(|| missing(name))?)
}
