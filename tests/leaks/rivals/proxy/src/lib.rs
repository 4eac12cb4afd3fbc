//! What the caches are put in front of: a handler that passes each request on to the origin, and the server around both.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error, ResponseFuture, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::fmt::Display;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::net::TcpListener;
use tower::{BoxError, Service, ServiceExt};

/// The handler. Method, path, query, fields and body go on as they are, `Host` among them; only what is about one
/// connection (RFC 9110 section 7.6.1) stays behind, both ways.
#[derive(Clone)]
pub struct Forward {
    client: Client<HttpConnector, Body>,
    port: u16,
}

impl Forward {
    /// To the origin on this machine whose port is the first argument of the program.
    ///
    /// # Panics
    ///
    /// When there is no such argument.
    #[must_use]
    pub fn to_origin() -> Self {
        let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("the origin's port");
        Self { client: Client::builder(TokioExecutor::new()).build_http(), port }
    }
}

impl Service<Request<Body>> for Forward {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        // RFC 9112 section 3.2.2: the authority of a target in absolute form replaces Host.
        let authority = request.uri().authority().and_then(|a| HeaderValue::try_from(a.as_str()).ok());
        if let Some(authority) = authority {
            request.headers_mut().insert(header::HOST, authority);
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = Uri::builder()
            .scheme("http")
            .authority(format!("127.0.0.1:{}", self.port))
            .path_and_query(path)
            .build()
            .expect("the parts are valid");
        remove_hop_by_hop(request.headers_mut());
        Answer(self.client.request(request))
    }
}

/// The origin's answer on its way.
pub struct Answer(ResponseFuture);

impl Future for Answer {
    type Output = Result<Response<Incoming>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(Pin::new(&mut self.0).poll(cx));
        if let Ok(response) = &mut answer {
            remove_hop_by_hop(response.headers_mut());
        }
        Poll::Ready(answer)
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"] {
        headers.remove(name);
    }
}

/// Serves `service` on a free port, which the first line of the output names as JSON.
///
/// # Errors
///
/// When there is no port, or nobody to tell.
pub async fn serve<S, B>(service: S) -> io::Result<()>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Display,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let handler = move |request: Request<Body>| async move {
        match service.oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{{\"port\":{}}}", listener.local_addr()?.port());
    io::stdout().flush()?;
    axum::serve(listener, Router::new().fallback(handler)).await
}
