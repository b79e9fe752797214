//! Connections: how many there may be, how slow they may be, and their end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::connection_slots::{ConnectionSlot, ConnectionSlots};
use crate::watched::Watched;
use crate::write_timeout::{TimedWrites, WRITE_TIMEOUT};

/// How many connections are served at once. More take the places of idle ones, or wait in the system's queue, which is bounded
/// too.
const MAX_CONNECTIONS: usize = 1024;

/// How much of what a client sends or is sent waits in memory, in bytes; so large may the head of a request be.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait when no connection can be taken: the process has no descriptor left.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A socket in the file system.
    Unix(UnixListener),
}

/// Serves until `stop` is ready; then takes no more connections, and returns when every request has its answer.
pub async fn serve(listener: Listener, router: Router, stop: impl Future<Output = ()>) {
    let server = Server {
        router,
        connection_slots: ConnectionSlots::new(MAX_CONNECTIONS),
        graceful: GracefulShutdown::new(),
    };
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = server.take_connection(&listener) => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    server.graceful.shutdown().await;
}

struct Server {
    router: Router,
    connection_slots: ConnectionSlots,
    graceful: GracefulShutdown,
}

impl Server {
    async fn take_connection(&self, listener: &Listener) {
        let place = self.connection_slots.take().await;
        let taken = match listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                // Answers are small; they should not wait for company. One that does is right all the same.
                let _ = stream.set_nodelay(true);
                self.serve_connection(stream, place);
            }),
            Listener::Unix(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| self.serve_connection(stream, place)),
        };
        if let Err(error) = taken
            && !is_of_connection(&error)
        {
            tracing::warn!(%error, "no connection can be taken");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    fn serve_connection<S>(&self, stream: S, place: ConnectionSlot)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = Watched {
            router: TowerToHyperService::new(self.router.clone()),
            connection: Arc::clone(&place.connection),
        };
        let stream = TimedWrites::new(stream, WRITE_TIMEOUT, Arc::clone(&place.connection));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // What has come meanwhile is looked at first.
                biased;
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = place.connection.given_up() => {
                    tracing::debug!("an idle connection gives up its place");
                }
            }
            drop(place);
        });
    }
}

/// Whether an error is that of one connection, which its client has given up.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
