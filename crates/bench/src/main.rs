//! Measures the real daemon, each part right after the cost of one SQLite commit with a sync on the same disk: figures of
//! different machines compare as multiples of that.
//!
//! `cargo run --release -p bench`, or only some parts: `cargo run --release -p bench -- load memory`.
//! `cargo run --release -p bench -- compare PATH` measures executions of this build and of the `vm-system` at PATH in pairs.
//! With `filled` among them, everything by turns also on a database with a million executions and ten million events; with
//! `slow`, as if the disk took as long as the one that the figures to be reached were measured on.

mod commit;
mod compare;
mod executions;
mod figures;
mod filled;
mod load;
mod looks;
mod raw;
mod sessions;
mod slow;

use std::path::Path;

use figures::Table;
use tempfile::TempDir;
use vm_system_tests::{Daemon, DaemonOptions};

/// Measures something.
type Part = fn(&Daemon, &mut Table);

/// What can be measured, by the names that the command line takes.
const PARTS: [(&str, Part); 7] = [
    ("executions", executions::measure),
    ("looks", looks::measure),
    ("sessions", sessions::measure),
    ("events", executions::measure_events),
    ("heap", executions::measure_large_heap),
    ("load", load::measure),
    ("memory", load::measure_memory),
];

/// Asks for a database with a long past.
const FILLED: &str = "filled";

/// How often two databases are measured by turns: even, so that both are as often the first.
const ROUNDS: usize = 4;

/// Asks for a comparison with another build, whose path comes behind.
const COMPARE: &str = "compare";

/// Asks for a disk that takes longer.
const SLOW: &str = "slow";

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [word, other] = &wanted[..]
        && word == COMPARE
    {
        return compare::run(Path::new(other));
    }
    if wanted.iter().any(|wanted| wanted == SLOW) {
        slow::slow_down(&wanted);
        wanted.retain(|wanted| wanted != SLOW);
    }
    let is_filled = wanted.iter().any(|wanted| wanted == FILLED);
    wanted.retain(|wanted| wanted != FILLED);
    let mut measured = vec![(daemon(None), Table::default())];
    if is_filled {
        measured.push((daemon(Some(filled::home())), Table::default()));
    }
    let rounds = if is_filled { ROUNDS } else { 1 };
    for (name, measure) in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
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
            // Who was last is the first of the next round: what comes and goes slowly meets both.
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
        // One more than a part opens: the session for which a zygote is made.
        args: vec!["--max-sessions".into(), (load::OPEN + 1).to_string()],
        ..DaemonOptions::default()
    })
}
