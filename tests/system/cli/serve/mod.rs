//! `vm-system serve`: its limits and the starts that it refuses.

mod limits;
mod refused_starts;
mod start;
