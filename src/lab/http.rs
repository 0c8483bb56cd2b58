//! HTTP/1.1 as the lab's parts speak it to each other: one accept loop, short answers, a small client.

use crate::backend::BackendError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The longest body that a control request may have, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// A short answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Accepts and serves connections until `until` is ready; then the listener and all connections are dropped where they stand.
pub(crate) async fn serve<H, F, B>(listener: TcpListener, handler: H, until: impl Future<Output = ()>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without it a short answer may wait 40 ms for an acknowledgement, and be measured so.
                    let _ = stream.set_nodelay(true);
                    let handler = handler.clone();
                    connections.spawn(async move {
                        let service = service_fn(move |request| {
                            let answer = handler(request);
                            async move { Ok::<_, Infallible>(answer.await) }
                        });
                        // A connection that breaks is its client's matter.
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
                // Out of descriptors, or a client gone before it was accepted: both pass.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// An answer with a text of some type.
pub(crate) fn answer(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            answer(status, "application/json", text)
        }
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", format!("{error}\n")),
    }
}

/// `{"error": "…"}`
pub(crate) fn error(status: StatusCode, message: &str) -> Answer {
    json(status, &serde_json::json!({ "error": message }))
}

/// 405 with the methods that would be understood.
pub(crate) fn not_allowed(method: &Method, allowed: &'static str) -> Answer {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, &format!("{method} is not understood here; {allowed} are"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// A request's body as JSON, or the answer that says what is wrong with it.
pub(crate) async fn body<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> Result<T, Answer> {
    let text = Limited::new(request.into_body(), BODY_LIMIT)
        .collect()
        .await
        .map_err(|cause| error(StatusCode::BAD_REQUEST, &cause.to_string()))?
        .to_bytes();
    serde_json::from_slice(&text).map_err(|cause| error(StatusCode::BAD_REQUEST, &cause.to_string()))
}

/// A client with a pool of connections.
pub(crate) type Pool<B> = Client<HttpConnector, B>;

/// A new pool.
pub(crate) fn pool<B>() -> Pool<B>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Sends short requests and reads short answers.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pool: Pool<Full<Bytes>>,
    timeout: Duration,
}

impl Caller {
    /// A caller whose every call ends within `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { pool: pool(), timeout }
    }

    /// The status and text that `method url` answers. No answer is a transient error.
    pub(crate) async fn call(
        &self,
        method: Method,
        url: &str,
        body: Option<String>,
    ) -> Result<(StatusCode, String), BackendError> {
        let request = Request::builder()
            .method(&method)
            .uri(url)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| BackendError::permanent(format!("lab: {method} {url}: {error}")))?;
        let exchange = async {
            let answer = self.pool.request(request).await.map_err(|e| root(&e))?;
            let status = answer.status();
            let text = Limited::new(answer.into_body(), 1024 * BODY_LIMIT)
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            Ok((status, String::from_utf8_lossy(&text).into_owned()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        }
        .map_err(|why: String| BackendError::transient(format!("lab: {method} {url}: {why}")))
    }
}

/// The innermost cause: `Connection refused`, where the outer ones say `client error`.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
