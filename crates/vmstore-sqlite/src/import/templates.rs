//! Templates of the old database, with their settings and what belongs to them.

use rusqlite::types::ToSqlOutput;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;
use vmapi_types::{Capability, Settings, StartupFile, Template};
use vmcontrol::catalog::{self, CAPABILITY_KINDS, STARTUP_MODES};
use vmcontrol::{NameList, check_capability, reset_bad_limits};

use super::source::shown_name;
use super::values::{OldRow, query};
use super::{BadValue, Failure, Import};
use crate::template as rows;

const TEMPLATE: &[&str] = &[
    "id",
    "name",
    "engine",
    "is_active",
    "exposed_modules_json",
    "libraries_json",
    "created_at",
    "updated_at",
];
const SETTINGS: &[&str] = &["vm_id", "limits_json", "resolver_json", "runtime_json"];
const CAPABILITY: &[&str] = &["id", "vm_id", "kind", "name", "enabled", "config_json"];
const STARTUP_FILE: &[&str] = &["id", "vm_id", "path", "order_index", "mode"];

impl Import<'_> {
    /// Imports the templates, each with its settings.
    pub(super) fn templates(&mut self) -> Result<(), Failure> {
        let source = self.source;
        let order = "ORDER BY created_at, rowid";
        let Some(sql) = query(source, "vm", TEMPLATE, order)? else {
            return Ok(());
        };
        let mut all = source.connection.prepare(&sql).map_err(Failure::Source)?;
        let mut found = all.query([]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let old = OldRow::new(row, TEMPLATE);
            match template_of(&old) {
                Ok(template) => self.template(&template, &old)?,
                Err(reason) => self.leave_out(old.name("template"), reason),
            }
        }
        Ok(())
    }

    fn template(&mut self, template: &Template, old: &OldRow<'_, '_>) -> Result<(), Failure> {
        let (id, name) = (template.id, old.name("template"));
        let settings = self.settings_of(id, old)?;
        let written = rows::insert(self.target, template, &settings);
        if !self.wrote(&name, written)? {
            return Ok(());
        }
        for module in &template.exposed_modules {
            rows::add_name(self.target, NameList::Modules, id, module)?;
        }
        for library in &template.libraries {
            let full = full_name(library);
            if catalog::is_library_name(&full) {
                rows::add_name(self.target, NameList::Libraries, id, &full)?;
            } else {
                let library = shown_name(library);
                self.leave_out(
                    format_args!("library {library} of {name}"),
                    "no library can have that name",
                );
            }
        }
        self.templates.insert(id);
        self.report.templates += 1;
        Ok(())
    }

    /// The settings of a template. A missing or invalid value has its default.
    fn settings_of(&mut self, id: Uuid, template: &OldRow<'_, '_>) -> Result<Settings, Failure> {
        let mut settings = Settings {
            vm_id: id,
            limits: vmapi_types::Limits::default(),
            resolver: vmapi_types::Resolver::default(),
            runtime: vmapi_types::RuntimeSettings::default(),
        };
        let source = self.source;
        let Some(sql) = query(source, "vm_settings", SETTINGS, "WHERE vm_id = ?")? else {
            return Ok(settings);
        };
        let mut find = source.connection.prepare(&sql).map_err(Failure::Source)?;
        let mut found = find
            .query([ToSqlOutput::Borrowed(template.value("id"))])
            .map_err(Failure::Source)?;
        let Some(row) = found.next().map_err(Failure::Source)? else {
            return Ok(settings);
        };
        let old = OldRow::new(row, SETTINGS);
        let name = template.name("template");
        self.set(&mut settings.limits, &old, "limits_json", &name);
        self.set(&mut settings.resolver, &old, "resolver_json", &name);
        self.set(&mut settings.runtime, &old, "runtime_json", &name);
        for field in reset_bad_limits(&mut settings.limits) {
            self.leave_out(
                format_args!("limits.{field} of {name}"),
                "out of range, so it is the default now",
            );
        }
        if settings.runtime.strict {
            self.report.notes.push(format!(
                "{name}: runtime.strict is true, which the Go service ignored: \
                 scripts run in strict mode now"
            ));
        }
        Ok(settings)
    }

    /// Reads one column of settings into `setting`, which has the defaults.
    fn set<T: DeserializeOwned>(
        &mut self,
        setting: &mut T,
        old: &OldRow<'_, '_>,
        column: &str,
        name: &str,
    ) {
        let read = old.json_value(column).and_then(|value| {
            let fields = match value {
                Value::Null => Map::new(),
                Value::Object(fields) => fields,
                other => return Err(BadValue(format!("{column} is not an object: {other}"))),
            };
            serde_json::from_value(Value::Object(without_nulls(fields)))
                .map_err(|error| BadValue(format!("{column} can't be decoded: {error}")))
        });
        match read {
            Ok(read) => *setting = read,
            Err(reason) => self.leave_out(
                format_args!("settings of {name}"),
                format_args!("{reason}; they are the default now"),
            ),
        }
    }

    /// Leaves out settings that belong to no template.
    pub(super) fn settings_of_nothing(&mut self) -> Result<(), Failure> {
        let source = self.source;
        let rest = "WHERE vm_id NOT IN (SELECT id FROM vm WHERE id IS NOT NULL) OR vm_id IS NULL";
        let Some(sql) = query(source, "vm_settings", SETTINGS, rest)? else {
            return Ok(());
        };
        let mut all = source.connection.prepare(&sql).map_err(Failure::Source)?;
        let mut found = all.query([]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let name = OldRow::new(row, SETTINGS).name("settings of template");
            self.leave_out(name, "there is no such template");
        }
        Ok(())
    }

    /// Imports the capabilities.
    pub(super) fn capabilities(&mut self) -> Result<(), Failure> {
        let source = self.source;
        let Some(sql) = query(source, "vm_capability", CAPABILITY, "ORDER BY rowid")? else {
            return Ok(());
        };
        let mut all = source.connection.prepare(&sql).map_err(Failure::Source)?;
        let mut found = all.query([]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let old = OldRow::new(row, CAPABILITY);
            let name = capability_name(&old);
            let read = capability_of(&old).and_then(|capability| {
                self.has_template(capability.vm_id)?;
                Ok(capability)
            });
            let capability = match read {
                Ok(capability) => capability,
                Err(reason) => {
                    self.leave_out(name, reason);
                    continue;
                }
            };
            let written = rows::insert_capability(self.target, &capability);
            if self.wrote(&name, written)? {
                self.report.capabilities += 1;
                let Capability {
                    kind,
                    name: own,
                    enabled,
                    config,
                    ..
                } = &capability;
                let checked = check_capability(kind, own, *enabled, config, self.modules);
                if let Err(error) = checked {
                    let note = format!("{name}: {error}, so it gives nothing until it is replaced");
                    self.report.notes.push(note);
                }
            }
        }
        Ok(())
    }

    /// Imports the startup files.
    pub(super) fn startup_files(&mut self) -> Result<(), Failure> {
        let source = self.source;
        let Some(sql) = query(source, "vm_startup_file", STARTUP_FILE, "ORDER BY rowid")? else {
            return Ok(());
        };
        let mut all = source.connection.prepare(&sql).map_err(Failure::Source)?;
        let mut found = all.query([]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let old = OldRow::new(row, STARTUP_FILE);
            let name = old.name("startup file");
            let read = startup_file_of(&old).and_then(|file| {
                self.has_template(file.vm_id)?;
                Ok(file)
            });
            match read {
                Ok(file) => {
                    let written = rows::insert_startup_file(self.target, &file);
                    self.report.startup_files += u64::from(self.wrote(name, written)?);
                }
                Err(reason) => self.leave_out(name, reason),
            }
        }
        Ok(())
    }

    fn has_template(&self, id: Uuid) -> Result<(), BadValue> {
        if self.templates.contains(&id) {
            Ok(())
        } else {
            Err(BadValue(format!("its template {id} is not there")))
        }
    }
}

