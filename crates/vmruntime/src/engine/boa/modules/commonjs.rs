//! `CommonJS`: `require`, and the files that it loads.

use std::rc::Rc;

use boa_engine::gc::{Finalize, Trace};
use boa_engine::object::builtins::{JsArray, JsFunction};
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{
    Context, JsArgs, JsNativeError, JsResult, JsString, JsValue, NativeFunction, Script, Source,
    js_string,
};

use super::graph::{Format, Way};
use super::{Modules, in_file, native, refuse_disposal, vanished};
use crate::engine::boa::define::{define_hidden, remove};
use crate::engine::boa::errors::{code_of, located};
use crate::engine::boa::host::host;
use crate::engine::source;

/// Stands before the text of a file, on its first line.
const WRAPPER: &str = "(function (exports, require, module, __filename, __dirname) {";

/// The globals that a file has which is run as the main one.
const MAIN_GLOBALS: [&str; 4] = ["module", "exports", "__filename", "__dirname"];

/// The captures of a native function that loads files for the file at `path`.
#[derive(Clone, Trace, Finalize)]
pub(super) struct Captures {
    // Its values are roots by themselves.
    #[unsafe_ignore_trace]
    modules: Rc<Modules>,
    #[unsafe_ignore_trace]
    path: Rc<str>,
}

impl Captures {
    pub(super) fn new(modules: &Rc<Modules>, path: &str) -> Self {
        Self {
            modules: Rc::clone(modules),
            path: Rc::from(path),
        }
    }

