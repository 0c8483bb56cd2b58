//! A small HTTP server inside the test: pages to scrape, and answers that no well-behaved server would give.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// All header lines, in lower case up to the colon.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(k, _)| k == name);
        found.map_or("", |(_, v)| v)
    }
}

/// What is answered.
pub enum Reply {
    /// Status, further headers, body.
    Full(u16, Vec<(&'static str, String)>, String),
    /// A body that is announced longer than it is.
    CutOff(String),
    /// Nothing, for so long.
    Hang(Duration),
}

impl Reply {
    pub fn json(status: u16, body: &str) -> Self {
        Self::typed(status, "application/json", body)
    }
    pub fn text(body: &str) -> Self {
        Self::typed(200, "text/plain; version=0.0.4", body)
    }
    pub fn typed(status: u16, kind: &str, body: &str) -> Self {
        Self::Full(status, vec![("Content-Type", kind.into())], body.into())
    }
}

/// Answers on a port of 127.0.0.1 until it is dropped; then the port is closed.
pub struct Pages {
    pub port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pages {
    pub fn serve(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve_on(0, handler)
    }

    pub fn serve_on(port: u16, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let handler = Arc::new(handler);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let handler = Arc::clone(&handler);
                let stream = stream.unwrap();
                // a client that went away is its own business
                std::thread::spawn(move || answer(stream, &*handler).ok());
            }
        });
        Self { port, stop, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // wakes the listener
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, handler: &dyn Fn(&Request) -> Reply) -> std::io::Result<()> {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    let request = loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        got.extend_from_slice(&buffer[..n]);
        let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let (head, bytes) = (String::from_utf8_lossy(&got[..end]), &got[end + 4..]);
        // a character may have come in part only: bytes are what is counted
        let body = String::from_utf8_lossy(bytes);
        let mut lines = head.lines();
        let mut first = lines.next().unwrap().split(' ');
        let headers: Vec<_> =
            lines.filter_map(|l| l.split_once(": ")).map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect();
        let request = Request {
            method: first.next().unwrap().to_owned(),
            path: first.next().unwrap().to_owned(),
            headers,
            body: body.into_owned(),
        };
        if bytes.len() >= request.header("content-length").parse().unwrap_or(0) {
            break request;
        }
    };
    match handler(&request) {
        Reply::Full(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n");
            for (k, v) in headers {
                head += &format!("{k}: {v}\r\n");
            }
            write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())
        }
        Reply::CutOff(body) => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len() + 100)
        }
        Reply::Hang(d) => {
            std::thread::sleep(d);
            Ok(())
        }
    }
}