fn template_of(old: &OldRow<'_, '_>) -> Result<Template, BadValue> {
    let created_at = old.time("created_at")?;
    Ok(Template {
        id: old.id("id")?,
        name: old.text("name")?,
        engine: old.text("engine")?,
        is_active: old.number("is_active", 1)? != 0,
        exposed_modules: old.names("exposed_modules_json")?,
        libraries: old.names("libraries_json")?,
        created_at,
        updated_at: old.optional_time("updated_at")?.unwrap_or(created_at),
    })
}

fn capability_of(old: &OldRow<'_, '_>) -> Result<Capability, BadValue> {
    let known = |kind: &str| CAPABILITY_KINDS.contains(&kind).then(|| kind.to_owned());
    let config = match old.json_value("config_json")? {
        Value::Null => Map::new(),
        Value::Object(config) => config,
        other => return Err(BadValue(format!("config_json is not an object: {other}"))),
    };
    Ok(Capability {
        kind: old.parsed("kind", known)?,
        id: old.id("id")?,
        vm_id: old.id("vm_id")?,
        name: old.text("name")?,
        enabled: old.number("enabled", 1)? != 0,
        config,
    })
}

/// The name of a capability in a line of the report, with its kind and name.
fn capability_name(old: &OldRow<'_, '_>) -> String {
    let part = |column| {
        let text = old.text(column).unwrap_or_default();
        shown_name(&text)
    };
    format!(
        "{} ({}:{})",
        old.name("capability"),
        part("kind"),
        part("name")
    )
}

fn startup_file_of(old: &OldRow<'_, '_>) -> Result<StartupFile, BadValue> {
    let known = |mode: &str| {
        let mode = if mode.is_empty() { "eval" } else { mode };
        STARTUP_MODES.contains(&mode).then(|| mode.to_owned())
    };
    Ok(StartupFile {
        id: old.id("id")?,
        vm_id: old.id("vm_id")?,
        path: old.text("path")?,
        order_index: old.number("order_index", 0)?,
        mode: old.parsed("mode", known)?,
    })
}

/// The name of a library with its version. The Go service also accepted a name of the catalogue
/// without it.
fn full_name(name: &str) -> String {
    let library = catalog::LIBRARIES.iter().find(|library| library.id == name);
    library.map_or_else(|| name.to_owned(), catalog::Library::name)
}

/// Fields without those that are `null`, which then have their defaults; a list that is `null` is
/// empty.
fn without_nulls(fields: Map<String, Value>) -> Map<String, Value> {
    let lists = ["roots", "extensions"];
    let kept = fields.into_iter().filter_map(|(name, value)| match value {
        Value::Null if lists.contains(&name.as_str()) => Some((name, Value::Array(Vec::new()))),
        Value::Null => None,
        value => Some((name, value)),
    });
    kept.collect()
}
