//! The adapter of `boa_engine`, and the only place that names that crate.

mod console;
mod culprit;
mod define;
mod errors;
mod globals;
mod host;
mod inspect;
mod jobs;
mod last;
mod library;
mod modules;
mod nondeterminism;
mod prelude;
mod query;
mod report;
mod sort;
mod wire;

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

use boa_engine::builtins::promise::PromiseState;
use boa_engine::object::builtins::JsPromise;
use boa_engine::property::{Attribute, PropertyDescriptor};
use boa_engine::{
    Context, JsArgs, JsError, JsResult, JsString, JsValue, NativeFunction, Script, Source,
    js_string,
};
use vmapi_types::{ConsoleLevel, EventType, RawJson};
use vmcontrol::runtime::{Query, QueryResult, RunMode, RunRequest};

use self::console::ConsoleSink;
use self::define::remove;
use self::globals::GlobalScope;
use self::host::Host;
use self::inspect::{Inspector, Json};
use self::jobs::{Jobs, Rejections};
use self::last::Last;
use self::modules::Modules;
use self::nondeterminism::LinkedClock;
use self::report::Report;
use super::source;
use super::view::payload::{ConsolePayload, MAX_JSON_BYTES, MAX_PREVIEW_BYTES, ValuePayload, raw};
use super::{Deadlock, Engine, EngineError, Evaluation, HostLink, ModuleScript};
use crate::ipc::{LoadError, SessionSetup};

/// How deep functions may call each other. A level takes at most about 2 KiB of native stack, with
/// native functions (`map`, `sort`, a getter) in between, so scripts meet this limit before the end
/// of the stack.
const MAX_CALL_DEPTH: usize = 10_000;

/// How many values the stack of the engine may hold: some hundred for each level of calls.
const MAX_STACK_VALUES: usize = 4 * 1024 * 1024;

/// How many frames a stack trace has.
const MAX_TRACE_FRAMES: usize = 20;

/// The name of a snippet in positions, in place of a path.
const REPL: &str = "repl";

/// The engine with its one context.
pub(super) struct Boa {
    context: Context,
    inspector: Inspector,
    jobs: Rc<Jobs>,
    rejections: Rc<Rejections>,
    modules: Rc<Modules>,
    /// Names whose last declaration was a `const`.
    constants: HashSet<String>,
    /// Names that scripts have declared otherwise.
    variables: HashSet<String>,
    /// Names that functions of scripts use, and that were not declared when those were compiled.
    used: HashSet<String>,
    /// The host modules that the template gives, for completion.
    native_modules: Vec<String>,
    /// Whether the globals of a file that was run (`module`, `exports`, …) are defined.
    has_main: bool,
    last: Last,
}

/// Sends the text of console methods as events.
struct EventSink(Rc<dyn HostLink>);

impl ConsoleSink for EventSink {
    fn console(&self, level: ConsoleLevel, text: String, _: &mut Context) -> JsResult<()> {
        let payload = ConsolePayload { level, text: &text };
        self.0.event(EventType::Console, raw(&payload));
        Ok(())
    }
}

