//! Accepts connections and serves the API on them: how many there may be, how slow they may be, and
//! how they end.

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

/// How many connections are served at once. Further ones replace idle ones, or wait in the kernel's
/// queue, which is bounded as well.
const MAX_CONNECTIONS: usize = 1024;

/// The size of the read and write buffers of a connection, in bytes. The head of a request may be
/// as large.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait after a connection could not be accepted, because the process has no descriptor
/// left.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// The socket on which the daemon listens.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A socket in the file system.
    Unix(UnixListener),
}

/// Serves until `stop` is ready. Then it accepts no more connections, and returns when every
/// request has been answered.
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
    /// Waits for a slot and a connection, and begins to serve the connection.
    async fn take_connection(&self, listener: &Listener) {
        let slot = self.connection_slots.take().await;
        let taken = match listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                // Answers are small and should be sent at once. If this fails, they are late only.
                let _ = stream.set_nodelay(true);
                self.serve_connection(stream, slot);
            }),
            Listener::Unix(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| self.serve_connection(stream, slot)),
        };
        if let Err(error) = taken
            && !is_of_connection(&error)
        {
            tracing::warn!(%error, "no connection can be accepted");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// Serves a connection in a task of its own.
    fn serve_connection<S>(&self, stream: S, slot: ConnectionSlot)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = Watched {
            router: TowerToHyperService::new(self.router.clone()),
            connection: Arc::clone(&slot.connection),
        };
        let stream = TimedWrites::new(stream, WRITE_TIMEOUT, Arc::clone(&slot.connection));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // A request that has arrived meanwhile comes first.
                biased;
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = slot.connection.given_up() => {
                    tracing::debug!("an idle connection is closed for another");
                }
            }
            drop(slot);
        });
    }
}

/// Whether an error concerns one connection alone, which its client has closed.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
