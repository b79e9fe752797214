//! Which arguments of the commands are ids: each may be shortened to its start.

use vmapi_types::IdKind;

use super::{Command, ExecCommand, PartCommand, SessionCommand, TemplateCommand};

/// The ids among a command's arguments, with what they are of.
pub(crate) type Ids<'a> = Vec<(IdKind, &'a mut String)>;

impl Command {
    /// The ids among its arguments.
    pub(crate) fn ids(&mut self) -> Ids<'_> {
        match self {
            Self::Template(command) => of_template(command),
            Self::Session(command) => of_session(command),
            Self::Exec(command) => of_exec(command),
            Self::Repl(args) => args
                .session
                .iter_mut()
                .map(|session| (IdKind::Session, session))
                .collect(),
            Self::Serve(_)
            | Self::Run(_)
            | Self::Ops(_)
            | Self::Libs(_)
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Help { .. } => Vec::new(),
        }
    }
}

fn of_template(command: &mut TemplateCommand) -> Ids<'_> {
    let id = match command {
        TemplateCommand::Create { .. } | TemplateCommand::List => return Vec::new(),
        TemplateCommand::Get { id } | TemplateCommand::Delete { id } => id,
        TemplateCommand::Set(args) => &mut args.id,
        TemplateCommand::Part(command) => return of_part(command),
    };
    vec![(IdKind::Template, id)]
}

fn of_part(command: &mut PartCommand) -> Ids<'_> {
    let id = match command {
        PartCommand::ListAvailableModules | PartCommand::ListAvailableLibraries => {
            return Vec::new();
        }
        PartCommand::RemoveCapability { id, capability_id } => {
            return vec![(IdKind::Template, id), (IdKind::Capability, capability_id)];
        }
        PartCommand::RemoveStartup { id, file_id } => {
            return vec![(IdKind::Template, id), (IdKind::StartupFile, file_id)];
        }
        PartCommand::AddStartup { id, .. }
        | PartCommand::ListStartup { id }
        | PartCommand::AddCapability { id, .. }
        | PartCommand::ListCapabilities { id }
        | PartCommand::AddModule { id, .. }
        | PartCommand::RemoveModule { id, .. }
        | PartCommand::ListModules { id }
        | PartCommand::AddLibrary { id, .. }
        | PartCommand::RemoveLibrary { id, .. }
        | PartCommand::ListLibraries { id } => id,
    };
    vec![(IdKind::Template, id)]
}

fn of_session(command: &mut SessionCommand) -> Ids<'_> {
    match command {
        SessionCommand::List { .. } => Vec::new(),
        SessionCommand::Create { template_id, .. } => vec![(IdKind::Template, template_id)],
        SessionCommand::Get { id } | SessionCommand::Close { id } => {
            vec![(IdKind::Session, id)]
        }
        SessionCommand::Logs { session, .. } => vec![(IdKind::Session, session)],
    }
}

fn of_exec(command: &mut ExecCommand) -> Ids<'_> {
    match command {
        ExecCommand::Repl { session, .. }
        | ExecCommand::RunFile { session, .. }
        | ExecCommand::List { session, .. } => vec![(IdKind::Session, session)],
        ExecCommand::Get { execution, .. }
        | ExecCommand::Wait { execution, .. }
        | ExecCommand::Cancel { execution }
        | ExecCommand::Events { execution, .. } => vec![(IdKind::Execution, execution)],
    }
}
