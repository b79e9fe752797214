//! How a value is inspected.

/// How a value is inspected.
#[derive(Clone, Debug)]
pub(crate) struct InspectOptions {
    /// How many levels of nesting are listed; `None` for all of them, up to a fixed limit.
    pub(crate) depth: Option<usize>,
    /// Whether properties that are not enumerable are listed.
    pub(crate) show_hidden: bool,
    /// Whether the outermost object itself is only named.
    pub(crate) closed: bool,
    /// How many elements of a list are listed.
    pub(crate) max_array_length: usize,
    /// How much of a string is written, in UTF-16 code units.
    pub(crate) max_string_length: usize,
    /// The length from which on a line is broken, in UTF-16 code units.
    pub(crate) break_length: usize,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self {
            depth: Some(2),
            show_hidden: false,
            closed: false,
            max_array_length: 100,
            max_string_length: 10_000,
            break_length: 80,
        }
    }
}
