//! Measures the real daemon, in one run beside the cost of one SQLite commit with a sync on the same disk: figures of
//! different machines compare as multiples of that.
//!
//! `cargo run --release -p bench`

mod commit;
mod executions;
mod figures;
mod looks;
mod sessions;

use figures::Table;
use vm_system_tests::Daemon;

fn main() {
    let daemon = Daemon::start();
    let commit = commit::measure(daemon.home());
    let mut table = Table::new(commit.p50());
    table.add("one SQLite commit with a sync", &commit);
    executions::measure(&daemon, &mut table);
    looks::measure(&daemon, &mut table);
    sessions::measure(&daemon, &mut table);
    println!("{table}");
}
