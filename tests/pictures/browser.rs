//! A browser without a window, driven by the DevTools protocol (<https://chromedevtools.github.io/devtools-protocol/>) through two
//! pipes: no port, no driver, no WebSocket.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::support::{Server, require};

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Browser {
    commands: File,
    answers: Receiver<Value>,
    session: Value,
    next: u64,
    /// What it has told without being asked.
    pub events: Vec<Value>,
    // ends the process when dropped; its folder goes behind it
    _process: Server,
    pub folder: tempfile::TempDir,
}

impl Browser {
    /// Started with an empty profile; none where it is not installed.
    pub fn start() -> Option<Self> {
        if !require("chromium") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (to, from) = (folder.path().join("commands"), folder.path().join("answers"));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        // the protocol is spoken on the descriptors 3 and 4
        let child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<commands 4>answers", "chromium"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let process = Server::of(child);
        // opening waits for the other end, in the order in which the shell opens
        let commands = File::options().write(true).open(&to).unwrap();
        let mut read = BufReader::new(File::open(&from).unwrap());
        let (told, answers) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while read.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                if told.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut b =
            Self { commands, answers, session: Value::Null, next: 0, events: Vec::new(), _process: process, folder };
        let target = b.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        b.session =
            b.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))["sessionId"].clone();
        for domain in ["Page", "Runtime", "Network", "Log", "DOM"] {
            b.call(&format!("{domain}.enable"), json!({}));
        }
        Some(b)
    }

    /// Asks for something and waits for the answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.answer(method);
            if answer["id"] == self.next {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    fn answer(&mut self, what: &str) -> Value {
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        self.answers.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{what}: {e}; the browser says:\n{}", log()))
    }

    /// Waits for an event.
    fn event(&mut self, method: &str) {
        while !self.events.iter().any(|e| e["method"] == method) {
            let told = self.answer(method);
            self.events.push(told);
        }
    }

    /// Opens a page that is a file.
    pub fn open(&mut self, file: &Path) {
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        self.event("Page.loadEventFired");
    }

    /// Writes a page and opens it.
    pub fn show(&mut self, page: &str) {
        let file = self.folder.path().join("report.html");
        std::fs::write(&file, page).unwrap();
        self.open(&file);
    }

    /// What an expression is in the page.
    pub fn ask(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// The size of the window, and whether it is dark in the room.
    pub fn look(&mut self, width: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.media("screen", &[("prefers-color-scheme", if dark { "dark" } else { "light" })]);
    }

    /// A medium with its features.
    pub fn media(&mut self, media: &str, features: &[(&str, &str)]) {
        let features: Vec<Value> = features.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
        self.call("Emulation.setEmulatedMedia", json!({ "media": media, "features": features }));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            other => panic!("no code for {other}"),
        };
        for kind in ["rawKeyDown", "char", "keyUp"] {
            if kind == "char" && key != "Enter" {
                continue;
            }
            let text = if kind == "char" { "\r" } else { "" };
            let params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// All of the page as a picture, in the target folder.
    pub fn picture(&mut self, name: &str) -> PathBuf {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let data = self.call("Page.captureScreenshot", params)["data"].as_str().unwrap().to_owned();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{name}.png"));
        std::fs::write(&file, decoded(&data)).unwrap();
        file
    }

    /// What a page must not tell: errors, warnings, and requests for anything but itself.
    pub fn complaints(&self) -> Vec<String> {
        let mut out = Vec::new();
        for e in &self.events {
            let p = &e["params"];
            match e["method"].as_str().unwrap_or("") {
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => out.push(p.to_string()),
                "Network.requestWillBeSent" => {
                    let url = p["request"]["url"].as_str().unwrap();
                    if !url.ends_with("/report.html") {
                        out.push(format!("asked for {url}"));
                    }
                }
                _ => {}
            }
        }
        out
    }
}

/// RFC 4648.
pub fn decoded(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is not base64"),
    };
    let mut out = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, c| bits << 6 | u32::from(value(*c))) << (6 * (4 - group.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    out
}
