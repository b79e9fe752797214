//! Templates with their settings, and what belongs to them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;
use vmapi_types::{Capability, Settings, StartupFile, Template, TemplateDetails, Timestamp};
use vmcontrol::NameList;
use vmcontrol::store::{
    ChangeTemplate, OnUnreadable, TemplateChange, TemplateChanged, TemplatePart,
};

use crate::error::DbError;
use crate::record::{Record, collect};

/// The table of a list of names.
pub(crate) const fn table_of(list: NameList) -> &'static str {
    match list {
        NameList::Modules => "template_module",
        NameList::Libraries => "template_library",
    }
}

/// The order of a list of names. Modules are a set, shown sorted; libraries load in the order in
/// which they were added.
const fn order_of(list: NameList) -> &'static str {
    match list {
        NameList::Modules => "name",
        NameList::Libraries => "n",
    }
}

/// Stores a new template. It has no parts and no names.
pub(crate) fn insert(
    connection: &Connection,
    template: &Template,
    settings: &Settings,
) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "INSERT INTO template
             (id, name, engine, is_active, limits, resolver, runtime, created_at, updated_at)
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

/// The columns of a template, as [`template_of`] reads them.
pub(crate) const COLUMNS: &str =
    "id, name, engine, is_active, created_at, updated_at, limits, resolver, runtime";

/// All templates, newest first. Unreadable ones are left out.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Template>, DbError> {
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

/// A template with its readable names; `None` if none has the id.
pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Template>, DbError> {
    find(connection, id)?
        .map(|(template, _)| with_names(connection, template, OnUnreadable::LeaveOut))
        .transpose()
}

/// Whether a template has the id, readable or not.
fn exists(connection: &Connection, id: Uuid) -> Result<bool, DbError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM template WHERE id = ?")?
        .exists([id.to_string()])?)
}

fn find(connection: &Connection, id: Uuid) -> Result<Option<(Template, Settings)>, DbError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM template WHERE id = ?"))?
        .query_row([id.to_string()], |row| Ok(template_of(row)))
        .optional()?;
    found.transpose()
}

/// A template with all that belongs to it, as of one moment; `None` if none has the id.
pub(crate) fn details(
    connection: &Connection,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Option<TemplateDetails>, DbError> {
    let transaction = connection.unchecked_transaction()?;
    parts(&transaction, id, on_unreadable)
}

/// As [`details`], in a transaction that is open already.
fn parts(
    connection: &Connection,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Option<TemplateDetails>, DbError> {
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

/// Changes a template and its settings, and returns the changed one; `None` if none has the id.
/// Fields of the settings that a newer version of this program has stored stay.
pub(crate) fn update(
    connection: &Connection,
    id: Uuid,
    change: ChangeTemplate,
) -> Result<Option<TemplateDetails>, DbError> {
    let Some(mut details) = parts(connection, id, OnUnreadable::LeaveOut)? else {
        return Ok(None);
    };
    let TemplateDetails {
        template, settings, ..
    } = &mut details;
    change(template, settings);
    connection
        .prepare_cached(
            "UPDATE template SET name = ?, is_active = ?, limits = json_patch(limits, ?),
             resolver = json_patch(resolver, ?), runtime = json_patch(runtime, ?), updated_at = ?
             WHERE id = ?",
        )?
        .execute(params![
            template.name,
            template.is_active,
            to_json(&settings.limits),
            to_json(&settings.resolver),
            to_json(&settings.runtime),
            template.updated_at.as_micros(),
            id.to_string(),
        ])?;
    Ok(Some(details))
}

/// Deletes a template and what belongs to it; returns whether it existed.
pub(crate) fn delete(connection: &Connection, id: Uuid) -> Result<bool, DbError> {
    let deleted = connection
        .prepare_cached("DELETE FROM template WHERE id = ?")?
        .execute([id.to_string()])?;
    Ok(deleted > 0)
}

/// Stores the time of a change of a template; returns whether it exists.
fn touch(connection: &Connection, id: Uuid, now: Timestamp) -> Result<bool, DbError> {
    let touched = connection
        .prepare_cached("UPDATE template SET updated_at = ? WHERE id = ?")?
        .execute(params![now.as_micros(), id.to_string()])?;
    Ok(touched > 0)
}

/// Changes what belongs to a template, and stores the time of the change.
pub(crate) fn change(
    connection: &Connection,
    id: Uuid,
    change: &TemplateChange,
    now: Timestamp,
) -> Result<TemplateChanged, DbError> {
    if let TemplateChange::RemovePart(part, part_id) = change {
        // The time of the change is stored only if something has changed.
        return if delete_part(connection, *part, id, *part_id)? {
            touch(connection, id, now)?;
            Ok(TemplateChanged::Done)
        } else if exists(connection, id)? {
            Ok(TemplateChanged::NoPart)
        } else {
            Ok(TemplateChanged::NoTemplate)
        };
    }
    if !touch(connection, id, now)? {
        return Ok(TemplateChanged::NoTemplate);
    }
    match change {
        TemplateChange::AddCapability(capability) => insert_capability(connection, capability)?,
        TemplateChange::AddStartupFile(file) => insert_startup_file(connection, file)?,
        TemplateChange::AddName(list, name) => add_name(connection, *list, id, name)?,
        TemplateChange::RemoveNames(list, names) => {
            for name in names {
                remove_name(connection, *list, id, name)?;
            }
        }
        TemplateChange::RemovePart(..) => {}
    }
    Ok(TemplateChanged::Done)
}

/// Adds a name to a list of a template, unless the list has it.
pub(crate) fn add_name(
    connection: &Connection,
    list: NameList,
    id: Uuid,
    name: &str,
) -> Result<(), DbError> {
    let table = table_of(list);
    connection
        .prepare_cached(&format!(
            "INSERT INTO {table} (template_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
        ))?
        .execute([&id.to_string(), name])?;
    Ok(())
}

/// Removes a name from a list of a template, if the list has it.
fn remove_name(
    connection: &Connection,
    list: NameList,
    id: Uuid,
    name: &str,
) -> Result<(), DbError> {
    let table = table_of(list);
    connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE template_id = ? AND name = ?"
        ))?
        .execute([&id.to_string(), name])?;
    Ok(())
}

/// Deletes a part of a template; returns whether it existed.
fn delete_part(
    connection: &Connection,
    part: TemplatePart,
    template_id: Uuid,
    id: Uuid,
) -> Result<bool, DbError> {
    let table = match part {
        TemplatePart::Capability => "capability",
        TemplatePart::StartupFile => "startup_file",
    };
    let deleted = connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE template_id = ? AND id = ?"
        ))?
        .execute([template_id.to_string(), id.to_string()])?;
    Ok(deleted > 0)
}

