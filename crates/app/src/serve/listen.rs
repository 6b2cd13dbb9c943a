//! The accept loop: so many connections at once and no more, a deadline for headers, a clean end. What is answered is the
//! router's; a client that drips bytes or opens thousands of connections gets nowhere here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

/// Connections of one listener at once.
const CONNECTIONS: usize = 256;
/// How long a client may take for its request's headers, and a connection may idle.
const HEADERS: Duration = Duration::from_secs(15);

/// Answers on this address until told to stop.
pub async fn answer<L: Listener>(mut listener: L, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let closing = stop.clone();
        tokio::select! {
            (stream, _) = listener.accept() => serve(stream, router.clone(), place, closing),
            () = stopped(&mut stop) => return,
        }
    }
}

/// Waits for the word; a sender that is gone means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|s| *s).await);
}

fn serve<S>(stream: S, router: Router, place: OwnedSemaphorePermit, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let service = router.map_request(|request: Request<Incoming>| request.map(Body::new));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            done = connection.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!(%error, "an HTTP connection broke");
                }
            }
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(Duration::from_secs(1), connection).await;
            }
        }
        drop(place);
    });
}
