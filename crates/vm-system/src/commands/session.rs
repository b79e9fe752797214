//! `vm-system session`.

mod logs;

use std::io::{self, Write};
use std::path;

use vmapi_types::{CreateSessionRequest, Session};
use vmclient::Client;

use crate::cli::SessionCommand;
use crate::failure::Failure;
use crate::output::{Output, Paint, Table, instant, moment, one_line};

/// How much of a name is shown in a list, in columns of a terminal.
const NAME_COLUMNS: usize = 32;
/// How much of a path is shown in a list, in columns of a terminal.
const PATH_COLUMNS: usize = 64;

/// Runs one of the commands.
pub(crate) async fn run(
    command: SessionCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let paint = output.paint();
    match command {
        SessionCommand::Create {
            template_id,
            workspace_id,
            base_commit,
            worktree_path,
        } => {
            let call = client.create_session(&CreateSessionRequest {
                template_id: Some(template_id),
                workspace_id: Some(workspace_id),
                base_commit_oid: Some(base_commit),
                worktree_path: Some(absolute(worktree_path)),
                unwatched_timeout_ms: None,
            });
            output
                .answer(call, |out, session| created(out, paint, session))
                .await
        }
        SessionCommand::List { status } => {
            let call = client.sessions(status.0);
            output
                .answer(call, |out, sessions| list(out, paint, sessions))
                .await
        }
        SessionCommand::Get { id } => {
            let call = client.session(id);
            output
                .answer(call, |out, session| details(out, paint, session))
                .await
        }
        SessionCommand::Logs { session, follow } => {
            if follow {
                logs::follow(&session, client, output).await
            } else {
                logs::show(&session, client, output).await
            }
        }
        SessionCommand::Close { id } => {
            let call = client.close_session(id);
            output
                .answer(call, |out, session| {
                    writeln!(out, "Closed session: {}", session.id)
                })
                .await
        }
    }
}

/// A path that means the same in the daemon, which works in a directory of its own. What is no path at all is the
/// daemon's to refuse.
fn absolute(path: String) -> String {
    path::absolute(&path)
        .ok()
        .and_then(|absolute| absolute.into_os_string().into_string().ok())
        .unwrap_or(path)
}

fn created(out: &mut dyn Write, paint: Paint, session: &Session) -> io::Result<()> {
    writeln!(out, "Created session: {}", session.id)?;
    writeln!(out, "Status: {}", paint.status(session.status.as_str()))?;
    made_of(out, session)
}

/// Prints what a session was made of, under the labels of the Go service.
fn made_of(out: &mut dyn Write, session: &Session) -> io::Result<()> {
    writeln!(out, "Template ID: {}", session.vm_id)?;
    writeln!(out, "Workspace ID: {}", session.workspace_id)?;
    writeln!(out, "Base Commit: {}", session.base_commit_oid)?;
    writeln!(out, "Worktree Path: {}", session.worktree_path)
}

fn list(out: &mut dyn Write, paint: Paint, sessions: &[Session]) -> io::Result<()> {
    let rows = sessions.iter().map(|session| {
        [
            session.id.to_string(),
            session.status.to_string(),
            session.vm_id.to_string(),
            one_line(&session.workspace_id, NAME_COLUMNS),
            moment(session.created_at),
            one_line(&session.worktree_path, PATH_COLUMNS),
        ]
    });
    let headings = [
        "ID",
        "STATUS",
        "TEMPLATE",
        "WORKSPACE",
        "CREATED (UTC)",
        "WORKTREE",
    ];
    Table::new(headings, rows).write_or(out, paint, "No sessions.")
}

fn details(out: &mut dyn Write, paint: Paint, session: &Session) -> io::Result<()> {
    writeln!(out, "Session ID: {}", session.id)?;
    made_of(out, session)?;
    writeln!(out, "Status: {}", paint.status(session.status.as_str()))?;
    writeln!(out, "Created: {}", instant(session.created_at))?;
    if let Some(closed_at) = session.closed_at {
        writeln!(out, "Closed: {}", instant(closed_at))?;
    }
    if let Some(last_error) = &session.last_error {
        writeln!(out, "Last Error: {last_error}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
