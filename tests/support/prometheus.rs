//! A Prometheus of the test's own.

use super::{Server, free_port};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use tempfile::TempDir;

pub struct Prometheus {
    pub port: u16,
    pub server: Server,
    _dir: TempDir,
}

/// What it is started with.
#[derive(Default)]
pub struct Setup<'a> {
    /// Targets (`host:port`) that it scrapes once a second.
    pub targets: &'a [String],
    /// Recorded data in OpenMetrics text, with its `# EOF`; times in seconds.
    pub history: Option<&'a str>,
    /// The file of `--web.config.file`.
    pub web: Option<&'a str>,
}

impl Prometheus {
    pub fn start(setup: &Setup<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let targets: Vec<_> = setup.targets.iter().map(|t| format!("\"{t}\"")).collect();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: test\n  static_configs: [{{targets: [{}]}}]\n",
            targets.join(", ")
        );
        std::fs::write(path("prom.yml"), config).unwrap();
        if let Some(history) = setup.history {
            std::fs::write(path("history.om"), history).unwrap();
            let out = Command::new("promtool")
                .args(["tsdb", "create-blocks-from", "openmetrics"])
                .args([path("history.om"), path("data")])
                .output()
                .unwrap();
            assert!(out.status.success(), "{out:?}");
        }
        let port = free_port();
        let mut args = vec![
            format!("--config.file={}", path("prom.yml")),
            format!("--storage.tsdb.path={}", path("data")),
            // recorded blocks are years old
            String::from("--storage.tsdb.retention.time=100y"),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        if let Some(web) = setup.web {
            std::fs::write(path("web.yml"), web).unwrap();
            args.push(format!("--web.config.file={}", path("web.yml")));
        }
        let mut server = Server::spawn("prometheus", &args, &dir.path().join("log"));
        // with credentials it answers 401 once it listens, which is ready enough
        server.wait_ready(|| {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
                return false;
            };
            let mut got = String::new();
            write!(stream, "GET /-/ready HTTP/1.0\r\n\r\n").is_ok()
                && stream.read_to_string(&mut got).is_ok()
                && (got.contains(" 200 ") || got.contains(" 401 "))
        });
        Self { port, server, _dir: dir }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
