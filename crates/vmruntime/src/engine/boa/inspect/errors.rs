//! Writing errors, and reporting a value that was thrown.

use boa_engine::{
    Context, JsObject, JsValue, builtins::error::Error, js_string, property::PropertyKey,
};

use super::{
    Inspector,
    formatter::Formatter,
    kind::Kind,
    names::Names,
    properties,
    stack::{ErrorParts, Frame},
};
use crate::engine::view::options::InspectOptions;

/// The start of the first frame of a stack.
const FRAMES: &str = "\n    at";

/// How many causes of causes are reported.
const MAX_CAUSES: usize = 4;

/// How many errors of an `AggregateError` are reported.
const MAX_ERRORS: usize = 8;

/// How many frames two errors must share for any to be left out.
const MIN_SHARED: usize = 4;

/// A thrown value, for a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thrown {
    /// `TypeError: bad`, or the inspected value if it is not an error.
    pub(crate) headline: String,
    pub(crate) stack: Vec<Frame>,
    /// The error's `cause`, then the errors of an `AggregateError`.
    pub(crate) causes: Vec<Thrown>,
}

/// Writes an error's stack, and makes `keys` the properties to list after it.
pub(super) fn base(
    formatter: &mut Formatter<'_>,
    error: &JsObject,
    names: &Names,
    keys: &mut Vec<PropertyKey>,
) -> String {
    let parts = ErrorParts::of(formatter.inspector, error, formatter.context);
    let stack = parts.stack();
    if !formatter.options.show_hidden {
        keep_news(keys, error, &stack, formatter.context);
    }
    add_hidden(keys, error, formatter.context);
    let stack = improved(stack, &parts.name, names);
    let message = Some(&parts.message).filter(|message| !message.is_empty());
    let after = message.and_then(|message| Some(stack.find(message.as_str())? + message.len()));
    let start = after.unwrap_or(0);
    let text = match stack[start..].find(FRAMES) {
        None => format!("[{stack}]"),
        Some(found) => {
            let (header, frames) = stack.split_at(start + found);
            let frames = frames[1..].split('\n').map(str::to_owned).collect();
            let frames = without_shared(frames, error, formatter);
            format!("{header}\n{}", frames.join("\n"))
        }
    };
    if formatter.indentation == 0 {
        return text;
    }
    text.replace('\n', &format!("\n{}", " ".repeat(formatter.indentation)))
}

/// Drops the properties whose values the stack contains.
fn keep_news(keys: &mut Vec<PropertyKey>, error: &JsObject, stack: &str, context: &mut Context) {
    for name in [
        js_string!("name"),
        js_string!("message"),
        js_string!("stack"),
    ] {
        let value = properties::text(error, name.clone(), context);
        if value.is_some_and(|value| stack.contains(&value)) {
            let key = PropertyKey::from(name);
            keys.retain(|other| *other != key);
        }
    }
}

/// Adds the cause, and the errors of an `AggregateError`, which are not enumerable.
fn add_hidden(keys: &mut Vec<PropertyKey>, error: &JsObject, context: &mut Context) {
    let cause = PropertyKey::from(js_string!("cause"));
    if !keys.contains(&cause) && properties::own(error, &cause, context).is_some() {
        keys.push(cause);
    }
    let errors = PropertyKey::from(js_string!("errors"));
    let list = properties::own_data(error, errors.clone(), context);
    let is_list = list.is_some_and(|list| list.as_object().is_some_and(|list| list.is_array()));
    if is_list && !keys.contains(&errors) {
        keys.push(errors);
    }
}

/// Puts the name of the class in front where the stack only has that of the built-in class.
fn improved(stack: String, name: &str, names: &Names) -> String {
    let regular = name.ends_with("Error")
        && stack
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '\n']));
    if names.constructor.is_some() && !regular {
        return stack;
    }
    let (fallback, rest) = match stack.strip_prefix(name) {
        Some(rest) if !name.is_empty() => (name, rest),
        _ => ("Error", stack.as_str()),
    };
    let prefix = names.prefix(fallback, "");
    let prefix = prefix.trim_end();
    if prefix == name {
        stack
    } else if !prefix.contains(name) {
        format!("{prefix} [{name}]{rest}")
    } else if rest.len() == stack.len() {
        format!("{prefix}: {stack}")
    } else {
        format!("{prefix}{rest}")
    }
}

