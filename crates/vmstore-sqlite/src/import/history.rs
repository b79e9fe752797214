//! Sessions, executions and events of the old database.

use std::sync::Arc;

use rusqlite::types::ToSqlOutput;
use serde_json::value::RawValue;
use uuid::Uuid;
use vmapi_types::{
    Event, EventType, Execution, ExecutionKind, ExecutionStatus, Metrics, RawJson, Session,
    SessionStatus, Timestamp,
};
use vmcontrol::store::ExecutionEnd;

use super::values::{OldRow, query};
use super::{BadValue, Failure, Import};
use crate::record::shown_value;
use crate::{event, execution, session};

const SESSION: &[&str] = &[
    "id",
    "vm_id",
    "workspace_id",
    "base_commit_oid",
    "worktree_path",
    "status",
    "created_at",
    "closed_at",
    "last_error_json",
    "runtime_meta_json",
];
const EXECUTION: &[&str] = &[
    "id",
    "session_id",
    "kind",
    "input",
    "path",
    "args_json",
    "env_json",
    "status",
    "started_at",
    "ended_at",
    "result_json",
    "error_json",
    "metrics_json",
];
const EVENT: &[&str] = &["execution_id", "seq", "ts", "type", "payload_json"];

impl Import<'_> {
    /// Imports the sessions, also those whose templates are gone.
    pub(super) fn sessions(&mut self) -> Result<(), Failure> {
        let source = self.source;
        let order = "ORDER BY created_at, rowid";
        let Some(sql) = query(source, "vm_session", SESSION, order)? else {
            return Ok(());
        };
        let mut all = source.connection.prepare(&sql).map_err(Failure::Source)?;
        let mut found = all.query([]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let old = OldRow::new(row, SESSION);
            let name = old.name("session");
            match session_of(&old) {
                Ok(session) => {
                    let written = session::insert(self.target, &session);
                    if self.wrote(name, written)? {
                        self.sessions.insert(session.id);
                        self.report.sessions += 1;
                    }
                }
                Err(reason) => self.leave_out(name, reason),
            }
        }
        Ok(())
    }

    /// Imports the executions, each with its events.
    pub(super) fn executions(&mut self) -> Result<(), Failure> {
        let source = self.source;
        let order = "ORDER BY started_at, rowid";
        let Some(sql) = query(source, "execution", EXECUTION, order)? else {
            return Ok(());
        };
        let mut all = source.connection.prepare(&sql).map_err(Failure::Source)?;
        let mut found = all.query([]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let old = OldRow::new(row, EXECUTION);
            let name = old.name("execution");
            let read = execution_of(&old).and_then(|execution| {
                let session_id = execution.session_id;
                if self.sessions.contains(&session_id) {
                    Ok(execution)
                } else {
                    Err(BadValue(format!("its session {session_id} is not there")))
                }
            });
            match read {
                Ok(execution) => self.execution(execution, &old, &name)?,
                Err(reason) => {
                    self.leave_out(
                        name,
                        format_args!("{reason} (its events are left out with it)"),
                    );
                }
            }
        }
        Ok(())
    }

    fn execution(
        &mut self,
        execution: Execution,
        old: &OldRow<'_, '_>,
        name: &str,
    ) -> Result<(), Failure> {
        let begun = Execution {
            status: ExecutionStatus::Running,
            ..execution.clone()
        };
        let written = execution::insert(self.target, &begun, None);
        if !self.wrote(name, written)? {
            return Ok(());
        }
        self.report.executions += 1;
        let log = self.events(execution.id, self.target.last_insert_rowid(), old)?;
        if execution.status == ExecutionStatus::Running {
            return Ok(());
        }
        let end = ExecutionEnd {
            status: execution.status,
            ended_at: execution
                .ended_at
                .or(log.last)
                .unwrap_or(execution.started_at),
            result: execution.result,
            error: execution.error,
            metrics: Metrics {
                events: log.events,
                output_bytes: log.output_bytes,
                ..execution.metrics
            },
        };
        Ok(execution::end(self.target, execution.id, &end)?)
    }

    /// Imports the events of an execution, in their order and numbered from 1 without a gap.
    fn events(&mut self, id: Uuid, number: i64, old: &OldRow<'_, '_>) -> Result<Log, Failure> {
        let mut log = Log::default();
        let source = self.source;
        let rest = "WHERE execution_id = ? ORDER BY seq";
        let Some(sql) = query(source, "execution_event", EVENT, rest)? else {
            return Ok(log);
        };
        let mut all = source
            .connection
            .prepare_cached(&sql)
            .map_err(Failure::Source)?;
        let owner = ToSqlOutput::Borrowed(old.value("id"));
        let mut found = all.query([owner]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let old = OldRow::new(row, EVENT);
            match event_of(&old, id, log.events + 1) {
                Ok(event) => {
                    event::insert(self.target, number, std::slice::from_ref(&event))?;
                    self.report.events += 1;
                    log.add(&event);
                }
                Err(reason) => {
                    let seq = shown_value(old.value("seq"));
                    self.leave_out(format_args!("event {seq} of execution {id}"), reason);
                }
            }
        }
        Ok(log)
    }

    /// Leaves out the events of executions that don't exist.
    pub(super) fn events_of_nothing(&mut self) -> Result<(), Failure> {
        let source = self.source;
        for table in ["execution", "execution_event"] {
            if source.columns(table).map_err(Failure::Source)?.is_empty() {
                return Ok(());
            }
        }
        let columns = ["execution_id", "events"];
        let sql = "SELECT execution_id, count(*) FROM execution_event AS event
             WHERE NOT EXISTS (SELECT 1 FROM execution WHERE id = event.execution_id) GROUP BY execution_id";
        let mut all = source.connection.prepare(sql).map_err(Failure::Source)?;
        let mut found = all.query([]).map_err(Failure::Source)?;
        while let Some(row) = found.next().map_err(Failure::Source)? {
            let old = OldRow::new(row, &columns);
            let count = old.number("events", 0).unwrap_or_default();
            let name = old.name("events of execution");
            self.leave_out(
                name,
                format_args!("there is no such execution ({count} events)"),
            );
        }
        Ok(())
    }
}

