//! A weighted HTTP proxy with two upstreams, and its control: what a load balancer is to a real rollout.

use super::http::{self, Answer, Pool};
use super::meter::{self, Meter};
use super::split::{Split, Upstream, Weights};
use crate::backend::BackendError;
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use hyper::http::uri::{PathAndQuery, Scheme, Uri};
use hyper::{Method, Request, Response, StatusCode, Version};
use prometheus::{IntCounter, Registry};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long an upstream may take to begin its answer; then the client gets 504.
const UPSTREAM: Duration = Duration::from_secs(5);
/// Headers that belong to one connection and are not passed on (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// The methods of `/weights`.
const WEIGHT_METHODS: &str = "GET, PUT";

/// The proxy's state, shared by its traffic side and its control side.
#[derive(Debug)]
pub(crate) struct Proxy {
    split: Mutex<Split>,
    /// The highest share that the canary was ever set to: a fault `at 50%` must not miss a share that was left quickly.
    peak: watch::Sender<f64>,
    canary: Target,
    stable: Target,
    registry: Registry,
    pool: Pool<Incoming>,
}

/// One upstream.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    chosen: IntCounter,
    meter: Meter,
}

impl Target {
    fn new(registry: &Registry, version: &str, address: SocketAddr) -> Result<Self, BackendError> {
        let help = "Requests for which this upstream was chosen.";
        Ok(Self {
            address,
            chosen: meter::counter(registry, "edge_chosen_total", help, version)?,
            meter: Meter::register(registry, "edge", version, &[200, 500, 502, 504])?,
        })
    }
}

/// How many requests the proxy sent where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Requests for which the canary was chosen, answered or not.
    pub canary: u64,
    /// The same of stable.
    pub stable: u64,
}

impl Proxy {
    pub(crate) fn new(canary: (&str, SocketAddr), stable: (&str, SocketAddr)) -> Result<Self, BackendError> {
        let registry = Registry::new();
        Ok(Self {
            split: Mutex::new(Split::new(Weights::STABLE)),
            peak: watch::Sender::new(Weights::STABLE.share()),
            canary: Target::new(&registry, canary.0, canary.1)?,
            stable: Target::new(&registry, stable.0, stable.1)?,
            registry,
            pool: http::pool(),
        })
    }

    pub(crate) fn sent(&self) -> Sent {
        Sent { canary: self.canary.chosen.get(), stable: self.stable.chosen.get() }
    }

    /// The highest share of the canary so far.
    pub(crate) fn peak(&self) -> watch::Receiver<f64> {
        self.peak.subscribe()
    }

    /// Serves clients. Ends only by being dropped.
    pub(crate) async fn serve_traffic(self: Arc<Self>, listener: TcpListener) {
        let handler = move |request| {
            let proxy = Arc::clone(&self);
            async move { proxy.pass(request).await }
        };
        http::serve(listener, handler, std::future::pending()).await;
    }

    /// Serves `/weights` and `/metrics`. Ends only by being dropped.
    pub(crate) async fn serve_control(self: Arc<Self>, listener: TcpListener) {
        let handler = move |request| {
            let proxy = Arc::clone(&self);
            async move { proxy.control(request).await }
        };
        http::serve(listener, handler, std::future::pending()).await;
    }

    async fn pass(&self, request: Request<Incoming>) -> Response<Either<Full<Bytes>, Incoming>> {
        let arrived = Instant::now();
        let target = match self.split().choose() {
            Upstream::Canary => &self.canary,
            Upstream::Stable => &self.stable,
        };
        target.chosen.inc();
        let _in_flight = target.meter.arrive();
        let answer = match self.ask(target.address, request).await {
            Ok(answer) => answer.map(Either::Right),
            Err(answer) => answer.map(Either::Left),
        };
        target.meter.answered(answer.status().as_u16(), arrived.elapsed());
        answer
    }

    async fn ask(&self, address: SocketAddr, mut request: Request<Incoming>) -> Result<Response<Incoming>, Answer> {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(address.to_string())
            .path_and_query(path)
            .build()
            .map_err(|error| http::error(StatusCode::BAD_REQUEST, &error.to_string()))?;
        // A client may speak 1.0 to the proxy; the proxy speaks 1.1.
        *request.version_mut() = Version::HTTP_11;
        for name in &HOP_BY_HOP {
            request.headers_mut().remove(name);
        }
        match tokio::time::timeout(UPSTREAM, self.pool.request(request)).await {
            Ok(Ok(mut answer)) => {
                for name in &HOP_BY_HOP {
                    answer.headers_mut().remove(name);
                }
                Ok(answer)
            }
            Ok(Err(error)) => {
                let why = format!("upstream {address}: {error}");
                Err(http::error(StatusCode::BAD_GATEWAY, &why))
            }
            Err(_) => {
                let why = format!("upstream {address}: no answer within {UPSTREAM:?}");
                Err(http::error(StatusCode::GATEWAY_TIMEOUT, &why))
            }
        }
    }

    async fn control(&self, request: Request<Incoming>) -> Answer {
        match request.uri().path() {
            "/weights" => self.weights(request).await,
            "/metrics" => match meter::page(&self.registry) {
                Ok(page) => http::answer(StatusCode::OK, meter::CONTENT_TYPE, page),
                Err(cause) => http::error(StatusCode::INTERNAL_SERVER_ERROR, &cause.to_string()),
            },
            path => {
                let why = format!("no `{path}` here; there are /weights and /metrics");
                http::error(StatusCode::NOT_FOUND, &why)
            }
        }
    }

    async fn weights(&self, request: Request<Incoming>) -> Answer {
        let method = request.method().clone();
        if method == Method::PUT {
            let weights: Weights = match http::body(request).await {
                Ok(weights) => weights,
                Err(answer) => return answer,
            };
            if let Some(why) = weights.objection() {
                return http::error(StatusCode::BAD_REQUEST, &why);
            }
            self.split().set(weights);
            self.peak.send_if_modified(|peak| {
                let higher = weights.share() > *peak;
                if higher {
                    *peak = weights.share();
                }
                higher
            });
        } else if method != Method::GET {
            return http::not_allowed(&method, WEIGHT_METHODS);
        }
        http::json(StatusCode::OK, &self.split().weights())
    }

    fn split(&self) -> MutexGuard<'_, Split> {
        // Nothing inside panics half-way through a change.
        self.split.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
