//! A lab to try a rollout on: two versions of a service, a weighted proxy before them, and load, on loopback, inside this
//! process; nothing to install.
//!
//! Its parts talk over real TCP as their real counterparts do: traffic is set on the proxy's control port, metrics are scraped
//! from each service, faults are injected through the canary's own `/fault`. A service counts and times what it answers and
//! never looks at a fault to do so: a rollout sees the same evidence that it would see in production. Knows the ports of
//! [`crate::backend`] and nothing of the engine.

mod command;
mod draws;
mod fault;
mod flags;
mod http;
mod load;
mod meter;
mod process;
mod proxy;
mod schedule;
mod service;
mod split;
mod traffic;

pub use command::{serve_forever, service_command, up_command};
pub use fault::{Fault, FaultKind, Trigger};
pub use load::Seen;
pub use process::Service;
pub use proxy::Sent;
pub use schedule::Injected;
pub use service::{FaultChange, Faults};
pub use split::{MAX_WEIGHT, Weights};
pub use traffic::LabTraffic;

use crate::backend::{BackendError, Port};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The most requests a second that the lab is asked for: beyond it, it would measure this machine.
const MAX_RATE: u32 = 5_000;

/// What a lab is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct LabConfig {
    /// Requests a second against the proxy; 0: no load.
    pub rate: u32,
    /// What goes wrong with the canary, and when.
    pub faults: Vec<Fault>,
    /// Whether the faults lie behind flags instead: then they are those of the stable service, whose requests meet them as its
    /// flags say (see [`Lab::follow`]). For a rollout that moves no traffic.
    pub behind_flags: bool,
    /// Of the draws behind latencies and errors.
    pub seed: u64,
    /// The canary's version: its label `version`, its header `x-version`.
    pub canary_version: String,
    /// The stable version.
    pub stable_version: String,
}

impl Default for LabConfig {
    fn default() -> Self {
        Self {
            rate: 200,
            faults: Vec::new(),
            behind_flags: false,
            seed: 1,
            canary_version: "v2".to_owned(),
            stable_version: "v1".to_owned(),
        }
    }
}

/// A running lab. All of it ends when this is dropped; [`Lab::stop`] waits for that.
#[derive(Debug)]
pub struct Lab {
    canary: Service,
    stable: Service,
    proxy_address: SocketAddr,
    control_address: SocketAddr,
    proxy: Arc<proxy::Proxy>,
    load: Arc<load::Load>,
    rate: u32,
    injected: schedule::Log,
    flags: mpsc::UnboundedSender<Vec<Arc<dyn Port>>>,
    tasks: JoinSet<()>,
}

/// Starts a lab: all traffic goes to stable, the load runs, faults wait for their triggers. When this returns, all its ports are
/// served. Errors: a config out of range, or a port that cannot be bound.
pub async fn start(config: LabConfig) -> Result<Lab, BackendError> {
    if config.rate > MAX_RATE {
        let message = format!("lab: {} requests a second are too many", config.rate);
        return Err(BackendError::permanent(message).help(format!("ask for at most {MAX_RATE}")));
    }
    if config.canary_version == config.stable_version {
        let message = format!("lab: both versions are `{}`", config.canary_version);
        return Err(
            BackendError::permanent(message).help("metrics tell the two apart by version: give them different ones")
        );
    }
    let (canary, canary_life) = process::bind(&config.canary_version, draws::derive(config.seed, 1), None)?;
    // what the flags expose now, and at most so far
    let (exposed, peak) = (watch::Sender::new(0.0), watch::Sender::new(0.0));
    let behind = config.behind_flags.then(|| exposed.subscribe());
    let (stable, stable_life) = process::bind(&config.stable_version, draws::derive(config.seed, 2), behind)?;
    let proxy =
        Arc::new(proxy::Proxy::new((canary.version(), canary.address()), (stable.version(), stable.address()))?);
    let (traffic, proxy_address) = listen().await?;
    let (control, control_address) = listen().await?;
    let url =
        format!("http://{proxy_address}/").parse().map_err(|error| failed(format!("{proxy_address}: {error}")))?;
    let load = Arc::new(load::Load::default());
    let injected = schedule::Log::default();

    let mut tasks = JoinSet::new();
    tasks.spawn(canary_life);
    tasks.spawn(stable_life);
    tasks.spawn(Arc::clone(&proxy).serve_traffic(traffic));
    tasks.spawn(Arc::clone(&proxy).serve_control(control));
    for fault in config.faults {
        let (peak, victim) = if config.behind_flags { (peak.subscribe(), &stable) } else { (proxy.peak(), &canary) };
        tasks.spawn(schedule::inject(fault, peak, config.behind_flags, victim.clone(), injected.clone()));
    }
    let (flags, wanted) = mpsc::unbounded_channel();
    tasks.spawn(flags::follow(wanted, exposed, peak));
    if config.rate > 0 {
        tasks.spawn(Arc::clone(&load).run(url, config.rate));
    }
    Ok(Lab { canary, stable, proxy_address, control_address, proxy, load, rate: config.rate, injected, flags, tasks })
}

