//! `/templates` and what belongs to a template.

mod capabilities;
mod capability_validation;
mod records;
mod update;
