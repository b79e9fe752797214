use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use vmapi_types::{Capability, Settings, StartupFile, Template, TemplateDetails, Timestamp};

use super::StoreError;
use crate::NameList;

impl NameList {
    const fn table(self) -> &'static str {
        match self {
            Self::Modules => "template_module",
            Self::Libraries => "template_library",
        }
    }

    /// Modules are a set, shown sorted; libraries load in the order they were added.
    const fn order(self) -> &'static str {
        match self {
            Self::Modules => "name",
            Self::Libraries => "n",
        }
    }
}

pub(crate) fn insert(
    connection: &Connection,
    template: &Template,
    settings: &Settings,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO template (id, name, engine, is_active, limits, resolver, runtime, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            template.id.to_string(),
            template.name,
            template.engine,
            template.is_active,
            to_json(&settings.limits),
            to_json(&settings.resolver),
            to_json(&settings.runtime),
            template.created_at.as_micros(),
            template.updated_at.as_micros(),
        ])?;
    Ok(())
}

pub(crate) fn list(connection: &Connection) -> Result<Vec<Template>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, engine, is_active, created_at, updated_at FROM template ORDER BY rowid DESC",
    )?;
    let rows = statement.query_map([], |row| Ok(template_of(row)))?;
    rows.map(|row| with_names(connection, row??)).collect()
}

pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Template>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT id, name, engine, is_active, created_at, updated_at FROM template WHERE id = ?",
        )?
        .query_row([id.to_string()], |row| Ok(template_of(row)))
        .optional()?;
    found
        .map(|template| with_names(connection, template?))
        .transpose()
}

pub(crate) fn details(
    connection: &Connection,
    id: Uuid,
) -> Result<Option<TemplateDetails>, StoreError> {
    // One transaction, so that the parts fit together.
    let transaction = connection.unchecked_transaction()?;
    parts(&transaction, id)
}

/// As [`details`], in a transaction that is open already.
pub(crate) fn parts(
    connection: &Connection,
    id: Uuid,
) -> Result<Option<TemplateDetails>, StoreError> {
    let Some(template) = get(connection, id)? else {
        return Ok(None);
    };
    Ok(Some(TemplateDetails {
        settings: settings(connection, id)?,
        capabilities: capabilities(connection, id)?,
        startup_files: startup_files(connection, id)?,
        template,
    }))
}

pub(crate) fn update(
    connection: &Connection,
    template: &Template,
    settings: &Settings,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE template SET name = ?, is_active = ?, limits = ?, resolver = ?, runtime = ?, updated_at = ?
             WHERE id = ?",
        )?
        .execute(params![
            template.name,
            template.is_active,
            to_json(&settings.limits),
            to_json(&settings.resolver),
            to_json(&settings.runtime),
            template.updated_at.as_micros(),
            template.id.to_string(),
        ])?;
    Ok(())
}

/// Deletes the template and what belongs to it; says whether there was one.
pub(crate) fn delete(connection: &Connection, id: Uuid) -> Result<bool, StoreError> {
    let deleted = connection
        .prepare_cached("DELETE FROM template WHERE id = ?")?
        .execute([id.to_string()])?;
    Ok(deleted > 0)
}

/// Notes that the template changed; says whether there is one.
pub(crate) fn touch(connection: &Connection, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    let touched = connection
        .prepare_cached("UPDATE template SET updated_at = ? WHERE id = ?")?
        .execute(params![now.as_micros(), id.to_string()])?;
    Ok(touched > 0)
}

pub(crate) fn add_name(
    connection: &Connection,
    list: NameList,
    id: Uuid,
    name: &str,
) -> Result<(), StoreError> {
    let table = list.table();
    connection
        .prepare_cached(&format!(
            "INSERT INTO {table} (template_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
        ))?
        .execute([&id.to_string(), name])?;
    Ok(())
}

pub(crate) fn remove_name(
    connection: &Connection,
    list: NameList,
    id: Uuid,
    name: &str,
) -> Result<(), StoreError> {
    let table = list.table();
    connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE template_id = ? AND name = ?"
        ))?
        .execute([&id.to_string(), name])?;
    Ok(())
}

/// Which of the things that belong to a template and have an id.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// A capability.
    Capability,
    /// A startup file.
    StartupFile,
}

/// Deletes a part of a template; says whether there was one.
pub(crate) fn delete_part(
    connection: &Connection,
    part: Part,
    template_id: Uuid,
    id: Uuid,
) -> Result<bool, StoreError> {
    let table = match part {
        Part::Capability => "capability",
        Part::StartupFile => "startup_file",
    };
    let deleted = connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE template_id = ? AND id = ?"
        ))?
        .execute([template_id.to_string(), id.to_string()])?;
    Ok(deleted > 0)
}

