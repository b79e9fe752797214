//! Host modules, as `import` and `require` find them.

use boa_engine::module::SyntheticModuleInitializer;
use boa_engine::property::PropertyKey;
use boa_engine::{
    Context, JsNativeError, JsObject, JsResult, JsString, JsValue, Module, js_string,
};

use crate::engine::ModuleScript;
use crate::engine::boa::host::host;

/// A host module, and the specifier by which a script asks for it.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    module: &'static ModuleScript,
    specifier: &'static str,
}

/// The host module that a specifier means, with or without `node:`; `None` if there is none.
pub(super) fn find(specifier: &str, context: &Context) -> JsResult<Option<Asked>> {
    let name = specifier.strip_prefix("node:").unwrap_or(specifier);
    let asked = |module: &'static ModuleScript| {
        let specifiers = module.specifiers.iter();
        let specifier = specifiers.copied().find(|known| *known == name)?;
        Some(Asked { module, specifier })
    };
    Ok(host(context)?.scripts.iter().find_map(asked))
}

/// What a host module gives to scripts.
///
/// # Errors
/// When the template does not give the module.
pub(super) fn object(asked: Asked, context: &mut Context) -> JsResult<JsObject> {
    let Asked { module, specifier } = asked;
    let (giver, host) = (module.module, host(context)?);
    if !host.allowed.iter().any(|allowed| allowed == giver) {
        let template = &host.template_id;
        return Err(JsNativeError::error()
            .with_message(format!(
                "Invalid module {specifier:?}: the template of this session does not give it; add it for new sessions \
                 with `vm-system template add-module {template} --name {giver}`"
            ))
            .into());
    }
    let modules = host.modules.clone();
    let module = modules.get(JsString::from(specifier), context)?;
    module.as_object().ok_or_else(|| {
        JsNativeError::error()
            .with_message(format!("the module {specifier} is not built in"))
            .into()
    })
}

/// The specifiers of all host modules, for an error.
pub(super) fn specifiers(context: &Context) -> JsResult<String> {
    let scripts = host(context)?.scripts.iter();
    let specifiers: Vec<&str> = scripts
        .flat_map(|script| script.specifiers)
        .copied()
        .collect();
    Ok(specifiers.join(", "))
}

/// A host module for `import`: each of its properties is an export, and the whole of it the default
/// one.
///
/// # Errors
/// When the template does not give the module.
pub(super) fn module(asked: Asked, context: &mut Context) -> JsResult<Module> {
    let object = object(asked, context)?;
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
