//! The names of an object: its constructor, its `Symbol.toStringTag`, and the words before its
//! braces.

use boa_engine::{
    Context, JsObject, JsSymbol, builtins::function::OrdinaryFunction, js_string,
    property::PropertyKey,
};

use super::{
    kind::Kind,
    properties::{self, Lookup, Property, Slot, Wanted},
};

/// How many levels of prototypes without a constructor are named.
const MAX_COMPLEX: usize = 3;

/// The names of one object.
pub(super) struct Names {
    /// `None` if the prototype is null.
    pub(super) constructor: Option<String>,
    /// Empty if there is none, or if it is listed among the properties.
    pub(super) tag: String,
    /// The name of the built-in class.
    pub(super) builtin: &'static str,
}

impl Names {
    pub(super) fn of(
        object: &JsObject,
        kind: &Kind,
        show_hidden: bool,
        context: &mut Context,
    ) -> Self {
        Self {
            constructor: constructor(object, kind.name(), 0, context),
            tag: tag(object, kind, show_hidden, context),
            builtin: kind.name(),
        }
    }

    pub(super) fn constructor_is(&self, name: &str) -> bool {
        self.constructor.as_deref() == Some(name)
    }

    /// `Foo(2) [Tag] `, or `[Array(2): null prototype] [Tag] `.
    pub(super) fn prefix(&self, fallback: &str, size: &str) -> String {
        let tag = &self.tag;
        match &self.constructor {
            None if !tag.is_empty() && tag != fallback => {
                format!("[{fallback}{size}: null prototype] [{tag}] ")
            }
            None => format!("[{fallback}{size}: null prototype] "),
            Some(name) if !tag.is_empty() && tag != name => format!("{name}{size} [{tag}] "),
            Some(name) => format!("{name}{size} "),
        }
    }

    /// The prefix of an object about which nothing else is known.
    pub(super) fn plain_prefix(&self) -> String {
        let fallback = if self.builtin == self.tag {
            "Object"
        } else {
            self.builtin
        };
        self.prefix(fallback, "")
    }

    /// What stands for an object that is nested too deeply: `[Foo]`.
    pub(super) fn placeholder(&self) -> String {
        let prefix = self.plain_prefix();
        let name = prefix.trim_end();
        if self.constructor.is_some() {
            format!("[{name}]")
        } else {
            name.to_owned()
        }
    }
}

/// The name of the nearest constructor on the prototype chain of which `object` is an instance.
pub(super) fn class(object: &JsObject, context: &mut Context) -> Option<String> {
    let constructors = context.intrinsics().constructors();
    let known = [
        (constructors.object().prototype(), "Object"),
        (constructors.function().prototype(), "Function"),
    ];
    let mut next = Some(object.clone());
    for _ in 0..properties::MAX_CHAIN {
        let current = next?;
        // These two are known even if a script changed their `constructor`.
        let well_known = known
            .iter()
            .find(|(prototype, _)| JsObject::equals(prototype, &current));
        if let Some((_, name)) = well_known
            && !JsObject::equals(&current, object)
        {
            return Some((*name).to_owned());
        }
        if let Some(name) = own_constructor(&current, object, context) {
            return Some(name);
        }
        next = properties::parent(&current);
    }
    None
}

/// What stands for the constructor of an object; `None` if its prototype is null. An object that
/// has prototypes but no constructor is described by them: `Object <Foo>`.
fn constructor(
    object: &JsObject,
    builtin: &str,
    level: usize,
    context: &mut Context,
) -> Option<String> {
    if properties::is_proxy(object) {
        return Some("Proxy".to_owned());
    }
    if let Some(name) = class(object, context) {
        return Some(name);
    }
    let prototype = properties::parent(object)?;
    if level == MAX_COMPLEX {
        return Some(format!("{builtin} <Complex prototype>"));
    }
    let of_prototype = constructor(&prototype, "Object", level + 1, context)
        .unwrap_or_else(|| null_prototype(&prototype));
    Some(format!("{builtin} <{of_prototype}>"))
}

/// The name of the function in the own `constructor` of `prototype`, if `object` is its instance.
fn own_constructor(
    prototype: &JsObject,
    object: &JsObject,
    context: &mut Context,
) -> Option<String> {
    let found = properties::own_data(prototype, js_string!("constructor"), context)?;
    let function = found.as_callable()?;
    if properties::is_proxy(&function) {
        return None;
    }
    let instances = properties::own_data(&function, js_string!("prototype"), context)?;
    if !properties::inherits(object, &instances.as_object()?) {
        return None;
    }
    Some(function_name(&function, context)).filter(|name| !name.is_empty())
}

/// How an object with a null prototype and no way to show its keys is written.
fn null_prototype(object: &JsObject) -> String {
    let wanted = Wanted {
        indices: true,
        hidden: false,
        symbols: true,
        limit: 1,
    };
    let keys = properties::own_keys(object, wanted).list;
    let braces = if keys.is_empty() { " {}" } else { "" };
    format!("[Object: null prototype]{braces}")
}

/// The `name` of a function; where a script put an accessor there, the name it was defined with.
pub(super) fn function_name(function: &JsObject, context: &mut Context) -> String {
    if let Some(name) = properties::text(function, js_string!("name"), context) {
        return name;
    }
    let defined = function.downcast_ref::<OrdinaryFunction>();
    defined.map_or_else(String::new, |function| {
        function.codeblock().name().to_std_string_lossy()
    })
}

fn tag(object: &JsObject, kind: &Kind, show_hidden: bool, context: &mut Context) -> String {
    let key = PropertyKey::from(JsSymbol::to_string_tag());
    let own = properties::own(object, &key, context);
    if own.is_some_and(|own| own.enumerable || show_hidden) {
        return String::new();
    }
    let Lookup::Found(Property { slot, .. }) = properties::lookup(object, &key, context) else {
        let global = JsObject::equals(object, &context.global_object());
        return if global { "global" } else { "" }.to_owned();
    };
    match slot {
        Slot::Value(value) => value
            .as_string()
            .map_or_else(String::new, |text| text.to_std_string_lossy()),
        // The built-in accessor of typed arrays gives the name of their built-in class.
        Slot::Getter if matches!(kind, Kind::TypedArray(_)) => kind.name().to_owned(),
        _ => String::new(),
    }
}
