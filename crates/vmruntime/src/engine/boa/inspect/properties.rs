//! Reading properties without running code of a script: accessors are reported and not called, and
//! a proxy ends every search.

use boa_engine::{
    Context, JsObject, JsString, JsValue,
    builtins::{object::OrdinaryObject, proxy::Proxy},
    object::IndexPropertyKeys,
    property::{DescriptorKind, PropertyKey},
};

/// How many objects of a prototype chain are searched at most. A script can build one of any
/// length.
pub(super) const MAX_CHAIN: usize = 100;

/// How many keys of one object are listed at most.
pub(super) const MAX_KEYS: usize = 10_000;

/// What a property holds.
#[derive(Clone)]
pub(super) enum Slot {
    Value(JsValue),
    Getter,
    Setter,
    GetterSetter,
}

/// An own property.
#[derive(Clone)]
pub(super) struct Property {
    pub(super) slot: Slot,
    pub(super) enumerable: bool,
    pub(super) writable: bool,
}

/// The answer of a search along the prototype chain.
pub(super) enum Lookup {
    Found(Property),
    Absent,
    /// A proxy, or too long a chain, stands between the object and the answer.
    Unreachable,
}

pub(super) fn is_proxy(object: &JsObject) -> bool {
    object.is::<Proxy>()
        && object
            .prototype()
            .is_none_or(|behind| behind.prototype().is_none())
}

/// The own property of `object` with this key. A proxy has none.
pub(super) fn own(object: &JsObject, key: &PropertyKey, context: &mut Context) -> Option<Property> {
    let descriptor = object.borrow().properties().get(key)?;
    let enumerable = descriptor.enumerable().unwrap_or_default();
    let writable = descriptor.writable().unwrap_or_default();
    let slot = match descriptor.kind() {
        DescriptorKind::Data { value, .. } => {
            Slot::Value(live_value(object, key, value.as_ref(), context))
        }
        DescriptorKind::Accessor { get, set } => {
            let is_set = |side: &Option<JsValue>| side.as_ref().is_some_and(JsValue::is_object);
            match (is_set(get), is_set(set)) {
                (true, true) => Slot::GetterSetter,
                (true, false) => Slot::Getter,
                (false, true) => Slot::Setter,
                (false, false) => Slot::Value(JsValue::undefined()),
            }
        }
        DescriptorKind::Generic => Slot::Value(JsValue::undefined()),
    };
    Some(Property {
        slot,
        enumerable,
        writable,
    })
}

/// The current value of a data property. The elements of an arguments object are in the variables
/// of the function, and its property map holds their values at the call. Reading an own data
/// property runs no code.
fn live_value(
    object: &JsObject,
    key: &PropertyKey,
    stored: Option<&JsValue>,
    context: &mut Context,
) -> JsValue {
    let stored = stored.cloned().unwrap_or_default();
    let plain = object.is::<OrdinaryObject>() || object.is_array() || is_proxy(object);
    if plain || !matches!(key, PropertyKey::Index(_)) {
        return stored;
    }
    object.get(key.clone(), context).unwrap_or(stored)
}

/// Searches `object` and its prototypes for a property.
pub(super) fn lookup(object: &JsObject, key: &PropertyKey, context: &mut Context) -> Lookup {
    let mut next = Some(object.clone());
    for _ in 0..MAX_CHAIN {
        let Some(current) = next else {
            return Lookup::Absent;
        };
        if is_proxy(&current) {
            return Lookup::Unreachable;
        }
        if let Some(property) = own(&current, key, context) {
            return Lookup::Found(property);
        }
        next = current.prototype();
    }
    Lookup::Unreachable
}

/// The value of a data property of `object` or of its prototypes.
pub(super) fn data(
    object: &JsObject,
    key: impl Into<PropertyKey>,
    context: &mut Context,
) -> Option<JsValue> {
    match lookup(object, &key.into(), context) {
        Lookup::Found(Property {
            slot: Slot::Value(value),
            ..
        }) => Some(value),
        _ => None,
    }
}

/// The value of an own data property.
pub(super) fn own_data(
    object: &JsObject,
    key: impl Into<PropertyKey>,
    context: &mut Context,
) -> Option<JsValue> {
    match own(object, &key.into(), context)?.slot {
        Slot::Value(value) => Some(value),
        _ => None,
    }
}

/// A data property that is a string.
pub(super) fn text(object: &JsObject, key: JsString, context: &mut Context) -> Option<String> {
    data(object, key, context)?
        .as_string()
        .map(|text| text.to_std_string_lossy())
}