    pub(super) fn modules(&self) -> &Rc<Modules> {
        &self.modules
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// Defines the global `require`, which resolves specifiers relative to the file whose code calls
/// it.
pub(in crate::engine::boa) fn define_require(
    modules: &Rc<Modules>,
    context: &mut Context,
) -> JsResult<()> {
    let require = require_function(modules, "", context)?;
    define_hidden("require", require, context)
}

/// Defines the globals that the main file of Node has.
pub(in crate::engine::boa) fn set_main(path: &str, context: &mut Context) -> JsResult<()> {
    let folder = host(context)?.folder.clone();
    let module = module_object(path, &folder, context)?;
    let exports = module.get(js_string!("exports"), context)?;
    let (file, directory) = names(path, &folder);
    if let Some(require) = global_require(context)? {
        require.set(js_string!("main"), module.clone(), false, context)?;
    }
    define_hidden("module", module, context)?;
    define_hidden("exports", exports, context)?;
    define_hidden("__filename", JsString::from(file), context)?;
    define_hidden("__dirname", JsString::from(directory), context)
}

/// Removes these globals: the next execution may be a text that checks for them.
pub(in crate::engine::boa) fn forget_main(context: &mut Context) -> JsResult<()> {
    for name in MAIN_GLOBALS {
        remove(name, context)?;
    }
    if let Some(require) = global_require(context)? {
        require.set(js_string!("main"), JsValue::undefined(), false, context)?;
    }
    Ok(())
}

/// The global `require`; `None` if a script has replaced it by a value that is no object.
fn global_require(context: &mut Context) -> JsResult<Option<JsObject>> {
    let global = context.global_object();
    let require = global.get(js_string!("require"), context)?;
    Ok(require.as_object())
}

/// What the main file has exported so far; `None` if `path` is another file.
fn exports_of_main(path: &str, context: &mut Context) -> JsResult<Option<JsValue>> {
    let Some(require) = global_require(context)? else {
        return Ok(None);
    };
    let main = require.get(js_string!("main"), context)?;
    let Some(main) = main.as_object() else {
        return Ok(None);
    };
    let (file, _) = names(path, &host(context)?.folder);
    let name = main.get(js_string!("filename"), context)?;
    if name.strict_equals(&JsString::from(file).into()) {
        return main.get(js_string!("exports"), context).map(Some);
    }
    Ok(None)
}

/// The absolute paths of a file and of its folder.
pub(super) fn names(path: &str, folder: &str) -> (String, String) {
    let file = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{}", path.trim_start_matches("./"))
    };
    let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
    let directory = directory.to_owned();
    (file, directory)
}

/// The value that `require` gives for a file.
pub(super) fn load(modules: &Rc<Modules>, path: &str, context: &mut Context) -> JsResult<JsValue> {
    let (format, text, loaded) = {
        let graph = modules.graph.borrow();
        let file = graph.get(path).ok_or_else(|| vanished(path))?;
        (file.format, Rc::clone(&file.source), file.common.clone())
    };
    if let Some(module) = loaded {
        // A getter may load files, so the graph is not borrowed here.
        return module.get(js_string!("exports"), context);
    }
    if format == Format::CommonJs
        && let Some(exports) = exports_of_main(path, context)?
    {
        return Ok(exports);
    }
    let folder = host(context)?.folder.clone();
    let module = module_object(path, &folder, context)?;
    match format {
        Format::Es => return Err(es_module(path, context)),
        Format::Json => {
            let value = check_json(path, &text, context)?;
            module.set(js_string!("exports"), value, true, context)?;
        }
        Format::CommonJs => {}
    }
    if let Some(file) = modules.graph.borrow_mut().get_mut(path) {
        // A file that requires this one while it runs gets its exports so far.
        file.common = Some(module.clone());
    }
    if format == Format::CommonJs
        && let Err(error) = evaluate(modules, path, &text, &module, context)
    {
        modules.graph.borrow_mut().remove(path);
        return Err(error);
    }
    module.set(js_string!("loaded"), true, false, context)?;
    module.get(js_string!("exports"), context)
}

fn evaluate(
    modules: &Rc<Modules>,
    path: &str,
    text: &str,
    module: &JsObject,
    context: &mut Context,
) -> JsResult<()> {
    refuse_disposal(path, text, context)?;
    let text = match text.strip_prefix("#!") {
        Some(rest) => format!("{WRAPPER}//{rest}\n}})"),
        None => format!("{WRAPPER}{text}\n}})"),
    };
    let tagged = source::with_prefix(path, WRAPPER.len());
    let wrapped = Source::from_bytes(&text).with_path(std::path::Path::new(&tagged));
    let script = Script::parse(wrapped, None, context);
    let script = script.map_err(|error| in_file(&error, &tagged, context))?;
    let function = script.evaluate(context)?;
    let function = function.as_callable().ok_or_else(|| vanished(path))?;
    let exports = module.get(js_string!("exports"), context)?;
    let require = require_function(modules, path, context)?;
    let (file, directory) = names(path, &host(context)?.folder);
    let args = [
        exports.clone(),
        require.into(),
        module.clone().into(),
        JsString::from(file).into(),
        JsString::from(directory).into(),
    ];
    function.call(&exports, &args, context).map(drop)
}

fn module_object(path: &str, folder: &str, context: &mut Context) -> JsResult<JsObject> {
    let (file, directory) = names(path, folder);
    let module = JsObject::with_object_proto(context.intrinsics());
    let exports = JsObject::with_object_proto(context.intrinsics());
    let properties: [(&str, JsValue); 6] = [
        ("id", JsString::from(file.as_str()).into()),
        ("path", JsString::from(directory).into()),
        ("exports", exports.into()),
        ("filename", JsString::from(file).into()),
        ("loaded", JsValue::from(false)),
        ("children", JsArray::new(context)?.into()),
    ];
    for (name, value) in properties {
        module.create_data_property_or_throw(JsString::from(name), value, context)?;
    }
    Ok(module)
}

/// The value of a JSON file.
///
/// # Errors
/// A syntax error with its position in the file.
pub(super) fn check_json(path: &str, text: &str, context: &mut Context) -> JsResult<JsValue> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
    match parsed {
        Ok(value) => JsValue::from_json(&value, context),
        Err(error) => {
            let place = format!("{path}:{}:{}", error.line(), error.column());
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            let error = JsNativeError::syntax().with_message(format!("{path}: {message}"));
            Err(located(error, None, Some(&place), context))
        }
    }
}

