//! Serves metrics over HTTP, on addresses of their own and beside the workers.
//!
//! Whoever can connect may be slow or many: connections are limited in number and time, and so are
//! answers under way, since each holds the numbers of one moment. The text itself is written as the
//! scraper takes it.

use std::convert::Infallible;
use std::net;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::engine::metrics;
use crate::engine::worker::Shared;
use crate::stats::metrics::{self as format, Query, Text};

/// Connections at once; others wait until one ends.
const CONNECTIONS: usize = 32;
/// Answers under way at once.
const ANSWERS: usize = 4;
/// How long a request may take to come.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(5);
/// How long a connection may take from its beginning to its end.
const CONNECTION: Duration = Duration::from_secs(30);
/// About so much is written at once.
const PIECE: usize = 32 * 1024;
/// Longest head of a request.
const HEAD: usize = 16 * 1024;
/// How long accepting rests when the process has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Accepts until dropped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: net::TcpListener) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot serve metrics");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let turns = Arc::new(Semaphore::new(ANSWERS));
    loop {
        // Nobody closes the semaphore.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (shared, turns) = (Arc::clone(&shared), Arc::clone(&turns));
                tokio::task::spawn_local(async move {
                    // Whoever is too slow finds the connection closed.
                    let _ = timeout(CONNECTION, converse(shared, turns, stream)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a scraper of metrics");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// One request and its answer.
async fn converse(shared: Arc<Shared>, turns: Arc<Semaphore>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, turns) = (Arc::clone(&shared), Arc::clone(&turns));
        async move { Ok::<_, Infallible>(answer(&shared, turns, &request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(HEAD)
        .keep_alive(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a scraper of metrics");
    }
}

type Answer = Response<Either<Full<Bytes>, Pieces>>;

async fn answer(
    shared: &Arc<Shared>,
    turns: Arc<Semaphore>,
    request: &Request<Incoming>,
) -> Answer {
    if request.uri().path() != "/metrics" {
        return say(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = say(StatusCode::METHOD_NOT_ALLOWED, "GET, please\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(ALLOW, allowed);
        return answer;
    }
    let query = match Query::read(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(mistake) => return say(StatusCode::BAD_REQUEST, format!("{mistake}\n")),
    };
    if request.method() == Method::HEAD {
        return headed(Either::Left(Full::default()));
    }
    let Ok(Ok(turn)) = timeout(TURN, turns.acquire_owned()).await else {
        let busy = "too many scrapers at once\n";
        return say(StatusCode::SERVICE_UNAVAILABLE, busy);
    };
    let text = Text::new(metrics::snapshot(shared, query).await);
    headed(Either::Right(Pieces {
        text: Some(text),
        _turn: turn,
    }))
}

fn headed(body: Either<Full<Bytes>, Pieces>) -> Answer {
    let mut answer = Response::new(body);
    let kind = HeaderValue::from_static(format::CONTENT_TYPE);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    let cache = HeaderValue::from_static("no-cache");
    answer.headers_mut().insert(CACHE_CONTROL, cache);
    answer
}

fn say(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// The text, written as it is taken.
struct Pieces {
    text: Option<Text>,
    _turn: OwnedSemaphorePermit,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let Some(text) = &mut this.text else {
            return Poll::Ready(None);
        };
        let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
        if !text.write(&mut piece, PIECE) {
            this.text = None;
        }
        let frame = (!piece.is_empty()).then(|| Ok(Frame::data(piece.into())));
        Poll::Ready(frame)
    }
}
