//! `vm-system template`: the startup files, capabilities, modules and libraries of a template.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde_json::Value;
use vmapi_types::{
    AddCapabilityRequest, AddStartupFileRequest, AvailableLibrary, AvailableModule, Capability,
    NamedItem, RemovedItem, RemovedPart, StartupFile,
};
use vmclient::{Call, Client};
use vmcontrol::library::file_name;

use crate::cli::PartCommand;
use crate::failure::{Failure, print_warning};
use crate::output::{Output, Paint, Table, one_line};

/// The maximum width of a name, a path or a configuration in a table, in terminal columns.
const CELL_COLUMNS: usize = 64;

/// Runs one of the subcommands.
pub(crate) async fn run(
    command: PartCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
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
            remove_part(call, "capability", output).await
        }
        PartCommand::RemoveStartup { id, file_id } => {
            let call = client.delete_startup_file(id, file_id);
            remove_part(call, "startup file", output).await
        }
        PartCommand::ListStartup { id } => {
            print_table(client.startup_files(id), startup_files, output).await
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
            print_table(client.capabilities(id), capabilities, output).await
        }
        PartCommand::AddModule { id, name } => {
            add(client.add_module(id, &name), "module", output).await
        }
        PartCommand::RemoveModule { id, name } => {
            remove(client.remove_module(id, &name), "module", output).await
        }
        PartCommand::ListModules { id } => list(client.modules(id), "No modules.", output).await,
        PartCommand::ListAvailableModules => {
            print_table(client.available_modules(), available_modules, output).await
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
            print_table(client.available_libraries(), available_libraries, output).await
        }
    }
}

/// Sends the request to add a module or a library, and prints the confirmation.
async fn add(call: Call<NamedItem>, kind: &str, output: &mut Output) -> Result<(), Failure> {
    let print = |out: &mut dyn Write, item: &NamedItem| {
        writeln!(
            out,
            "Added {kind}: {} to template {}",
            item.name, item.template_id
        )
    };
    output.answer(call, print).await
}

/// Sends the request to remove a module or a library, and prints the confirmation.
async fn remove(call: Call<RemovedItem>, kind: &str, output: &mut Output) -> Result<(), Failure> {
    let print = |out: &mut dyn Write, item: &RemovedItem| {
        writeln!(
            out,
            "Removed {kind}: {} from template {}",
            item.name, item.template_id
        )
    };
    output.answer(call, print).await
}

/// Sends the request to remove a part by its id, and prints the confirmation.
async fn remove_part(
    call: Call<RemovedPart>,
    kind: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let print = |out: &mut dyn Write, removed: &RemovedPart| {
        let (part, template) = (removed.id, removed.template_id);
        writeln!(out, "Removed {kind}: {part} from template {template}")
    };
    output.answer(call, print).await
}

/// Requests a list and prints it as a table.
async fn print_table<T: DeserializeOwned + 'static>(
    call: Call<Vec<T>>,
    table: fn(&mut dyn Write, Paint, &[T]) -> io::Result<()>,
    output: &mut Output,
) -> Result<(), Failure> {
    let paint = output.paint();
    output
        .answer(call, |out, list| table(out, paint, list))
        .await
}

/// Requests a list of names and prints one per line.
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

/// Prints a warning if the library is not in the daemon's cache, so that sessions can't load it
/// yet.
async fn warn_if_not_cached(client: &Client, name: &str) {
    let name = &file_name(name);
    let has_name =
        |library: &AvailableLibrary| library.name == *name || library.id.as_ref() == Some(name);
    let message = match client.available_libraries().await {
        Ok(libraries)
            if libraries
                .iter()
                .any(|library| library.cached && has_name(library)) =>
        {
            return;
        }
        Ok(_) => format!(
            "{name} is not in the library cache of the daemon: fetch it with `vm-system libs download {name}`"
        ),
        // A daemon that does not have this endpoint yet.
        Err(vmclient::Error::Api { status: 404, .. }) => return,
        Err(error) => format!("cannot tell whether the daemon has {name}: {error}"),
    };
    print_warning(&message);
}

#[cfg(test)]
mod tests;
