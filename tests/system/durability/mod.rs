//! What outlives crashes, kills, stopped processes, outages and damaged databases.

mod crashes;
mod damage;
mod maintenance;
mod outages;
mod process_deaths;
mod replay;
mod restarts;
mod stopped_processes;
