//! What answers to clients hold: bounded for all of them together, and asked for before it is read.

use std::ops::Deref;

use crate::budget::lease::{Budget, Lease, SHARE_TIMEOUT};
use crate::store::{StoreError, Within};
use crate::{Control, Error, Result};

/// What the answers in flight hold together, in bytes: four portions of a list. Small ones don't count.
pub(crate) const ANSWERS_BYTES: usize = 64 * 1024 * 1024;

/// How large an answer may be that doesn't count, in bytes. As many of them as there are connections fit beside the others.
pub const SMALL_ANSWER_BYTES: usize = 64 * 1024;

/// Something that was read for an answer, and its share of what answers hold together.
#[derive(Debug)]
pub struct Charged<T> {
    /// What was read.
    pub value: T,
    /// Its share; of nothing if it is small.
    pub lease: Lease,
}

impl<T> Charged<T> {
    /// Something small, or that is in memory anyhow.
    pub fn free(value: T) -> Self {
        Self {
            value,
            lease: Lease::default(),
        }
    }

    /// The same share for what it is made into.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Charged<U> {
        Charged {
            value: make(self.value),
            lease: self.lease,
        }
    }
}

impl<T> Deref for Charged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Charged<Option<T>> {
    /// What was found, or the error of finding nothing.
    pub(crate) fn or_missing(self, missing: impl FnOnce() -> Error) -> Result<Charged<T>> {
        Ok(Charged {
            value: self.value.ok_or_else(missing)?,
            lease: self.lease,
        })
    }
}

impl<T> Within<T> {
    /// The same for what it is made into.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Within<U> {
        match self {
            Self::Fits(found) => Within::Fits(make(found)),
            Self::Needs(bytes) => Within::Needs(bytes),
        }
    }
}

impl Control {
    /// A share for an answer of so many bytes; waits for it if other answers hold too much.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when they go on to.
    pub async fn answer_share(&self, bytes: usize) -> Result<Lease> {
        let taken = self.inner().answers.take(bytes).await;
        taken.map_err(|_| Error::Unavailable {
            message: format!(
                "answers that clients have not taken yet hold all the memory there is for them, and did so for {} s: \
                 try again, or ask for less at once",
                SHARE_TIMEOUT.as_secs()
            ),
        })
    }

    /// Reads something whose size is not known before: at once if it is small, and otherwise under a share of what answers
    /// hold together. `read` is told how many bytes it may take.
    pub(crate) async fn read_charged<T, R>(&self, read: impl Fn(usize) -> R) -> Result<Charged<T>>
    where
        R: Future<Output = std::result::Result<Within<T>, StoreError>>,
    {
        let (mut most, mut lease) = (SMALL_ANSWER_BYTES, Lease::default());
        loop {
            match read(most).await? {
                Within::Fits(value) => return Ok(Charged { value, lease }),
                Within::Needs(bytes) => {
                    // What is held is given back before more is waited for, or two could wait for each other.
                    drop(std::mem::take(&mut lease));
                    (most, lease) = (bytes, self.answer_share(bytes).await?);
                }
            }
        }
    }
}

/// The budget of all answers.
pub(crate) fn budget() -> Budget {
    Budget::new(ANSWERS_BYTES)
}
