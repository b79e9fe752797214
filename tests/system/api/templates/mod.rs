//! `/templates` and what belongs to a template.

mod capabilities;
mod capability_validation;
mod modules_and_libraries;
mod parts;
mod records;
mod startup_files;
mod update;
