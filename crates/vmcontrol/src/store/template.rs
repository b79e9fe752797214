use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;
use vmapi_types::{Capability, Settings, StartupFile, Template, TemplateDetails, Timestamp};

use super::StoreError;
use super::record::{OnUnreadable, Record, collect};
use crate::NameList;

impl NameList {
    /// The table of the names.
    pub(super) const fn table(self) -> &'static str {
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

/// The columns of a template, as [`template_of`] takes them.
pub(super) const COLUMNS: &str =
    "id, name, engine, is_active, created_at, updated_at, limits, resolver, runtime";

/// All templates, newest first. Unreadable ones are left out.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Template>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM template ORDER BY rowid DESC"
    ))?;
    let unreadable = OnUnreadable::LeaveOut;
    let found = collect(statement.query([])?, unreadable, template_of)?;
    let templates = found
        .into_iter()
        .map(|(template, _)| with_names(connection, template, unreadable));
    templates.collect()
}

pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Template>, StoreError> {
    find(connection, id)?
        .map(|(template, _)| with_names(connection, template, OnUnreadable::LeaveOut))
        .transpose()
}

/// Whether there is such a template, readable or not.
pub(crate) fn exists(connection: &Connection, id: Uuid) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM template WHERE id = ?")?
        .exists([id.to_string()])?)
}

fn find(connection: &Connection, id: Uuid) -> Result<Option<(Template, Settings)>, StoreError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM template WHERE id = ?"))?
        .query_row([id.to_string()], |row| Ok(template_of(row)))
        .optional()?;
    found.transpose()
}

/// A template with all that belongs to it.
pub(crate) fn details(
    connection: &Connection,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Option<TemplateDetails>, StoreError> {
    // One transaction, so that the parts fit together.
    let transaction = connection.unchecked_transaction()?;
    parts(&transaction, id, on_unreadable)
}

/// As [`details`], in a transaction that is open already.
pub(crate) fn parts(
    connection: &Connection,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Option<TemplateDetails>, StoreError> {
    let Some((template, settings)) = find(connection, id)? else {
        return Ok(None);
    };
    Ok(Some(TemplateDetails {
        settings,
        capabilities: capabilities(connection, id, on_unreadable)?,
        startup_files: startup_files(connection, id, on_unreadable)?,
        template: with_names(connection, template, on_unreadable)?,
    }))
}

/// Stores what a template and its settings are now. What a newer version of this program has stored beside them stays.
pub(crate) fn update(
    connection: &Connection,
    template: &Template,
    settings: &Settings,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE template SET name = ?, is_active = ?, limits = json_patch(limits, ?),
             resolver = json_patch(resolver, ?), runtime = json_patch(runtime, ?), updated_at = ? WHERE id = ?",
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
    on_unreadable: OnUnreadable,
) -> Result<Vec<Capability>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {CAPABILITY_COLUMNS} FROM capability WHERE template_id = ? ORDER BY n"
    ))?;
    collect(
        statement.query([id.to_string()])?,
        on_unreadable,
        capability_of,
    )
}

/// The columns of a capability, as [`capability_of`] takes them.
pub(super) const CAPABILITY_COLUMNS: &str = "id, template_id, kind, name, enabled, config";

/// Decodes a capability from its [`CAPABILITY_COLUMNS`].
pub(super) fn capability_of(row: &Row<'_>) -> Result<Capability, StoreError> {
    let record = Record::new("capability", row);
    Ok(Capability {
        id: record.id(0)?,
        vm_id: record.id(1)?,
        kind: record.get(2)?,
        name: record.get(3)?,
        enabled: record.get(4)?,
        config: record.object(5)?,
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
    on_unreadable: OnUnreadable,
) -> Result<Vec<StartupFile>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {STARTUP_FILE_COLUMNS} FROM startup_file WHERE template_id = ? ORDER BY order_index, n"
    ))?;
    collect(
        statement.query([id.to_string()])?,
        on_unreadable,
        startup_file_of,
    )
}

/// The columns of a startup file, as [`startup_file_of`] takes them.
pub(super) const STARTUP_FILE_COLUMNS: &str = "id, template_id, path, order_index, mode";

/// Decodes a startup file from its [`STARTUP_FILE_COLUMNS`].
pub(super) fn startup_file_of(row: &Row<'_>) -> Result<StartupFile, StoreError> {
    let record = Record::new("startup_file", row);
    Ok(StartupFile {
        id: record.id(0)?,
        vm_id: record.id(1)?,
        path: record.get(2)?,
        order_index: record.get(3)?,
        mode: record.get(4)?,
    })
}

/// Decodes a template, without its lists of names, from its [`COLUMNS`]. Settings that lack a field have the default there, and
/// a field that is unknown was stored by a newer version: neither keeps the template from being read.
pub(super) fn template_of(row: &Row<'_>) -> Result<(Template, Settings), StoreError> {
    let record = Record::new("template", row);
    let id = record.id(0)?;
    let template = Template {
        id,
        name: record.get(1)?,
        engine: record.get(2)?,
        is_active: record.get(3)?,
        exposed_modules: Vec::new(),
        libraries: Vec::new(),
        created_at: record.time(4)?,
        updated_at: record.time(5)?,
    };
    let settings = Settings {
        vm_id: id,
        limits: record.object(6)?,
        resolver: record.object(7)?,
        runtime: record.object(8)?,
    };
    Ok((template, settings))
}

fn with_names(
    connection: &Connection,
    mut template: Template,
    on_unreadable: OnUnreadable,
) -> Result<Template, StoreError> {
    template.exposed_modules = names(connection, NameList::Modules, template.id, on_unreadable)?;
    template.libraries = names(connection, NameList::Libraries, template.id, on_unreadable)?;
    Ok(template)
}

fn names(
    connection: &Connection,
    list: NameList,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Vec<String>, StoreError> {
    let (table, order) = (list.table(), list.order());
    let mut statement = connection.prepare_cached(&format!(
        "SELECT name FROM {table} WHERE template_id = ? ORDER BY {order}"
    ))?;
    collect(statement.query([id.to_string()])?, on_unreadable, |row| {
        Record::owned(table, row, id).get(0)
    })
}

/// JSON text of a value that always has one.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a struct with string keys is JSON")
}
