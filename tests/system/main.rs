//! The system as its users meet it: the real binary, its API, its command line, its processes.

mod api_conventions;
mod api_executions;
mod api_sessions;
mod api_templates;
mod checks;
mod curl;
mod deaths;
mod hostile;
mod limits;
mod memory;
mod native_modules;
mod values;
