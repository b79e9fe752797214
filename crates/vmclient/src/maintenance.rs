use std::sync::Arc;

use reqwest::Response;
use vmapi_types::{CheckReport, PruneRequest, Pruned, Vacuumed};

use crate::call::accepted;
use crate::{Call, Client, Error};

/// A copy of the database on its way.
pub struct Backup {
    response: Response,
    daemon: Arc<str>,
    left: Option<u64>,
}

impl Client {
    /// `POST /runtime/prune`: removes what ended long ago, or counts it.
    pub fn prune(&self, request: &PruneRequest) -> Call<Pruned> {
        self.post(&["runtime", "prune"], request)
    }

    /// `GET /runtime/check`: whether the database is sound.
    pub fn check(&self) -> Call<CheckReport> {
        self.get(&["runtime", "check"])
    }

    /// `POST /runtime/vacuum`: gives room back to the disk.
    pub fn vacuum(&self) -> Call<Vacuumed> {
        self.post_nothing(&["runtime", "vacuum"])
    }

    /// `GET /runtime/backup`: a copy of the database.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon says no, another [`Error`] if there is no daemon to say anything.
    pub async fn backup(&self) -> Result<Backup, Error> {
        let (request, daemon) = self.open(&["runtime", "backup"])?;
        let response = accepted(request, &daemon).await?;
        Ok(Backup {
            left: response.content_length(),
            response,
            daemon,
        })
    }
}

impl Backup {
    /// How many bytes are to come, if the daemon said so.
    pub fn bytes(&self) -> Option<u64> {
        self.left
    }

    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// When the connection breaks before the end.
    pub async fn chunk(
        &mut self,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, Error> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| Error::transport(&self.daemon, error))?;
        if let (Some(chunk), Some(left)) = (&chunk, &mut self.left) {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        match (&chunk, self.left) {
            (None, Some(1..)) => Err(Error::BrokeOff {
                url: self.daemon.to_string(),
            }),
            _ => Ok(chunk),
        }
    }
}