pub(crate) fn insert_capability(
    connection: &Connection,
    capability: &Capability,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO capability (id, template_id, kind, name, enabled, config) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            capability.id.to_string(),
            capability.vm_id.to_string(),
            capability.kind,
            capability.name,
            capability.enabled,
            to_json(&capability.config),
        ])?;
    Ok(())
}

pub(crate) fn capabilities(
    connection: &Connection,
    id: Uuid,
) -> Result<Vec<Capability>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, name, enabled, config FROM capability WHERE template_id = ? ORDER BY n",
    )?;
    let rows = statement.query_map([id.to_string()], |row| Ok(capability_of(row, id)))?;
    rows.map(|row| row?).collect()
}

fn capability_of(row: &Row<'_>, template_id: Uuid) -> Result<Capability, StoreError> {
    Ok(Capability {
        id: parse_id("capability.id", &row.get::<_, String>(0)?)?,
        vm_id: template_id,
        kind: row.get(1)?,
        name: row.get(2)?,
        enabled: row.get(3)?,
        config: from_json("capability.config", &row.get::<_, String>(4)?)?,
    })
}

pub(crate) fn insert_startup_file(
    connection: &Connection,
    file: &StartupFile,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO startup_file (id, template_id, path, order_index, mode) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            file.id.to_string(),
            file.vm_id.to_string(),
            file.path,
            file.order_index,
            file.mode,
        ])?;
    Ok(())
}

pub(crate) fn startup_files(
    connection: &Connection,
    id: Uuid,
) -> Result<Vec<StartupFile>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, path, order_index, mode FROM startup_file WHERE template_id = ? ORDER BY order_index, n",
    )?;
    let rows = statement.query_map([id.to_string()], |row| Ok(startup_file_of(row, id)))?;
    rows.map(|row| row?).collect()
}

fn startup_file_of(row: &Row<'_>, template_id: Uuid) -> Result<StartupFile, StoreError> {
    Ok(StartupFile {
        id: parse_id("startup_file.id", &row.get::<_, String>(0)?)?,
        vm_id: template_id,
        path: row.get(1)?,
        order_index: row.get(2)?,
        mode: row.get(3)?,
    })
}

fn settings(connection: &Connection, id: Uuid) -> Result<Settings, StoreError> {
    let (limits, resolver, runtime): (String, String, String) = connection
        .prepare_cached("SELECT limits, resolver, runtime FROM template WHERE id = ?")?
        .query_row([id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    Ok(Settings {
        vm_id: id,
        limits: from_json("template.limits", &limits)?,
        resolver: from_json("template.resolver", &resolver)?,
        runtime: from_json("template.runtime", &runtime)?,
    })
}

fn template_of(row: &Row<'_>) -> Result<Template, StoreError> {
    Ok(Template {
        id: parse_id("template.id", &row.get::<_, String>(0)?)?,
        name: row.get(1)?,
        engine: row.get(2)?,
        is_active: row.get(3)?,
        exposed_modules: Vec::new(),
        libraries: Vec::new(),
        created_at: Timestamp::from_micros(row.get(4)?),
        updated_at: Timestamp::from_micros(row.get(5)?),
    })
}

fn with_names(connection: &Connection, mut template: Template) -> Result<Template, StoreError> {
    template.exposed_modules = names(connection, NameList::Modules, template.id)?;
    template.libraries = names(connection, NameList::Libraries, template.id)?;
    Ok(template)
}

fn names(connection: &Connection, list: NameList, id: Uuid) -> Result<Vec<String>, StoreError> {
    let (table, order) = (list.table(), list.order());
    let mut statement = connection.prepare_cached(&format!(
        "SELECT name FROM {table} WHERE template_id = ? ORDER BY {order}"
    ))?;
    let names = statement
        .query_map([id.to_string()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(names)
}

/// JSON text of a value that always has one.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a struct with string keys is JSON")
}

fn from_json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| corrupt(column, text))
}

pub(super) fn parse_id(column: &'static str, text: &str) -> Result<Uuid, StoreError> {
    Uuid::parse_str(text).map_err(|_| corrupt(column, text))
}

pub(super) fn corrupt(column: &'static str, text: &str) -> StoreError {
    StoreError::Corrupt {
        column,
        text: text.to_owned(),
    }
}