/// The sums of the events of an execution.
#[derive(Default)]
struct Log {
    events: u64,
    output_bytes: u64,
    /// The time of the last event; `None` if there is none.
    last: Option<Timestamp>,
}

impl Log {
    fn add(&mut self, event: &Event) {
        self.events = event.seq;
        self.last = Some(event.ts);
        if let EventType::Console | EventType::Stdout | EventType::Stderr = event.kind {
            self.output_bytes += event.payload.get().len() as u64;
        }
    }
}

fn session_of(old: &OldRow<'_, '_>) -> Result<Session, BadValue> {
    let created_at = old.time("created_at")?;
    let status = old.parsed("status", SessionStatus::from_name)?;
    let closed_at = match (old.optional_time("closed_at")?, status) {
        (None, SessionStatus::Crashed | SessionStatus::Closed) => Some(created_at),
        (closed_at, _) => closed_at,
    };
    Ok(Session {
        id: old.id("id")?,
        vm_id: old.id("vm_id")?,
        workspace_id: old.text("workspace_id")?,
        base_commit_oid: old.text("base_commit_oid")?,
        worktree_path: old.text("worktree_path")?,
        status,
        created_at,
        closed_at,
        last_error: some_text(old, "last_error_json")?.map(str::to_owned),
        runtime_meta: old.json("runtime_meta_json")?,
    })
}

fn execution_of(old: &OldRow<'_, '_>) -> Result<Execution, BadValue> {
    let kind = old.parsed("kind", ExecutionKind::from_name)?;
    let metrics = match old.json_value("metrics_json")? {
        serde_json::Value::Null => Metrics::default(),
        metrics => serde_json::from_value(metrics)
            .map_err(|error| BadValue(format!("metrics_json can't be decoded: {error}")))?,
    };
    let or = |json: Option<RawJson>, default: &str| {
        json.unwrap_or_else(|| RawValue::from_string(default.to_owned()).expect("it is JSON"))
    };
    Ok(Execution {
        id: old.id("id")?,
        session_id: old.id("session_id")?,
        kind,
        // The Go service stored an empty text in fields that a kind does not have.
        input: match kind {
            ExecutionKind::Repl => old.optional_text("input")?.map(Arc::from),
            ExecutionKind::RunFile | ExecutionKind::Startup => {
                some_text(old, "input")?.map(Arc::from)
            }
        },
        path: some_text(old, "path")?.map(str::to_owned),
        args: or(old.json("args_json")?, "[]"),
        env: or(old.json("env_json")?, "{}"),
        status: old.parsed("status", ExecutionStatus::from_name)?,
        started_at: old.time("started_at")?,
        ended_at: old.optional_time("ended_at")?,
        result: old.json("result_json")?,
        error: old.json("error_json")?,
        metrics,
    })
}

fn event_of(old: &OldRow<'_, '_>, execution_id: Uuid, seq: u64) -> Result<Event, BadValue> {
    let payload = old.json("payload_json")?;
    Ok(Event {
        execution_id,
        seq,
        ts: old.time("ts")?,
        kind: old.parsed("type", EventType::from_name)?,
        payload: payload.ok_or_else(|| BadValue("payload_json is missing".into()))?,
    })
}

/// A text; `None` for `NULL` and an empty text.
fn some_text<'a>(old: &OldRow<'a, '_>, column: &str) -> Result<Option<&'a str>, BadValue> {
    Ok(old.optional_text(column)?.filter(|text| !text.is_empty()))
}
