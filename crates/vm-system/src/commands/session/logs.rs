//! `vm-system session logs`: what happened in a session, and what happens.

use anyhow::Context;
use serde_json::value::to_raw_value;
use uuid::Uuid;
use vmapi_types::Event;
use vmclient::{Client, SessionItem};

use crate::cli::Format;
use crate::commands::exec::log_lines;
use crate::failure::Failure;
use crate::output::Output;

/// Prints the events of all executions, the oldest first.
pub(crate) async fn show(
    session: &str,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    // They are listed newest first.
    let mut ids: Vec<Uuid> = Vec::new();
    let mut executions = client.executions(session, None);
    while let Some(portion) = executions.next().await? {
        ids.extend(portion.iter().map(|execution| execution.id));
    }
    if ids.is_empty() && output.format() == Format::Text {
        return output.text(|out| writeln!(out, "Nothing has run in this session."));
    }
    for id in ids.into_iter().rev() {
        let mut events = client.events(id, 0);
        while let Some(portion) = events.next().await? {
            print(&portion, output)?;
        }
    }
    Ok(())
}

/// The same, and goes on with what happens until the session is closed.
pub(crate) async fn follow(
    session: &str,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut stream = client.follow_session(session, true);
    while let Some(item) = stream.next().await? {
        if let SessionItem::Event(event) = item {
            print(&[event], output)?;
            output.finish()?;
        }
    }
    Ok(())
}

/// As JSON one event in a line.
fn print(events: &[Event], output: &mut Output) -> Result<(), Failure> {
    match output.format() {
        Format::Text => output.text(|out| log_lines(out, events)),
        Format::Json => events.iter().try_for_each(|event| {
            let json = to_raw_value(event).context("an event is not JSON")?;
            output.raw(&json)
        }),
    }
}
