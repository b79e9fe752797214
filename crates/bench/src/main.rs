//! Measures the real daemon, in one run beside the cost of one SQLite commit with a sync on the same disk: figures of
//! different machines compare as multiples of that.
//!
//! `cargo run --release -p bench`, or only some parts: `cargo run --release -p bench -- load memory`.
//! With `filled` among them, on a database with a million executions and ten million events.

mod commit;
mod executions;
mod figures;
mod filled;
mod load;
mod looks;
mod raw;
mod sessions;

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

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_filled = wanted.iter().any(|wanted| wanted == FILLED);
    wanted.retain(|wanted| wanted != FILLED);
    let daemon = if is_filled {
        filled::daemon()
    } else {
        Daemon::start()
    };
    let commit = commit::measure(daemon.home());
    let mut table = Table::new(commit.p50());
    table.add("one SQLite commit with a sync", &commit);
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&daemon, &mut table);
        }
    }
    println!("{table}");
}
