//! Places where the store can be made to fail, to see that nothing is lost. They are there when tests are built, and never in
//! a release.

use super::StoreError;

/// A step of a commit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Before the transaction begins.
    Begin,
    /// Before it is committed: all that it holds has been written to SQLite's cache.
    Commit,
    /// After it is on disk, before anybody is told.
    Answer,
}

#[cfg(all(feature = "failpoints", debug_assertions))]
mod armed {
    use std::sync::Once;

    use super::{Step, StoreError};

    /// Reads the variable `FAILPOINTS`, which says what is to fail and how: `store-commit=3*off->1*return`.
    pub(in crate::store) fn arm() {
        static ARMED: Once = Once::new();
        // For as long as the process lives.
        ARMED.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    }

    /// Fails, waits or ends the process here, if that was asked for.
    ///
    /// # Errors
    /// When it was asked to fail here.
    pub(in crate::store) fn pass(step: Step) -> Result<(), StoreError> {
        let name = match step {
            Step::Begin => "store-begin",
            Step::Commit => "store-commit",
            Step::Answer => "store-answer",
        };
        let failed =
            |_| StoreError::Unreachable(format!("it was made to fail at the step {step:?}"));
        fail::eval(name, failed).map_or(Ok(()), Err)
    }
}

#[cfg(not(all(feature = "failpoints", debug_assertions)))]
mod armed {
    use super::{Step, StoreError};

    /// Nothing is to fail on purpose.
    pub(in crate::store) fn arm() {}

    /// Nothing fails here on purpose.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it can fail where tests are built"
    )]
    pub(in crate::store) fn pass(_: Step) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(super) use armed::{arm, pass};
