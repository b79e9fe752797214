//! `vm-system template`: templates as a whole.

use std::io::{self, Write};

use vmapi_types::{CreateTemplateRequest, LIMITS, Settings, Template, TemplateDetails};
use vmclient::Client;

use super::template_parts;
use crate::cli::TemplateCommand;
use crate::failure::Failure;
use crate::output::{Output, Paint, Table, instant, moment, one_line};

/// How much of a name is shown in a list, in columns of a terminal.
const NAME_COLUMNS: usize = 48;

/// Runs one of the commands.
pub(crate) async fn run(
    command: TemplateCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let paint = output.paint();
    match command {
        TemplateCommand::Create { name, engine } => {
            let call = client.create_template(&CreateTemplateRequest {
                name: Some(name),
                engine,
            });
            output
                .answer(call, |out, template| {
                    writeln!(
                        out,
                        "Created template: {} (ID: {})",
                        template.name, template.id
                    )
                })
                .await
        }
        TemplateCommand::List => {
            let call = client.templates();
            output
                .answer(call, |out, templates| list(out, paint, templates))
                .await
        }
        TemplateCommand::Get { id } => {
            let call = client.template(id);
            output
                .answer(call, |out, template| details(out, paint, template))
                .await
        }
        TemplateCommand::Set(args) => {
            let call = client.update_template(&args.id, &args.request());
            output
                .answer(call, |out, template| details(out, paint, template))
                .await
        }
        TemplateCommand::Delete { id } => {
            let call = client.delete_template(id);
            output
                .answer(call, |out, deleted| {
                    writeln!(out, "Deleted template: {}", deleted.template_id)
                })
                .await
        }
        TemplateCommand::Part(command) => template_parts::run(command, client, output).await,
    }
}

fn list(out: &mut dyn Write, paint: Paint, templates: &[Template]) -> io::Result<()> {
    let rows = templates.iter().map(|template| {
        [
            template.id.to_string(),
            one_line(&template.name, NAME_COLUMNS),
            template.engine.clone(),
            yes_or_no(template.is_active).to_owned(),
            moment(template.created_at),
            names(&template.exposed_modules, "-"),
            names(&template.libraries, "-"),
        ]
    });
    let headings = [
        "ID",
        "NAME",
        "ENGINE",
        "ACTIVE",
        "CREATED (UTC)",
        "MODULES",
        "LIBRARIES",
    ];
    Table::new(headings, rows).write_or(out, paint, "No templates.")
}

fn details(out: &mut dyn Write, paint: Paint, details: &TemplateDetails) -> io::Result<()> {
    let template = &details.template;
    writeln!(out, "Template: {}", template.name)?;
    writeln!(out, "ID: {}", template.id)?;
    writeln!(out, "Engine: {}", template.engine)?;
    writeln!(out, "Active: {}", yes_or_no(template.is_active))?;
    writeln!(out, "Created: {}", instant(template.created_at))?;
    writeln!(out, "Updated: {}", instant(template.updated_at))?;
    writeln!(out)?;
    settings(out, paint, &details.settings)?;
    writeln!(out, "\n{}", paint.heading("Capabilities:"))?;
    template_parts::capabilities(out, paint, &details.capabilities)?;
    writeln!(out, "\n{}", paint.heading("Startup Files:"))?;
    template_parts::startup_files(out, paint, &details.startup_files)?;
    list_under(out, paint, "Exposed Modules:", &template.exposed_modules)?;
    list_under(out, paint, "Loaded Libraries:", &template.libraries)
}

/// Prints names below a heading. Without names there is none: scripts look for the heading, as the Go service prints it.
fn list_under(
    out: &mut dyn Write,
    paint: Paint,
    heading: &str,
    names: &[String],
) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", paint.heading(heading))?;
    names
        .iter()
        .try_for_each(|name| writeln!(out, "  - {name}"))
}

fn settings(out: &mut dyn Write, paint: Paint, settings: &Settings) -> io::Result<()> {
    let limits = LIMITS
        .iter()
        .map(|limit| format!("{} {}", limit.value(&settings.limits), limit.shown));
    let limits = limits.collect::<Vec<_>>().join(", ");
    let resolver = &settings.resolver;
    let runtime = settings.runtime;
    writeln!(out, "{}", paint.heading("Settings:"))?;
    writeln!(out, "  Limits: {limits}")?;
    writeln!(
        out,
        "  Resolver: roots {}; extensions {}; absolute imports {}",
        names(&resolver.roots, "none"),
        names(&resolver.extensions, "none"),
        yes_or_no(resolver.allow_absolute_repo_imports),
    )?;
    writeln!(
        out,
        "  Runtime: ES modules {}, strict {}, console {}",
        yes_or_no(runtime.esm),
        yes_or_no(runtime.strict),
        yes_or_no(runtime.console),
    )
}

fn names(names: &[String], when_empty: &str) -> String {
    if names.is_empty() {
        when_empty.to_owned()
    } else {
        names.join(", ")
    }
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

#[cfg(test)]
mod tests;
