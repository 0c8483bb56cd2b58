//! The walk-throughs under `examples/`, command by command as a reader would type them, with what the text promises.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::path::Path;
use std::process::{Command, Stdio};

/// A fenced block: what stands behind its fence, its text, and the line of the page it begins at.
struct Block {
    kind: String,
    text: String,
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    let mut open = false;
    for (i, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(kind) => {
                open = true;
                out.push(Block { kind: kind.to_owned(), text: String::new(), line: i + 1 });
            }
            None if open => {
                let block = out.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    out
}

/// Whether a line shows what was promised; `…` stands for anything.
fn shows(line: &str, promised: &str) -> bool {
    let mut rest = line;
    promised.split('…').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// The promised lines that do not come, in their order, in what was printed.
fn broken(printed: &str, promises: &str) -> Option<String> {
    let mut lines = printed.lines();
    promises.lines().find(|p| !lines.any(|l| shows(l, p.trim()))).map(str::to_owned)
}

#[test]
fn the_flags_are_walked_through_as_promised() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("examples/flags/README.md")).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("flags");
    // what the block `setup` does, with the binary under test
    assert!(
        Command::new("cp").args(["-r", "examples/flags"]).arg(&folder).current_dir(root).status().unwrap().success()
    );
    let binary = Path::new(env!("CARGO_BIN_EXE_canary")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(binary.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();

    let blocks = blocks(&page);
    assert!(blocks[0].kind == "sh setup" && blocks[0].text.contains("cp -r examples/flags /"));
    let mut walked = 0;
    for pair in blocks[1..].chunks(2) {
        let [commands, promises] = pair else { panic!("a block of commands without a promise") };
        assert_eq!((commands.kind.as_str(), promises.kind.as_str()), ("sh", "text"), "line {}", commands.line);
        let done = Command::new("sh")
            // one stream, as on a terminal
            .args(["-c", &format!("exec 2>&1\n{}", commands.text)])
            .current_dir(&folder)
            .env("PATH", &path)
            .env_remove("CANARY_STORE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8(done.stdout).unwrap();
        if let Some(promise) = broken(&printed, &promises.text) {
            panic!("README line {}: `{promise}` was promised, and was not printed in:\n{printed}", promises.line);
        }
        // "byte for byte, comments too"
        if commands.text.contains("slow=700ms") {
            let now = std::fs::read(folder.join("flags.json")).unwrap();
            assert_eq!(now, std::fs::read(root.join("examples/flags/flags.json")).unwrap());
        }
        walked += 1;
    }
    assert_eq!(walked, 6);
    assert_eq!(std::fs::read_to_string(folder.join("workers.log")).unwrap().lines().count(), 1, "one edge, one worker");
}

#[test]
fn a_promise_that_is_not_kept_is_noticed() {
    let printed = "12:00:01 started\n12:00:02 set a = on after 3ms\nexit status 1\n";
    assert_eq!(broken(printed, "started\nset a = … after\nexit status 1\n"), None);
    assert_eq!(broken(printed, "set a = on\nstarted\n").as_deref(), Some("started"));
    assert_eq!(broken(printed, "exit status 0\n").as_deref(), Some("exit status 0"));
}
