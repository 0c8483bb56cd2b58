//! The walk-throughs under `examples/`, command by command as a reader would type them, with what the text promises.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::sim::recording::decode;
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

/// The project's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of an example to work on, and the text of its page.
fn copy(name: &str, folder: &Path) -> String {
    let (from, root) = (format!("examples/{name}"), root());
    assert!(Command::new("cp").args(["-r", &from]).arg(folder).current_dir(root).status().unwrap().success());
    std::fs::read_to_string(folder.join("README.md")).unwrap()
}

/// What a shell prints, with the binary under test as `canary`; one stream, as on a terminal.
fn typed(commands: &str, folder: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_canary")).parent().unwrap();
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = std::env::join_paths(std::iter::once(binary.to_owned()).chain(path)).unwrap();
    let done = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{commands}")])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("CANARY_STORE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_flags_are_walked_through_as_promised() {
    let root = root();
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("flags");
    // what the block `setup` does
    let page = copy("flags", &folder);
    let blocks = blocks(&page);
    assert!(blocks[0].kind == "sh setup" && blocks[0].text.contains("cp -r examples/flags /"));
    let mut walked = 0;
    for pair in blocks[1..].chunks(2) {
        let [commands, promises] = pair else { panic!("a block of commands without a promise") };
        assert_eq!((commands.kind.as_str(), promises.kind.as_str()), ("sh", "text"), "line {}", commands.line);
        let printed = typed(&commands.text, &folder);
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

/// The examples with a recording: its folder, its policy, and how many commands its page shows.
const RECORDED: [(&str, &str, usize); 3] = [
    ("healthy", "recommend.canary", 4),
    ("latency-at-half", "basket.canary", 4),
    ("metrics-outage", "search.canary", 5),
];

/// Whether a line is what was promised, from its beginning to its end; `…` stands for anything.
fn is(line: &str, promised: &str) -> bool {
    let parts: Vec<&str> = promised.split('…').collect();
    let [first, .., last] = parts.as_slice() else { return line == promised };
    line.starts_with(first) && line.ends_with(last) && shows(line, promised)
}

/// The first promised line that is not what was printed. A line that is only `…` stands for any number of lines.
fn differs(printed: &str, promised: &str) -> Option<String> {
    let mut printed = printed.lines().map(str::trim_end);
    let mut skips = false;
    for promise in promised.lines().map(str::trim_end) {
        if promise == "…" {
            skips = true;
            continue;
        }
        let kept = if skips { printed.any(|l| is(l, promise)) } else { printed.next().is_some_and(|l| is(l, promise)) };
        if !kept {
            return Some(promise.to_owned());
        }
        skips = false;
    }
    if skips { None } else { printed.next().map(|more| format!("nothing more, and then `{more}` comes")) }
}

/// What a recording holds is fixed, so every figure of these pages is.
#[track_caller]
fn walks(name: &str, commands: usize) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join(name);
    let page = copy(name, &folder);
    assert!(page.lines().count() <= 115, "{name}: a walk-through is read at one go");
    let mut walked = 0;
    for pair in blocks(&page).chunks(2) {
        let [commands, promises] = pair else { panic!("{name}: a block of commands without a promise") };
        assert_eq!((commands.kind.as_str(), promises.kind.as_str()), ("sh", "text"), "{name}: line {}", commands.line);
        let printed = typed(&commands.text, &folder);
        if let Some(promise) = differs(&printed, &promises.text) {
            panic!(
                "examples/{name}/README.md, line {}: promised is `{promise}`. If that is meant to be (the recording was made anew, a \
                 command prints something else), put there what is printed now:\n{printed}",
                promises.line
            );
        }
        walked += 1;
    }
    assert_eq!(walked, commands);
}

#[test]
fn the_recorded_examples_are_walked_through_to_the_letter() {
    for (name, _, commands) in RECORDED {
        walks(name, commands);
    }
}

#[test]
fn the_recordings_are_of_the_policies_beside_them() {
    for (name, policy, _) in RECORDED {
        let file = root().join("examples").join(name).join("recording.parquet");
        let anew = format!(
            "examples/{name}/recording.parquet has to be made anew: `cargo build --release && PATH=$PWD/target/release:$PATH \
             examples/record {name}`, then mend the figures in examples/{name}/README.md"
        );
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}: {anew}", file.display()));
        assert!(bytes.len() < 300_000, "{} bytes are many for an example", bytes.len());
        let about =
            decode(&bytes, "it").unwrap_or_else(|e| panic!("its format is not read any more ({e}): {anew}")).about;
        let env = about.environment.as_deref().unwrap_or_else(|| panic!("it does not say its environment: {anew}"));
        let plan = typed(&format!("canary plan {policy} --env {env} --format json"), file.parent().unwrap());
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap_or_else(|e| panic!("{e}: {plan}"));
        assert_eq!(
            plan["plan"]["hash"],
            about.policy.as_str(),
            "the policy's plan is another one than that of the recorded run (the policy or the language has changed), so that \
             `canary sim` takes the recording for another policy's: {anew}"
        );
        assert!(!about.incomplete && about.run.is_some(), "{about:?}: {anew}");
    }
}

#[test]
fn the_recorded_examples_pass_their_own_tests() {
    for (name, policy, _) in RECORDED {
        let folder = root().join("examples").join(name);
        let told =
            typed(&format!("canary check . && canary fmt --check . && canary test {policy} && echo all well"), &folder);
        assert!(told.ends_with("all well\n") && told.contains("  ok  "), "{name}: {told}");
    }
}

#[test]
fn a_figure_that_is_not_kept_is_noticed() {
    let printed = "one\ntwo 2s\nthree\n";
    for kept in
        ["one\ntwo 2s\nthree\n", "one\ntwo …s\nthree\n", "…\nthree\n", "one\n…\n", "…\ntwo 2s\n…\n", "o…e\n…\nthree\n"]
    {
        assert_eq!(differs(printed, kept), None, "{kept}");
    }
    for broken in [
        "one\nthree\n",
        "one\ntwo 2s\n",
        "two 2s\nthree\n",
        "one\ntwo …m\nthree\n",
        "…\ntwo\n…\n",
        "one\ntwo 2s\nthree\nfour\n",
    ] {
        assert!(differs(printed, broken).is_some(), "{broken}");
    }
}
