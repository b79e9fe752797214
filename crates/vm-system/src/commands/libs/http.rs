//! Downloads over HTTP, with retries and resumption.

use std::io;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};

use super::partial_download::PartialDownload;
use crate::output::Bar;

/// The limit for establishing a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The limit for a pause in a response.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of attempts.
const MAX_ATTEMPTS: u32 = 3;

/// The pause before the second attempt; it is doubled before the third one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The size limit of a package, in bytes.
const MAX_PACKAGE_BYTES: u64 = 256 * 1024 * 1024;

/// The size limit of a registry's description of a package, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 8 * 1024 * 1024;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// There was no response, or its connection broke.
    #[error("cannot download {url}")]
    Transport {
        /// The URL without credentials.
        url: String,
        /// The transport's error.
        source: reqwest::Error,
    },
    /// The status of the response is not a success.
    #[error("{url} answered with status {status}")]
    Status {
        /// The URL without credentials.
        url: String,
        /// The HTTP status.
        status: StatusCode,
    },
    /// The response exceeds the size limit.
    #[error("{url} is larger than the {limit_bytes} bytes that are downloaded at most")]
    TooLarge {
        /// The URL without credentials.
        url: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// The response can't be written to the file.
    #[error("cannot write the download of {url}")]
    Write {
        /// The URL without credentials.
        url: String,
        /// The cause.
        source: io::Error,
    },
}

impl HttpError {
    /// Whether another attempt may succeed.
    fn is_transient(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !source.is_redirect() && !source.is_builder(),
            Self::Status { status, .. } => {
                status.is_server_error()
                    || *status == StatusCode::REQUEST_TIMEOUT
                    || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::TooLarge { .. } | Self::Write { .. } => false,
        }
    }
}

/// An HTTP client. It uses the proxies that the environment names.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
}

impl Http {
    /// Creates a client; no request is sent yet.
    pub(crate) fn new() -> reqwest::Result<Self> {
        // Installation fails if a provider is installed already; that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("vm-system/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        Ok(Self { client })
    }

    /// Requests a small document and returns its body.
    pub(crate) async fn get(&self, url: &Url) -> Result<Vec<u8>, HttpError> {
        let mut attempts = Attempts::default();
        loop {
            match self.get_once(url).await {
                Err(error) if error.is_transient() && attempts.wait_for_next().await => {}
                result => return result,
            }
        }
    }

    /// Downloads to the end of a file. The bytes that the file has already are not requested again,
    /// if the server supports ranges.
    pub(crate) async fn download(
        &self,
        url: &Url,
        part: &mut PartialDownload,
        bar: &Bar,
    ) -> Result<(), HttpError> {
        let mut attempts = Attempts::default();
        loop {
            match self.download_once(url, part, bar).await {
                Err(error) if error.is_transient() && attempts.wait_for_next().await => {}
                result => return result,
            }
        }
    }

    async fn get_once(&self, url: &Url) -> Result<Vec<u8>, HttpError> {
        let mut response = self.send(url, 0).await?;
        if !response.status().is_success() {
            return Err(refused(url, &response));
        }
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(transport(url))? {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_DESCRIPTION_BYTES {
                return Err(too_large(url, MAX_DESCRIPTION_BYTES as u64));
            }
        }
        Ok(body)
    }

    async fn download_once(
        &self,
        url: &Url,
        part: &mut PartialDownload,
        bar: &Bar,
    ) -> Result<(), HttpError> {
        let mut have = part.len().map_err(write(url))?;
        let mut response = self.send(url, have).await?;
        if have > 0 && !continues_after(&response, have) {
            part.clear().map_err(write(url))?;
            have = 0;
            // A success that is not the requested range is the whole content.
            if response.status() != StatusCode::OK {
                response = self.send(url, 0).await?;
            }
        }
        if !response.status().is_success() {
            return Err(refused(url, &response));
        }
        bar.start(have, response.content_length());
        while let Some(bytes) = response.chunk().await.map_err(transport(url))? {
            have += bytes.len() as u64;
            if have > MAX_PACKAGE_BYTES {
                part.clear().map_err(write(url))?;
                return Err(too_large(url, MAX_PACKAGE_BYTES));
            }
            part.append(&bytes).map_err(write(url))?;
            bar.advance(bytes.len() as u64);
        }
        Ok(())
    }

    /// Requests the content from the byte offset `from`.
    async fn send(&self, url: &Url, from: u64) -> Result<Response, HttpError> {
        let mut request = self.client.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        request.send().await.map_err(transport(url))
    }
}

/// Whether the response continues after the first `have` bytes. A failed response leaves that open,
/// so the bytes are kept.
fn continues_after(response: &Response, have: u64) -> bool {
    let status = response.status();
    if status != StatusCode::PARTIAL_CONTENT {
        return !status.is_success() && status != StatusCode::RANGE_NOT_SATISFIABLE;
    }
    let range = response.headers().get(CONTENT_RANGE);
    range
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes "))
        .and_then(|range| range.split('-').next())
        .is_some_and(|start| start.parse() == Ok(have))
}

/// The number of failed attempts.
#[derive(Default)]
struct Attempts {
    failed: u32,
}

impl Attempts {
    /// Counts a failure; waits and returns true if there is another attempt.
    async fn wait_for_next(&mut self) -> bool {
        self.failed += 1;
        if self.failed == MAX_ATTEMPTS {
            return false;
        }
        tokio::time::sleep(FIRST_PAUSE * self.failed).await;
        true
    }
}

/// The text of a URL without user name and password, for messages.
pub(crate) fn without_credentials(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn transport(url: &Url) -> impl Fn(reqwest::Error) -> HttpError {
    move |source| HttpError::Transport {
        url: without_credentials(url),
        source: source.without_url(),
    }
}

fn refused(url: &Url, response: &Response) -> HttpError {
    HttpError::Status {
        url: without_credentials(url),
        status: response.status(),
    }
}

fn too_large(url: &Url, limit_bytes: u64) -> HttpError {
    HttpError::TooLarge {
        url: without_credentials(url),
        limit_bytes,
    }
}

fn write(url: &Url) -> impl Fn(io::Error) -> HttpError {
    move |source| HttpError::Write {
        url: without_credentials(url),
        source,
    }
}
