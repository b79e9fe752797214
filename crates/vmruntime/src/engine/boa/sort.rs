//! `sort` and `toSorted` of arrays, in place of the engine's.
//!
//! The engine sorts with the algorithm of the standard library, which panics when a comparison is
//! no total order, such as that of `array.sort(() => Math.random() - 0.5)`. The language leaves
//! only the result open then. So arrays with a comparison function are sorted here by merging,
//! which relies on no answer. Without a function arrays are sorted by the texts of their elements,
//! which the engine makes anew for each comparison; here each text is made once.

use boa_engine::object::FunctionObjectBuilder;
use boa_engine::object::builtins::JsTypedArray;
use boa_engine::property::PropertyDescriptor;
use boa_engine::{
    Context, JsArgs, JsObject, JsResult, JsString, JsValue, NativeFunction, js_string,
};

/// Replaces the methods of arrays and typed arrays. Typed arrays without a comparison function are
/// left to the engine, which sorts them as numbers.
pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let constructors = context.intrinsics().constructors();
    let prototypes = [
        (constructors.array().prototype(), true),
        (constructors.typed_array().prototype(), false),
    ];
    for (prototype, by_text) in prototypes {
        replace(&prototype, js_string!("sort"), sort, by_text, context)?;
        let name = js_string!("toSorted");
        replace(&prototype, name, to_sorted, by_text, context)?;
    }
    Ok(())
}

/// A method. It gets `this`, the arguments and the method of the engine that it replaces.
type Method = fn(&JsValue, &[JsValue], &JsObject, &mut Context) -> JsResult<JsValue>;

fn replace(
    prototype: &JsObject,
    name: JsString,
    method: Method,
    by_text: bool,
    context: &mut Context,
) -> JsResult<()> {
    let Some(own) = prototype.get(name.clone(), context)?.as_object() else {
        return Ok(());
    };
    let native = NativeFunction::from_copy_closure_with_captures(
        move |this, args, own: &JsObject, context| {
            let compare = args.get_or_undefined(0);
            if compare.is_callable() || by_text && compare.is_undefined() {
                method(this, args, own, context)
            } else {
                own.call(this, args, context)
            }
        },
        own,
    );
    let function = FunctionObjectBuilder::new(context.realm(), native)
        .name(name.clone())
        .length(1)
        .build();
    let property = PropertyDescriptor::builder()
        .value(function)
        .writable(true)
        .enumerable(false)
        .configurable(true);
    prototype.define_property_or_throw(name, property, context)?;
    Ok(())
}

fn sort(
    this: &JsValue,
    args: &[JsValue],
    own: &JsObject,
    context: &mut Context,
) -> JsResult<JsValue> {
    let object = this.to_object(context)?;
    let is_typed = JsTypedArray::from_object(object.clone()).is_ok();
    if !is_typed && is_of_typed_arrays(own, context) {
        // The engine's method throws the error.
        return own.call(this, args, context);
    }
    sort_in_place(&object, args.get_or_undefined(0), context)?;
    Ok(object.into())
}

fn to_sorted(
    this: &JsValue,
    args: &[JsValue],
    own: &JsObject,
    context: &mut Context,
) -> JsResult<JsValue> {
    // With a comparison in which all elements are equal the engine's method makes a copy.
    let equal = NativeFunction::from_fn_ptr(|_, _, _| Ok(0.into()));
    let equal = equal.to_js_function(context.realm());
    let copy = own.call(this, &[equal.into()], context)?;
    let object = copy.to_object(context)?;
    sort_in_place(&object, args.get_or_undefined(0), context)?;
    Ok(copy)
}

/// Whether a method is that of typed arrays, which take no other objects.
fn is_of_typed_arrays(own: &JsObject, context: &mut Context) -> bool {
    let empty = JsObject::with_object_proto(context.intrinsics());
    own.call(&empty.into(), &[], context).is_err()
}

/// [`SortIndexedProperties`](https://tc39.es/ecma262/#sec-sortindexedproperties) and what `sort`
/// does around it.
fn sort_in_place(object: &JsObject, compare: &JsValue, context: &mut Context) -> JsResult<()> {
    let length = object.get(js_string!("length"), context)?;
    let length = length.to_length(context)?;
    let (mut items, mut undefined) = (Vec::new(), 0_u64);
    for index in 0..length {
        if object.has_property(index, context)? {
            let item = object.get(index, context)?;
            if item.is_undefined() {
                undefined += 1;
            } else {
                items.push(item);
            }
        }
    }
    let items = match compare.as_callable() {
        Some(compare) => merge_sort(items, &mut |a, b| -> JsResult<bool> {
            let order = compare.call(&JsValue::undefined(), &[a.clone(), b.clone()], context);
            Ok(order?.to_number(context)? > 0.0)
        })?,
        None => sort_by_text(items, context)?,
    };
    let sorted = items.len() as u64;
    for (index, item) in items.into_iter().enumerate() {
        object.set(index, item, true, context)?;
    }
    for index in sorted..sorted + undefined {
        object.set(index, JsValue::undefined(), true, context)?;
    }
    for index in sorted + undefined..length {
        object.delete_property_or_throw(index, context)?;
    }
    Ok(())
}

fn sort_by_text(items: Vec<JsValue>, context: &mut Context) -> JsResult<Vec<JsValue>> {
    if items.len() < 2 {
        // A single element is compared with none, and may have no text, like a symbol.
        return Ok(items);
    }
    let with_text = |item: JsValue| -> JsResult<_> { Ok((item.to_string(context)?, item)) };
    let mut items = items
        .into_iter()
        .map(with_text)
        .collect::<JsResult<Vec<_>>>()?;
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// Sorts by merging runs; equal elements keep their order. `is_after` tells whether its first
/// argument belongs behind its second. Whatever it answers, the result has every element once,
/// after at most n log n comparisons.
///
/// # Errors
/// The error of `is_after`.
fn merge_sort<T, E>(
    mut items: Vec<T>,
    is_after: &mut impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut run = 1;
    while run < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        let mut rest = items.into_iter();
        loop {
            let left: Vec<T> = rest.by_ref().take(run).collect();
            if left.is_empty() {
                break;
            }
            let right: Vec<T> = rest.by_ref().take(run).collect();
            merge(left, right, &mut merged, is_after)?;
        }
        items = merged;
        run *= 2;
    }
    Ok(items)
}

fn merge<T, E>(
    left: Vec<T>,
    right: Vec<T>,
    merged: &mut Vec<T>,
    is_after: &mut impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<(), E> {
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if is_after(a, b)? {
            right.next()
        } else {
            left.next()
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::merge_sort;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(pairs: Vec<(u8, u32)>) {
            let sorted = merge_sort(pairs.clone(), &mut |a, b| Ok::<_, Infallible>(a.0 > b.0));
            let mut expected = pairs;
            expected.sort_by_key(|pair| pair.0);
            prop_assert_eq!(sorted, Ok(expected));
        }

        #[test]
        fn an_order_without_sense_loses_nothing(mut items: Vec<u32>, answers: Vec<bool>) {
            let mut answers = answers.into_iter().cycle();
            let sorted = merge_sort(items.clone(), &mut |_, _| {
                Ok::<_, Infallible>(answers.next().unwrap_or(true))
            });
            let Ok(mut sorted) = sorted;
            sorted.sort_unstable();
            items.sort_unstable();
            prop_assert_eq!(sorted, items);
        }
    }
}
