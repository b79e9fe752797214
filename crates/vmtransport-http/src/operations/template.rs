//! Templates and their parts.

use vmapi_types::ErrorCode::{
    CapabilityExists, EngineUnsupported, InvalidPath, LibraryUnavailable, ModuleNotAllowed,
    NotFound, StartupFileExists, StartupModeUnsupported, TemplateExists, TemplateNotFound,
};
use vmapi_types::{
    AddCapabilityRequest, AddNameRequest, AddStartupFileRequest, Capability, CreateTemplateRequest,
    Deleted, NamedItem, RemovedItem, RemovedPart, StartupFile, Template, TemplateDetails,
    UpdateTemplateRequest,
};
use vmcontrol::NameList::{Libraries, Modules};

use crate::operation::{Operation, Route, Tag, delete, get, patch, post};
use crate::routes::template;

/// Adds that the operation uses the database and fails without the template of its path.
fn of_template(operation: Operation) -> Operation {
    operation.fails(&[TemplateNotFound]).stored()
}

/// Puts routes under the tag of templates.
fn tagged<const N: usize>(routes: [Route; N]) -> Vec<Route> {
    routes.map(|route| route.tagged(Tag::Templates)).into()
}

/// Templates.
pub(super) fn templates() -> Vec<Route> {
    tagged([
        get("/templates", "listTemplates", "List the templates")
            .answers::<Vec<Template>>(200, "The templates, newest first.")
            .stored()
            .to(template::list),
        post("/templates", "createTemplate", "Create a template")
            .about("The template has the default settings, and no parts.")
            .takes::<CreateTemplateRequest>()
            .answers::<Template>(201, "The template was created.")
            .fails(&[TemplateExists, EngineUnsupported])
            .stored()
            .to(template::create),
        of_template(get(
            "/templates/{template_id}",
            "getTemplate",
            "Get a template with its settings and parts",
        ))
        .answers::<TemplateDetails>(200, "The template.")
        .to(template::get),
        of_template(patch(
            "/templates/{template_id}",
            "updateTemplate",
            "Change a template and its settings",
        ))
        .about("Sessions that exist keep the policy that they were created with.")
        .takes::<UpdateTemplateRequest>()
        .answers::<TemplateDetails>(200, "The template was changed.")
        .fails(&[TemplateExists])
        .to(template::update),
        of_template(delete(
            "/templates/{template_id}",
            "deleteTemplate",
            "Delete a template",
        ))
        .about("Its sessions go on, and their history stays.")
        .answers::<Deleted>(200, "The template was deleted.")
        .to(template::delete),
    ])
}

/// Capabilities and startup files.
pub(super) fn parts() -> Vec<Route> {
    tagged([
        of_template(get(
            "/templates/{template_id}/capabilities",
            "listCapabilities",
            "List the capabilities of a template",
        ))
        .answers::<Vec<Capability>>(200, "The capabilities, in the order they were added.")
        .to(template::list_capabilities),
        of_template(post(
            "/templates/{template_id}/capabilities",
            "addCapability",
            "Add a capability to a template",
        ))
        .takes::<AddCapabilityRequest>()
        .answers::<Capability>(201, "The capability was added.")
        .fails(&[CapabilityExists, ModuleNotAllowed])
        .to(template::add_capability),
        of_template(delete(
            "/templates/{template_id}/capabilities/{capability_id}",
            "deleteCapability",
            "Delete a capability of a template",
        ))
        .answers::<RemovedPart>(200, "The capability was deleted.")
        .fails(&[NotFound])
        .to(template::delete_capability),
        of_template(get(
            "/templates/{template_id}/startup-files",
            "listStartupFiles",
            "List the startup files of a template",
        ))
        .answers::<Vec<StartupFile>>(200, "The startup files, in the order they run.")
        .to(template::list_startup_files),
        of_template(post(
            "/templates/{template_id}/startup-files",
            "addStartupFile",
            "Add a startup file to a template",
        ))
        .takes::<AddStartupFileRequest>()
        .answers::<StartupFile>(201, "The startup file was added.")
        .fails(&[StartupFileExists, InvalidPath, StartupModeUnsupported])
        .to(template::add_startup_file),
        of_template(delete(
            "/templates/{template_id}/startup-files/{file_id}",
            "deleteStartupFile",
            "Delete a startup file of a template",
        ))
        .answers::<RemovedPart>(200, "The startup file was deleted.")
        .fails(&[NotFound])
        .to(template::delete_startup_file),
    ])
}

/// The native modules of a template.
pub(super) fn modules() -> Vec<Route> {
    tagged([
        of_template(get(
            "/templates/{template_id}/modules",
            "listModules",
            "List the native modules of a template",
        ))
        .answers::<Vec<String>>(200, "The names of the modules, sorted.")
        .to(|control, path| template::list_names(Modules, control, path)),
        of_template(post(
            "/templates/{template_id}/modules",
            "addModule",
            "Add a native module to a template",
        ))
        .about("Adding a module again succeeds.")
        .takes::<AddNameRequest>()
        .answers::<NamedItem>(201, "The template has the module.")
        .fails(&[ModuleNotAllowed])
        .to(|control, path, body| template::add_name(Modules, control, path, body)),
        of_template(delete(
            "/templates/{template_id}/modules/{name}",
            "removeModule",
            "Remove a native module from a template",
        ))
        .about("Removing a module that the template lacks succeeds.")
        .answers::<RemovedItem>(200, "The template does not have the module.")
        .to(|control, path| template::remove_name(Modules, control, path)),
    ])
}

/// The libraries of a template.
pub(super) fn libraries() -> Vec<Route> {
    tagged([
        of_template(get(
            "/templates/{template_id}/libraries",
            "listLibraries",
            "List the libraries of a template",
        ))
        .answers::<Vec<String>>(200, "The names of the libraries, in the order they load.")
        .to(|control, path| template::list_names(Libraries, control, path)),
        of_template(post(
            "/templates/{template_id}/libraries",
            "addLibrary",
            "Add a library to a template",
        ))
        .about("Adding a library again succeeds.")
        .takes::<AddNameRequest>()
        .answers::<NamedItem>(201, "The template has the library.")
        .fails(&[LibraryUnavailable])
        .to(|control, path, body| template::add_name(Libraries, control, path, body)),
        of_template(delete(
            "/templates/{template_id}/libraries/{name}",
            "removeLibrary",
            "Remove a library from a template",
        ))
        .about("Removing a library that the template lacks succeeds.")
        .answers::<RemovedItem>(200, "The template does not have the library.")
        .to(|control, path| template::remove_name(Libraries, control, path)),
    ])
}