impl Boa {
    /// Builds the context with its console, the web APIs and the host modules, and runs a first
    /// script: what the engine makes on first use is then made before any fork.
    ///
    /// # Errors
    /// [`EngineError::Build`].
    pub(super) fn new(
        link: Rc<dyn HostLink>,
        scripts: &'static [ModuleScript],
    ) -> Result<Self, EngineError> {
        let build = || -> JsResult<Self> {
            let jobs = Rc::new(Jobs::new(Rc::clone(&link)));
            let rejections = Rc::new(Rejections::new(Rc::clone(&link)));
            let modules = Rc::new(Modules::default());
            let mut context = Context::builder()
                .job_executor(Rc::clone(&jobs))
                .host_hooks(Rc::clone(&rejections))
                .clock(Rc::new(LinkedClock::new(Rc::clone(&link))))
                .module_loader(Rc::clone(&modules))
                .build()?;
            let limits = context.runtime_limits_mut();
            limits.set_recursion_limit(MAX_CALL_DEPTH);
            limits.set_stack_size_limit(MAX_STACK_VALUES);
            limits.set_backtrace_limit(MAX_TRACE_FRAMES);
            let inspector = Inspector::new(&mut context)?;
            let sink = Rc::new(EventSink(Rc::clone(&link)));
            console::install(inspector.clone(), sink, &mut context)?;
            install_web_apis(&mut context)?;
            nondeterminism::define_random(&mut context)?;
            sort::install(&mut context)?;
            let modules_by_specifier = prelude::run(scripts, &mut context)?;
            context.insert_data(Host::new(link, scripts, modules_by_specifier));
            globals::define_bindings(&mut context)?;
            modules::define_require(&modules, &mut context)?;
            define_stack(&inspector, &mut context)?;
            let last = Last::define(&mut context)?;
            let mut boa = Self {
                context,
                inspector,
                jobs,
                rejections,
                modules,
                constants: HashSet::new(),
                variables: HashSet::new(),
                used: HashSet::new(),
                native_modules: Vec::new(),
                has_main: false,
                last,
            };
            boa.warm_up()?;
            Ok(boa)
        };
        build().map_err(|error| EngineError::Build(error.to_string()))
    }

    fn warm_up(&mut self) -> JsResult<()> {
        let script = "[new Date().toString(), /a/.test('a'), JSON.stringify({}), Math.random()]";
        let value = self.context.eval(Source::from_bytes(script))?;
        self.context.run_jobs()?;
        self.inspector
            .preview(&value, MAX_PREVIEW_BYTES, &mut self.context);
        self.collect();
        Ok(())
    }

    fn run(&mut self, request: &RunRequest) -> Result<JsValue, Halt> {
        self.last.begin(matches!(request.mode, RunMode::Repl));
        let context = &mut self.context;
        if std::mem::take(&mut self.has_main) {
            modules::forget_main(context)?;
        }
        let value = match &request.mode {
            RunMode::Repl => self.run_script(request, true)?,
            RunMode::Startup => self.run_script(request, false)?,
            RunMode::File { args, env } => {
                self.set_global(js_string!("__ARGS__"), args)?;
                self.set_global(js_string!("__ENV__"), env)?;
                if is_module(request) {
                    self.run_module(request)?
                } else {
                    modules::set_main(&request.name, &mut self.context)?;
                    self.has_main = true;
                    self.run_script(request, false)?
                }
            }
            RunMode::Module => self.run_module(request)?,
        };
        self.rejections.check()?;
        Ok(value)
    }

    fn run_script(&mut self, request: &RunRequest, is_console: bool) -> Result<JsValue, Halt> {
        let scope = GlobalScope {
            context: &self.context,
            constants: &self.constants,
            used: &self.used,
        };
        let mut script = source::prepare(&request.source, &request.name, is_console, &scope);
        script.used.retain(|name| !scope.has_property(name));
        for snippet in &script.before {
            self.parse(&snippet.text, &snippet.path)?
                .evaluate(&mut self.context)?;
        }
        let parsed = match &script.body {
            Some(body) => self.parse(&body.text, &body.path)?,
            None => self.parse(&request.source, &request.name)?,
        };
        for name in &script.variables {
            self.constants.remove(name);
        }
        self.constants.extend(script.constants);
        self.variables.extend(script.variables);
        self.used.extend(script.used);
        let value = parsed.evaluate(&mut self.context)?;
        let promise = value.as_object().filter(|_| script.is_async);
        let promise = promise.map(JsPromise::from_object).transpose()?;
        self.run_jobs(promise.as_ref())?;
        promise.map_or(Ok(value), |promise| settled(&promise))
    }

    /// Runs the jobs that a script has left. `promise` is that of a script that awaits something.
    /// While it is pending, timers that keep no execution going are waited for too: Node would exit
    /// with a code of its own, but here such a timer may end the wait.
    fn run_jobs(&mut self, promise: Option<&JsPromise>) -> JsResult<()> {
        let is_open = || {
            let state = promise.map(JsPromise::state);
            matches!(state, Some(PromiseState::Pending))
        };
        self.context.run_jobs()?;
        while is_open() && self.jobs.run_aside(&mut self.context)? {
            self.context.run_jobs()?;
        }
        Ok(())
    }