/// Leaves out the frames that an error shares with its cause.
fn without_shared(
    mut frames: Vec<String>,
    error: &JsObject,
    formatter: &mut Formatter<'_>,
) -> Vec<String> {
    let cause = properties::own_data(error, js_string!("cause"), formatter.context);
    let cause = cause
        .and_then(|cause| cause.as_object())
        .filter(JsObject::is::<Error>);
    let Some(cause) = cause else {
        return frames;
    };
    let stack = ErrorParts::of(formatter.inspector, &cause, formatter.context).stack();
    formatter.charge(stack.len());
    let Some(start) = stack.find(FRAMES) else {
        return frames;
    };
    let others: Vec<&str> = stack[start + 1..].split('\n').collect();
    let Some((offset, count)) = shared(&frames, &others) else {
        return frames;
    };
    let skipped = count - 2;
    let note = format!("    ... {skipped} lines matching cause stack trace ...");
    frames.splice(offset + 1..=offset + skipped, [note]);
    frames
}

/// The first run of frames that also stands in `others`: where it starts and how long it is.
fn shared(frames: &[String], others: &[&str]) -> Option<(usize, usize)> {
    (0..frames.len().saturating_sub(MIN_SHARED - 1)).find_map(|offset| {
        let position = others.iter().position(|other| *other == frames[offset])?;
        let mut pairs = frames[offset..].iter().zip(&others[position..]);
        let count = pairs
            .by_ref()
            .take_while(|(frame, other)| frame == *other)
            .count();
        (count >= MIN_SHARED).then_some((offset, count))
    })
}

/// Reports a thrown value, with its causes up to [`MAX_CAUSES`] levels deep.
pub(super) fn thrown(inspector: &Inspector, value: &JsValue, context: &mut Context) -> Thrown {
    report(inspector, value, &mut Vec::new(), context)
}

fn report(
    inspector: &Inspector,
    value: &JsValue,
    above: &mut Vec<JsObject>,
    context: &mut Context,
) -> Thrown {
    let error = value
        .as_object()
        .filter(|object| matches!(Kind::of(object, inspector, context), Kind::Error));
    let Some(error) = error else {
        return Thrown {
            headline: inspector.inspect_with(value, &InspectOptions::default(), context),
            stack: Vec::new(),
            causes: Vec::new(),
        };
    };
    let parts = ErrorParts::of(inspector, &error, context);
    let names = Names::of(&error, &Kind::Error, false, context);
    let mut causes = Vec::new();
    above.push(error.clone());
    if above.len() <= MAX_CAUSES {
        for cause in causes_of(&error, context) {
            let repeated = cause
                .as_object()
                .is_some_and(|cause| above.iter().any(|error| JsObject::equals(error, &cause)));
            if !repeated {
                causes.push(report(inspector, &cause, above, context));
            }
        }
    }
    above.pop();
    Thrown {
        headline: improved(parts.header(), &parts.name, &names),
        stack: parts.frames,
        causes,
    }
}

/// The `cause` of an error and the errors of an `AggregateError`.
fn causes_of(error: &JsObject, context: &mut Context) -> Vec<JsValue> {
    let mut causes = Vec::new();
    causes.extend(properties::own_data(error, js_string!("cause"), context));
    let errors = properties::own_data(error, js_string!("errors"), context);
    let errors = errors.and_then(|errors| errors.as_object());
    if let Some(errors) = errors.filter(|errors| errors.is_array()) {
        for index in properties::index_keys(&errors, MAX_ERRORS) {
            causes.extend(properties::own_data(&errors, index, context));
        }
    }
    causes
}
