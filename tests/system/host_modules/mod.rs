//! Host modules, and the capabilities that grant them.

mod capabilities;
mod database;
mod exec;
mod fs;
mod net;
