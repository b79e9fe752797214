//! `require`, and the native modules behind it: each function is a call to the daemon.

use std::rc::Rc;

use boa_engine::object::builtins::JsFunction;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::{
    Context, JsArgs, JsError, JsNativeError, JsResult, JsString, JsValue, NativeFunction, js_string,
};
use boa_gc::{Finalize, Trace};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::HostLink;
use crate::protocol::{HostError, SessionSetup};

/// The functions of each native module.
const MODULES: &[(&str, &[&str])] = &[
    ("database", &["configure", "query", "exec", "close"]),
    ("exec", &["run"]),
    ("fs", &["readFileSync", "writeFileSync"]),
];

/// What `require` knows; it is kept with the context.
struct Host {
    link: Rc<dyn HostLink>,
    allowed: Vec<String>,
    template_id: String,
    loaded: Vec<(String, JsObject)>,
}

/// Which function of which module a native function stands for.
#[derive(Clone, Trace, Finalize)]
struct Target {
    #[unsafe_ignore_trace]
    module: &'static str,
    #[unsafe_ignore_trace]
    function: &'static str,
}

/// Defines `require`.
pub(super) fn install(link: Rc<dyn HostLink>, context: &mut Context) -> JsResult<()> {
    context.insert_data(Host {
        link,
        allowed: Vec::new(),
        template_id: String::new(),
        loaded: Vec::new(),
    });
    context.register_global_callable(
        js_string!("require"),
        1,
        NativeFunction::from_fn_ptr(require),
    )
}

/// Says which modules `require` finds.
pub(super) fn set_policy(setup: &SessionSetup, context: &mut Context) {
    if let Some(host) = context.host_defined_mut().get_mut::<Host>() {
        host.allowed.clone_from(&setup.modules);
        host.template_id.clone_from(&setup.template_id);
    }
}

fn require(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = args
        .get_or_undefined(0)
        .to_string(context)?
        .to_std_string_lossy();
    let name = name.strip_prefix("node:").unwrap_or(&name);
    let Some(host) = context.get_data::<Host>() else {
        return Err(missing_host());
    };
    if let Some((_, module)) = host.loaded.iter().find(|(loaded, _)| loaded == name) {
        return Ok(module.clone().into());
    }
    let known = MODULES.iter().find(|(module, _)| *module == name);
    let allowed = host.allowed.iter().any(|module| module == name);
    let (module, functions) = match known {
        Some(known) if allowed => *known,
        known => {
            let message = refusal(name, known.is_some(), &host.template_id);
            return Err(JsNativeError::error().with_message(message).into());
        }
    };
    let object = build_module(module, functions, context)?;
    if let Some(host) = context.host_defined_mut().get_mut::<Host>() {
        host.loaded.push((module.to_owned(), object.clone()));
    }
    Ok(object.into())
}

fn refusal(name: &str, known: bool, template_id: &str) -> String {
    if known {
        format!(
            "Invalid module {name:?}: the template of this session does not give it; add it for new sessions with \
             `vm-system template add-module {template_id} --name {name}`"
        )
    } else {
        let names: Vec<_> = MODULES.iter().map(|(module, _)| *module).collect();
        format!(
            "Invalid module {name:?}: there is no such native module, only {}",
            names.join(", ")
        )
    }
}

fn build_module(
    module: &'static str,
    functions: &[&'static str],
    context: &mut Context,
) -> JsResult<JsObject> {
    let object = JsObject::with_object_proto(context.intrinsics());
    for function in functions {
        let target = Target { module, function };
        let native = NativeFunction::from_copy_closure_with_captures(
            |_, args, target, context| call(target, args, context),
            target,
        );
        let callable: JsFunction = FunctionObjectBuilder::new(context.realm(), native)
            .name(js_string!(*function))
            .length(1)
            .build();
        object.create_data_property_or_throw(js_string!(*function), callable, context)?;
    }
    let tag = js_string!(module);
    object.define_property_or_throw(
        boa_engine::JsSymbol::to_string_tag(),
        boa_engine::property::PropertyDescriptor::builder()
            .value(tag)
            .configurable(true),
        context,
    )?;
    Ok(object)
}

fn call(target: &Target, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let args = args
        .iter()
        .map(|arg| Ok(arg.to_json(context)?.unwrap_or(Value::Null)))
        .collect::<JsResult<Vec<Value>>>()?;
    let args = to_raw_value(&args).map_err(JsError::from_rust)?;
    let Some(link) = context.get_data::<Host>().map(|host| Rc::clone(&host.link)) else {
        return Err(missing_host());
    };
    match link.call(target.module, target.function, args) {
        Ok(answer) => {
            let answer: Value = serde_json::from_str(answer.get()).map_err(JsError::from_rust)?;
            JsValue::from_json(&answer, context)
        }
        Err(error) => Err(thrown(error, context)),
    }
}

pub(super) fn thrown(error: HostError, context: &mut Context) -> JsError {
    let native = JsNativeError::error().with_message(error.message);
    let Some(code) = error.code else {
        return native.into();
    };
    let object = native.into_opaque(context);
    let code = JsString::from(code);
    match object.create_data_property_or_throw(js_string!("code"), code, context) {
        Ok(_) => JsError::from_opaque(object.into()),
        Err(error) => error,
    }
}

fn missing_host() -> JsError {
    JsNativeError::error()
        .with_message("there is no host to call")
        .into()
}
