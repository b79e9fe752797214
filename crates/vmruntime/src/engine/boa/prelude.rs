//! What is written in JavaScript: the shapes of host modules and of web APIs, over a few native functions. It runs once,
//! when the engine is built, before any script.

use boa_engine::job::{NativeJob, TimeoutJob};
use boa_engine::object::builtins::JsArray;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{
    Context, JsArgs, JsNativeError, JsResult, JsString, JsValue, NativeFunction, Script, Source,
    js_string,
};
use url::Url;

use super::host::{Host, call, host};
use super::jobs::Jobs;
use super::nondeterminism;
use super::wire::bytes_value;
use crate::engine::source::INTERNAL;

/// The parts, in an order in which each finds what it uses.
const PARTS: &[(&str, &str)] = &[
    ("errors", include_str!("prelude/errors.js")),
    ("events", include_str!("prelude/events.js")),
    ("url", include_str!("prelude/url.js")),
    ("encoding", include_str!("prelude/encoding.js")),
    ("language", include_str!("prelude/language.js")),
    ("fetch", include_str!("prelude/fetch.js")),
    ("process", include_str!("prelude/process.js")),
    ("fs", include_str!("prelude/fs.js")),
    ("database", include_str!("prelude/database.js")),
    ("exec", include_str!("prelude/exec.js")),
];

/// The most random bytes that one call gives: what the web allows.
const MAX_RANDOM_BYTES: usize = 65_536;

type Native = fn(&JsValue, &[JsValue], &mut Context) -> JsResult<JsValue>;

/// The native functions that the parts use.
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

/// Runs the parts; gives the object that holds the native modules by name.
pub(super) fn run(context: &mut Context) -> JsResult<JsObject> {
    let natives = JsObject::with_null_proto();
    for (name, length, native) in NATIVES {
        let function =
            FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(*native))
                .name(js_string!(*name))
                .length(*length)
                .build();
        natives.create_data_property_or_throw(js_string!(*name), function, context)?;
    }
    let modules = JsObject::with_null_proto();
    let platform = js_string!(std::env::consts::OS);
    natives.create_data_property_or_throw(js_string!("modules"), modules.clone(), context)?;
    natives.create_data_property_or_throw(js_string!("platform"), platform, context)?;
    for (name, text) in PARTS {
        let path = format!("{INTERNAL}{name}");
        let source = Source::from_bytes(text).with_path(std::path::Path::new(&path));
        let part = Script::parse(source, None, context)?.evaluate(context)?;
        let part = part.as_callable().ok_or_else(|| {
            JsNativeError::typ().with_message(format!("the part {name} is not a function"))
        })?;
        part.call(&JsValue::undefined(), &[natives.clone().into()], context)?;
    }
    Ok(modules)
}

fn text(args: &[JsValue], index: usize, context: &mut Context) -> JsResult<String> {
    Ok(args
        .get_or_undefined(index)
        .to_string(context)?
        .to_std_string_lossy())
}

