//! `vm-system ops import`: imports a database of the Go service.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vmstore_sqlite::ImportReport;

use crate::cli::DEFAULT_DB;
use crate::failure::Failure;
use crate::output::Output;

/// The printed report: the two files and the imported rows.
#[derive(Serialize)]
struct Imported {
    from: String,
    into: String,
    #[serde(flatten)]
    report: ImportReport,
}

/// Imports a database of the Go service into a new database.
pub(crate) fn run(old: &Path, new: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    let new = match new {
        Some(new) => new.to_owned(),
        None => default_target(old)?,
    };
    let report =
        vmstore_sqlite::import(old, &new, vmruntime::host_modules()).map_err(anyhow::Error::new)?;
    let imported = Imported {
        // The paths may not be valid UTF-8.
        from: old.display().to_string(),
        into: new.display().to_string(),
        report,
    };
    output.print(&imported, text)
}

/// The default database file, unless the old database has that name: the two files would be
/// confused.
fn default_target(old: &Path) -> Result<PathBuf, Failure> {
    let is_default = |path: &Path| path.file_name() == Some(OsStr::new(DEFAULT_DB));
    let real = old.canonicalize();
    if is_default(old) || real.is_ok_and(|real| is_default(&real)) {
        return Err(Failure::Usage(format!(
            "--db is required, because the old database has the name of a new one: \
             vm-system ops import {} --db NEW.db",
            old.display()
        )));
    }
    Ok(DEFAULT_DB.into())
}

fn text(out: &mut dyn Write, imported: &Imported) -> io::Result<()> {
    let Imported { from, into, report } = imported;
    writeln!(out, "Imported {from} into {into}")?;
    for (what, count, detail) in [
        ("templates", report.templates, None),
        ("capabilities", report.capabilities, None),
        ("startup files", report.startup_files, None),
        (
            "sessions",
            report.sessions,
            Some((report.sessions_closed, "were open and are closed now")),
        ),
        (
            "executions",
            report.executions,
            Some((
                report.executions_ended,
                "ran and have ended with an error now",
            )),
        ),
        ("events", report.events, None),
    ] {
        write!(out, "  {what}: {count}")?;
        match detail {
            Some((some, text)) if some > 0 => writeln!(out, " ({some} {text})")?,
            _ => writeln!(out)?,
        }
    }
    for line in &report.left_out {
        writeln!(out, "Left out: {line}")?;
    }
    for line in &report.notes {
        writeln!(out, "Note: {line}")?;
    }
    Ok(())
}
