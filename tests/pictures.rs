//! The pictures of a replay: the page in a real browser, and the same in a terminal. What they show is made by the engine.
//! The browser is Debian's `chromium`; its screenshots are kept in the target folder's `tmp`, to be looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "pictures/browser.rs"]
mod browser;
#[path = "pictures/hostile.rs"]
mod hostile;
#[path = "pictures/outcomes.rs"]
mod outcomes;
#[path = "pictures/page.rs"]
mod page;
#[path = "pictures/terminal.rs"]
mod terminal;
#[allow(dead_code, reason = "shared with the engine's own tests, which use the rest")]
#[path = "engine/watch.rs"]
mod watch;
#[allow(dead_code, reason = "shared with the engine's own tests, which use the rest")]
#[path = "engine/world.rs"]
mod world;

mod support;
