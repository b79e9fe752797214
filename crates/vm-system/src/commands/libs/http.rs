use std::io;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};

use super::part::Part;
use crate::output::Bar;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a server may say nothing in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How often something is tried.
const TRIES: u32 = 3;

/// How long to wait before the second try; twice as long before the third one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The largest package that is downloaded.
const MAX_PACKAGE_BYTES: u64 = 256 * 1024 * 1024;

/// The largest description of a package that is read.
const MAX_DESCRIPTION_BYTES: usize = 8 * 1024 * 1024;

/// Why something was not downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// No answer, or one that broke off.
    #[error("cannot download {url}")]
    Transport {
        /// The URL.
        url: String,
        /// What the transport says.
        source: reqwest::Error,
    },
    /// An answer that is no success.
    #[error("{url} answered with status {status}")]
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// More than is taken.
    #[error("{url} is larger than the {limit_bytes} bytes that are downloaded at most")]
    TooLarge {
        /// The URL.
        url: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// The download can't be kept.
    #[error("cannot write what {url} gives")]
    Write {
        /// The URL.
        url: String,
        /// Why not.
        source: io::Error,
    },
}

impl HttpError {
    /// Whether it may be over soon.
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

/// Downloads. Proxies that the environment names are used.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
}

impl Http {
    /// Sets up a client; nothing is sent yet.
    pub(crate) fn new() -> reqwest::Result<Self> {
        // A provider that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("vm-system/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        Ok(Self { client })
    }

    /// The body of an answer, which is a small one.
    pub(crate) async fn get(&self, url: &Url) -> Result<Vec<u8>, HttpError> {
        let mut tries = Tries::default();
        loop {
            match self.get_once(url).await {
                Err(error) if error.is_transient() && tries.another().await => {}
                done => return done,
            }
        }
    }

    /// Downloads to the end of a file. What is there already is not asked for again, if the server can do that.
    pub(crate) async fn download(
        &self,
        url: &Url,
        part: &mut Part,
        bar: &Bar,
    ) -> Result<(), HttpError> {
        let mut tries = Tries::default();
        loop {
            match self.download_once(url, part, bar).await {
                Err(error) if error.is_transient() && tries.another().await => {}
                done => return done,
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

    async fn download_once(&self, url: &Url, part: &mut Part, bar: &Bar) -> Result<(), HttpError> {
        let mut have = part.len().map_err(write(url))?;
        let mut response = self.send(url, have).await?;
        if have > 0 && !goes_on(&response, have) {
            part.clear().map_err(write(url))?;
            have = 0;
            // A success that is not the rest is the whole.
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

    /// Asks for all but the first bytes.
    async fn send(&self, url: &Url, from: u64) -> Result<Response, HttpError> {
        let mut request = self.client.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        request.send().await.map_err(transport(url))
    }
}

/// Whether the answer is what follows the first bytes. An answer that tells of a failure says nothing about that.
fn goes_on(response: &Response, have: u64) -> bool {
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

/// Counts how often something has failed.
#[derive(Default)]
struct Tries {
    failed: u32,
}

impl Tries {
    /// Whether it is to be tried again; waits until then.
    async fn another(&mut self) -> bool {
        self.failed += 1;
        if self.failed == TRIES {
            return false;
        }
        tokio::time::sleep(FIRST_PAUSE * self.failed).await;
        true
    }
}

/// A URL as it is shown: without a user and a password.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn transport(url: &Url) -> impl Fn(reqwest::Error) -> HttpError {
    move |source| HttpError::Transport {
        url: shown(url),
        source: source.without_url(),
    }
}

fn refused(url: &Url, response: &Response) -> HttpError {
    HttpError::Status {
        url: shown(url),
        status: response.status(),
    }
}

fn too_large(url: &Url, limit_bytes: u64) -> HttpError {
    HttpError::TooLarge {
        url: shown(url),
        limit_bytes,
    }
}

fn write(url: &Url) -> impl Fn(io::Error) -> HttpError {
    move |source| HttpError::Write {
        url: shown(url),
        source,
    }
}
