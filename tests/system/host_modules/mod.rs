//! Host modules, and the capabilities that grant them.

mod calls;
mod capabilities;
mod database;
mod exec;
mod fs;
mod net;
