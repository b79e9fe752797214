//! Modules: `import` and `require`. The host module `loader` finds and reads the files: a session
//! process opens none.

mod commonjs;
mod graph;
mod native;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;

use boa_engine::module::{ModuleLoader, ModuleRequest, Referrer, SyntheticModuleInitializer};
use boa_engine::{
    Context, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, Module, Source,
    js_string,
};
use serde_json::json;

use self::graph::{File, Format, Graph, Way};
use super::errors::{code_of, located, message_of};
use super::host::{call_json, host};
use crate::engine::source;
use crate::ipc::{LOADER, LoadedModule};

pub(super) use commonjs::{define_require, forget_main, set_main};

/// The modules that are loaded, and the loader of more.
#[derive(Default)]
pub(super) struct Modules {
    is_enabled: Cell<bool>,
    graph: RefCell<Graph>,
    /// Whether the execution has called `require`.
    has_required: Cell<bool>,
    /// The name and the text of the script that is being run, for positions in errors.
    main: RefCell<(String, Rc<str>)>,
}

impl Modules {
    /// Whether ES modules may be used at all.
    pub(super) fn set_enabled(&self, enabled: bool) {
        self.is_enabled.set(enabled);
    }

    /// Notes that an execution of this text begins.
    pub(super) fn begin(&self, name: &str, source: &str) {
        self.graph.borrow_mut().begin();
        self.has_required.set(false);
        self.main.replace((name.to_owned(), Rc::from(source)));
    }

    /// Notes that the execution has ended.
    pub(super) fn end(&self, threw: bool) {
        if threw {
            self.graph.borrow_mut().forget_fresh();
        }
        self.main.take();
    }

    /// Whether the execution has called `require`.
    pub(super) fn has_required(&self) -> bool {
        self.has_required.get()
    }

    /// The text of a loaded file or of the script that is being run; `None` for another name.
    pub(super) fn source_of(&self, name: &str) -> Option<Rc<str>> {
        let main = self.main.borrow();
        if main.0 == name {
            return Some(Rc::clone(&main.1));
        }
        let graph = self.graph.borrow();
        graph.get(name).map(|file| Rc::clone(&file.source))
    }

    fn check_enabled(&self) -> JsResult<()> {
        if self.is_enabled.get() {
            return Ok(());
        }
        Err(JsNativeError::error()
            .with_message("ES modules are switched off by the template (runtime.esm)")
            .into())
    }

    /// The module of a file that is run itself.
    pub(super) fn main_module(
        &self,
        name: &str,
        text: &str,
        context: &mut Context,
    ) -> JsResult<Module> {
        self.check_enabled()?;
        let module = parse_module(name, text, context)?;
        // An import of the file that is being run gives this module. The next run reads the file
        // again.
        let mut graph = self.graph.borrow_mut();
        let path = below(name, &host(context)?.folder).to_owned();
        graph.remove(&path);
        graph.add(
            &path,
            File {
                stamp: String::new(),
                source: Rc::from(text),
                format: Format::Es,
                module: Some(module.clone()),
                common: None,
            },
        );
        Ok(module)
    }

    /// The path of the file that a specifier means. The file is read if it is not loaded.
    ///
    /// # Errors
    /// When there is no such file, at the position of the request.
    fn find(
        &self,
        importer: Option<&str>,
        specifier: &str,
        way: Way,
        context: &mut Context,
    ) -> JsResult<String> {
        self.compare(context)?;
        let importing = importer.unwrap_or_default();
        if let Some(path) = self.graph.borrow().resolved(importing, specifier, way) {
            return Ok(path);
        }
        let args = [json!(specifier), json!(importer), json!(way.as_str())];
        let answer = call_json(LOADER, "load", &args, Vec::new(), context);
        let (found, mut bodies) = match answer {
            Ok(found) => found,
            Err(error) => return Err(self.at_request(error, importer, specifier, context)),
        };
        let found: LoadedModule = serde_json::from_value(found).map_err(JsError::from_rust)?;
        let text = String::from_utf8(bodies.pop().unwrap_or_default())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let format = match Path::new(&found.path).extension().and_then(|e| e.to_str()) {
            Some("mjs") => Format::Es,
            Some("cjs") => Format::CommonJs,
            Some("json") => Format::Json,
            _ if source::has_module_syntax(&text) => Format::Es,
            _ => Format::CommonJs,
        };
        let mut graph = self.graph.borrow_mut();
        graph.note(importing, specifier, way, &found.path);
        graph.add(
            &found.path,
            File {
                stamp: found.stamp,
                source: Rc::from(text),
                format,
                module: None,
                common: None,
            },
        );
        Ok(found.path)
    }