/// The length of an array.
pub(super) fn array_length(object: &JsObject, context: &mut Context) -> usize {
    let length = own_data(object, boa_engine::js_string!("length"), context);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the length of an array is an integer below 2^32"
    )]
    length
        .and_then(|length| length.as_number())
        .map_or(0, |length| length as usize)
}

/// Whether `target` is on the prototype chain of `object`, itself excluded.
pub(super) fn inherits(object: &JsObject, target: &JsObject) -> bool {
    let mut next = parent(object);
    for _ in 0..MAX_CHAIN {
        match next {
            None => return false,
            Some(current) if JsObject::equals(&current, target) => return true,
            Some(current) => next = parent(&current),
        }
    }
    false
}

/// The prototype of an object; `None` for a proxy, whose trap would have to be called.
pub(crate) fn parent(object: &JsObject) -> Option<JsObject> {
    if is_proxy(object) {
        None
    } else {
        object.prototype()
    }
}

/// The smallest `limit` index keys in ascending order.
pub(super) fn index_keys(object: &JsObject, limit: usize) -> Vec<u32> {
    let object = object.borrow();
    let keys = object.properties().index_property_keys();
    if let IndexPropertyKeys::Dense(range) = keys {
        return range.take(limit).collect();
    }
    let mut keys: Vec<u32> = keys.collect();
    if keys.len() > limit {
        keys.select_nth_unstable(limit);
        keys.truncate(limit);
    }
    keys.sort_unstable();
    keys
}

/// What it costs to find the first elements of an array: nothing, unless it is sparse.
pub(super) fn element_cost(object: &JsObject) -> usize {
    match object.borrow().properties().index_property_keys() {
        IndexPropertyKeys::Dense(_) => 0,
        sparse => sparse.len(),
    }
}

/// The keys of an object that an inspection lists.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) list: Vec<PropertyKey>,
    /// How many more there are.
    pub(super) left_out: usize,
    /// How many keys were read to find them.
    pub(super) examined: usize,
}

/// Which own keys to list.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) indices: bool,
    pub(super) hidden: bool,
    pub(super) symbols: bool,
    pub(super) limit: usize,
}

/// The own keys in the order of the language: indices, strings, symbols.
pub(super) fn own_keys(object: &JsObject, wanted: Wanted) -> Keys {
    let named = object.borrow().shape().keys();
    let indices = if wanted.indices {
        index_keys(object, usize::MAX)
    } else {
        Vec::new()
    };
    let mut keys = Keys {
        examined: named.len() + indices.len(),
        ..Keys::default()
    };
    let mut add = |key: PropertyKey| {
        if keys.list.len() < wanted.limit {
            keys.list.push(key);
        } else {
            keys.left_out += 1;
        }
    };
    let listed = |key: &PropertyKey| {
        wanted.hidden
            || object
                .borrow()
                .properties()
                .get(key)
                .is_some_and(|property| property.enumerable().unwrap_or_default())
    };
    let indices = indices.into_iter().map(PropertyKey::from);
    indices.filter(listed).for_each(&mut add);
    let (symbols, strings): (Vec<_>, Vec<_>) = named
        .into_iter()
        .partition(|key| matches!(key, PropertyKey::Symbol(_)));
    strings.into_iter().filter(listed).for_each(&mut add);
    if wanted.symbols {
        symbols.into_iter().filter(listed).for_each(&mut add);
    }
    keys
}

/// An own property, for completion and for trees of values.
pub(crate) enum OwnProperty {
    /// It holds a value.
    Value(JsValue),
    /// It is computed: `get`, `set` or `get set`.
    Accessor(&'static str),
}

impl From<Slot> for OwnProperty {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Value(value) => Self::Value(value),
            Slot::Getter => Self::Accessor("get"),
            Slot::Setter => Self::Accessor("set"),
            Slot::GetterSetter => Self::Accessor("get set"),
        }
    }
}

/// The keys of an object, hidden ones and symbols among them, at most [`MAX_KEYS`]. A proxy has
/// none.
pub(crate) fn listed_keys(object: &JsObject) -> Vec<PropertyKey> {
    if is_proxy(object) {
        return Vec::new();
    }
    let wanted = Wanted {
        indices: true,
        hidden: true,
        symbols: true,
        limit: MAX_KEYS,
    };
    own_keys(object, wanted).list
}

/// An own property and whether it is enumerable.
pub(crate) fn own_property(
    object: &JsObject,
    key: &PropertyKey,
    context: &mut Context,
) -> Option<(OwnProperty, bool)> {
    let property = own(object, key, context)?;
    Some((property.slot.into(), property.enumerable))
}
