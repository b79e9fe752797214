//! The native functions under the JavaScript of the prelude and of host modules, and running both.

use boa_engine::job::{NativeJob, TimeoutJob};
use boa_engine::object::JsObject;
use boa_engine::object::builtins::{JsArray, JsUint8Array};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{
    Context, JsArgs, JsNativeError, JsResult, JsString, JsValue, Script, Source, js_string,
};
use url::Url;

use super::define::{Native, function};
use super::host::{Host, call, host};
use super::jobs::Jobs;
use super::nondeterminism::link;
use super::wire::bytes_value;
use crate::engine::prelude::PARTS;
use crate::engine::source::INTERNAL;
use crate::engine::web::{self, Decoded};
use crate::engine::{ModuleScript, inputs};

/// The native functions that [`crate::engine::prelude`] describes: name, `length`, function.
const NATIVES: &[(&str, usize, Native)] = &[
    ("call", 2, call_host),
    ("define", 1, define),
    ("encode", 1, encode),
    ("decode", 1, decode),
    ("unfinished", 2, unfinished),
    ("parseUrl", 2, parse_url),
    ("setUrl", 3, set_url),
    ("parseQuery", 1, parse_query),
    ("formatQuery", 1, format_query),
    ("later", 2, later),
    ("random", 1, random),
    ("uuid", 0, uuid),
    ("now", 0, now),
    ("timeOrigin", 0, time_origin),
    ("folder", 0, folder),
];

/// Runs the prelude and the scripts of host modules; gives the object that holds what each
/// specifier of a host module gives.
pub(super) fn run(modules: &[ModuleScript], context: &mut Context) -> JsResult<JsObject> {
    let natives = JsObject::with_null_proto();
    for (name, length, native) in NATIVES {
        let function = function(name, *length, *native, context);
        natives.create_data_property_or_throw(js_string!(*name), function, context)?;
    }
    let given = JsObject::with_null_proto();
    let platform = js_string!(std::env::consts::OS);
    natives.create_data_property_or_throw(js_string!("modules"), given.clone(), context)?;
    natives.create_data_property_or_throw(js_string!("platform"), platform, context)?;
    for (name, text) in PARTS {
        run_part(name, text, &natives, context)?;
    }
    for module in modules {
        run_part(module.module, module.source, &natives, context)?;
        for specifier in module.specifiers {
            let found = given.get(JsString::from(*specifier), context)?;
            if !found.is_object() {
                let message = format!("the script of the module does not define {specifier:?}");
                return Err(JsNativeError::typ().with_message(message).into());
            }
        }
    }
    Ok(given)
}

/// Runs one script with the native functions.
fn run_part(name: &str, text: &str, natives: &JsObject, context: &mut Context) -> JsResult<()> {
    let path = format!("{INTERNAL}{name}");
    let source = Source::from_bytes(text).with_path(std::path::Path::new(&path));
    let part = Script::parse(source, None, context)?.evaluate(context)?;
    let part = part.as_callable().ok_or_else(|| {
        JsNativeError::typ().with_message(format!("the script {name} is not a function"))
    })?;
    part.call(&JsValue::undefined(), &[natives.clone().into()], context)?;
    Ok(())
}

/// An argument as a string.
fn text(args: &[JsValue], index: usize, context: &mut Context) -> JsResult<String> {
    Ok(args
        .get_or_undefined(index)
        .to_string(context)?
        .to_std_string_lossy())
}

/// The bytes of an argument that is a `Uint8Array`.
fn bytes(args: &[JsValue], index: usize, context: &mut Context) -> JsResult<Vec<u8>> {
    let object = args.get_or_undefined(index).to_object(context)?;
    JsUint8Array::from_object(object)?.to_vec(context)
}

/// `call(module, function, ...args)`
fn call_host(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (module, function) = (text(args, 0, context)?, text(args, 1, context)?);
    call(
        &module,
        &function,
        args.get(2..).unwrap_or_default(),
        context,
    )
}

/// `define(object)`: its properties become globals that listings of the global object leave out.
fn define(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let object = args.get_or_undefined(0).to_object(context)?;
    let global = context.global_object();
    for key in object.own_property_keys(context)? {
        let property = PropertyDescriptor::builder()
            .value(object.get(key.clone(), context)?)
            .writable(true)
            .enumerable(false)
            .configurable(true);
        global.define_property_or_throw(key, property, context)?;
    }
    Ok(JsValue::undefined())
}

/// `encode(text)`
fn encode(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = text(args, 0, context)?;
    bytes_value(text.as_bytes(), context)
}

