//! The rows and columns of `console.table`.

use boa_engine::{
    Context, JsObject, JsString, JsValue,
    builtins::{
        map::ordered_map::OrderedMap, set::ordered_set::OrderedSet, typed_array::TypedArray,
    },
    object::builtins::JsTypedArray,
    property::PropertyKey,
};

use super::{
    Inspector, functions,
    properties::{self, Slot, Wanted},
};
use crate::engine::view::options::InspectOptions;
use crate::engine::view::table::{Column, INDEX, ITERATION, KEY, VALUES, draw};
use crate::engine::view::text::more;

/// How many rows are drawn at most; a note tells how many more there are.
const MAX_ROWS: usize = 1_000;

/// How many columns are drawn at most.
const MAX_COLUMNS: usize = 100;

/// How many elements of a nested list a cell shows.
const MAX_CELL_ITEMS: usize = 3;

/// How long the text of a table may be, in bytes or columns.
const MAX_TEXT: usize = 1 << 18;

/// Stands in a cell for which there is no more room.
const ELIDED: &str = "...";

/// Draws a value; `None` if it is not an object.
pub(super) fn table(
    inspector: &Inspector,
    value: &JsValue,
    columns: Option<&[String]>,
    context: &mut Context,
) -> Option<String> {
    let object = value.as_object().filter(|object| !object.is_callable())?;
    let mut cells = Cells {
        inspector,
        left: MAX_TEXT,
    };
    let (columns, rows) = if object.is::<OrderedMap<JsValue>>() {
        map_columns(&mut cells, &object, context)
    } else if object.is::<OrderedSet>() {
        set_columns(&mut cells, &object, context)
    } else {
        property_columns(&mut cells, &object, columns, context)
    };
    // One long cell widens all of its column.
    let row_width: usize = columns.iter().map(Column::width).sum();
    let shown = rows.min(MAX_ROWS).min((MAX_TEXT / row_width.max(1)).max(1));
    let mut drawing = draw(&columns, shown);
    if rows > shown {
        drawing.push('\n');
        drawing.push_str(&more(rows - shown, "row"));
    }
    Some(drawing)
}

/// Writes cells until their text is too long.
struct Cells<'a> {
    inspector: &'a Inspector,
    /// How much text may still be written, in bytes.
    left: usize,
}

