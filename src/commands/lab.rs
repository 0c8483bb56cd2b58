//! The lab as a command, and what stands for actions, flags and channels on it.

use super::exit::{Status, because};
use crate::backend::http::{self, Endpoint, Redirects};
use crate::backend::{ActionOutcome, BackendError, Notice, Notifier, Runner, Secret};
use crate::lab::{Fault, Lab, LabConfig};
use crate::plan::{Bindings, Plan, PortKind};
use crate::runtime::fetch::with_help;
use async_trait::async_trait;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `canary lab`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LabCommand {
    /// Start both services, the proxy and the load generator, and keep them until Ctrl-C
    Up {
        /// Requests a second
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
        rate: u32,
        /// Faults to inject, such as `slow=400ms at 50%`
        #[arg(long, value_name = "FAULT")]
        fault: Option<String>,
    },
    /// One service alone: put it behind a proxy of your own
    Service {
        /// What it calls itself in its metrics and in `x-version`
        #[arg(long, default_value = "v1")]
        version: String,
        /// Where it listens; port 0 picks a free one
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Seed of its simulated work
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// Runs until Ctrl-C or SIGTERM.
#[must_use]
pub fn main(args: &Args) -> Status {
    let Ok(runtime) = super::runs::tokio() else { return because(Status::Wrong, "cannot start the async runtime") };
    let out = &mut std::io::stdout();
    let done = runtime.block_on(async {
        match &args.command {
            LabCommand::Up { rate, fault } => {
                let faults = fault.as_deref().map(Fault::parse).transpose()?.unwrap_or_default();
                crate::lab::up_command(LabConfig { rate: *rate, faults, ..LabConfig::default() }, out).await
            }
            LabCommand::Service { version, listen, seed } => {
                crate::lab::service_command(version, *listen, *seed, out).await
            }
        }
    });
    match done {
        Ok(()) => Status::Success,
        Err(e) => because(Status::Wrong, &with_help(&e)),
    }
}

/// Whether a run needs the lab: in the environment `lab`, and in one that reads the lab's pages.
#[must_use]
pub fn is_needed(bindings: &Bindings) -> bool {
    bindings.environment == "lab" || bindings.bindings.values().any(|b| b.backend == "lab")
}

/// The lab for a plan: without a traffic port, its faults lie behind the flags.
///
/// # Errors
/// What keeps it from starting.
pub async fn start_for(plan: &Plan, faults: Vec<Fault>) -> Result<Lab, BackendError> {
    let behind_flags = plan.ports.iter().all(|p| p.kind != PortKind::Traffic);
    crate::lab::start(LabConfig { faults, behind_flags, ..LabConfig::default() }).await
}

/// Where the lab of this process keeps its flag file.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("canary-lab-{}", std::process::id()))
}

/// Makes the lab's flag file, once.
///
/// # Errors
/// When it cannot be written.
pub fn flag_file(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("flags.json");
    if file.exists() { Ok(()) } else { std::fs::write(file, "{}\n") }
}

/// Removes what [`flag_file`] made.
pub fn clean_up() {
    let _ = std::fs::remove_dir_all(folder());
}

/// A channel on the lab: there is nobody to tell, the run's own output shows that it was told.
pub struct Printed {
    name: String,
}

impl Printed {
    /// A channel of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

#[async_trait]
impl Notifier for Printed {
    async fn notify(&self, _notice: &Notice) -> Result<(), BackendError> {
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{} (on the lab: nobody)", self.name)
    }
}

/// An action on the lab: a smoke test of 20 real requests through the proxy, which fails when one of them does.
pub struct Probe {
    name: String,
    url: String,
}

impl Probe {
    /// An action of that name against the lab's proxy.
    #[must_use]
    pub fn new(name: &str, url: &str) -> Self {
        Self { name: name.to_owned(), url: url.to_owned() }
    }
}

#[async_trait]
impl Runner for Probe {
    async fn run(&self, timeout: Duration, _vars: &[(String, String)]) -> ActionOutcome {
        let mut output = String::new();
        let all = async {
            let endpoint = Endpoint::parse(&Secret::new(self.url.as_str())).map_err(|e| e.to_string())?;
            let client =
                http::client(&endpoint, Duration::from_secs(5), Redirects::Refuse).map_err(|e| e.to_string())?;
            for i in 1..=20 {
                let answer = client.get(&self.url).send().await.map_err(|e| e.without_url().to_string())?;
                output.push_str(&format!("request {i}: {}\n", answer.status()));
                if answer.status().is_server_error() {
                    return Err(format!("request {i} was answered {}", answer.status()));
                }
            }
            Ok(String::from("20 requests answered"))
        };
        let (ok, how) = match tokio::time::timeout(timeout, all).await {
            Ok(Ok(how)) => (true, how),
            Ok(Err(how)) => (false, how),
            Err(_) => (false, format!("timed out after {}s", timeout.as_secs())),
        };
        ActionOutcome { ok, how, output }
    }

    fn describe(&self) -> String {
        format!("{}: 20 requests through the lab's proxy", self.name)
    }
}
