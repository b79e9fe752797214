//! Crashes, kills, stopped processes, outages and damaged databases, and what survives them.

mod crashes;
mod damage;
mod outages;
mod process_deaths;
mod replay;
mod restarts;
mod stopped_host_processes;
mod stopped_processes;
mod stopping;
mod wal;