fn bytes(args: &[JsValue], index: usize, context: &mut Context) -> JsResult<Vec<u8>> {
    let object = args.get_or_undefined(index).to_object(context)?;
    boa_engine::object::builtins::JsUint8Array::from_object(object)?.to_vec(context)
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

/// `define(object)`: its properties become globals, as those of the language are.
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

fn encode(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = text(args, 0, context)?;
    bytes_value(text.as_bytes(), context)
}

/// `decode(bytes, encoding, fatal)`; nothing for bytes that make no text.
fn decode(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let bytes = bytes(args, 0, context)?;
    let encoding = args.get_or_undefined(1);
    let fatal = args.get_or_undefined(2).to_boolean();
    let encoding = if encoding.is_undefined() {
        "utf-8".to_owned()
    } else {
        encoding.to_string(context)?.to_std_string_lossy()
    };
    let text = match encoding.as_str() {
        "latin1" => JsString::from(
            bytes
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>(),
        ),
        "utf-16le" => {
            let units: Vec<u16> = bytes
                .chunks(2)
                .map(|unit| match unit {
                    [low, high] => u16::from_le_bytes([*low, *high]),
                    _ => 0xFFFD,
                })
                .collect();
            if fatal && String::from_utf16(&units).is_err() {
                return Ok(JsValue::undefined());
            }
            JsString::from(String::from_utf16_lossy(&units))
        }
        _ => match std::str::from_utf8(&bytes) {
            Ok(text) => JsString::from(text),
            Err(_) if fatal => return Ok(JsValue::undefined()),
            Err(_) => JsString::from(&*String::from_utf8_lossy(&bytes)),
        },
    };
    Ok(text.into())
}

/// `unfinished(bytes, encoding)`: how many bytes at the end belong to a character that goes on.
fn unfinished(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let bytes = bytes(args, 0, context)?;
    let encoding = text(args, 1, context)?;
    let count = match encoding.as_str() {
        "utf-16le" => bytes.len() % 2,
        "utf-8" => match std::str::from_utf8(&bytes) {
            Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
            // What is wrong further up hides the end: the last lead byte says how much is missing.
            Err(_) => unfinished_tail(&bytes),
            Ok(_) => 0,
        },
        _ => 0,
    };
    Ok(JsValue::from(u32::try_from(count).unwrap_or(0)))
}

fn unfinished_tail(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    (from..bytes.len())
        .find(|at| {
            std::str::from_utf8(&bytes[*at..])
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .map_or(0, |at| bytes.len() - at)
}

fn parts_of(url: &Url, context: &mut Context) -> JsValue {
    use url::quirks;
    let parts = [
        quirks::href(url).to_owned(),
        quirks::origin(url),
        quirks::protocol(url).to_owned(),
        quirks::username(url).to_owned(),
        quirks::password(url).to_owned(),
        quirks::host(url).to_owned(),
        quirks::hostname(url).to_owned(),
        quirks::port(url).to_owned(),
        quirks::pathname(url).to_owned(),
        quirks::search(url).to_owned(),
        quirks::hash(url).to_owned(),
    ];
    let parts = parts.map(|part| JsString::from(part).into());
    JsArray::from_iter(parts, context).into()
}

/// `parseUrl(input, base)`: the parts in the order of `parts_of`, or nothing.
fn parse_url(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let input = text(args, 0, context)?;
    let base = match args.get_or_undefined(1) {
        base if base.is_undefined() => None,
        base => match Url::parse(&base.to_string(context)?.to_std_string_lossy()) {
            Ok(base) => Some(base),
            Err(_) => return Ok(JsValue::undefined()),
        },
    };
    Ok(match Url::options().base_url(base.as_ref()).parse(&input) {
        Ok(url) => parts_of(&url, context),
        Err(_) => JsValue::undefined(),
    })
}

/// `setUrl(href, name, value)`: the parts after the change, or nothing if it can't be made.
fn set_url(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    use url::quirks;
    let (href, name, value) = (
        text(args, 0, context)?,
        text(args, 1, context)?,
        text(args, 2, context)?,
    );
    let Ok(mut url) = Url::parse(&href) else {
        return Ok(JsValue::undefined());
    };
    let done = match name.as_str() {
        "href" => quirks::set_href(&mut url, &value).is_ok(),
        "protocol" => quirks::set_protocol(&mut url, &value).is_ok(),
        "username" => quirks::set_username(&mut url, &value).is_ok(),
        "password" => quirks::set_password(&mut url, &value).is_ok(),
        "host" => quirks::set_host(&mut url, &value).is_ok(),
        "hostname" => quirks::set_hostname(&mut url, &value).is_ok(),
        "port" => quirks::set_port(&mut url, &value).is_ok(),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            true
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            true
        }
        "hash" => {
            quirks::set_hash(&mut url, &value);
            true
        }
        "query" => {
            url.set_query((!value.is_empty()).then_some(value.as_str()));
            true
        }
        _ => false,
    };
    Ok(if done {
        parts_of(&url, context)
    } else {
        JsValue::undefined()
    })
}

/// `parseQuery(text)`: pairs.
fn parse_query(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let query = text(args, 0, context)?;
    let pairs: Vec<JsValue> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| {
            let pair = [&*name, &*value].map(|part| JsString::from(part).into());
            JsArray::from_iter(pair, context).into()
        })
        .collect();
    Ok(JsArray::from_iter(pairs, context).into())
}

/// `formatQuery(pairs)`
fn format_query(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let pairs = args.get_or_undefined(0).to_object(context)?;
    let pairs = JsArray::from_object(pairs)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for index in 0..pairs.length(context)? {
        let pair = pairs.get(index, context)?.to_object(context)?;
        let name = pair.get(0, context)?.to_string(context)?;
        let value = pair.get(1, context)?.to_string(context)?;
        query.append_pair(&name.to_std_string_lossy(), &value.to_std_string_lossy());
    }
    Ok(JsString::from(query.finish()).into())
}

/// `later(callback, milliseconds)`: a timer that keeps no execution going by itself.
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

fn random(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let count = args.get_or_undefined(0).to_length(context)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut bytes = vec![0; count.min(MAX_RANDOM_BYTES)];
    nondeterminism::fill_by_chance(&mut bytes, context);
    bytes_value(&bytes, context)
}

#[expect(clippy::unnecessary_wraps, reason = "native functions have one type")]
fn uuid(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut bytes = [0; 16];
    nondeterminism::fill_by_chance(&mut bytes, context);
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    Ok(JsString::from(uuid.to_string()).into())
}

#[expect(clippy::unnecessary_wraps, reason = "native functions have one type")]
fn now(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    // The parts are run before there is a session.
    Ok(host(context).map_or(0.0, Host::now_ms).into())
}

fn time_origin(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(host(context)?.started_at_ms().into())
}

fn folder(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(JsString::from(host(context)?.folder.as_str()).into())
}
