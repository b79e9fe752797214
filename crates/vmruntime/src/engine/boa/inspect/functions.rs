//! Writing functions and classes: `[Function: f]`, `[class A extends B]`.

use std::fmt::Write as _;

use boa_engine::{Context, JsObject, builtins::function::OrdinaryFunction, js_string};

use super::{
    formatter::Formatter,
    names::{self, Names},
    properties::{self, Slot},
};

/// The text in brackets that stands for a function.
pub(super) fn base(formatter: &mut Formatter<'_>, function: &JsObject, names: &Names) -> String {
    let is_class = is_class(formatter, function);
    let context = &mut *formatter.context;
    if is_class {
        return class_base(function, names, context);
    }
    let flavour = flavour(function, context);
    let mut base = format!("[{flavour}");
    if names.constructor.is_none() {
        base.push_str(" (null prototype)");
    }
    let name = names::function_name(function, context);
    if name.is_empty() {
        base.push_str(" (anonymous)]");
    } else {
        base.push_str(": ");
        base.push_str(&name);
        base.push(']');
    }
    if let Some(constructor) = &names.constructor
        && constructor != flavour
    {
        base.push(' ');
        base.push_str(constructor);
    }
    if !names.tag.is_empty() && !names.constructor_is(&names.tag) {
        let _ = write!(base, " [{}]", names.tag);
    }
    base
}

/// Whether a function is a class. The engine keeps no source text of a class, and its `prototype`
/// is not writable. Either alone can be true of a function that is no class.
fn is_class(formatter: &mut Formatter<'_>, function: &JsObject) -> bool {
    if !function.is::<OrdinaryFunction>() {
        return false;
    }
    let prototype = properties::own(function, &js_string!("prototype").into(), formatter.context);
    if prototype.is_none_or(|prototype| prototype.writable) {
        return false;
    }
    let intrinsics = &formatter.inspector.intrinsics;
    let text = intrinsics.function_text(function, formatter.context);
    formatter.charge(text.as_ref().map_or(0, String::len));
    text.is_some_and(|text| text.starts_with("class") || text.ends_with("{ [native code] }"))
}

fn class_base(class: &JsObject, names: &Names, context: &mut Context) -> String {
    let has_name = properties::own(class, &js_string!("name").into(), context).is_some();
    let name = names::function_name(class, context);
    let mut base = if has_name && !name.is_empty() {
        format!("[class {name}")
    } else {
        "[class (anonymous)".to_owned()
    };
    let constructor = names.constructor.as_deref();
    if let Some(constructor) = constructor.filter(|name| *name != "Function") {
        let _ = write!(base, " [{constructor}]");
    }
    if !names.tag.is_empty() && constructor != Some(&names.tag) {
        let _ = write!(base, " [{}]", names.tag);
    }
    if constructor.is_none() {
        base.push_str(" extends [null prototype]");
    } else if let Some(parent) = properties::parent(class) {
        let name = names::function_name(&parent, context);
        if !name.is_empty() {
            let _ = write!(base, " extends {name}");
        }
    }
    base.push(']');
    base
}

/// The kind of a function, by the built-in prototype that it inherits from.
fn flavour(function: &JsObject, context: &mut Context) -> &'static str {
    let constructors = context.intrinsics().constructors();
    let known = [
        (constructors.async_function(), "AsyncFunction"),
        (constructors.generator_function(), "GeneratorFunction"),
        (
            constructors.async_generator_function(),
            "AsyncGeneratorFunction",
        ),
    ];
    known
        .into_iter()
        .find(|(constructor, _)| properties::inherits(function, &constructor.prototype()))
        .map_or("Function", |(_, name)| name)
}

/// The text for an accessor; `None` for a value.
pub(super) fn accessor_label(slot: &Slot) -> Option<&'static str> {
    match slot {
        Slot::Value(_) => None,
        Slot::Getter => Some("[Getter]"),
        Slot::Setter => Some("[Setter]"),
        Slot::GetterSetter => Some("[Getter/Setter]"),
    }
}
