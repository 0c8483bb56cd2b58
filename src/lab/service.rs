//! One instance of the lab's service: it works a little, answers, measures itself, and has faults that can be switched on.

use super::draws::Draws;
use super::http::{self, Answer};
use super::meter::{self, Meter};
use crate::backend::BackendError;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

/// The shortest and the longest simulated work in seconds; between them the time has a triangular distribution.
const WORK: (f64, f64) = (0.008, 0.025);
/// The longest extra latency that can be asked for, in milliseconds.
const MAX_LATENCY_MS: u64 = 60_000;
/// The methods of `/fault`.
const FAULT_METHODS: &str = "GET, POST, DELETE";

/// What is wrong with an instance: what `GET /fault` answers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Faults {
    /// Share of requests answered with 500, from 0 to 1.
    pub error_rate: f64,
    /// Extra work before each answer, in milliseconds.
    pub latency_ms: u64,
    /// Connections are accepted and nothing is answered, `/metrics` included; only `/fault` is.
    pub hang: bool,
    /// The listener and all connections are gone. Only a restart helps.
    pub crash: bool,
}

/// A change of faults: what `POST /fault` takes. What is left out stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultChange {
    /// See [`Faults::error_rate`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
    /// See [`Faults::latency_ms`]; at most 60,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// See [`Faults::hang`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hang: Option<bool>,
    /// See [`Faults::crash`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash: Option<bool>,
}

impl FaultChange {
    fn objection(self) -> Option<String> {
        if self.error_rate.is_some_and(|r| !(0.0..=1.0).contains(&r)) {
            return Some("error_rate is a share from 0 to 1".to_owned());
        }
        if self.latency_ms.is_some_and(|l| l > MAX_LATENCY_MS) {
            return Some(format!("latency_ms is at most {MAX_LATENCY_MS}"));
        }
        None
    }

    fn apply(self, to: &mut Faults) {
        to.error_rate = self.error_rate.unwrap_or(to.error_rate);
        to.latency_ms = self.latency_ms.unwrap_or(to.latency_ms);
        to.hang = self.hang.unwrap_or(to.hang);
        to.crash = self.crash.unwrap_or(to.crash);
    }
}

/// One life of the service: a restart makes a new one, whose counters begin at 0.
#[derive(Debug)]
pub(crate) struct Instance {
    version: HeaderValue,
    text: String,
    draws: Draws,
    registry: Registry,
    meter: Meter,
    faults: watch::Sender<Faults>,
    exposure: Option<watch::Receiver<f64>>,
}

impl Instance {
    /// With an `exposure` (a share of requests, as its flags say), its faults lie behind those flags: that share of requests meets
    /// latency and errors, and the instance hangs or crashes while there is any. Without, every request meets them.
    pub(crate) fn new(version: &str, seed: u64, exposure: Option<watch::Receiver<f64>>) -> Result<Self, BackendError> {
        let header = HeaderValue::from_str(version).map_err(|_| {
            BackendError::permanent(format!("lab: version `{}` cannot be sent in a header", version.escape_debug()))
                .help("use letters, digits, dots and dashes, as in `v2`")
        })?;
        let registry = Registry::new();
        let meter = Meter::register(&registry, "http", version, &[200, 500])?;
        meter::register_start(&registry, version)?;
        Ok(Self {
            version: header,
            text: format!("{version}\n"),
            draws: Draws::new(seed),
            registry,
            meter,
            faults: watch::Sender::new(Faults::default()),
            exposure,
        })
    }

    /// Serves until it crashes.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let instance = Arc::clone(&self);
        let crashed = async move { instance.until(|f, exposed| f.crash && exposed > 0.0).await };
        let handler = move |request| {
            let instance = Arc::clone(&self);
            async move { instance.handle(request).await }
        };
        http::serve(listener, handler, crashed).await;
    }

    async fn handle(&self, request: Request<Incoming>) -> Answer {
        match request.uri().path() {
            "/fault" => self.fault(request).await,
            "/metrics" => {
                self.while_hanging().await;
                match meter::page(&self.registry) {
                    Ok(page) => http::answer(StatusCode::OK, meter::CONTENT_TYPE, page),
                    Err(cause) => http::error(StatusCode::INTERNAL_SERVER_ERROR, &cause.to_string()),
                }
            }
            _ => self.work().await,
        }
    }

    /// An ordinary request. Time and code are taken from what happened; no fault is looked at to count it.
    async fn work(&self) -> Answer {
        let arrived = Instant::now();
        let _in_flight = self.meter.arrive();
        self.while_hanging().await;
        let faults = if self.is_struck() { *self.faults.borrow() } else { Faults::default() };
        let spread = (self.draws.unit() + self.draws.unit()) / 2.0;
        let work = Duration::from_secs_f64(WORK.0 + spread * (WORK.1 - WORK.0));
        let fails = self.draws.unit() < faults.error_rate;
        tokio::time::sleep(work + Duration::from_millis(faults.latency_ms)).await;
        let status = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let mut answer = http::answer(status, "text/plain; charset=utf-8", self.text.clone());
        answer.headers_mut().insert("x-version", self.version.clone());
        self.meter.answered(answer.status().as_u16(), arrived.elapsed());
        answer
    }

    async fn while_hanging(&self) {
        self.until(|f, exposed| !f.hang || exposed <= 0.0).await;
    }

    fn exposed(&self) -> f64 {
        self.exposure.as_ref().map_or(1.0, |e| *e.borrow())
    }

    /// Whether one request meets the faults.
    fn is_struck(&self) -> bool {
        let share = self.exposed();
        share >= 1.0 || (share > 0.0 && self.draws.unit() < share)
    }

    /// Returns once the faults and the exposure are such.
    async fn until(&self, such: impl Fn(&Faults, f64) -> bool) {
        let mut faults = self.faults.subscribe();
        let mut exposure = self.exposure.clone();
        while !such(&faults.borrow_and_update(), self.exposed()) {
            // neither fails while it is waited for: one sender is a field of this value, without the other nothing changes
            let turned = async {
                let turned = match &mut exposure {
                    Some(e) => e.changed().await.is_ok(),
                    None => false,
                };
                if !turned {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                _ = faults.changed() => {}
                () = turned => {}
            }
        }
    }

    async fn fault(&self, request: Request<Incoming>) -> Answer {
        let method = request.method().clone();
        if method == Method::GET {
            return http::json(StatusCode::OK, &*self.faults.borrow());
        }
        if method == Method::DELETE {
            self.faults.send_replace(Faults::default());
            return http::json(StatusCode::OK, &Faults::default());
        }
        if method != Method::POST {
            return http::not_allowed(&method, FAULT_METHODS);
        }
        let change: FaultChange = match http::body(request).await {
            Ok(change) => change,
            Err(answer) => return answer,
        };
        if let Some(why) = change.objection() {
            return http::error(StatusCode::BAD_REQUEST, &why);
        }
        self.faults.send_modify(|faults| change.apply(faults));
        let now = *self.faults.borrow();
        if now.crash && self.exposed() > 0.0 {
            // A process that crashes does not answer: this connection is dropped with the others.
            std::future::pending::<()>().await;
        }
        http::json(StatusCode::OK, &now)
    }
}