/// `decode(bytes, encoding, fatal)`: `undefined` for malformed bytes if `fatal` is set.
fn decode(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let bytes = bytes(args, 0, context)?;
    let encoding = match args.get_or_undefined(1) {
        encoding if encoding.is_undefined() => "utf-8".to_owned(),
        encoding => encoding.to_string(context)?.to_std_string_lossy(),
    };
    let fatal = args.get_or_undefined(2).to_boolean();
    Ok(match web::decode(&bytes, &encoding, fatal) {
        Decoded::Text(text) => JsString::from(&*text).into(),
        Decoded::Malformed => JsValue::undefined(),
    })
}

/// `unfinished(bytes, encoding)`
fn unfinished(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let bytes = bytes(args, 0, context)?;
    let count = web::unfinished(&bytes, &text(args, 1, context)?);
    Ok(JsValue::from(u32::try_from(count).unwrap_or(0)))
}

/// The parts of a URL, or `undefined`.
fn parts_of(url: Option<&Url>, context: &mut Context) -> JsValue {
    let Some(url) = url else {
        return JsValue::undefined();
    };
    let parts = web::url_parts(url).map(|part| JsString::from(part).into());
    JsArray::from_iter(parts, context).into()
}

/// `parseUrl(input, base)`
fn parse_url(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let input = text(args, 0, context)?;
    let base = match args.get_or_undefined(1) {
        base if base.is_undefined() => None,
        base => Some(base.to_string(context)?.to_std_string_lossy()),
    };
    let url = web::parse_url(&input, base.as_deref());
    Ok(parts_of(url.as_ref(), context))
}

/// `setUrl(href, name, value)`
fn set_url(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (href, name) = (text(args, 0, context)?, text(args, 1, context)?);
    let url = web::with_url_part(&href, &name, &text(args, 2, context)?);
    Ok(parts_of(url.as_ref(), context))
}

/// `parseQuery(text)`
fn parse_query(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let pairs = web::parse_query(&text(args, 0, context)?);
    let pairs: Vec<JsValue> = pairs
        .into_iter()
        .map(|(name, value)| {
            let pair = [name, value].map(|part| JsString::from(part).into());
            JsArray::from_iter(pair, context).into()
        })
        .collect();
    Ok(JsArray::from_iter(pairs, context).into())
}

/// `formatQuery(pairs)`
fn format_query(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let given = args.get_or_undefined(0).to_object(context)?;
    let given = JsArray::from_object(given)?;
    let mut pairs = Vec::new();
    for index in 0..given.length(context)? {
        let pair = given.get(index, context)?.to_object(context)?;
        let name = pair.get(0, context)?.to_string(context)?;
        let value = pair.get(1, context)?.to_string(context)?;
        pairs.push((name.to_std_string_lossy(), value.to_std_string_lossy()));
    }
    Ok(JsString::from(web::format_query(pairs)).into())
}

/// `later(callback, milliseconds)`: a timer that does not keep an execution going.
fn later(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let callback = args.get_or_undefined(0).as_callable();
    let callback = callback.ok_or_else(|| missing("function to call"))?;
    let milliseconds = args.get_or_undefined(1).to_length(context)?;
    let job = NativeJob::new(move |context| callback.call(&JsValue::undefined(), &[], context));
    let jobs = context.downcast_job_executor::<Jobs>();
    let jobs = jobs.ok_or_else(|| missing("queue for timers"))?;
    jobs.add_aside(TimeoutJob::new(job, milliseconds));
    Ok(JsValue::undefined())
}

fn missing(what: &str) -> JsNativeError {
    JsNativeError::typ().with_message(format!("there is no {what}"))
}

/// `random(count)`
fn random(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let count = args.get_or_undefined(0).to_length(context)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut bytes = vec![0; count.min(web::MAX_RANDOM_BYTES)];
    inputs::fill_randomly(&mut bytes, link(context));
    bytes_value(&bytes, context)
}

/// `uuid()`
#[expect(clippy::unnecessary_wraps, reason = "native functions have one type")]
fn uuid(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut bytes = [0; 16];
    inputs::fill_randomly(&mut bytes, link(context));
    Ok(JsString::from(web::uuid(bytes)).into())
}

/// `now()`
#[expect(clippy::unnecessary_wraps, reason = "native functions have one type")]
fn now(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    // There is no session yet while the prelude runs.
    Ok(host(context).map_or(0.0, Host::now_ms).into())
}

/// `timeOrigin()`
fn time_origin(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(host(context)?.started_at_ms().into())
}

/// `folder()`
fn folder(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(JsString::from(host(context)?.folder.as_str()).into())
}
