//! The lab's commands, ended by a real signal. Alone in its process, since a signal reaches all of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::backend::BackendError;
use canary::lab::{self, Fault, LabConfig};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A command's standard output.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Output {
    async fn until(&self, part: &str) -> String {
        let started = Instant::now();
        loop {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            if text.contains(part) {
                return text;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "no {part} in {text}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn addresses(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .split("http://")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect())
        .collect();
    found.sort();
    found.dedup();
    found
}

async fn ends_with(signal: &str, command: JoinHandle<Result<(), BackendError>>, addresses: &[String]) {
    for address in addresses {
        TcpStream::connect(address).unwrap();
    }
    let kill = std::process::Command::new("kill").args([signal, &std::process::id().to_string()]).status();
    assert!(kill.unwrap().success());
    command.await.unwrap().unwrap();
    for address in addresses {
        TcpStream::connect(address).expect_err("nothing listens after the command");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_run_until_a_signal_and_leave_nothing() {
    let output = Output::default();
    let mut out = output.clone();
    let command =
        tokio::spawn(async move { lab::service_command("v2", ([127, 0, 0, 1], 0).into(), 1, &mut out).await });
    let text = output.until("\n").await;
    assert!(text.starts_with("listening on http://127.0.0.1:"), "{text}");
    ends_with("-TERM", command, &addresses(&text)).await;
    assert_eq!(output.until("\n").await.lines().count(), 1);

    let output = Output::default();
    let mut out = output.clone();
    let config = LabConfig { faults: Fault::parse("errors=5% after 100ms").unwrap(), ..LabConfig::default() };
    let command = tokio::spawn(async move { lab::up_command(config, &mut out).await });
    let text = output.until("fault errors=5% after 100ms has begun").await;
    println!("{text}");
    let addresses = addresses(&text);
    assert_eq!(addresses.len(), 4, "proxy, control, canary, stable in\n{text}");
    ends_with("-INT", command, &addresses).await;
}