impl Cells<'_> {
    fn value(&mut self, value: &JsValue, context: &mut Context) -> String {
        if self.left == 0 {
            return ELIDED.to_owned();
        }
        let options = InspectOptions {
            depth: Some(0),
            closed: self.is_wide(value),
            max_array_length: MAX_CELL_ITEMS,
            break_length: usize::MAX,
            ..InspectOptions::default()
        };
        let text = self.inspector.inspect_with(value, &options, context);
        self.left = self.left.saturating_sub(text.len());
        text
    }

    fn slot(&mut self, slot: &Slot, context: &mut Context) -> String {
        match slot {
            Slot::Value(value) => self.value(value, context),
            accessor => functions::accessor_label(accessor)
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Whether an object has so many properties that a cell only names it.
    fn is_wide(&mut self, value: &JsValue) -> bool {
        let Some(object) = value.as_object() else {
            return false;
        };
        if object.is_array() || object.is::<TypedArray>() || object.is_callable() {
            return false;
        }
        let keys = properties::own_keys(&object, names_wanted(MAX_CELL_ITEMS));
        self.left = self.left.saturating_sub(keys.examined);
        keys.list.len() > 2
    }
}

fn names_wanted(limit: usize) -> Wanted {
    Wanted {
        indices: true,
        hidden: false,
        symbols: false,
        limit,
    }
}

fn iterations(rows: usize) -> Column {
    let numbers = (0..rows.min(MAX_ROWS)).map(|row| row.to_string());
    Column::new(ITERATION, numbers.collect())
}

fn map_columns(
    cells: &mut Cells<'_>,
    object: &JsObject,
    context: &mut Context,
) -> (Vec<Column>, usize) {
    let (pairs, rows) = match object.downcast_ref::<OrderedMap<JsValue>>() {
        Some(map) => {
            let pairs = map.iter().take(MAX_ROWS);
            let pairs = pairs.map(|(key, value)| (key.clone(), value.clone()));
            (pairs.collect(), map.len())
        }
        None => (Vec::new(), 0),
    };
    let mut keys = Vec::new();
    let mut values = Vec::new();
    for (key, value) in &pairs {
        keys.push(cells.value(key, context));
        values.push(cells.value(value, context));
    }
    let columns = vec![
        iterations(rows),
        Column::new(KEY, keys),
        Column::new(VALUES, values),
    ];
    (columns, rows)
}

fn set_columns(
    cells: &mut Cells<'_>,
    object: &JsObject,
    context: &mut Context,
) -> (Vec<Column>, usize) {
    let (elements, rows): (Vec<JsValue>, usize) = match object.downcast_ref::<OrderedSet>() {
        Some(set) => (set.iter().take(MAX_ROWS).cloned().collect(), set.len()),
        None => (Vec::new(), 0),
    };
    let values = elements
        .iter()
        .map(|element| cells.value(element, context))
        .collect();
    (vec![iterations(rows), Column::new(VALUES, values)], rows)
}

/// A row for each property, with a column for each property of the rows.
fn property_columns(
    cells: &mut Cells<'_>,
    object: &JsObject,
    wanted: Option<&[String]>,
    context: &mut Context,
) -> (Vec<Column>, usize) {
    let (keys, rows) = row_keys(object, context);
    let mut indices = Column::new(INDEX, Vec::new());
    let mut columns: Vec<(PropertyKey, Column)> = Vec::new();
    let mut values = Column::new(VALUES, Vec::new());
    for (row, key) in keys.iter().enumerate() {
        indices.cells.push(key_text(key));
        let item = match slot(object, key, context) {
            Some(Slot::Value(item)) => item,
            Some(accessor) => {
                values.set(row, cells.slot(&accessor, context));
                continue;
            }
            None => continue,
        };
        let nested = item.as_object();
        if nested.is_none() && wanted.is_none() {
            values.set(row, cells.value(&item, context));
            continue;
        }
        for key in cell_keys(nested.as_ref(), wanted) {
            let found = nested.as_ref().and_then(|item| slot(item, &key, context));
            let text = found.map_or_else(String::new, |slot| cells.slot(&slot, context));
            if let Some(column) = column(&mut columns, key) {
                column.set(row, text);
            }
        }
    }
    let mut all = vec![indices];
    all.extend(columns.into_iter().map(|(_, column)| column));
    if !values.cells.is_empty() {
        all.push(values);
    }
    (all, rows)
}

/// The keys of the rows that are drawn, and how many rows there are.
fn row_keys(object: &JsObject, context: &mut Context) -> (Vec<PropertyKey>, usize) {
    let array = object.clone();
    if object.is::<TypedArray>()
        && let Ok(array) = JsTypedArray::from_object(array)
    {
        let length = array.length(context).unwrap_or(0);
        let keys = (0..u32::MAX).take(length.min(MAX_ROWS));
        return (keys.map(PropertyKey::from).collect(), length);
    }
    let keys = properties::own_keys(object, names_wanted(MAX_ROWS));
    let rows = keys.list.len() + keys.left_out;
    (keys.list, rows)
}

fn cell_keys(item: Option<&JsObject>, wanted: Option<&[String]>) -> Vec<PropertyKey> {
    match (wanted, item) {
        (Some(names), _) => {
            let names = names.iter().take(MAX_COLUMNS);
            let keys = names.map(|name| PropertyKey::from(JsString::from(name.as_str())));
            keys.collect()
        }
        (None, Some(item)) => properties::own_keys(item, names_wanted(MAX_COLUMNS)).list,
        (None, None) => Vec::new(),
    }
}

/// The column with this key. Like the keys of an object, indices come first and in order.
fn column(columns: &mut Vec<(PropertyKey, Column)>, key: PropertyKey) -> Option<&mut Column> {
    if let Some(known) = columns.iter().position(|(known, _)| *known == key) {
        return columns.get_mut(known).map(|(_, column)| column);
    }
    if columns.len() == MAX_COLUMNS {
        return None;
    }
    let position = match &key {
        PropertyKey::Index(index) => columns.partition_point(
            |(other, _)| matches!(other, PropertyKey::Index(other) if other.get() < index.get()),
        ),
        _ => columns.len(),
    };
    let column = Column::new(key_text(&key), Vec::new());
    columns.insert(position, (key, column));
    columns.get_mut(position).map(|(_, column)| column)
}

fn slot(object: &JsObject, key: &PropertyKey, context: &mut Context) -> Option<Slot> {
    if matches!(key, PropertyKey::Index(_)) && object.is::<TypedArray>() {
        return object.get(key.clone(), context).ok().map(Slot::Value);
    }
    properties::own(object, key, context).map(|property| property.slot)
}

fn key_text(key: &PropertyKey) -> String {
    match key {
        PropertyKey::Index(index) => index.get().to_string(),
        PropertyKey::String(name) => name.to_std_string_lossy(),
        PropertyKey::Symbol(symbol) => symbol.descriptive_string().to_std_string_lossy(),
    }
}
