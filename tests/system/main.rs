//! The system as its users meet it: the real binary, its API, its command line, its processes.

mod api_bodies;
mod api_conventions;
mod api_errors;
mod api_executions;
mod api_files;
mod api_ids;
mod api_sessions;
mod api_startup;
mod api_template_parts;
mod api_templates;
mod checks;
mod cli;
mod cli_basics;
mod cli_exec;
mod curl;
mod databases;
mod deaths;
mod hostile;
mod lifecycle;
mod limits;
mod memory;
mod modules;
mod native_modules;
mod outages;
mod shell;
mod values;
