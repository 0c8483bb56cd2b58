//! The HTTP API: requests, answers, and a server's refusals in one line.

use super::super::http::{self, Auth, BODY_LIMIT, Endpoint, Exchange};
use super::super::{BackendError, series::Sample};
use crate::plan::{Millis, Time};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A server and how to talk to it.
#[derive(Debug)]
pub(super) struct Api {
    endpoint: Endpoint,
    client: Client,
    auth: Auth,
    timeout: Duration,
    /// It answered 405 to a POST: some proxies let only GET through.
    get_only: AtomicBool,
}

#[derive(Deserialize)]
struct Envelope<T> {
    status: String,
    #[serde(default = "none")]
    data: Option<T>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

fn none<T>() -> Option<T> {
    None
}

/// What a query answers.
#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(super) enum Data {
    /// One value a series.
    Vector(Vec<Item>),
    /// Many values a series.
    Matrix(Vec<Line>),
    /// One value.
    Scalar(Point),
    /// A text.
    String(IgnoredAny),
}

/// A series' labels, `__name__` among them.
pub(super) type Metric = BTreeMap<String, String>;

/// A series with one value.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    /// Its labels.
    pub metric: Metric,
    value: Option<Point>,
}

impl Item {
    /// A series with a value at a time.
    pub fn new(metric: Metric, time: Time, value: f64) -> Self {
        Self { metric, value: Some(Point(Sample { time, value })) }
    }

    /// Its value; a native histogram has none.
    pub fn point(&self) -> Result<Sample, String> {
        self.value
            .map(|p| p.0)
            .ok_or_else(|| String::from("the query answers with a native histogram where a number is needed"))
    }
}

/// A series with its values, oldest first.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// Its labels.
    pub metric: Metric,
    /// Its values; empty for a native histogram.
    #[serde(default)]
    pub values: Vec<Point>,
}

/// `[seconds, "value"]`
#[derive(Debug, Clone, Copy)]
pub(super) struct Point(pub Sample);

impl std::ops::Deref for Point {
    type Target = Sample;
    fn deref(&self) -> &Sample {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seconds, text) = <(f64, String)>::deserialize(deserializer)?;
        let value = text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no number")))?;
        Ok(Self(Sample { time: millis(seconds), value }))
    }
}

/// Seconds since 1970, as the API writes them, in whole milliseconds.
pub(super) fn millis(seconds: f64) -> Time {
    (seconds * 1000.0).round() as Time
}

fn seconds(ms: Millis) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

impl Api {
    pub fn new(endpoint: Endpoint, client: Client, auth: Auth, timeout: Duration) -> Self {
        Self { endpoint, client, auth, timeout, get_only: AtomicBool::new(false) }
    }

    /// Its URL, as far as it may be shown.
    pub fn shown(&self) -> String {
        self.endpoint.shown()
    }

    /// An error in this server's name.
    pub fn error(&self, words: impl AsRef<str>) -> BackendError {
        BackendError::permanent(self.named(words.as_ref()))
    }

    fn named(&self, words: &str) -> String {
        format!("prometheus at {}: {}", self.shown(), self.auth.redact(words))
    }

    /// An instant query, as of a time.
    pub async fn query(&self, query: &str, at: Time) -> Result<Data, BackendError> {
        self.call("api/v1/query", &[("query", query.to_owned()), ("time", seconds(at))]).await
    }

    /// An instant query as of the server's own now. `nocache`: VictoriaMetrics answers as of half a minute ago without it
    /// (`-search.latencyOffset`); Prometheus does not know the word and ignores it.
    pub async fn query_now(&self, query: &str) -> Result<Data, BackendError> {
        self.call("api/v1/query", &[("query", query.to_owned()), ("nocache", String::from("1"))]).await
    }

    /// A range query, both ends included.
    pub async fn query_range(&self, query: &str, from: Time, to: Time, step: Millis) -> Result<Data, BackendError> {
        self.call(
            "api/v1/query_range",
            &[
                ("query", query.to_owned()),
                ("start", seconds(from)),
                ("end", seconds(to)),
                ("step", seconds(step)),
                // VictoriaMetrics moves both ends to whole steps without it
                ("nocache", String::from("1")),
            ],
        )
        .await
    }

    /// The version that the server says it has.
    pub async fn version(&self) -> Result<String, BackendError> {
        #[derive(Deserialize)]
        struct BuildInfo {
            version: String,
        }
        let url = self.endpoint.join("api/v1/status/buildinfo");
        let exchange = self.send(self.client.get(url)).await?;
        let info: BuildInfo = self.read(&exchange)?;
        Ok(http::one_line(&info.version))
    }

