//! Steps at which tests can make the store fail, to show that nothing is lost. Only builds with the
//! feature `failpoints` and debug assertions have them, never a release.

use crate::error::DbError;

/// A step of a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Before the transaction begins.
    Begin,
    /// Before the commit: the transaction is in SQLite's cache.
    Commit,
    /// After the transaction is durable, before its writes are answered.
    Answer,
}

#[cfg(all(feature = "failpoints", debug_assertions))]
mod armed {
    use std::sync::Once;

    use super::{DbError, Step};

    /// Reads the variable `FAILPOINTS`, which has the steps that fail, and how they do:
    /// `store-commit=3*off->1*return`.
    pub(crate) fn arm() {
        static ARMED: Once = Once::new();
        // The scenario lasts as long as the process.
        ARMED.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    }

    /// Fails, waits or ends the process, if the variable has an action for this step.
    ///
    /// # Errors
    /// When the action is a failure.
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
