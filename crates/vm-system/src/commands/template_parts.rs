//! `vm-system template`: what belongs to a template.

use std::io::{self, Write};

use serde_json::Value;
use vmapi_types::{
    AddCapabilityRequest, AddStartupFileRequest, AvailableLibrary, AvailableModule, Capability,
    NamedItem, RemovedItem, StartupFile,
};
use vmclient::{Call, Client};
use vmcontrol::library::file_name;

use crate::cli::PartCommand;
use crate::failure::{Failure, say_warning};
use crate::output::{Output, Paint, Table, one_line};

/// How much of a name, a path or a configuration is shown in a list, in columns of a terminal.
const CELL_COLUMNS: usize = 64;

/// Runs one of the commands.
pub(crate) async fn run(
    command: PartCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let paint = output.paint();
    match command {
        PartCommand::AddStartup {
            id,
            path,
            order,
            mode,
        } => {
            let request = AddStartupFileRequest {
                path: Some(path),
                order_index: Some(order),
                mode: Some(mode),
            };
            output
                .answer(client.add_startup_file(id, &request), added_startup_file)
                .await
        }
        PartCommand::RemoveCapability { id, capability_id } => {
            let call = client.delete_capability(id, capability_id);
            output
                .answer(call, |out, removed| {
                    let (part, template) = (removed.id, removed.template_id);
                    writeln!(out, "Removed capability: {part} from template {template}")
                })
                .await
        }
        PartCommand::RemoveStartup { id, file_id } => {
            let call = client.delete_startup_file(id, file_id);
            output
                .answer(call, |out, removed| {
                    let (part, template) = (removed.id, removed.template_id);
                    writeln!(out, "Removed startup file: {part} from template {template}")
                })
                .await
        }
        PartCommand::ListStartup { id } => {
            let call = client.startup_files(id);
            output
                .answer(call, |out, files| startup_files(out, paint, files))
                .await
        }
        PartCommand::AddCapability {
            id,
            name,
            kind,
            config,
            enabled,
        } => {
            let request = AddCapabilityRequest {
                kind: Some(kind),
                name: Some(name),
                enabled: Some(enabled),
                config: Some(config),
            };
            output
                .answer(client.add_capability(id, &request), added_capability)
                .await
        }
        PartCommand::ListCapabilities { id } => {
            let call = client.capabilities(id);
            output
                .answer(call, |out, list| capabilities(out, paint, list))
                .await
        }
        PartCommand::AddModule { id, name } => {
            add(client.add_module(id, &name), "module", output).await
        }
        PartCommand::RemoveModule { id, name } => {
            remove(client.remove_module(id, &name), "module", output).await
        }
        PartCommand::ListModules { id } => list(client.modules(id), "No modules.", output).await,
        PartCommand::ListAvailableModules => {
            let call = client.available_modules();
            output
                .answer(call, |out, modules| available_modules(out, paint, modules))
                .await
        }
        PartCommand::AddLibrary { id, name } => {
            add(client.add_library(id, &name), "library", output).await?;
            output.finish()?;
            warn_if_not_cached(client, &name).await;
            Ok(())
        }
        PartCommand::RemoveLibrary { id, name } => {
            remove(client.remove_library(id, &name), "library", output).await
        }
        PartCommand::ListLibraries { id } => {
            list(client.libraries(id), "No libraries.", output).await
        }
        PartCommand::ListAvailableLibraries => {
            let call = client.available_libraries();
            output
                .answer(call, |out, list| available_libraries(out, paint, list))
                .await
        }
    }
}

async fn add(call: Call<NamedItem>, what: &str, output: &mut Output) -> Result<(), Failure> {
    let print = |out: &mut dyn Write, item: &NamedItem| {
        writeln!(
            out,
            "Added {what}: {} to template {}",
            item.name, item.template_id
        )
    };
    output.answer(call, print).await
}

