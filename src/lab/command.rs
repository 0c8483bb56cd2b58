//! `canary lab service` and `canary lab up`: the lab's parts for other tools to talk to.

use super::service::Instance;
use super::{LabConfig, failed, start};
use crate::backend::BackendError;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves one service of `version` on `listen` (a loopback address; port 0 takes a free one) and writes the line
/// `listening on http://ADDRESS` to `out` once connections are accepted. Returns only with an error: the address cannot be
/// bound, or the service was crashed through `/fault`, and then the process should end as a crashed one does.
pub async fn serve_forever(
    version: &str,
    listen: SocketAddr,
    seed: u64,
    out: &mut (dyn Write + Send),
) -> Result<(), BackendError> {
    if !listen.ip().is_loopback() {
        return Err(BackendError::permanent(format!("lab: {listen} is not a loopback address"))
            .help("anyone who reaches the service can switch its faults on: listen on 127.0.0.1"));
    }
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| failed(format!("listen on {listen}: {error}")).help("port 0 takes a free port"))?;
    let address = listener.local_addr().map_err(|e| failed(e.to_string()))?;
    let instance = Arc::new(Instance::new(version, seed, None)?);
    tell(out, &format!("listening on http://{address}"))?;
    instance.serve(listener).await;
    Err(BackendError::permanent(format!("lab: service {version} at {address} crashed, as /fault asked")))
}

/// [`serve_forever`] until ctrl-c or SIGTERM, which end it without an error.
pub async fn service_command(
    version: &str,
    listen: SocketAddr,
    seed: u64,
    out: &mut (dyn Write + Send),
) -> Result<(), BackendError> {
    let stopped = Stopped::new()?;
    tokio::select! {
        ended = serve_forever(version, listen, seed, out) => ended,
        () = stopped.wait() => Ok(()),
    }
}

/// Starts a whole lab, writes its URLs to `out`, and keeps it until ctrl-c or SIGTERM. Faults are told as they begin.
pub async fn up_command(config: LabConfig, out: &mut (dyn Write + Send)) -> Result<(), BackendError> {
    let stopped = Stopped::new()?;
    let lab = start(config).await?;
    tell(out, &lab.describe())?;
    let stopping = stopped.wait();
    tokio::pin!(stopping);
    let mut told = 0;
    loop {
        tokio::select! {
            () = &mut stopping => break,
            () = tokio::time::sleep(std::time::Duration::from_millis(250)) => {}
        }
        for injected in lab.injected().iter().skip(told) {
            told += 1;
            let line = match &injected.failed {
                None => format!("fault {} has begun", injected.fault),
                Some(error) => format!("fault {} could not begin: {error}", injected.fault),
            };
            tell(out, &line)?;
        }
    }
    lab.stop().await;
    Ok(())
}

fn tell(out: &mut (dyn Write + Send), text: &str) -> Result<(), BackendError> {
    // Flushed at once: whoever started this process waits for the line.
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| failed(format!("output: {error}")))
}

/// The signals that end a command, caught from its creation on.
struct Stopped {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stopped {
    fn new() -> Result<Self, BackendError> {
        let caught = |kind| signal(kind).map_err(|error| failed(format!("signals: {error}")));
        Ok(Self { interrupt: caught(SignalKind::interrupt())?, terminate: caught(SignalKind::terminate())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
