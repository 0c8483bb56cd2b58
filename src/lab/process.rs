//! A service of the lab as a process that can crash and be started again on the same port.

use super::draws::derive;
use super::failed;
use super::http::Caller;
use super::service::{FaultChange, Faults, Instance};
use crate::backend::BackendError;
use hyper::Method;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot, watch};

/// How long a call to `/fault` may take.
const CALL: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A handle on one of the lab's two services. Clones are handles on the same service.
#[derive(Debug, Clone)]
pub struct Service {
    version: String,
    address: SocketAddr,
    caller: Caller,
    up: watch::Receiver<bool>,
    restarts: mpsc::Sender<oneshot::Sender<()>>,
}

impl Service {
    /// Its version: the value of the label `version` in its metrics.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its Prometheus page is.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        format!("{}/metrics", self.url())
    }

    /// Whether its port is served.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Its faults, as `GET /fault` answers. A crashed service refuses the connection: a transient error.
    pub async fn faults(&self) -> Result<Faults, BackendError> {
        self.fault(Method::GET, None).await
    }

    /// Changes its faults through `POST /fault`. A change that crashes it is [`Service::crash`].
    pub async fn set_fault(&self, change: FaultChange) -> Result<Faults, BackendError> {
        let body = serde_json::to_string(&change).map_err(|e| failed(e.to_string()))?;
        let answered = self.fault(Method::POST, Some(body)).await;
        if change.crash != Some(true) || answered.as_ref().is_err_and(|e| !e.transient) {
            return answered;
        }
        // The connection broke, as it must; what proves the crash is the closed port.
        self.until_up(false).await?;
        Ok(Faults { crash: true, ..Faults::default() })
    }

    /// Ends all its faults through `DELETE /fault`.
    pub async fn clear_faults(&self) -> Result<Faults, BackendError> {
        self.fault(Method::DELETE, None).await
    }

    /// Drops its listener and all its connections; returns when the port refuses.
    pub async fn crash(&self) -> Result<(), BackendError> {
        let change = FaultChange { crash: Some(true), ..FaultChange::default() };
        self.set_fault(change).await.map(drop)
    }

    /// Starts it anew on the same port, without faults and with all counters at 0, whether it runs or has crashed; returns when
    /// the port is served.
    pub async fn restart(&self) -> Result<(), BackendError> {
        let (done, is_done) = oneshot::channel();
        let gone = || failed("the lab has ended".to_owned());
        self.restarts.send(done).await.map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())
    }

    /// `service v2 at http://127.0.0.1:PORT (up)`
    #[must_use]
    pub fn describe(&self) -> String {
        let state = if self.is_up() { "up" } else { "crashed" };
        format!("service {} at {} ({state})", self.version, self.url())
    }

    async fn fault(&self, method: Method, body: Option<String>) -> Result<Faults, BackendError> {
        let url = format!("{}/fault", self.url());
        let (status, text) = self.caller.call(method, &url, body).await?;
        if !status.is_success() {
            return Err(BackendError::permanent(format!("lab: {url}: {status}: {}", text.trim())));
        }
        serde_json::from_str(&text).map_err(|error| BackendError::permanent(format!("lab: {url}: {error}")))
    }

    async fn until_up(&self, wanted: bool) -> Result<(), BackendError> {
        let mut up = self.up.clone();
        match tokio::time::timeout(CALL, up.wait_for(|up| *up == wanted)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(failed("the lab has ended".to_owned())),
            Err(_) => Err(failed(format!("{} did not change within {CALL:?}", self.describe()))),
        }
    }
}

/// Binds a service of `version`, its faults behind flags if there is an `exposure`, and returns its handle with the task that serves it. The task ends only by being dropped.
pub(crate) fn bind(
    version: &str,
    seed: u64,
    exposure: Option<watch::Receiver<f64>>,
) -> Result<(Service, impl Future<Output = ()> + Send + use<>), BackendError> {
    let reserved = Reserved::new()?;
    let first = Arc::new(Instance::new(version, seed, exposure.clone())?);
    let listener = reserved.listen()?;
    let (is_up, up) = watch::channel(true);
    let (restarts, mut wanted) = mpsc::channel::<oneshot::Sender<()>>(1);
    let service =
        Service { version: version.to_owned(), address: reserved.address, caller: Caller::new(CALL), up, restarts };
    let version = version.to_owned();
    let life = async move {
        let (mut listener, mut instance) = (listener, first);
        for generation in 1.. {
            let mut order = None;
            tokio::select! {
                () = instance.serve(listener) => {}
                wish = wanted.recv() => order = wish,
            }
            is_up.send_replace(false);
            let done = match order {
                Some(done) => done,
                None => match wanted.recv().await {
                    Some(done) => done,
                    None => return, // the last handle is gone: nothing can start it again
                },
            };
            // Neither can fail once the first of its kind did not, short of running out of descriptors; then whoever asked for
            // the restart is told by `done` being dropped.
            let Ok(next) = Instance::new(&version, derive(seed, generation), exposure.clone()) else {
                return;
            };
            let Ok(again) = reserved.listen() else { return };
            (listener, instance) = (again, Arc::new(next));
            is_up.send_replace(true);
            let _ = done.send(());
        }
    };
    Ok((service, life))
}

/// A loopback port that stays ours while nobody listens on it. Without that, a crashed service's port could be taken: by another
/// program, or by the kernel for an outgoing connection, which may even connect to itself.
struct Reserved {
    address: SocketAddr,
    /// Bound, never listening: connections are refused.
    _socket: TcpSocket,
}

impl Reserved {
    fn new() -> Result<Self, BackendError> {
        let socket = socket(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr().map_err(|e| failed(format!("bind: {e}")))?;
        Ok(Self { address, _socket: socket })
    }

    fn listen(&self) -> Result<TcpListener, BackendError> {
        socket(self.address)?.listen(BACKLOG).map_err(|error| failed(format!("listen on {}: {error}", self.address)))
    }
}

fn socket(address: SocketAddr) -> Result<TcpSocket, BackendError> {
    let bound = || {
        let socket = TcpSocket::new_v4()?;
        // Lets the listener stand beside the reserving socket, and beside its closed connections. Not SO_REUSEADDR: with it any
        // program could bind the port of a service that has crashed, since nobody listens there.
        socket.set_reuseport(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    bound().map_err(|error: std::io::Error| failed(format!("bind {address}: {error}")))
}
