//! The global `console`, with the methods and the text of Node's.

#[cfg(test)]
mod tests;
mod timers;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use boa_engine::{
    Context, Finalize, JsNativeError, JsObject, JsResult, JsString, JsSymbol, JsValue,
    NativeFunction, Trace,
    context::time::JsInstant,
    js_string,
    object::{FunctionObjectBuilder, builtins::JsFunction},
    property::{Attribute, PropertyDescriptor},
};
use vmapi_types::ConsoleLevel;

use super::inspect::Inspector;
use crate::engine::view::options::InspectOptions;

/// How many columns each group indents the text by.
const GROUP_INDENTATION: usize = 2;

/// How many groups indent a text at most, so that a line can't become arbitrarily long.
const MAX_GROUPS: usize = 100;

/// How many labels are counted at most, and how many are timed.
const MAX_LABELS: usize = 1_000;

/// Takes the text that scripts print.
pub(crate) trait ConsoleSink {
    /// Takes the text of one call of a method that prints. It can have several lines.
    ///
    /// # Errors
    /// The exception that the script gets.
    fn console(&self, level: ConsoleLevel, text: String, context: &mut Context) -> JsResult<()>;
}

/// What the methods share.
#[derive(Clone, Trace, Finalize)]
struct Console {
    inspector: Inspector,
    // Neither holds a value of the engine.
    #[unsafe_ignore_trace]
    sink: Rc<dyn ConsoleSink>,
    #[unsafe_ignore_trace]
    state: Rc<RefCell<State>>,
}

/// The state that the methods share.
#[derive(Default)]
struct State {
    groups: usize,
    counts: HashMap<String, u64>,
    timers: HashMap<String, JsInstant>,
}

type Method = fn(&Console, &[JsValue], &mut Context) -> JsResult<()>;

/// All methods, in the order in which Node lists them.
const METHODS: [(&str, Method); 22] = [
    ("log", |console, args, context| {
        console.print(ConsoleLevel::Log, args, context)
    }),
    ("warn", |console, args, context| {
        console.print(ConsoleLevel::Warn, args, context)
    }),
    ("dir", Console::dir),
    ("time", Console::time),
    ("timeEnd", Console::time_end),
    ("timeLog", Console::time_log),
    ("trace", Console::trace),
    ("assert", Console::assert),
    ("clear", |_, _, _| Ok(())),
    ("count", Console::count),
    ("countReset", Console::count_reset),
    ("group", Console::group),
    ("groupEnd", Console::group_end),
    ("table", Console::table),
    ("debug", |console, args, context| {
        console.print(ConsoleLevel::Debug, args, context)
    }),
    ("info", |console, args, context| {
        console.print(ConsoleLevel::Info, args, context)
    }),
    ("dirxml", |console, args, context| {
        console.print(ConsoleLevel::Log, args, context)
    }),
    ("error", |console, args, context| {
        console.print(ConsoleLevel::Error, args, context)
    }),
    ("groupCollapsed", Console::group),
    // Node has these for the profiler of its inspector. They print nothing.
    ("profile", |_, _, _| Ok(())),
    ("profileEnd", |_, _, _| Ok(())),
    ("timeStamp", |_, _, _| Ok(())),
];

/// Builds the console and defines it as a global (writable, configurable, not enumerable).
pub(crate) fn install(
    inspector: Inspector,
    sink: Rc<dyn ConsoleSink>,
    context: &mut Context,
) -> JsResult<()> {
    let console = Console {
        inspector,
        sink,
        state: Rc::default(),
    };
    let object = JsObject::with_object_proto(context.intrinsics());
    for (name, method) in METHODS {
        let function = function(&console, name, method, context);
        object.insert_property(
            JsString::from(name),
            PropertyDescriptor::builder()
                .value(function)
                .writable(true)
                .enumerable(true)
                .configurable(true),
        );
    }
    object.insert_property(
        JsSymbol::to_string_tag(),
        PropertyDescriptor::builder()
            .value(js_string!("console"))
            .writable(false)
            .enumerable(false)
            .configurable(true),
    );
    let attributes = Attribute::WRITABLE | Attribute::CONFIGURABLE;
    context.register_global_property(js_string!("console"), object, attributes)
}

fn function(console: &Console, name: &str, method: Method, context: &mut Context) -> JsFunction {
    let native = NativeFunction::from_copy_closure_with_captures(
        move |_, args, console: &Console, context| {
            method(console, args, context).map(|()| JsValue::undefined())
        },
        console.clone(),
    );
    FunctionObjectBuilder::new(context.realm(), native)
        .name(JsString::from(name))
        .length(0)
        .build()
}

