//! Steps at which the store can be made to fail, to show that nothing is lost. They exist where
//! tests are built, and never in a release.

use crate::error::DbError;

/// A step of a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Before the transaction begins.
    Begin,
    /// Before it is committed: all of it is in SQLite's cache.
    Commit,
    /// After it is durable, before it is answered.
    Answer,
}

#[cfg(all(feature = "failpoints", debug_assertions))]
mod armed {
    use std::sync::Once;

    use super::{DbError, Step};

    /// Reads the variable `FAILPOINTS`, which says what fails and how:
    /// `store-commit=3*off->1*return`.
    pub(crate) fn arm() {
        static ARMED: Once = Once::new();
        // For as long as the process lives.
        ARMED.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    }

    /// Fails, waits or ends the process, if the variable says so for this step.
    ///
    /// # Errors
    /// When the variable says so.
    pub(crate) fn pass(step: Step) -> Result<(), DbError> {
        let name = match step {
            Step::Begin => "store-begin",
            Step::Commit => "store-commit",
            Step::Answer => "store-answer",
        };
        let failed = |_| DbError::Unreachable(format!("it was made to fail at the step {step:?}"));
        fail::eval(name, failed).map_or(Ok(()), Err)
    }
}

#[cfg(not(all(feature = "failpoints", debug_assertions)))]
mod armed {
    use super::{DbError, Step};

    /// Does nothing.
    pub(crate) fn arm() {}

    /// Does nothing.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it can fail where tests are built"
    )]
    pub(crate) fn pass(_: Step) -> Result<(), DbError> {
        Ok(())
    }
}

pub(crate) use armed::{arm, pass};
