//! Kills this process at a named boundary, to test that a run survives it. In builds with debug assertions only.
//!
//! `CANARY_FAULT=journalled:3` kills at the third time that `journalled` is reached, after writing `fault: killed at
//! journalled #3` to standard error. The boundaries of an effect are `decided`, `recorded`, `journalled`, `performed`,
//! `confirmed`.

/// Reached a boundary.
#[cfg(debug_assertions)]
pub fn point(boundary: &str) {
    use std::sync::Mutex;
    static SEEN: Mutex<Vec<(String, u32)>> = Mutex::new(Vec::new());
    let Ok(wanted) = std::env::var("CANARY_FAULT") else { return };
    let (name, count) = wanted.split_once(':').unwrap_or((wanted.as_str(), "1"));
    let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !seen.iter().any(|(b, _)| b == boundary) {
        seen.push((boundary.to_owned(), 0));
    }
    for (b, n) in seen.iter_mut() {
        if b == boundary {
            *n += 1;
            if b == name && n.to_string() == count {
                eprintln!("fault: killed at {boundary} #{n}");
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
        }
    }
}

/// Reached a boundary: nothing happens in a release build.
#[cfg(not(debug_assertions))]
pub fn point(_boundary: &str) {}
