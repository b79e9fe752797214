//! The system as its users meet it: the real binary, its API, its command line, its processes.

mod deaths;
mod hostile;
