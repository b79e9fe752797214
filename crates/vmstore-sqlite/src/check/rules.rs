//! The check whether the rows of different tables are consistent.

use rusqlite::Connection;
use serde::Deserialize;

use super::{Findings, Running};
use crate::error::DbError;
use crate::record::shown_value;

/// A rule: a query for the ids of the rows that break it.
struct Rule {
    /// The table of the ids.
    table: &'static str,
    /// The problem of each of these rows.
    problem: &'static str,
    sql: &'static str,
}

/// The rules. They skip malformed JSON, which the decoding of the rows reports.
const RULES: &[Rule] = &[
    Rule {
        table: "template_module of template",
        problem: "there is no such template",
        sql: "SELECT DISTINCT template_id FROM template_module WHERE template_id NOT IN (SELECT id FROM template)",
    },
    Rule {
        table: "template_library of template",
        problem: "there is no such template",
        sql: "SELECT DISTINCT template_id FROM template_library WHERE template_id NOT IN (SELECT id FROM template)",
    },
    Rule {
        table: "capability",
        problem: "there is no template that it belongs to",
        sql: "SELECT id FROM capability WHERE template_id NOT IN (SELECT id FROM template)",
    },
    Rule {
        table: "startup_file",
        problem: "there is no template that it belongs to",
        sql: "SELECT id FROM startup_file WHERE template_id NOT IN (SELECT id FROM template)",
    },
    Rule {
        table: "execution",
        problem: "there is no session that it belongs to",
        sql: "SELECT id FROM execution WHERE session_id NOT IN (SELECT id FROM session)",
    },
    Rule {
        table: "event of the execution number",
        problem: "there is no such execution",
        sql: "SELECT DISTINCT execution_n FROM event WHERE execution_n NOT IN (SELECT n FROM execution)",
    },
    Rule {
        table: "execution",
        problem: "its events are not numbered from 1 without a gap",
        sql: "SELECT id FROM execution JOIN (SELECT execution_n, count(*) AS events, min(seq) AS first, max(seq) AS last
              FROM event GROUP BY execution_n) ON execution_n = n WHERE first <> 1 OR last <> events",
    },
    Rule {
        table: "execution",
        problem: "it has another number of events than its record says",
        sql: "SELECT id FROM execution WHERE status <> 'running'
              AND CASE WHEN json_valid(metrics) THEN json_extract(metrics, '$.events') END <>
              (SELECT count(*) FROM event WHERE execution_n = n)",
    },
    Rule {
        table: "execution",
        problem: "it has ended, and its record does not say when",
        sql: "SELECT id FROM execution WHERE status <> 'running' AND ended_at IS NULL",
    },
];

/// Executions that run in a session which has ended. A daemon may be about to write their ends.
const UNSETTLED: &str = "SELECT execution.id FROM execution JOIN session ON session.id = session_id
     WHERE execution.status = 'running' AND session.status IN ('closed', 'crashed')";

/// The code of executions in their records and in their first events. Code may be long, and fill
/// whole pages of the file on which no other rule finds damage.
const CODES: &str =
    "SELECT id, input, payload FROM execution JOIN event ON execution_n = n AND seq = 1
     WHERE kind = 'repl' AND type = 'input_echo'";

/// Checks all rules.
pub(super) fn check(
    connection: &Connection,
    running: &Running<'_>,
    findings: &mut Findings,
) -> Result<(), DbError> {
    for rule in RULES {
        let (table, problem) = (rule.table, rule.problem);
        findings.rule(
            &format!("whether of a row of {table} holds: {problem}"),
            |problems| {
                for id in ids(connection, rule.sql)? {
                    problems.add(format_args!("{table} {id}: {problem}"));
                }
                Ok(())
            },
        )?;
    }
    if let Running::Known(running) = running {
        findings.rule("the executions of sessions that have ended", |problems| {
            let running = running();
            let mut unsettled = ids(connection, UNSETTLED)?;
            unsettled.retain(|id| !id.parse().is_ok_and(|id| running.contains(&id)));
            for id in unsettled {
                problems.add(format_args!(
                    "execution {id}: it runs in a session that has ended"
                ));
            }
            Ok(())
        })?;
    }
    codes(connection, findings)
}

/// The ids that a query finds, as they are stored.
fn ids(connection: &Connection, sql: &str) -> Result<Vec<String>, DbError> {
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| Ok(shown_value(row.get_ref(0)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Compares the code in the records of executions with the code in their first events.
fn codes(connection: &Connection, findings: &mut Findings) -> Result<(), DbError> {
    #[derive(Deserialize)]
    struct Echo {
        text: String,
    }
    findings.rule("the code of executions", |problems| {
        let mut all = connection.prepare(CODES)?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            // Rows that can't be decoded are reported by another rule.
            let input = row.get_ref(1)?.as_str();
            let echo = row.get_ref(2)?.as_str().map(serde_json::from_str::<Echo>);
            if let (Ok(input), Ok(Ok(echo))) = (input, echo)
                && input != echo.text
            {
                let id = shown_value(row.get_ref(0)?);
                problems.add(format_args!(
                    "execution {id}: its code is not what its first event says"
                ));
            }
        }
        Ok(())
    })
}