    /// Compares the files that earlier executions have loaded with the worktree, once in an
    /// execution. Those that have changed are forgotten.
    fn compare(&self, context: &mut Context) -> JsResult<()> {
        if std::mem::replace(&mut self.graph.borrow_mut().is_current, true) {
            return Ok(());
        }
        let stamps = self.graph.borrow().stamps();
        let (changed, _) = call_json(LOADER, "changed", &[json!(stamps)], Vec::new(), context)?;
        let changed: Vec<String> = serde_json::from_value(changed).map_err(JsError::from_rust)?;
        self.graph.borrow_mut().invalidate(changed);
        Ok(())
    }

    /// The error with the position at which the file was requested.
    fn at_request(
        &self,
        error: JsError,
        importer: Option<&str>,
        specifier: &str,
        context: &mut Context,
    ) -> JsError {
        let name = importer.map_or_else(|| self.main.borrow().0.clone(), str::to_owned);
        let position = self
            .source_of(&name)
            .and_then(|text| source::position_of_request(&text, specifier));
        let Some((line, column)) = position else {
            return error;
        };
        let code = code_of(&error, context);
        let message = message_of(&error, context);
        located(
            JsNativeError::error().with_message(message),
            code.as_deref(),
            Some(&format!("{name}:{line}:{column}")),
            context,
        )
    }

    fn import(
        self: &Rc<Self>,
        referrer: &Referrer,
        request: &ModuleRequest,
        context: &mut Context,
    ) -> JsResult<Module> {
        self.check_enabled()?;
        let specifier = request.specifier().to_std_string_lossy();
        if let Some(name) = native::find(&specifier, context)? {
            return native::module(name, context);
        }
        let importer = importer_of(referrer);
        let path = self.find(importer.as_deref(), &specifier, Way::Import, context)?;
        self.module_of(&path, context)
    }

    fn module_of(self: &Rc<Self>, path: &str, context: &mut Context) -> JsResult<Module> {
        let (format, text) = {
            let graph = self.graph.borrow();
            let file = graph.get(path).ok_or_else(|| vanished(path))?;
            if let Some(module) = &file.module {
                return Ok(module.clone());
            }
            (file.format, Rc::clone(&file.source))
        };
        let module = match format {
            Format::Es => parse_module(path, &text, context)?,
            Format::CommonJs => {
                let names = self.export_names(path, &mut Vec::new(), context);
                synthetic(self, path, names, context)
            }
            Format::Json => {
                commonjs::check_json(path, &text, context)?;
                synthetic(self, path, Vec::new(), context)
            }
        };
        if let Some(file) = self.graph.borrow_mut().get_mut(path) {
            file.module = Some(module.clone());
        }
        Ok(module)
    }

    /// The names that a `CommonJS` module exports, with those of modules that it exports too.
    fn export_names(
        &self,
        path: &str,
        seen: &mut Vec<String>,
        context: &mut Context,
    ) -> Vec<String> {
        let Some(text) = self
            .source_of(path)
            .filter(|_| !seen.iter().any(|s| s == path))
        else {
            return Vec::new();
        };
        seen.push(path.to_owned());
        let exports = source::common_js_exports(&text);
        let mut names: Vec<String> = exports.names.into_iter().collect();
        for specifier in exports.passed_on {
            // A module that is not found gives no names. Running this one reports that.
            if let Ok(target) = self.find(Some(path), &specifier, Way::Require, context) {
                let more = self.export_names(&target, seen, context);
                names.extend(
                    more.into_iter()
                        .filter(|name| !names.contains(name))
                        .collect::<Vec<_>>(),
                );
            }
        }
        names
    }
}