    fn parse(&mut self, text: &str, path: &str) -> JsResult<Script> {
        let source = Source::from_bytes(text).with_path(Path::new(path));
        Script::parse(source, None, &mut self.context)
    }

    fn run_module(&mut self, request: &RunRequest) -> Result<JsValue, Halt> {
        let context = &mut self.context;
        let module = self
            .modules
            .main_module(&request.name, &request.source, context)?;
        let promise = module.load_link_evaluate(context);
        self.run_jobs(Some(&promise))?;
        settled(&promise).map(|_| JsValue::undefined())
    }

    fn report(&mut self, error: JsError, request: &RunRequest) -> Report {
        let modules = Rc::clone(&self.modules);
        report::describe(
            error,
            request,
            &self.inspector,
            &|name| modules.source_of(name),
            &mut self.context,
        )
    }

    /// Clears the queues, so that nothing of this script runs in the next one.
    fn finish(&mut self, threw: bool) {
        self.jobs.clear();
        self.rejections.clear();
        self.modules.end(threw);
        self.context.clear_kept_objects();
    }

    fn set_global(&mut self, name: JsString, json: &RawJson) -> JsResult<()> {
        let parsed: serde_json::Value =
            serde_json::from_str(json.get()).map_err(JsError::from_rust)?;
        let value = JsValue::from_json(&parsed, &mut self.context)?;
        let property = PropertyDescriptor::builder()
            .value(value)
            .writable(true)
            .enumerable(false)
            .configurable(true);
        let global = self.context.global_object();
        global.define_property_or_throw(name, property, &mut self.context)?;
        Ok(())
    }

    fn value_payload(&mut self, value: &JsValue) -> RawJson {
        let context = &mut self.context;
        let r#type = self.inspector.type_name(value, context);
        let (preview, cut) = self.inspector.preview(value, MAX_PREVIEW_BYTES, context);
        let json = self.inspector.json(value, MAX_JSON_BYTES, context);
        let too_large = matches!(json, Json::TooLarge);
        let json = match json {
            Json::Text(text) => serde_json::value::RawValue::from_string(text).ok(),
            Json::Absent | Json::TooLarge => None,
        };
        raw(&ValuePayload {
            r#type,
            preview,
            json,
            truncated: cut || too_large,
        })
    }
}

/// Why a script has no value.
enum Halt {
    Threw(JsError),
    Deadlock,
}

impl From<JsError> for Halt {
    fn from(error: JsError) -> Self {
        Self::Threw(error)
    }
}

/// The result of a promise once no job is left.
fn settled(promise: &JsPromise) -> Result<JsValue, Halt> {
    match promise.state() {
        PromiseState::Fulfilled(value) => Ok(value),
        PromiseState::Rejected(reason) => Err(JsError::from_opaque(reason).into()),
        PromiseState::Pending => Err(Halt::Deadlock),
    }
}

/// Whether a file that is run is an ES module.
fn is_module(request: &RunRequest) -> bool {
    match Path::new(&request.name)
        .extension()
        .and_then(|e| e.to_str())
    {
        Some("mjs") => true,
        Some("cjs") => false,
        _ => source::has_module_syntax(&request.source),
    }
}

impl Engine for Boa {
    fn load(&mut self, name: &str, source: &str) -> Result<(), LoadError> {
        self.load_library(name, source)
    }

