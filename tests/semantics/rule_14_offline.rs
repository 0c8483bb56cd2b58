//! Rule 14: `check`, `fmt`, `test`, `plan` (and `doc`, `explain`) never run a command, open a socket, read a secret, or follow an import
//! out of the repository, and are bounded on hostile input.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// A policy whose environment would do all of it, in a folder that is a repository.
struct Trap {
    folder: tempfile::TempDir,
    server: TcpListener,
}

impl Trap {
    fn new(import: &str) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("repository");
        std::fs::create_dir_all(repository.join(".git")).unwrap();
        let prelude = include_str!("../engine/prelude.canary")
            .replace("http://127.0.0.1:9090", &url)
            .replace("[\"./smoke\"]", "[\"touch\", \"it-ran\"]");
        let text = format!(
            "{}\n{import}\nrollout shop \"Shop\" {{
              guard load: load < 5 else rollback
              phase one {{ traffic checkout = 5%  run smoke  hold 10m }}
              on breach, rollback, pause, blind, done: notify oncall
            }}
            test \"t\" for shop {{ assume healthy  expect promoted }}\n",
            prelude
        );
        std::fs::write(repository.join("shop.canary"), text).unwrap();
        std::fs::write(folder.path().join("outside.canary"), "edition 2026\nparam outside: count = 3\n").unwrap();
        Self { folder, server }
    }

    fn canary(&self, args: &[&str]) -> (i32, String) {
        let out = Command::new(env!("CARGO_BIN_EXE_canary"))
            .args(args)
            .current_dir(self.folder.path().join("repository"))
            // a secret that is read would have to come from here, and is not here
            .env_clear()
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (out.status.code().unwrap_or(-1), text)
    }
}

#[test]
fn they_run_no_command_open_no_socket_and_read_no_secret() {
    let trap = Trap::new("");
    for args in [
        &["check", "shop.canary"][..],
        &["fmt", "shop.canary"],
        &["fmt", "--check", "shop.canary"],
        &["test", "shop.canary", "--coverage"],
        &["plan", "shop.canary", "--env", "here"],
        &["plan", "shop.canary", "--env", "here", "--format", "json"],
        &["doc", "shop.canary"],
        &["explain", "E0430"],
    ] {
        let (code, text) = trap.canary(args);
        assert_eq!(code, 0, "{args:?}: {text}");
        assert!(!text.contains("ONCALL is not set"), "{args:?}: {text}");
        let accepted = trap.server.accept();
        assert!(accepted.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "{args:?} opened a socket");
        let left: Vec<_> =
            std::fs::read_dir(trap.folder.path().join("repository")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{args:?} left {left:?}");
    }
}

#[test]
fn no_import_leads_out_of_the_repository() {
    let inside = Trap::new("use \"../outside.canary\" as outside");
    for args in [&["check", "shop.canary"][..], &["plan", "shop.canary", "--env", "here"], &["test", "shop.canary"]] {
        let (code, text) = inside.canary(args);
        assert_ne!(code, 0, "{args:?}");
        assert!(text.contains("leads out of this repository"), "{args:?}: {text}");
    }
    // nor does a link
    let linked = Trap::new("use \"./link.canary\" as outside");
    let repository = linked.folder.path().join("repository");
    std::os::unix::fs::symlink("../outside.canary", repository.join("link.canary")).unwrap();
    let (code, text) = linked.canary(&["check", "shop.canary"]);
    assert_ne!(code, 0, "{text}");
}

#[test]
fn hostile_input_ends_at_once_and_with_a_finding() {
    let trap = Trap::new("");
    let repository = trap.folder.path().join("repository");
    let deep = |n: usize| format!("edition 2026\nlet x = {}1{}\n", "(".repeat(n), ")".repeat(n));
    let files = [
        ("sixty.canary", deep(60), 0),
        ("deep.canary", deep(65), 1),
        ("deeper.canary", deep(100_000), 1),
        ("open.canary", format!("edition 2026\nlet x = {}", "(".repeat(100_000)), 1),
        ("nots.canary", format!("edition 2026\nlet x = {}true\n", "not ".repeat(100_000)), 1),
        ("braces.canary", "rollout r { phase p { ".repeat(20_000), 1),
    ];
    for (name, text, code) in files {
        std::fs::write(repository.join(name), text).unwrap();
        let begun = Instant::now();
        let (got, text) = trap.canary(&["check", name]);
        // no measurement: exponential or endless would be hours, and a stack that overflows is a signal
        assert!(begun.elapsed() < Duration::from_secs(60), "{name}");
        let head: String = text.chars().take(600).collect();
        assert_eq!(got, code, "{name}: {head}");
    }
}
