//! The native modules, as `import` and `require` find them.

use boa_engine::module::SyntheticModuleInitializer;
use boa_engine::property::PropertyKey;
use boa_engine::{
    Context, JsNativeError, JsObject, JsResult, JsString, JsValue, Module, js_string,
};

use crate::engine::boa::host::host;

/// The names of native modules, each with the module of the template that gives it.
const NAMES: &[(&str, &str)] = &[
    ("database", "database"),
    ("exec", "exec"),
    ("fs", "fs"),
    ("fs/promises", "fs"),
];

/// The native module that a specifier means.
pub(super) fn name_of(specifier: &str) -> Option<&'static str> {
    let name = specifier.strip_prefix("node:").unwrap_or(specifier);
    NAMES
        .iter()
        .map(|(known, _)| *known)
        .find(|known| *known == name)
}

/// The object of a native module, if the template gives it.
pub(super) fn object(name: &'static str, context: &mut Context) -> JsResult<JsObject> {
    let giver = NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(name, |(_, giver)| *giver);
    let host = host(context)?;
    if !host.allowed.iter().any(|allowed| allowed == giver) {
        let template = &host.template_id;
        return Err(JsNativeError::error()
            .with_message(format!(
                "Invalid module {name:?}: the template of this session does not give it; add it for new sessions with \
                 `vm-system template add-module {template} --name {giver}`"
            ))
            .into());
    }
    let modules = host.modules.clone();
    let module = modules.get(JsString::from(name), context)?;
    module.as_object().ok_or_else(|| {
        JsNativeError::error()
            .with_message(format!("the module {name} is not built in"))
            .into()
    })
}

/// What there is, in words.
pub(super) fn names() -> String {
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The native module for `import`: every function is an export, and all of it the default one.
pub(super) fn module(name: &'static str, context: &mut Context) -> JsResult<Module> {
    let object = object(name, context)?;
    let keys = object.own_property_keys(context)?;
    let names: Vec<JsString> = keys
        .into_iter()
        .filter_map(|key| match key {
            PropertyKey::String(name) => Some(name),
            _ => None,
        })
        .collect();
    let all: Vec<JsString> = names
        .iter()
        .cloned()
        .chain([js_string!("default")])
        .collect();
    let steps = SyntheticModuleInitializer::from_copy_closure_with_captures(
        |module, (object, names): &(JsObject, Vec<JsString>), context| {
            for name in names {
                module.set_export(name, object.get(name.clone(), context)?)?;
            }
            module.set_export(&js_string!("default"), JsValue::from(object.clone()))
        },
        (object, names),
    );
    Ok(Module::synthetic(&all, steps, None, None, context))
}
