//! The shapes of retention: finding and removing expired records.

/// The number of a record, in the order in which the records of its table were made. Retention goes
/// by numbers, since the id of a damaged record may be unreadable. The number of a record that was
/// removed may be given to a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordNumber(pub i64);

impl RecordNumber {
    /// Before the first record.
    pub const START: Self = Self(0);
}

/// Executions that may be removed, and where the search continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiredExecutions {
    /// Their numbers, ascending.
    pub numbers: Vec<RecordNumber>,
    /// The number after which more may be found; `None` when the search is over.
    pub next: Option<RecordNumber>,
}

/// What one portion of a removal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovedExecutions {
    /// The number of executions, from the first on, that are done with: they were removed, or are
    /// running, or do not exist any more.
    pub handled: usize,
    /// How many executions were removed.
    pub executions: u64,
    /// How many events were removed.
    pub events: u64,
}
