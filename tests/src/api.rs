//! A blocking client of the HTTP API.

use std::sync::OnceLock;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::document::{Document, Exchange};

/// An HTTP client of one daemon, for tests that are not async. It checks every answer, and every
/// accepted request, against the OpenAPI document.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    client: reqwest::Client,
}

/// A response of the daemon.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: reqwest::header::HeaderMap,
    /// The text of the body.
    pub text: String,
    /// The body as JSON; null if it is not JSON.
    pub json: Value,
}

impl Answer {
    /// The code in the error envelope; empty if there is none.
    pub fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    /// The message in the error envelope; empty if there is none.
    pub fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }

    /// The body as JSON, if the status is the expected one.
    ///
    /// # Panics
    /// If the status is another one.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// Checks the status and the code of an error.
    ///
    /// # Panics
    /// If they are others.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        self
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime can be made"))
}

impl Api {
    /// Makes a client of the daemon at `http://host:port`.
    ///
    /// # Panics
    /// If the HTTP client can't be made.
    pub fn new(server: &str) -> Self {
        // Other users of the crate enable TLS in the client, which then requires a crypto provider.
        // Installation fails if one is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            base: format!("{server}/api/v1"),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client can be made"),
        }
    }

    /// `GET` of a path below `/api/v1`.
    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    /// `DELETE` of a path below `/api/v1`.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path))
    }

    /// `POST` of JSON to a path below `/api/v1`.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body))
    }

    /// `PATCH` of JSON to a path below `/api/v1`.
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
    }

    /// A request to a path below `/api/v1`, for [`send`](Self::send).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request.
    ///
    /// # Panics
    /// If the daemon does not answer, and if the answer is not as the document describes it.
    #[track_caller]
    pub fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).expect("the daemon answers")
    }

    /// Sends a request to a daemon that may have ended.
    ///
    /// # Errors
    /// If the daemon does not answer.
    ///
    /// # Panics
    /// If the answer is not as the document describes it.
    #[track_caller]
    pub fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let (client, request) = request.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let body = request.body().and_then(|body| body.as_bytes());
        let body = body.map(<[u8]>::to_vec);
        let answer = runtime().block_on(async {
            let response = client.execute(request).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await?;
            Ok(Answer {
                status,
                headers,
                json: serde_json::from_str(&text).unwrap_or(Value::Null),
                text,
            })
        })?;
        let content_type = answer.headers.get(CONTENT_TYPE);
        let checked = Document::get().check(&Exchange {
            method: method.as_str(),
            path: &path,
            request: body.as_deref(),
            status: answer.status,
            content_type: content_type.map_or("", |kind| kind.to_str().unwrap_or_default()),
            text: &answer.text,
        });
        if let Err(error) = checked {
            let status = answer.status;
            panic!("{method} {path}: {status} is not as docs/openapi.json says:\n  {error}");
        }
        Ok(answer)
    }
}