async fn remove(call: Call<RemovedItem>, what: &str, output: &mut Output) -> Result<(), Failure> {
    let print = |out: &mut dyn Write, item: &RemovedItem| {
        writeln!(
            out,
            "Removed {what}: {} from template {}",
            item.name, item.template_id
        )
    };
    output.answer(call, print).await
}

async fn list(
    call: Call<Vec<String>>,
    when_empty: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    output
        .answer(call, |out, list| names(out, list, when_empty))
        .await
}

fn names(out: &mut dyn Write, names: &[String], when_empty: &str) -> io::Result<()> {
    if names.is_empty() {
        return writeln!(out, "{when_empty}");
    }
    names.iter().try_for_each(|name| writeln!(out, "{name}"))
}

fn added_startup_file(out: &mut dyn Write, file: &StartupFile) -> io::Result<()> {
    writeln!(
        out,
        "Added startup file: {} (order: {}) to template {}",
        file.path, file.order_index, file.vm_id
    )
}

fn added_capability(out: &mut dyn Write, capability: &Capability) -> io::Result<()> {
    writeln!(
        out,
        "Added capability: {}:{} to template {}",
        capability.kind, capability.name, capability.vm_id
    )
}

/// Prints startup files as a table.
pub(crate) fn startup_files(
    out: &mut dyn Write,
    paint: Paint,
    files: &[StartupFile],
) -> io::Result<()> {
    let rows = files.iter().map(|file| {
        [
            file.order_index.to_string(),
            file.mode.clone(),
            one_line(&file.path, CELL_COLUMNS),
            file.id.to_string(),
        ]
    });
    Table::new(["ORDER", "MODE", "PATH", "ID"], rows).write_or(out, paint, "No startup files.")
}

/// Prints capabilities as a table.
pub(crate) fn capabilities(
    out: &mut dyn Write,
    paint: Paint,
    list: &[Capability],
) -> io::Result<()> {
    let rows = list.iter().map(|capability| {
        let config = Value::Object(capability.config.clone()).to_string();
        [
            capability.kind.clone(),
            one_line(&capability.name, CELL_COLUMNS),
            capability.enabled.to_string(),
            one_line(&config, CELL_COLUMNS),
            capability.id.to_string(),
        ]
    });
    Table::new(["KIND", "NAME", "ENABLED", "CONFIG", "ID"], rows).write_or(
        out,
        paint,
        "No capabilities.",
    )
}

fn available_modules(
    out: &mut dyn Write,
    paint: Paint,
    modules: &[AvailableModule],
) -> io::Result<()> {
    let rows = modules
        .iter()
        .map(|module| [module.name.clone(), module.summary.clone()]);
    Table::new(["NAME", "SUMMARY"], rows).write_or(out, paint, "No modules.")
}

fn available_libraries(
    out: &mut dyn Write,
    paint: Paint,
    libraries: &[AvailableLibrary],
) -> io::Result<()> {
    let rows = libraries.iter().map(|library| {
        let cached = if library.cached { "yes" } else { "no" };
        [
            library.name.clone(),
            library.global.clone().unwrap_or("-".into()),
            cached.to_owned(),
        ]
    });
    Table::new(["NAME", "GLOBAL", "CACHED"], rows).write_or(out, paint, "No libraries.")
}

/// Warns of a library that sessions could not load for now.
async fn warn_if_not_cached(client: &Client, name: &str) {
    let name = &file_name(name);
    let is_meant =
        |library: &AvailableLibrary| library.name == *name || library.id.as_ref() == Some(name);
    let message = match client.available_libraries().await {
        Ok(libraries)
            if libraries
                .iter()
                .any(|library| library.cached && is_meant(library)) =>
        {
            return;
        }
        Ok(_) => format!(
            "{name} is not in the library cache of the daemon: fetch it with `vm-system libs download {name}`"
        ),
        // A daemon that is older than this question.
        Err(vmclient::Error::Api { status: 404, .. }) => return,
        Err(error) => format!("cannot tell whether the daemon has {name}: {error}"),
    };
    say_warning(&message);
}

#[cfg(test)]
mod tests;