    async fn call<T: DeserializeOwned>(&self, path: &str, params: &[(&str, String)]) -> Result<T, BackendError> {
        let url = self.endpoint.join(path);
        if !self.get_only.load(Ordering::Relaxed) {
            // the URL type encodes a query just as a form is encoded
            let mut form = Url::clone(&url);
            form.set_query(None);
            form.query_pairs_mut().extend_pairs(params);
            let request = self
                .client
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or("").to_owned());
            let exchange = self.send(request).await?;
            if exchange.status != StatusCode::METHOD_NOT_ALLOWED {
                return self.read(&exchange);
            }
            self.get_only.store(true, Ordering::Relaxed);
        }
        let mut url = url;
        url.query_pairs_mut().extend_pairs(params);
        let exchange = self.send(self.client.get(url)).await?;
        self.read(&exchange)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Exchange, BackendError> {
        http::exchange(self.auth.apply(request), self.timeout, BODY_LIMIT)
            .await
            .map_err(|e| BackendError { message: self.named(&e.message), ..e })
    }

    fn read<T: DeserializeOwned>(&self, exchange: &Exchange) -> Result<T, BackendError> {
        if !exchange.status.is_success() {
            return Err(self.refusal(exchange));
        }
        if exchange.is_html() {
            return Err(self
                .error("it answers with a web page instead of JSON")
                .help("is the URL that of Prometheus itself, without `/graph`, and not that of a login page?"));
        }
        let envelope: Envelope<T> = serde_json::from_slice(&exchange.body).map_err(|e| {
            // cut off in mid-air is worth another try, nonsense is not
            BackendError {
                transient: e.is_eof(),
                ..self.error(format!("its answer cannot be read: {}", http::one_line(&e.to_string())))
            }
        })?;
        if envelope.status != "success" {
            return Err(self.error(words(&envelope)));
        }
        // a warning says that the answer may be incomplete (a store that did not answer): then it is none
        if !envelope.warnings.is_empty() {
            return Err(self.error(format!("it warns: {}", http::one_line(&envelope.warnings.join("; ")))));
        }
        envelope.data.ok_or_else(|| self.error("its answer holds no data"))
    }

    fn refusal(&self, exchange: &Exchange) -> BackendError {
        let status = exchange.status;
        let said = match serde_json::from_slice::<Envelope<IgnoredAny>>(&exchange.body) {
            Ok(envelope) => words(&envelope),
            Err(_) if exchange.is_html() => String::from("(a web page)"),
            Err(_) => http::one_line(&exchange.text()),
        };
        let tail = if said.is_empty() { String::new() } else { format!(": {said}") };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.auth == Auth::None => self
                .error(format!("it wants credentials ({status}){tail}"))
                .help("give the source a `bearer` or `basic` secret"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                self.error(format!("it refused the credentials ({status}){tail}"))
            }
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if !said.is_empty() => {
                self.error(format!("it refused the query: {said}"))
            }
            StatusCode::NOT_FOUND => self
                .error(format!("it has no query API there ({status}){tail}"))
                .help("the URL is the server's base, without `/api/v1`"),
            _ => match &exchange.location {
                Some(to) => {
                    self.error(format!("it redirects ({status}) to {to}")).help("name that place in the environment")
                }
                None => BackendError {
                    transient: status.is_server_error() || status.as_u16() == 429,
                    retry_after: exchange.retry_after,
                    ..self.error(format!("it answers {status}{tail}"))
                },
            },
        }
    }
}

/// A server's own words: `bad_data: 1:5: parse error: …`; VictoriaMetrics has a number for a type, which says nothing.
fn words<T>(envelope: &Envelope<T>) -> String {
    let kind = envelope.error_type.trim();
    let error = http::one_line(&envelope.error);
    match (kind, error.as_str()) {
        ("", "") => format!("status `{}`", http::one_line(&envelope.status)),
        (kind, "") => http::one_line(kind),
        ("", _) => error,
        (kind, _) if kind.bytes().all(|b| b.is_ascii_digit()) => error,
        (kind, _) => format!("{}: {error}", http::one_line(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_to_the_millisecond() {
        assert_eq!(seconds(1_700_000_000_007), "1700000000.007");
        assert_eq!(seconds(15_000), "15.000");
        assert_eq!(seconds(-1_500), "-1.500");
        for ms in [0, 1, 999, 1_700_000_000_007, 1_795_000_000_999] {
            assert_eq!(millis(seconds(ms).parse().expect("a number")), ms);
        }
    }

    #[test]
    fn answers_of_all_shapes_are_read() {
        let read = |text: &str| serde_json::from_str::<Envelope<Data>>(text).map(|e| e.data);
        let got = read(
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"NaN"]},
            {"metric":{},"histogram":[1,{"count":"3"}]}]},"infos":["x"]}"#,
        )
        .expect("a vector");
        let Some(Data::Vector(items)) = got else { panic!("{got:?}") };
        assert!(items[0].point().expect("a value").value.is_nan());
        assert!(items[1].point().expect_err("none").contains("histogram"));
        // the order of the fields is the server's choice
        let got = read(r#"{"data":{"result":[2,"+Inf"],"resultType":"scalar"},"status":"success"}"#);
        assert!(matches!(got, Ok(Some(Data::Scalar(p))) if p.value == f64::INFINITY));
        assert!(read(r#"{"status":"success","data":{"resultType":"scalar","result":[2,"x"]}}"#).is_err());
    }
}
