//! ES modules: the engine asks for them here, and the daemon finds them in the worktree. The session process opens no
//! file.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use boa_engine::module::{ModuleLoader, ModuleRequest, Referrer};
use boa_engine::{Context, JsError, JsNativeError, JsResult, JsString, Module, Source, js_string};
use serde_json::json;
use serde_json::value::to_raw_value;

use super::HostLink;
use super::host::thrown;
use crate::protocol::{LOADER, LoadedModule};

/// Loads modules by host calls.
pub(super) struct Modules {
    link: Rc<dyn HostLink>,
    enabled: Cell<bool>,
    /// The modules of this execution, by path: each is evaluated once, and a file that changed is seen by the next
    /// execution.
    loaded: RefCell<HashMap<String, Module>>,
}

impl Modules {
    pub(super) fn new(link: Rc<dyn HostLink>) -> Self {
        Self {
            link,
            enabled: Cell::new(true),
            loaded: RefCell::default(),
        }
    }

    /// Whether modules may be used at all.
    pub(super) fn set_enabled(&self, enabled: bool) {
        self.enabled.set(enabled);
    }

    /// Fails when modules may not be used.
    pub(super) fn check_enabled(&self) -> JsResult<()> {
        if self.enabled.get() {
            return Ok(());
        }
        Err(JsNativeError::error()
            .with_message("ES modules are switched off by the template (runtime.esm)")
            .into())
    }

    /// Forgets what was loaded.
    pub(super) fn clear(&self) {
        self.loaded.take();
    }

    fn load(
        &self,
        referrer: &Referrer,
        request: &ModuleRequest,
        context: &mut Context,
    ) -> JsResult<Module> {
        self.check_enabled()?;
        let specifier = request.specifier().to_std_string_lossy();
        let importer = referrer.path().map(|path| path.to_string_lossy());
        let args = to_raw_value(&json!([specifier, importer])).map_err(JsError::from_rust)?;
        let answer = self
            .link
            .call(LOADER, "load", args)
            .map_err(|error| thrown(error, context))?;
        let found: LoadedModule = serde_json::from_str(answer.get()).map_err(JsError::from_rust)?;
        if let Some(module) = self.loaded.borrow().get(&found.path) {
            return Ok(module.clone());
        }
        let is_json = request
            .get_attribute("type")
            .is_some_and(|kind| *kind == js_string!("json"));
        let module = if is_json {
            Module::parse_json(JsString::from(found.source), context)?
        } else {
            let source = Source::from_bytes(&found.source).with_path(Path::new(&found.path));
            Module::parse(source, None, context)?
        };
        self.loaded.borrow_mut().insert(found.path, module.clone());
        Ok(module)
    }
}

impl ModuleLoader for Modules {
    fn load_imported_module(
        self: Rc<Self>,
        referrer: Referrer,
        request: ModuleRequest,
        context: &RefCell<&mut Context>,
    ) -> impl Future<Output = JsResult<Module>> {
        let loaded = self.load(&referrer, &request, &mut context.borrow_mut());
        std::future::ready(loaded)
    }
}