fn es_module(path: &str, context: &mut Context) -> boa_engine::JsError {
    let error = JsNativeError::error().with_message(format!(
        "require() of ES Module {path} not supported. Instead change the require to a dynamic import() which is available in \
         all CommonJS modules."
    ));
    located(error, Some("ERR_REQUIRE_ESM"), None, context)
}

/// The function `require` of the file at `path`. The global one has an empty path: it resolves
/// relative to the calling file.
fn require_function(
    modules: &Rc<Modules>,
    path: &str,
    context: &mut Context,
) -> JsResult<JsFunction> {
    let captures = Captures::new(modules, path);
    let native = NativeFunction::from_copy_closure_with_captures(
        |_, args, captures: &Captures, context| require(captures, args, context),
        captures.clone(),
    );
    let resolve = NativeFunction::from_copy_closure_with_captures(
        |_, args, captures: &Captures, context| resolve(captures, args, context),
        captures,
    );
    let require = FunctionObjectBuilder::new(context.realm(), native)
        .name(js_string!("require"))
        .length(1)
        .build();
    let resolve = FunctionObjectBuilder::new(context.realm(), resolve)
        .name(js_string!("resolve"))
        .length(1)
        .build();
    require.create_data_property_or_throw(js_string!("resolve"), resolve, context)?;
    let main = match global_require(context)? {
        Some(shared) => shared.get(js_string!("main"), context)?,
        None => JsValue::undefined(),
    };
    let main = PropertyDescriptor::builder()
        .value(main)
        .writable(true)
        .enumerable(true)
        .configurable(true);
    require.define_property_or_throw(js_string!("main"), main, context)?;
    Ok(require)
}

/// The specifier of a call, and the file that calls; `None` for a snippet.
fn asked(
    captures: &Captures,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<(String, Option<String>)> {
    let Some(specifier) = args.get_or_undefined(0).as_string() else {
        let message = "The \"id\" argument must be of type string";
        let error = JsNativeError::typ().with_message(message);
        return Err(located(error, Some("ERR_INVALID_ARG_TYPE"), None, context));
    };
    let specifier = specifier.to_std_string_lossy();
    let importer = if captures.path.is_empty() {
        context
            .get_active_script_or_module()
            .and_then(|active| super::importer_of(&active.into()))
    } else {
        Some(captures.path.to_string())
    };
    Ok((specifier, importer))
}

fn require(captures: &Captures, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    captures.modules.has_required.set(true);
    let (specifier, importer) = asked(captures, args, context)?;
    if let Some(name) = native::find(&specifier, context)? {
        return native::object(name, context).map(JsValue::from);
    }
    let path = find(captures, &specifier, importer.as_deref(), context)?;
    load(&captures.modules, &path, context)
}

fn resolve(captures: &Captures, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (specifier, importer) = asked(captures, args, context)?;
    if native::find(&specifier, context)?.is_some() {
        return Ok(JsString::from(specifier).into());
    }
    let path = find(captures, &specifier, importer.as_deref(), context)?;
    let (file, _) = names(&path, &host(context)?.folder);
    Ok(JsString::from(file).into())
}

fn find(
    captures: &Captures,
    specifier: &str,
    importer: Option<&str>,
    context: &mut Context,
) -> JsResult<String> {
    let is_bare = !specifier.starts_with(['.', '/']);
    let modules = &captures.modules;
    let found = modules.find(importer, specifier, Way::Require, context);
    let error = match found {
        Ok(path) => return Ok(path),
        Err(error) => error,
    };
    let is_missing = code_of(&error, context).as_deref() == Some("MODULE_NOT_FOUND");
    if !is_bare || !is_missing {
        return Err(error);
    }
    let message = format!(
        "Invalid module {specifier:?}: Cannot find module '{specifier}' in the worktree, and the native modules are {}",
        native::specifiers(context)?
    );
    let error = JsNativeError::error().with_message(message);
    Err(located(error, Some("MODULE_NOT_FOUND"), None, context))
}
