//! The HAProxy adapter against a real HAProxy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::backend::haproxy::Haproxy as Adapter;
use canary::backend::{BackendError, Port};
use canary::plan::Setting;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::haproxy::Haproxy;

fn adapter(h: &Haproxy, socket: &str, backend: &str, canary: &str) -> Adapter {
    let path = h.socket(socket);
    Adapter::new(path.to_str().unwrap(), backend, canary, "v1").unwrap()
}

fn split(v1: usize, v2: usize) -> BTreeMap<String, usize> {
    [("v1", v1), ("v2", v2)].into_iter().filter(|(_, n)| *n > 0).map(|(s, n)| (s.to_owned(), n)).collect()
}

#[tokio::test]
async fn shares_are_set_read_back_and_served() {
    if !support::require("haproxy") {
        return;
    }
    let h = Haproxy::start();
    let port = adapter(&h, "admin.sock", "be_checkout", "v2");
    assert_eq!(port.read().await, Ok(Setting::Share(0.0)));
    assert_eq!(h.count(20), split(20, 0));
    for (share, v1, v2) in
        [(0.05, 190, 10), (0.25, 150, 50), (0.005, 199, 1), (0.5, 100, 100), (1.0, 0, 200), (0.0, 200, 0)]
    {
        port.set(Setting::Share(share)).await.unwrap();
        let read = port.read().await.unwrap();
        assert!(read.same(Setting::Share(share)), "{read} for {share}");
        // one round of weighted round robin is exact; a change in the middle of one shifts it by a request or two
        let counts = h.count(200);
        let canary = counts.get("v2").copied().unwrap_or(0);
        assert!(canary.abs_diff(v2) <= 2, "{counts:?} for {share}");
        assert_eq!(counts.values().sum::<usize>(), v1 + v2);
        if v2 == 0 || v1 == 0 {
            assert_eq!(counts, split(v1, v2));
        }
    }
}

#[tokio::test]
async fn the_line_for_a_person_does_the_same() {
    if !support::require("haproxy") || !support::require("socat") {
        return;
    }
    let h = Haproxy::start();
    let tcp = format!("tcp 127.0.0.1:{}", h.admin_port);
    let over_tcp = Adapter::new(&tcp, "be_checkout", "v2", "v1").unwrap();
    for (port, share) in [(adapter(&h, "admin.sock", "be_checkout", "v2"), 0.125), (over_tcp, 0.0)] {
        let line = port.by_hand(Setting::Share(share));
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
        assert_eq!(port.read().await, Ok(Setting::Share(share)), "{line}");
    }
}

#[tokio::test]
async fn over_tcp() {
    if !support::require("haproxy") {
        return;
    }
    let h = Haproxy::start();
    let tcp = format!("tcp 127.0.0.1:{}", h.admin_port);
    let port = Adapter::new(&tcp, "be_checkout", "v2", "v1").unwrap();
    port.set(Setting::Share(0.2)).await.unwrap();
    assert_eq!(port.read().await, Ok(Setting::Share(0.2)));
}

#[tokio::test]
async fn unknown_names_are_told_and_nothing_changes() {
    if !support::require("haproxy") {
        return;
    }
    let h = Haproxy::start();
    h.say("set server be_checkout/v1 weight 77");
    let half = Setting::Share(0.5);
    let no_server = adapter(&h, "admin.sock", "be_checkout", "v3");
    for e in [no_server.read().await.unwrap_err(), no_server.set(half).await.unwrap_err()] {
        assert_eq!(e.message, "haproxy: no server \"v3\" in backend \"be_checkout\"");
        assert_eq!(e.help.as_deref(), Some("its servers are v1, v2"));
        assert!(!e.transient);
    }
    let no_backend = adapter(&h, "admin.sock", "be_nowhere", "v2");
    for e in [no_backend.read().await.unwrap_err(), no_backend.set(half).await.unwrap_err()] {
        assert!(e.message.starts_with("haproxy: no backend \"be_nowhere\" at /"), "{e}");
        assert!(!e.transient);
    }
    assert_eq!(h.say("get weight be_checkout/v1"), "77 (initial 100)\n\n");
}

