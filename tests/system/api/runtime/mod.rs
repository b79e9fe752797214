//! `/runtime`: summary, retention, backups and checks of the database.

mod aged_records;
mod backup;
mod check;
mod prune;
mod summary;
