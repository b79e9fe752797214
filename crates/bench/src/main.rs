//! Measures the real daemon, each part right after the cost of one SQLite commit with a sync on the same disk: figures of
//! different machines compare as multiples of that.
//!
//! `cargo run --release -p bench`, or only some parts: `cargo run --release -p bench -- load memory`.
//! With `filled` among them, everything by turns also on a database with a million executions and ten million events; with
//! `slow`, as if the disk took as long as the one that the figures to be reached were measured on.

mod commit;
mod executions;
mod figures;
mod filled;
mod load;
mod looks;
mod raw;
mod sessions;
mod slow;

use figures::Table;
use vm_system_tests::Daemon;

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

/// Asks for a disk that takes longer.
const SLOW: &str = "slow";

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|wanted| wanted == SLOW) {
        slow::slow_down(&wanted);
        wanted.retain(|wanted| wanted != SLOW);
    }
    let is_filled = wanted.iter().any(|wanted| wanted == FILLED);
    wanted.retain(|wanted| wanted != FILLED);
    let mut measured = vec![(Daemon::start(), Table::new())];
    if is_filled {
        measured.push((filled::daemon(), Table::new()));
    }
    for (name, measure) in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        for (daemon, table) in &mut measured {
            let commit = commit::measure();
            table.add_commit(
                &format!("one SQLite commit with a sync, before {name}"),
                &commit,
            );
            measure(daemon, table);
        }
    }
    if let [(_, empty), (_, filled)] = &mut measured[..] {
        filled.compare(empty);
    }
    for (_, table) in &measured {
        println!("{table}");
    }
}
