//! Keeps the state of a connection while a request is under way: from the head of the request to
//! the last byte of its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::connection_slots::{Answering, Connection};

/// The API as the service of one connection.
pub(crate) struct Watched {
    pub(crate) router: TowerToHyperService<Router>,
    pub(crate) connection: Arc<Connection>,
}

impl Service<hyper::Request<Incoming>> for Watched {
    type Response = hyper::Response<Answer>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let answering = self.connection.begin();
        let connection = Arc::clone(&self.connection);
        let request: Request = request.map(|body| {
            if body.is_end_stream() {
                return Body::empty();
            }
            Body::new(Received { body, connection })
        });
        let answer = self.router.call(request);
        Box::pin(async move {
            let response: Response = answer.await?;
            Ok(response.map(|body| Answer {
                body,
                _answering: answering,
            }))
        })
    }
}

/// The body of a request. It records on the connection whether the daemon waits for it.
struct Received {
    body: Incoming,
    connection: Arc<Connection>,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match frame {
            Poll::Pending => self.connection.wait_for_body(),
            Poll::Ready(_) => self.connection.got_body(),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.connection.got_body();
    }
}

/// The body of an answer. The request is under way until it is dropped.
pub(crate) struct Answer {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