    fn configure(&mut self, setup: &SessionSetup) -> Result<(), EngineError> {
        let mut configure = || -> JsResult<()> {
            let context = &mut self.context;
            context.strict(setup.runtime.strict);
            self.modules.set_enabled(setup.runtime.esm);
            self.native_modules.clone_from(&setup.modules);
            if let Some(host) = context.host_defined_mut().get_mut::<Host>() {
                host.set_up(setup);
            }
            // Each page that is written to is copied for the session, so nothing is written without
            // need.
            if !setup.env.is_empty() {
                globals::set_environment(&setup.env, context)?;
            }
            globals::define_values(&setup.globals, context)?;
            if !setup.runtime.console {
                remove("console", context)?;
            }
            for name in &setup.removed_globals {
                remove(name, context)?;
                self.last.remove(name);
            }
            Ok(())
        };
        configure().map_err(|error| EngineError::Configure(error.to_string()))
    }

    fn evaluate(&mut self, request: &RunRequest) -> Result<Evaluation, Deadlock> {
        self.modules.begin(&request.name, &request.source);
        let outcome = self.run(request);
        let is_repl = matches!(request.mode, RunMode::Repl);
        let evaluation = match outcome {
            Ok(value) => {
                let payload = self.value_payload(&value);
                if is_repl {
                    self.last.set_value(value, &mut self.context);
                }
                Evaluation {
                    threw: false,
                    payload,
                }
            }
            Err(Halt::Threw(error)) => {
                let thrown = error.clone().into_opaque(&mut self.context);
                if is_repl && let Ok(thrown) = thrown {
                    self.last.set_error(thrown, &mut self.context);
                }
                Evaluation {
                    threw: true,
                    payload: raw(&self.report(error, request)),
                }
            }
            Err(Halt::Deadlock) => return Err(Deadlock),
        };
        self.finish(evaluation.threw);
        Ok(evaluation)
    }

    fn query(&mut self, query: &Query) -> QueryResult {
        match query {
            Query::Complete(text) => self.complete(text),
            Query::Inspect(expression) => {
                QueryResult::Inspection(Box::new(self.inspect(expression)))
            }
            Query::IsComplete(code) => QueryResult::Completeness(source::completeness(code)),
        }
    }

    fn collect(&mut self) {
        boa_gc::force_collect();
    }

    fn reseed(&mut self) {
        // A fork copies the state of this generator. If the system has no randomness, which can't
        // happen once it is up, the old state stays.
        if rand::rng().reseed().is_err() {
            debug_assert!(false, "the system's random source failed");
        }
    }
}

fn install_web_apis(context: &mut Context) -> JsResult<()> {
    boa_wintertc::timers::register(context)?;
    boa_wintertc::microtask::register(None, context)?;
    boa_wintertc::clone::register(None, context)?;
    boa_wintertc::base64::register(None, context)?;
    // Every environment defines this, and the engine leaves it to the host.
    let global = context.global_object();
    context.register_global_property(
        js_string!("global"),
        global,
        Attribute::WRITABLE | Attribute::CONFIGURABLE,
    )
}

/// Makes `error.stack` that of Node: the header, and the calls with positions in the text of the
/// user.
fn define_stack(inspector: &Inspector, context: &mut Context) -> JsResult<()> {
    let prototype = context.intrinsics().constructors().error().prototype();
    let getter = NativeFunction::from_copy_closure_with_captures(
        |this, _, inspector: &Inspector, context| {
            Ok(match this.as_object() {
                Some(error) if error.is::<boa_engine::builtins::error::Error>() => {
                    JsString::from(inspector.stack(&error, context)).into()
                }
                _ => JsValue::undefined(),
            })
        },
        inspector.clone(),
    );
    let setter = NativeFunction::from_fn_ptr(|this, args, context| {
        if let Some(error) = this.as_object() {
            let property = PropertyDescriptor::builder()
                .value(args.get_or_undefined(0).clone())
                .writable(true)
                .enumerable(false)
                .configurable(true);
            error.define_property_or_throw(js_string!("stack"), property, context)?;
        }
        Ok(JsValue::undefined())
    });
    let property = PropertyDescriptor::builder()
        .get(getter.to_js_function(context.realm()))
        .set(setter.to_js_function(context.realm()))
        .enumerable(false)
        .configurable(true);
    prototype.define_property_or_throw(js_string!("stack"), property, context)?;
    Ok(())
}
