//! `util.format`: the text that `console.log` prints for its arguments.

use boa_engine::{
    Context, JsObject, JsResult, JsSymbol, JsValue, builtins::function::OrdinaryFunction,
    js_string, property::PropertyKey,
};

use super::{Inspector, properties, text};
use crate::engine::view::options::InspectOptions;

/// How many levels `%o` lists.
const DETAILED_DEPTH: usize = 4;

/// The text of the arguments. Only `%s`, `%d`, `%i`, `%f` and `%j` run code of a script: they
/// convert their argument as the language does.
///
/// # Errors
/// The exception of a conversion.
pub(super) fn format(
    inspector: &Inspector,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<String> {
    let mut out = String::new();
    let mut rest = args;
    if let Some(template) = args.first().and_then(JsValue::as_string) {
        let template = template.to_std_string_lossy();
        if args.len() == 1 {
            return Ok(template);
        }
        let used = substitute(inspector, &template, &args[1..], &mut out, context)?;
        rest = &args[1 + used..];
        if !rest.is_empty() {
            out.push(' ');
        }
    }
    for (index, value) in rest.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        match value.as_string() {
            Some(text) => out.push_str(&text.to_std_string_lossy()),
            None => out.push_str(&inspector.inspect(value, context)),
        }
    }
    Ok(out)
}

/// Replaces the specifiers in `template`; gives how many of `args` they took.
fn substitute(
    inspector: &Inspector,
    template: &str,
    args: &[JsValue],
    out: &mut String,
    context: &mut Context,
) -> JsResult<usize> {
    let mut used = 0;
    let mut rest = template;
    while let Some(position) = rest.find('%') {
        let (before, found) = rest.split_at(position);
        out.push_str(before);
        let specifier = found.as_bytes().get(1).copied();
        rest = found.get(2..).unwrap_or_default();
        match (specifier, args.get(used)) {
            (Some(b'%'), _) => out.push('%'),
            (Some(kind @ (b's' | b'd' | b'i' | b'f' | b'j' | b'o' | b'O' | b'c')), Some(value)) => {
                out.push_str(&converted(inspector, kind, value, context)?);
                used += 1;
            }
            _ => {
                out.push('%');
                // What follows may be another specifier, or a character of several bytes.
                rest = &found[1..];
                if specifier.is_some_and(|next| next.is_ascii()) {
                    out.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
        }
    }
    out.push_str(rest);
    Ok(used)
}

fn converted(
    inspector: &Inspector,
    specifier: u8,
    value: &JsValue,
    context: &mut Context,
) -> JsResult<String> {
    let intrinsics = &inspector.intrinsics;
    Ok(match specifier {
        b's' => string(inspector, value, context)?,
        b'c' => String::new(),
        b'j' => json(inspector, value, context)?,
        b'O' => inspector.inspect(value, context),
        b'o' => {
            let options = InspectOptions {
                depth: Some(DETAILED_DEPTH),
                show_hidden: true,
                ..InspectOptions::default()
            };
            inspector.inspect_with(value, &options, context)
        }
        _ if value.is_symbol() => "NaN".to_owned(),
        b'f' => number(&intrinsics.parse_float(value, context)?),
        _ if value.is_bigint() => big(value),
        b'i' => number(&intrinsics.parse_int(value, context)?),
        _ => text::number_text(value.to_number(context)?),
    })
}

fn number(value: &JsValue) -> String {
    text::primitive(value).unwrap_or_default()
}

fn big(value: &JsValue) -> String {
    text::primitive(value).unwrap_or_default() + "n"
}

fn string(inspector: &Inspector, value: &JsValue, context: &mut Context) -> JsResult<String> {
    let Some(object) = value.as_object() else {
        return Ok(if value.is_bigint() {
            big(value)
        } else {
            text::primitive(value).unwrap_or_default()
        });
    };
    let is_proxy = properties::is_proxy(&object);
    if is_proxy || !object.is_callable() && !converts_itself(&object, context) {
        let options = InspectOptions {
            depth: Some(0),
            ..InspectOptions::default()
        };
        return Ok(inspector.inspect_with(value, &options, context));
    }
    Ok(value.to_string(context)?.to_std_string_lossy())
}

/// Whether a script defines how this object is converted to a string.
fn converts_itself(object: &JsObject, context: &mut Context) -> bool {
    let to_string = PropertyKey::from(js_string!("toString"));
    let to_primitive = PropertyKey::from(JsSymbol::to_primitive());
    let mut next = Some(object.clone());
    for _ in 0..properties::MAX_CHAIN {
        let Some(current) = next else { return false };
        let converts = properties::own(&current, &to_string, context).is_some()
            || properties::own(&current, &to_primitive, context).is_some();
        if converts {
            let owner = properties::own_data(&current, js_string!("constructor"), context);
            let owner = owner.and_then(|owner| owner.as_callable());
            return JsObject::equals(&current, object)
                || owner.is_none_or(|owner| owner.is::<OrdinaryFunction>());
        }
        next = properties::parent(&current);
    }
    false
}

fn json(inspector: &Inspector, value: &JsValue, context: &mut Context) -> JsResult<String> {
    match inspector.intrinsics.json_stringify(value, context) {
        Ok(text) => Ok(text::primitive(&text).unwrap_or_default()),
        Err(error) => {
            let native = error.as_native();
            if native.is_some_and(|native| native.message().to_string().contains("cyclic")) {
                Ok("[Circular]".to_owned())
            } else {
                Err(error)
            }
        }
    }
}
