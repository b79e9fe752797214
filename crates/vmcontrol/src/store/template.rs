//! Changes of what belongs to a template.

use uuid::Uuid;
use vmapi_types::{Capability, StartupFile};

/// Which of a template's two lists of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameList {
    /// The native modules that scripts may use.
    Modules,
    /// The libraries that sessions load.
    Libraries,
}

/// A change of what belongs to a template.
#[derive(Clone, Debug)]
pub enum TemplateChange {
    /// Adds a capability.
    AddCapability(Capability),
    /// Adds a startup file.
    AddStartupFile(StartupFile),
    /// Removes a part that has an id.
    RemovePart(TemplatePart, Uuid),
    /// Adds a name to one of the template's lists, unless the list has it.
    AddName(NameList, String),
    /// Removes names from one of the template's lists; those that it does not have are no error.
    RemoveNames(NameList, Vec<String>),
}

/// A kind of parts of a template that have ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// A capability.
    Capability,
    /// A startup file.
    StartupFile,
}

/// The outcome of a [`TemplateChange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateChanged {
    /// It is stored, and so is the time of the change.
    Done,
    /// No template has the id. Nothing changed.
    NoTemplate,
    /// The template has no part with the id. Nothing changed.
    NoPart,
}
