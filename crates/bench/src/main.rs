//! Measures the real daemon. Each measurement comes right after the cost of one SQLite commit with
//! a sync on the same disk: figures of different machines compare as multiples of that cost.
//!
//! - `cargo run --release -p bench` runs all measurements.
//! - `cargo run --release -p bench -- load memory` runs only the named ones.
//! - `cargo run --release -p bench -- compare PATH` measures executions of this build and of the
//!   `vm-system` at PATH, alternately in pairs.
//!
//! With `filled` among the names, each measurement is repeated on a database with a million
//! executions and ten million events; with `slow`, each sync is delayed to the time of the disk on
//! which the target figures were measured.

mod commit;
mod compare;
mod executions;
mod figures;
mod filled;
mod load;
mod queries;
mod raw;
mod sessions;
mod slow;

use std::path::Path;

use figures::Table;
use tempfile::TempDir;
use vm_system_tests::{Daemon, DaemonOptions};

/// A measurement: it adds its figures to the table.
type Measurement = fn(&Daemon, &mut Table);

/// The measurements, by the names that the command line takes.
const MEASUREMENTS: [(&str, Measurement); 7] = [
    ("executions", executions::measure),
    ("queries", queries::measure),
    ("sessions", sessions::measure),
    ("events", executions::measure_events),
    ("heap", executions::measure_large_heap),
    ("load", load::measure),
    ("memory", load::measure_memory),
];

/// The argument that adds the measurements on a database with a long history.
const FILLED: &str = "filled";

/// The number of rounds in which the two databases are measured alternately. It is even, so that
/// each is measured first equally often.
const ROUNDS: usize = 4;

/// The argument that requests a comparison with another build, whose path follows it.
const COMPARE: &str = "compare";

/// The argument that requests a slower disk.
const SLOW: &str = "slow";

fn main() {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if let [word, other] = &names[..]
        && word == COMPARE
    {
        return compare::run(Path::new(other));
    }
    if names.iter().any(|name| name == SLOW) {
        slow::slow_down(&names);
        names.retain(|name| name != SLOW);
    }
    let is_filled = names.iter().any(|name| name == FILLED);
    names.retain(|name| name != FILLED);
    let mut measured = vec![(daemon(None), Table::default())];
    if is_filled {
        measured.push((daemon(Some(filled::home())), Table::default()));
    }
    let rounds = if is_filled { ROUNDS } else { 1 };
    for (name, measure) in MEASUREMENTS {
        if !names.is_empty() && !names.iter().any(|given| given == name) {
            continue;
        }
        for _ in 0..rounds {
            for (daemon, table) in &mut measured {
                table.add_commit(
                    &format!("one SQLite commit with a sync, before {name}"),
                    commit::measure(),
                );
                measure(daemon, table);
            }
            // The order is reversed for the next round, so that slow changes of the machine affect
            // both databases.
            measured.reverse();
        }
    }
    if let [(_, empty), (_, filled)] = &mut measured[..] {
        filled.compare(empty);
    }
    for (_, table) in &measured {
        println!("{table}");
    }
}

fn daemon(home: Option<TempDir>) -> Daemon {
    Daemon::start_with(DaemonOptions {
        home,
        // A measurement opens one session more than it measures: the one for which a zygote starts.
        args: vec![
            "--max-sessions".into(),
            (load::OPEN_SESSIONS + 1).to_string(),
        ],
        ..DaemonOptions::default()
    })
}