impl Lab {
    /// The Prometheus pages of both services, the canary's first.
    #[must_use]
    pub fn metrics_urls(&self) -> Vec<String> {
        vec![self.canary.metrics_url(), self.stable.metrics_url()]
    }

    /// The Prometheus page of the proxy: what clients got, per upstream, also from an upstream that is gone.
    #[must_use]
    pub fn edge_metrics_url(&self) -> String {
        format!("{}/metrics", self.control_url())
    }

    /// Where clients go.
    #[must_use]
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy_address)
    }

    /// Where weights are read and set: `GET` and `PUT /weights`.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control_address)
    }

    /// The proxy as a traffic port.
    #[must_use]
    pub fn traffic(&self) -> Arc<dyn Port> {
        Arc::new(LabTraffic::new(&self.control_url()))
    }

    /// Lets the stable service read these flags from now on, from where they are kept. With [`LabConfig::behind_flags`], its
    /// faults lie behind them: of a share, that share of requests meets them, of a flag that is on or a count above 0, each.
    pub fn follow(&self, flags: Vec<Arc<dyn Port>>) {
        // it can only fail when the lab is ending
        let _ = self.flags.send(flags);
    }

    /// The version that is rolled out.
    #[must_use]
    pub fn canary(&self) -> &Service {
        &self.canary
    }

    /// The version that is in use.
    #[must_use]
    pub fn stable(&self) -> &Service {
        &self.stable
    }

    /// How many requests the proxy sent to which version.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.proxy.sent()
    }

    /// What the load generator got back.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.load.seen()
    }

    /// The faults that have begun, in order.
    #[must_use]
    pub fn injected(&self) -> Vec<Injected> {
        self.injected.entries()
    }

    /// All its URLs, one a line.
    #[must_use]
    pub fn describe(&self) -> String {
        let by_hand = self.traffic().by_hand(crate::plan::Setting::Share(0.05));
        let service = |role: &str, service: &Service| {
            format!("{role:<8} {}  version {}, /metrics, /fault", service.url(), service.version())
        };
        [
            format!("{:<8} {}  {} requests/s", "proxy", self.proxy_url(), self.rate),
            format!("{:<8} {}  /weights, /metrics", "control", self.control_url()),
            service("canary", &self.canary),
            service("stable", &self.stable),
            format!("{:<8} {by_hand}", "5% by"),
        ]
        .join("\n")
    }

    /// Ends all of it; when this returns, nothing listens any more.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn listen() -> Result<(TcpListener, SocketAddr), BackendError> {
    let bound = async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|error: std::io::Error| failed(format!("listen on 127.0.0.1: {error}")))
}

/// An error of the lab itself.
fn failed(message: String) -> BackendError {
    BackendError::permanent(format!("lab: {message}"))
}
