//! What an HTTP server measures about itself, in the Prometheus text format 0.0.4.

use super::failed;
use crate::backend::BackendError;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Content type of [`page`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the latency buckets, in seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0];

/// Requests of one version: counted by code as they were answered, timed as they took.
#[derive(Debug)]
pub(crate) struct Meter {
    answers: IntCounterVec,
    seconds: Histogram,
    in_flight: IntGauge,
}

impl Meter {
    /// Registers `PREFIX_requests_total`, `PREFIX_request_duration_seconds` and `PREFIX_in_flight` with the label `version`.
    /// Every one of `codes` exists from the start at 0: a counter that appears with its first error hides that error from
    /// whoever computes an increase.
    pub(crate) fn register(
        registry: &Registry,
        prefix: &str,
        version: &str,
        codes: &[u16],
    ) -> Result<Self, BackendError> {
        let opts = |name: &str, help: &str| Opts::new(format!("{prefix}_{name}"), help).const_label("version", version);
        let answers = IntCounterVec::new(opts("requests_total", "Requests answered, by status code."), &["code"])
            .map_err(refused)?;
        let seconds = Histogram::with_opts(
            HistogramOpts::from(opts(
                "request_duration_seconds",
                "Measured time from a request's arrival to its answer.",
            ))
            .buckets(BOUNDS.to_vec()),
        )
        .map_err(refused)?;
        let in_flight = IntGauge::with_opts(opts("in_flight", "Requests not answered yet.")).map_err(refused)?;
        for code in codes {
            answers.with_label_values(&[&code.to_string()]);
        }
        let register = |collector| registry.register(collector).map_err(refused);
        register(Box::new(answers.clone()))?;
        register(Box::new(seconds.clone()))?;
        register(Box::new(in_flight.clone()))?;
        Ok(Self { answers, seconds, in_flight })
    }

    /// A request has come. It is in flight until the returned value is dropped, also when its client goes away.
    pub(crate) fn arrive(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A request has been answered.
    pub(crate) fn answered(&self, code: u16, took: Duration) {
        self.answers.with_label_values(&[&code.to_string()]).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

/// A request that is being served.
#[derive(Debug)]
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A counter without labels of its own beside `version`.
pub(crate) fn counter(registry: &Registry, name: &str, help: &str, version: &str) -> Result<IntCounter, BackendError> {
    let counter = IntCounter::with_opts(Opts::new(name, help).const_label("version", version)).map_err(refused)?;
    registry.register(Box::new(counter.clone())).map_err(refused)?;
    Ok(counter)
}

/// Registers `process_start_time_seconds`: now, in seconds since 1970.
pub(crate) fn register_start(registry: &Registry, version: &str) -> Result<(), BackendError> {
    let opts =
        Opts::new("process_start_time_seconds", "When this instance started, in seconds since 1970-01-01T00:00:00Z.")
            .const_label("version", version);
    let gauge = Gauge::with_opts(opts).map_err(refused)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge.set(now.as_millis() as f64 / 1000.0);
    registry.register(Box::new(gauge)).map_err(refused)
}

/// The page that `/metrics` answers.
pub(crate) fn page(registry: &Registry) -> Result<String, BackendError> {
    TextEncoder::new().encode_to_string(&registry.gather()).map_err(refused)
}

fn refused(error: prometheus::Error) -> BackendError {
    failed(format!("metrics registry: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_two_versions_has_one_header_and_all_series_from_the_start() {
        let registry = Registry::new();
        let v2 = Meter::register(&registry, "http", "v2", &[200, 500]).unwrap();
        Meter::register(&registry, "http", "v1", &[200, 500]).unwrap();
        let before = page(&registry).unwrap();
        assert_eq!(before.matches("# TYPE http_requests_total counter").count(), 1);
        for version in ["v1", "v2"] {
            for code in [200, 500] {
                let line = format!(r#"http_requests_total{{code="{code}",version="{version}"}} 0"#);
                assert!(before.contains(&line), "{line} not in\n{before}");
            }
        }
        let flight = v2.arrive();
        assert!(page(&registry).unwrap().contains(r#"http_in_flight{version="v2"} 1"#));
        v2.answered(500, Duration::from_millis(40));
        drop(flight);
        let after = page(&registry).unwrap();
        for line in [
            r#"http_in_flight{version="v2"} 0"#,
            r#"http_requests_total{code="500",version="v2"} 1"#,
            r#"http_request_duration_seconds_bucket{version="v2",le="0.025"} 0"#,
            r#"http_request_duration_seconds_bucket{version="v2",le="0.05"} 1"#,
            r#"http_request_duration_seconds_bucket{version="v2",le="+Inf"} 1"#,
            r#"http_request_duration_seconds_sum{version="v2"} 0.04"#,
            r#"http_request_duration_seconds_count{version="v2"} 1"#,
        ] {
            assert!(after.contains(line), "{line} not in\n{after}");
        }
    }
}
