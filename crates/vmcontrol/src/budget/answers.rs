//! The memory of answers to clients: one budget for all of them, of which an answer takes its share
//! before it is read.

use std::ops::Deref;

use rusqlite::Connection;

use crate::budget::lease::{Lease, SHARE_TIMEOUT};
use crate::store::{StoreError, Within};
use crate::{Control, Error, Result};

/// The largest answer that takes no share, in bytes: one such answer for each connection fits in
/// memory beside the budget.
pub const SMALL_ANSWER_BYTES: usize = 64 * 1024;

/// A value that was read for an answer, with its share of the budget of answers.
#[derive(Debug)]
pub struct Charged<T> {
    /// The value.
    pub value: T,
    /// Its share; empty for a small value.
    pub lease: Lease,
}

impl<T> Charged<T> {
    /// A value without a share: a small one, or one that stays in memory anyway.
    pub fn free(value: T) -> Self {
        Self {
            value,
            lease: Lease::default(),
        }
    }

    /// The share with a value that is made of this one.
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
    /// The value that was found, or the error `missing` for `None`.
    pub(crate) fn or_missing(self, missing: impl FnOnce() -> Error) -> Result<Charged<T>> {
        Ok(Charged {
            value: self.value.ok_or_else(missing)?,
            lease: self.lease,
        })
    }
}

impl<T> Within<T> {
    /// The same, with a value that is made of the one that fits.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Within<U> {
        match self {
            Self::Fits(found) => Within::Fits(make(found)),
            Self::Needs(bytes) => Within::Needs(bytes),
        }
    }
}

impl Control {
    /// Takes the share of an answer of `bytes`, and waits for it while other answers hold too much.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when they still do after some seconds.
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

    /// Reads a value of unknown size: at once if it is small, and otherwise with a share of the
    /// budget of answers. `read` is called with the number of bytes that it may return.
    pub(crate) async fn read_charged<T, F>(&self, read: F) -> Result<Charged<T>>
    where
        T: Send + 'static,
        F: Fn(&Connection, usize) -> std::result::Result<Within<T>, StoreError>
            + Clone
            + Send
            + 'static,
    {
        let (mut most, mut lease) = (SMALL_ANSWER_BYTES, Lease::default());
        loop {
            let read = read.clone();
            let found = self.store().read(move |connection| read(connection, most));
            match found.await? {
                Within::Fits(value) => return Ok(Charged { value, lease }),
                Within::Needs(bytes) => {
                    // The share is given back before a larger one is waited for: two answers could
                    // wait for each other otherwise.
                    drop(std::mem::take(&mut lease));
                    (most, lease) = (bytes, self.answer_share(bytes).await?);
                }
            }
        }
    }
}
