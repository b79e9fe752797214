//! `fetch` and capabilities of kind `net`.

mod hosts;
mod http_server;
mod redirects;
