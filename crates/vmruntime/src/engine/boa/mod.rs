//! The adapter of `boa_engine`: the one place that names it.

mod console;
mod host;
mod inspect;
mod jobs;
mod modules;
mod report;

use std::path::Path;
use std::rc::Rc;

use boa_engine::builtins::promise::PromiseState;
use boa_engine::property::{Attribute, PropertyDescriptor};
use boa_engine::{
    Context, JsError, JsResult, JsString, JsValue, Module, Script, Source, js_string,
};
use serde::Serialize;
use serde_json::value::to_raw_value;
use vmapi_types::{ConsoleLevel, EventType, RawJson};
use vmcontrol::runtime::{RunMode, RunRequest};

use self::console::ConsoleSink;
use self::inspect::{Inspector, Json};
use self::jobs::{Jobs, Rejections};
use self::modules::Modules;
use super::{Engine, Evaluation, HostLink};
use crate::protocol::SessionSetup;

/// How deep functions may call each other. A level takes at most about 2 KiB of native stack, when native functions
/// (`map`, `sort`, a getter) stand in between, so that scripts meet this limit and not the end of the stack.
const MAX_CALL_DEPTH: usize = 10_000;

/// How many values the engine's own stack may hold: some hundred for each level.
const MAX_STACK_VALUES: usize = 4 * 1024 * 1024;

/// How many frames a stack trace has.
const MAX_TRACE_FRAMES: usize = 20;

/// The longest preview of a value, in bytes.
const MAX_PREVIEW_BYTES: usize = 8 * 1024;

/// The longest JSON of a value, in bytes.
const MAX_JSON_BYTES: usize = 256 * 1024;

/// The engine with its one context.
pub(super) struct Boa {
    context: Context,
    inspector: Inspector,
    jobs: Rc<Jobs>,
    rejections: Rc<Rejections>,
    modules: Rc<Modules>,
}

/// Hands the text of console methods on as events.
struct EventSink(Rc<dyn HostLink>);

impl ConsoleSink for EventSink {
    fn console(&self, level: ConsoleLevel, text: String, _: &mut Context) -> JsResult<()> {
        let payload = ConsolePayload { level, text: &text };
        self.0.event(EventType::Console, raw(&payload));
        Ok(())
    }
}

#[derive(Serialize)]
struct ConsolePayload<'a> {
    level: ConsoleLevel,
    text: &'a str,
}

#[derive(Serialize)]
struct ValuePayload {
    r#type: String,
    preview: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<RawJson>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl Boa {
    /// Builds the context with its console and web APIs, and runs a first script, so that what is made on first use is
    /// made before any fork.
    pub(super) fn new(link: Rc<dyn HostLink>) -> Result<Self, String> {
        let build = || -> JsResult<Self> {
            let jobs = Rc::new(Jobs::default());
            let rejections = Rc::new(Rejections::default());
            let modules = Rc::new(Modules::new(Rc::clone(&link)));
            let mut context = Context::builder()
                .job_executor(Rc::clone(&jobs))
                .host_hooks(Rc::clone(&rejections))
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
            host::install(link, &mut context)?;
            let mut boa = Self {
                context,
                inspector,
                jobs,
                rejections,
                modules,
            };
            boa.warm_up()?;
            Ok(boa)
        };
        build().map_err(|error| format!("the engine can't be built: {error}"))
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

    fn run(&mut self, request: &RunRequest) -> JsResult<JsValue> {
        let source = Source::from_bytes(&request.source).with_path(Path::new(&request.name));
        let value = match &request.mode {
            RunMode::Repl | RunMode::Startup => self.run_script(source)?,
            RunMode::File { args, env } => {
                self.set_global(js_string!("__ARGS__"), args)?;
                self.set_global(js_string!("__ENV__"), env)?;
                self.run_script(source)?
            }
            RunMode::Module => self.run_module(source)?,
        };
        self.rejections.check()?;
        Ok(value)
    }

    fn run_script(
        &mut self,
        source: Source<'_, impl boa_engine::parser::source::ReadChar>,
    ) -> JsResult<JsValue> {
        let script = Script::parse(source, None, &mut self.context)?;
        let value = script.evaluate(&mut self.context)?;
        self.context.run_jobs()?;
        Ok(value)
    }

    fn run_module(
        &mut self,
        source: Source<'_, impl boa_engine::parser::source::ReadChar>,
    ) -> JsResult<JsValue> {
        self.modules.check_enabled()?;
        let module = Module::parse(source, None, &mut self.context)?;
        let promise = module.load_link_evaluate(&mut self.context);
        self.context.run_jobs()?;
        match promise.state() {
            PromiseState::Fulfilled(_) => Ok(JsValue::undefined()),
            PromiseState::Rejected(reason) => Err(JsError::from_opaque(reason)),
            PromiseState::Pending => Err(boa_engine::JsNativeError::error()
                .with_message("the module waits for something that never happens")
                .into()),
        }
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

impl Engine for Boa {
    fn configure(&mut self, setup: &SessionSetup) -> Result<(), String> {
        self.context.strict(setup.runtime.strict);
        self.modules.set_enabled(setup.runtime.esm);
        host::set_policy(setup, &mut self.context);
        if !setup.runtime.console {
            self.context
                .global_object()
                .delete_property_or_throw(js_string!("console"), &mut self.context)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn evaluate(&mut self, request: &RunRequest) -> Evaluation {
        let outcome = self.run(request);
        let evaluation = match outcome {
            Ok(value) => Evaluation {
                threw: false,
                payload: self.value_payload(&value),
            },
            Err(error) => {
                let report = report::describe(error, request, &self.inspector, &mut self.context);
                Evaluation {
                    threw: true,
                    payload: raw(&report),
                }
            }
        };
        // What a failed script left in the queues must not run in the next one.
        self.jobs.clear();
        self.rejections.clear();
        self.modules.clear();
        self.context.clear_kept_objects();
        evaluation
    }

    fn collect(&mut self) {
        boa_gc::force_collect();
    }

    fn reseed(&mut self) {
        // `Math.random` draws from this generator, whose state a fork copies. When the system has no randomness, which
        // can't happen once it is up, the old state stays.
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
    // What every environment of today has, and the engine leaves to its host.
    let global = context.global_object();
    context.register_global_property(
        js_string!("global"),
        global,
        Attribute::WRITABLE | Attribute::CONFIGURABLE,
    )
}

fn raw(value: &impl Serialize) -> RawJson {
    to_raw_value(value).expect("a payload of strings and booleans is JSON")
}
