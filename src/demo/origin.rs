//! The demo's servers: small, honest HTTP/1.1 servers that keep connections when asked to.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::recording::Recordings;

/// A server that listens on a port of its own.
#[derive(Debug)]
pub(super) struct Origin {
    name: String,
    listener: TcpListener,
}

impl Origin {
    /// Listens on a free port.
    pub(super) fn bind(name: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            name: name.to_owned(),
            listener,
        })
    }

    /// Where it listens.
    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves for as long as the runtime lives.
    pub(super) async fn serve(self, recordings: Recordings) -> io::Result<Infallible> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let stream = TokioIo::new(recordings.record(&self.name, stream));
            let name = self.name.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(name.clone(), request));
                let connection = http1::Builder::new().serve_connection(stream, service);
                // A connection that the proxy resets is part of what the demo shows.
                let _ = connection.await;
            });
        }
    }
}

async fn answer(
    name: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = format!(
        "{} {} by server {name}\n",
        request.method(),
        request.uri().path()
    );
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("text/plain"),
    );
    Ok(response)
}
