//! Asking the checkpoints of a session.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use tokio::sync::Semaphore;
use vmcontrol::runtime::{Look, LookError, Sight};

use super::socket::{self, Sender};
use crate::protocol::{FromLook, MAX_FROM_SESSION_BYTES};

/// How many questions about one session are answered at once; others wait.
const AT_ONCE: usize = 4;

/// How long a question may wait and take. What answers has less, by the kernel's clocks.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before a question is asked again that nobody took.
const AGAIN_AFTER: Duration = Duration::from_millis(5);

/// The daemon's way to the checkpoints of a session, whichever there is.
pub(super) struct Looks {
    sender: Sender,
    places: Semaphore,
}

impl Looks {
    /// With the other end, for the session process.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (sender, _, theirs) = socket::pair(MAX_FROM_SESSION_BYTES)?;
        let looks = Self {
            sender,
            places: Semaphore::new(AT_ONCE),
        };
        Ok((looks, theirs))
    }

    /// Asks a question.
    ///
    /// # Errors
    /// See [`LookError`].
    pub(super) async fn ask(&self, look: &Look) -> Result<Sight, LookError> {
        let asked = tokio::time::timeout(TIMEOUT, async {
            let _place = self.places.acquire().await;
            loop {
                match self.ask_once(look).await {
                    Ok(Some(answer)) => return answer,
                    // The checkpoint was dismissed before it could take the question.
                    Ok(None) => tokio::time::sleep(AGAIN_AFTER).await,
                    Err(error) => {
                        tracing::debug!(%error, "a session can't be asked");
                        return Err(LookError::Gone);
                    }
                }
            }
        });
        asked.await.unwrap_or(Err(LookError::Exceeded))
    }

    /// Asks a checkpoint; nothing when none has taken the question.
    async fn ask_once(&self, look: &Look) -> io::Result<Option<Result<Sight, LookError>>> {
        let (sender, mut receiver, theirs) = socket::pair(MAX_FROM_SESSION_BYTES)?;
        self.sender.send(0, &(), Some(theirs.as_raw_fd())).await?;
        drop(theirs);
        // One that was not taken is found out by the answer.
        let (_, answer) = tokio::join!(sender.send(0, look, None), async {
            let began = receiver.receive::<FromLook>().await;
            if !matches!(&began, Ok(Some(_))) {
                return None;
            }
            Some(match receiver.receive::<FromLook>().await {
                Ok(Some(received)) => match received.message {
                    FromLook::Seen(sight) => Ok(sight),
                    FromLook::Began => Err(LookError::Gone),
                },
                Ok(None) | Err(_) => Err(LookError::Exceeded),
            })
        });
        Ok(answer)
    }
}