#[tokio::test]
async fn refusals_are_told() {
    if !support::require("haproxy") {
        return;
    }
    let h = Haproxy::start();
    let user = adapter(&h, "user.sock", "be_checkout", "v2");
    assert_eq!(user.read().await, Ok(Setting::Share(0.0)));
    let e = user.set(Setting::Share(0.5)).await.unwrap_err();
    assert!(e.message.ends_with("user.sock may not set weights") && !e.transient, "{e}");
    assert!(e.help.unwrap().contains("level admin"));
    let fixed = adapter(&h, "admin.sock", "be_static", "v2");
    let e = fixed.set(Setting::Share(0.5)).await.unwrap_err();
    assert!(e.message.contains("static algorithm") && !e.transient, "{e}");
    let e = fixed.set(Setting::Share(0.001)).await.unwrap_err();
    assert!(e.message.contains("the nearest that do are 0% and 0.4%"), "{e}");
}

#[tokio::test]
async fn no_traffic_at_all_is_an_error_with_a_way_out() {
    if !support::require("haproxy") {
        return;
    }
    let h = Haproxy::start();
    h.say("set server be_checkout/v1 weight 0");
    let port = adapter(&h, "admin.sock", "be_checkout", "v2");
    let e = port.read().await.unwrap_err();
    assert!(e.message.contains("both v2 and v1 of be_checkout have weight 0") && !e.transient, "{e}");
    // what it says can be done can be done
    port.set(Setting::Share(0.0)).await.unwrap();
    assert_eq!(port.read().await, Ok(Setting::Share(0.0)));
}

#[tokio::test]
async fn a_restart_shows_and_a_missing_socket_may_come_back() {
    if !support::require("haproxy") {
        return;
    }
    let mut h = Haproxy::start();
    let port = adapter(&h, "admin.sock", "be_checkout", "v2");
    port.set(Setting::Share(0.25)).await.unwrap();
    h.restart();
    assert_eq!(port.read().await, Ok(Setting::Share(0.0)), "weights live in memory");
    h.stop();
    let e = port.read().await.unwrap_err();
    assert!(e.message.starts_with("haproxy: nobody listens at /") && e.transient, "{e}");
    std::fs::remove_file(h.socket("admin.sock")).unwrap();
    let e = port.set(Setting::Share(0.0)).await.unwrap_err();
    assert!(e.message.starts_with("haproxy: no socket at /") && e.transient, "{e}");
    h.restart();
    port.set(Setting::Share(0.25)).await.unwrap();
    assert_eq!(port.read().await, Ok(Setting::Share(0.25)));
}

/// From all to nothing and back, over and over, while requests come in: none may find both servers at weight 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_never_without_a_server() {
    if !support::require("haproxy") {
        return;
    }
    let h = Arc::new(Haproxy::start());
    let port = adapter(&h, "admin.sock", "be_checkout", "v2");
    let done = Arc::new(AtomicBool::new(false));
    let clients = tokio::task::spawn_blocking({
        let (h, done) = (Arc::clone(&h), Arc::clone(&done));
        move || {
            let mut all = BTreeMap::<String, usize>::new();
            while !done.load(Ordering::SeqCst) {
                for (who, n) in h.count(50) {
                    *all.entry(who).or_default() += n;
                }
            }
            all
        }
    });
    for _ in 0..100 {
        port.set(Setting::Share(1.0)).await.unwrap();
        port.set(Setting::Share(0.0)).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let all = clients.await.unwrap();
    assert!(all.keys().all(|k| k == "v1" || k == "v2"), "{all:?}");
}

#[tokio::test]
async fn what_never_answers_and_what_is_not_haproxy() {
    let folder = tempfile::tempdir().unwrap();
    let silent = folder.path().join("silent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    let at = |p: &std::path::Path| Adapter::new(p.to_str().unwrap(), "be", "v2", "v1").unwrap();
    let e = at(&silent).read().await.unwrap_err();
    assert!(e.message.ends_with("silent.sock within 2s") && e.transient, "{e}");

    let chatty = folder.path().join("chatty.sock");
    let listener = tokio::net::UnixListener::bind(&chatty).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut line = [0; 512];
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut line).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 mail ready\n").await.unwrap();
    });
    let e: BackendError = at(&chatty).read().await.unwrap_err();
    server.await.unwrap();
    assert!(e.message.contains("says \"220 mail ready\"") && !e.transient, "{e}");
}