impl Console {
    /// Hands a text to the sink, indented by the open groups.
    fn write(&self, level: ConsoleLevel, text: String, context: &mut Context) -> JsResult<()> {
        let groups = self.state.borrow().groups.min(MAX_GROUPS);
        let text = if groups == 0 {
            text
        } else {
            let indentation = " ".repeat(groups * GROUP_INDENTATION);
            format!(
                "{indentation}{}",
                text.replace('\n', &format!("\n{indentation}"))
            )
        };
        self.sink.console(level, text, context)
    }

    fn print(&self, level: ConsoleLevel, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let text = self.inspector.format(args, context)?;
        self.write(level, text, context)
    }

    fn warn(&self, message: &str, context: &mut Context) -> JsResult<()> {
        self.write(ConsoleLevel::Warn, format!("Warning: {message}"), context)
    }

    fn dir(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let value = args.first().cloned().unwrap_or_default();
        let mut options = InspectOptions::default();
        if let Some(given) = args.get(1) {
            let mut option = |name| self.inspector.data_property(given, name, context);
            match option("depth") {
                Some(depth) if depth.is_null() => options.depth = None,
                Some(depth) => options = with_depth(options, depth.as_number()),
                None => {}
            }
            options.show_hidden = option("showHidden").is_some_and(|hidden| hidden.to_boolean());
        }
        let text = self.inspector.inspect_with(&value, &options, context);
        self.write(ConsoleLevel::Log, text, context)
    }

    fn trace(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let message = self.inspector.format(args, context)?;
        let heading = if message.is_empty() {
            "Trace".to_owned()
        } else {
            format!("Trace: {message}")
        };
        let text = self.inspector.trace(&heading, context);
        self.write(ConsoleLevel::Error, text, context)
    }

    fn assert(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let (condition, rest) = match args.split_first() {
            Some((condition, rest)) => (condition.to_boolean(), rest),
            None => (false, args),
        };
        if condition {
            return Ok(());
        }
        let mut args = rest.to_vec();
        let message = match args.first() {
            None => js_string!("Assertion failed"),
            Some(first) => {
                let first = first.to_string(context)?;
                js_string!(&js_string!("Assertion failed: "), &first)
            }
        };
        args.splice(..args.len().min(1), [JsValue::from(message)]);
        self.print(ConsoleLevel::Warn, &args, context)
    }

    fn count(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let label = label(args, context)?;
        let count = {
            let counts = &mut self.state.borrow_mut().counts;
            check_room(counts, &label)?;
            let count = counts.entry(label.clone()).or_default();
            *count += 1;
            *count
        };
        self.write(ConsoleLevel::Log, format!("{label}: {count}"), context)
    }

    fn count_reset(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let label = label(args, context)?;
        let known = self.state.borrow_mut().counts.remove(&label);
        match known {
            Some(_) => Ok(()),
            None => self.warn(&format!("Count for '{label}' does not exist"), context),
        }
    }

    fn group(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        if !args.is_empty() {
            self.print(ConsoleLevel::Log, args, context)?;
        }
        self.state.borrow_mut().groups += 1;
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "all methods have one type")]
    fn group_end(&self, _: &[JsValue], _: &mut Context) -> JsResult<()> {
        let groups = &mut self.state.borrow_mut().groups;
        *groups = groups.saturating_sub(1);
        Ok(())
    }

    fn table(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let value = args.first().cloned().unwrap_or_default();
        let columns = match args.get(1) {
            None => None,
            Some(given) if given.is_undefined() => None,
            Some(given) => Some(self.inspector.names_in(given, context).ok_or_else(|| {
                JsNativeError::typ()
                    .with_message("The \"properties\" argument must be an instance of Array")
            })?),
        };
        match self.inspector.table(&value, columns.as_deref(), context) {
            Some(text) => self.write(ConsoleLevel::Log, text, context),
            None => self.print(ConsoleLevel::Log, &[value], context),
        }
    }
}

/// The label of a call, converted to a string as in a template literal.
fn label(args: &[JsValue], context: &mut Context) -> JsResult<String> {
    match args.first() {
        Some(label) if !label.is_undefined() => Ok(label.to_string(context)?.to_std_string_lossy()),
        _ => Ok("default".to_owned()),
    }
}

/// Refuses a new label when there are too many.
fn check_room<T>(labels: &HashMap<String, T>, label: &str) -> JsResult<()> {
    if labels.len() < MAX_LABELS || labels.contains_key(label) {
        return Ok(());
    }
    let message = format!("the console remembers at most {MAX_LABELS} labels");
    Err(JsNativeError::range().with_message(message).into())
}

/// The options with a depth given as a number; a negative one lists nothing.
fn with_depth(options: InspectOptions, depth: Option<f64>) -> InspectOptions {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "out of range the nearest depth is taken"
    )]
    match depth {
        None => options,
        Some(depth) => InspectOptions {
            depth: Some(depth as usize),
            closed: depth < 0.0,
            ..options
        },
    }
}
