//! The endpoints that maintain the daemon's database.

use std::sync::Arc;

use reqwest::Response;
use vmapi_types::{CheckReport, PruneRequest, Pruned, Vacuumed};

use crate::call::send_checked;
use crate::{Call, Client, Error};

/// A copy of the database that is being received.
pub struct Backup {
    response: Response,
    daemon: Arc<str>,
    remaining_bytes: Option<u64>,
}

impl Client {
    /// `POST /runtime/prune`: removes executions and sessions that ended long ago, or with
    /// `dry_run` only counts them.
    pub fn prune(&self, request: &PruneRequest) -> Call<Pruned> {
        self.post(&["runtime", "prune"], request)
    }

    /// `GET /runtime/check`: checks the integrity of the database.
    pub fn check(&self) -> Call<CheckReport> {
        self.get(&["runtime", "check"])
    }

    /// `POST /runtime/vacuum`: returns the free space of the database file to the file system.
    pub fn vacuum(&self) -> Call<Vacuumed> {
        self.post_empty(&["runtime", "vacuum"])
    }

    /// `GET /runtime/backup`: a consistent copy of the database.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon refuses the request, another [`Error`] if it can't be reached.
    pub async fn backup(&self) -> Result<Backup, Error> {
        let (request, daemon) = self.open(&["runtime", "backup"])?;
        let response = send_checked(request, &daemon).await?;
        Ok(Backup {
            remaining_bytes: response.content_length(),
            response,
            daemon,
        })
    }
}

impl Backup {
    /// The number of bytes that are still to be received; `None` if the daemon did not announce a
    /// length.
    pub fn remaining_bytes(&self) -> Option<u64> {
        self.remaining_bytes
    }

    /// Waits for the next bytes; `None` at the end of the copy.
    ///
    /// # Errors
    /// [`Error::UnexpectedEnd`] or a transport error if the connection breaks before the end.
    pub async fn chunk(
        &mut self,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, Error> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| Error::transport(&self.daemon, error))?;
        if let (Some(chunk), Some(left)) = (&chunk, &mut self.remaining_bytes) {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        match (&chunk, self.remaining_bytes) {
            (None, Some(1..)) => Err(Error::UnexpectedEnd {
                url: self.daemon.to_string(),
            }),
            _ => Ok(chunk),
        }
    }
}