/// An ES module whose exports are those of a file that `require` loads when the module is
/// evaluated.
fn synthetic(
    modules: &Rc<Modules>,
    path: &str,
    names: Vec<String>,
    context: &mut Context,
) -> Module {
    let names: Vec<JsString> = names.into_iter().map(JsString::from).collect();
    let all: Vec<JsString> = names
        .iter()
        .cloned()
        .chain([js_string!("default")])
        .collect();
    let captures = commonjs::Captures::new(modules, path);
    let steps = SyntheticModuleInitializer::from_copy_closure_with_captures(
        |module, (captures, names): &(commonjs::Captures, Vec<JsString>), context| {
            let exports = commonjs::load(captures.modules(), captures.path(), context)?;
            for name in names {
                let value = match exports.as_object() {
                    Some(object) => object.get(name.clone(), context)?,
                    None => JsValue::undefined(),
                };
                module.set_export(name, value)?;
            }
            module.set_export(&js_string!("default"), exports)
        },
        (captures, names),
    );
    Module::synthetic(&all, steps, Some(path.into()), None, context)
}

/// Parses a module.
///
/// # Errors
/// A syntax error with its position in the file.
fn parse_module(path: &str, text: &str, context: &mut Context) -> JsResult<Module> {
    refuse_disposal(path, text, context)?;
    let source = Source::from_bytes(text).with_path(Path::new(path));
    Module::parse(source, None, context).map_err(|error| in_file(&error, path, context))
}

/// Refuses a file with declarations with `using`, which the engine would treat as others.
///
/// # Errors
/// A syntax error at the first such declaration.
pub(super) fn refuse_disposal(path: &str, text: &str, context: &mut Context) -> JsResult<()> {
    let Some(at) = source::disposal_in(text) else {
        return Ok(());
    };
    let (line, column) = source::line_and_column(text, at);
    let error = JsNativeError::syntax().with_message(source::NO_DISPOSAL);
    Err(located(
        error,
        None,
        Some(&format!("{path}:{line}:{column}")),
        context,
    ))
}

/// A syntax error with its position in the file.
fn in_file(error: &JsError, path: &str, context: &mut Context) -> JsError {
    let message = message_of(error, context);
    let (message, place) = match super::report::split_position(&message) {
        Some((message, position)) => (message, format!("{path}:{position}")),
        None => (message, path.to_owned()),
    };
    let origin = source::original_of(&place);
    let place = match origin.position {
        Some((line, column)) => format!("{}:{line}:{column}", origin.path),
        None => origin.path,
    };
    let error = JsNativeError::syntax().with_message(message);
    located(error, None, Some(&place), context)
}

fn vanished(path: &str) -> JsError {
    JsNativeError::error()
        .with_message(format!("the module {path} is gone"))
        .into()
}

/// The file that requests a module; `None` for a snippet.
fn importer_of(referrer: &Referrer) -> Option<String> {
    let path = referrer.path()?.to_string_lossy();
    let path = source::untagged(&path);
    (path != super::REPL).then(|| path.to_owned())
}

/// A path relative to the worktree.
fn below<'a>(path: &'a str, folder: &str) -> &'a str {
    let below = path
        .strip_prefix(folder)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(path);
    below.trim_start_matches("./")
}

impl ModuleLoader for Modules {
    fn load_imported_module(
        self: Rc<Self>,
        referrer: Referrer,
        request: ModuleRequest,
        context: &RefCell<&mut Context>,
    ) -> impl Future<Output = JsResult<Module>> {
        let loaded = self.import(&referrer, &request, &mut context.borrow_mut());
        std::future::ready(loaded)
    }

    fn init_import_meta(
        self: Rc<Self>,
        import_meta: &JsObject,
        module: &Module,
        context: &mut Context,
    ) {
        let Some(path) = module
            .path()
            .map(|path| path.to_string_lossy().into_owned())
        else {
            return;
        };
        let Ok(folder) = host(context).map(|host| host.folder.clone()) else {
            return;
        };
        let (file, folder) = commonjs::names(&path, &folder);
        let url = url::Url::from_file_path(&file).map_or_else(|()| path, String::from);
        for (name, value) in [("dirname", folder), ("filename", file), ("url", url)] {
            // A new object accepts every property.
            let set = import_meta.create_data_property_or_throw(
                JsString::from(name),
                JsString::from(value),
                context,
            );
            debug_assert!(set.is_ok());
        }
    }
}