/// Stores a new capability.
pub(crate) fn insert_capability(
    connection: &Connection,
    capability: &Capability,
) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "INSERT INTO capability (id, template_id, kind, name, enabled, config)
             VALUES (?, ?, ?, ?, ?, ?)",
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

/// The capabilities of a template, in the order in which they were added.
fn capabilities(
    connection: &Connection,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Vec<Capability>, DbError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {CAPABILITY_COLUMNS} FROM capability WHERE template_id = ? ORDER BY n"
    ))?;
    collect(
        statement.query([id.to_string()])?,
        on_unreadable,
        capability_of,
    )
}

/// The columns of a capability, as [`capability_of`] reads them.
pub(crate) const CAPABILITY_COLUMNS: &str = "id, template_id, kind, name, enabled, config";

/// Decodes a capability from its [`CAPABILITY_COLUMNS`].
pub(crate) fn capability_of(row: &Row<'_>) -> Result<Capability, DbError> {
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

/// Stores a new startup file.
pub(crate) fn insert_startup_file(
    connection: &Connection,
    file: &StartupFile,
) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "INSERT INTO startup_file (id, template_id, path, order_index, mode)
             VALUES (?, ?, ?, ?, ?)",
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

/// The startup files of a template, in the order in which they run.
fn startup_files(
    connection: &Connection,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Vec<StartupFile>, DbError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {STARTUP_FILE_COLUMNS} FROM startup_file WHERE template_id = ?
         ORDER BY order_index, n"
    ))?;
    collect(
        statement.query([id.to_string()])?,
        on_unreadable,
        startup_file_of,
    )
}

/// The columns of a startup file, as [`startup_file_of`] reads them.
pub(crate) const STARTUP_FILE_COLUMNS: &str = "id, template_id, path, order_index, mode";

/// Decodes a startup file from its [`STARTUP_FILE_COLUMNS`].
pub(crate) fn startup_file_of(row: &Row<'_>) -> Result<StartupFile, DbError> {
    let record = Record::new("startup_file", row);
    Ok(StartupFile {
        id: record.id(0)?,
        vm_id: record.id(1)?,
        path: record.get(2)?,
        order_index: record.get(3)?,
        mode: record.get(4)?,
    })
}

/// Decodes a template, without its lists of names, from its [`COLUMNS`]. A field that the settings
/// lack has its default, and a field that is unknown was stored by a newer version: neither makes
/// the template unreadable.
pub(crate) fn template_of(row: &Row<'_>) -> Result<(Template, Settings), DbError> {
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

/// The template with its lists of names.
fn with_names(
    connection: &Connection,
    mut template: Template,
    on_unreadable: OnUnreadable,
) -> Result<Template, DbError> {
    template.exposed_modules = names(connection, NameList::Modules, template.id, on_unreadable)?;
    template.libraries = names(connection, NameList::Libraries, template.id, on_unreadable)?;
    Ok(template)
}

fn names(
    connection: &Connection,
    list: NameList,
    id: Uuid,
    on_unreadable: OnUnreadable,
) -> Result<Vec<String>, DbError> {
    let (table, order) = (table_of(list), order_of(list));
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
