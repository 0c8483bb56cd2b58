//! Requests from inside the test: a fixed rate on a few threads, until it is dropped.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Sends a request to a loopback port and reads the answer to its end.
pub fn exchange(port: u16, request: &str) -> std::io::Result<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(request.as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Threads that ask.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// At most `threads` requests at once, each thread at most every `every`.
    pub fn start(port: u16, threads: usize, every: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ask = |i: usize| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                std::thread::sleep(every * u32::try_from(i).unwrap() / u32::try_from(threads).unwrap());
                while !stop.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    // an answer that never comes is what some tests are about
                    let _ = exchange(port, "GET / HTTP/1.0\r\nHost: x\r\n\r\n");
                    std::thread::sleep(every.saturating_sub(begin.elapsed()));
                }
            })
        };
        Self { threads: (0..threads).map(ask).collect(), stop }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for t in self.threads.drain(..) {
            let _ = t.join();
        }
    }
}
