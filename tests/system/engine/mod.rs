//! JavaScript as sessions run it: values, modules, programs, timers and web objects.

mod event_loop;
mod last_value;
mod modules;
mod programs;
mod top_level;
mod values;
mod web_api;
