//! Flags in a JSON file with many writers, readers, and a folder that cannot be written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::backend::Port;
use canary::backend::flag::FlagKind;
use canary::backend::flag_file::{FlagFile, Format};
use canary::plan::Setting;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ROUNDS: i64 = 60;

/// This test program again, as another process that runs one ignored test on a file.
fn another_process(test: &str, file: &Path, key: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--quiet"]).env("FLAG_FILE", file).env("FLAG_KEY", key);
    command
}

/// What [`another_process`] gives; `None` where somebody runs all ignored tests.
fn given() -> Option<(PathBuf, String)> {
    let file = std::env::var("FLAG_FILE").ok();
    if file.is_none() {
        println!("SKIPPED: this is the second half of another test");
    }
    Some((file?.into(), std::env::var("FLAG_KEY").ok()?))
}

/// Counts a key up; each step must be found again, whatever the others do meanwhile.
async fn count_up(path: PathBuf, key: String) {
    let port = FlagFile::new(Format::Json, path, &key, FlagKind::Count).unwrap();
    for n in 1..=ROUNDS {
        port.set(Setting::Count(n)).await.unwrap();
        assert_eq!(port.read().await, Ok(Setting::Count(n)), "{key}");
    }
}

#[tokio::test]
#[ignore = "run by two_processes_and_two_threads_lose_no_update"]
async fn count_up_in_another_process() {
    let Some((path, key)) = given() else { return };
    count_up(path, key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_and_two_threads_lose_no_update() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let start = "{\n  // counters\n  \"t1\": 0, \"t2\": 0,\n  \"deep\": { \"p1\": 0 },\n  \"keep\": [1,2]\n}\n";
    std::fs::write(&path, start).unwrap();

    // a reader that polls: each time the whole file, never a part of it
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::task::spawn_blocking({
        let (path, done) = (path.clone(), Arc::clone(&done));
        move || {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::SeqCst) {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.contains("\"keep\": [1,2]") && text.ends_with("}\n"), "{text}");
                jsonc(&text);
                seen.insert(text);
            }
            seen.len()
        }
    });
    let mut children: Vec<Child> = ["deep/p1", "new/p2"]
        .iter()
        .map(|key| another_process("count_up_in_another_process", &path, key).spawn().unwrap())
        .collect();
    let threads =
        [tokio::spawn(count_up(path.clone(), "t1".into())), tokio::spawn(count_up(path.clone(), "t2".into()))];
    for t in threads {
        t.await.unwrap();
    }
    for c in &mut children {
        assert!(c.wait().unwrap().success());
    }
    done.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 20, "the reader saw too little");
    let want = format!(
        "{{\n  // counters\n  \"t1\": {ROUNDS}, \"t2\": {ROUNDS},\n  \"deep\": {{ \"p1\": {ROUNDS} }},\n  \"keep\": [1,2],\n  \"new\": {{ \"p2\": {ROUNDS} }}\n}}\n"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), want);
    let gone = FlagFile::new(Format::Json, &path, "new/p2", FlagKind::Count).unwrap();
    gone.set(Setting::Absent).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.replace(&ROUNDS.to_string(), "0"), start);
}

/// Fails unless the text, without its one comment, is JSON.
fn jsonc(text: &str) {
    serde_json::from_str::<serde_json::Value>(&text.replacen("// counters", "", 1)).expect(text);
}

/// A user that is not root, where the tests run as root.
const NOBODY: u32 = 65_534;

fn as_nobody(command: &mut Command) -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
    root
}

#[tokio::test]
#[ignore = "run by a_folder_that_cannot_be_written"]
async fn set_without_permission() {
    let Some((path, key)) = given() else { return };
    let port = FlagFile::new(Format::Json, path, &key, FlagKind::Bool).unwrap();
    assert_eq!(port.read().await, Ok(Setting::Bool(false)));
    let e = port.set(Setting::Bool(true)).await.unwrap_err();
    assert!(e.message.contains("cannot lock") && e.message.ends_with("Permission denied"), "{e}");
    assert!(e.help.unwrap().contains("must be writable") && !e.transient);
    // told before anything is tried, too
    let e = port.ready().unwrap_err();
    assert!(e.message.contains("cannot replace") && e.help.unwrap().contains("must be writable"), "{}", e.message);
    // and a rollback of what could not be raised has nothing to do
    port.set(Setting::Bool(false)).await.unwrap();
}

#[tokio::test]
#[ignore = "run by the_lock_of_another_user_is_taken"]
async fn set_under_a_lock_of_another_user() {
    let Some((path, key)) = given() else { return };
    let port = FlagFile::new(Format::Json, path, &key, FlagKind::Bool).unwrap();
    port.ready().unwrap();
    port.set(Setting::Bool(true)).await.unwrap();
}

/// A copy of this program that any user may run. Made by another process: a file that this one has open for writing while
/// another test forks cannot be run ("text file busy").
fn runnable_by_all(folder: &Path) -> PathBuf {
    let copy = folder.join("test-program");
    let status = Command::new("install").args(["-m", "755"]).arg(std::env::current_exe().unwrap()).arg(&copy).status();
    assert!(status.unwrap().success());
    copy
}

fn run_as_nobody(folder: &Path, test: &str, file: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(runnable_by_all(folder));
    command.args([test, "--exact", "--ignored"]).env("FLAG_FILE", file).env("FLAG_KEY", "a").current_dir(folder);
    as_nobody(&mut command);
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let flags = folder.path().join("flags");
    std::fs::create_dir(&flags).unwrap();
    let file = flags.join("x.json");
    std::fs::write(&file, "{\"a\": false}").unwrap();
    std::fs::set_permissions(&flags, std::fs::Permissions::from_mode(0o555)).unwrap();
    run_as_nobody(folder.path(), "set_without_permission", &file);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"a\": false}");
    std::fs::set_permissions(&flags, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(std::fs::read_dir(&flags).unwrap().count(), 1, "nothing is left behind");
}

/// Two teams, two users: the lock file belongs to whoever came first, and the other may only read it.
#[test]
fn the_lock_of_another_user_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let flags = folder.path().join("flags");
    std::fs::create_dir(&flags).unwrap();
    let (file, lock) = (flags.join("x.json"), flags.join(".x.json.lock"));
    std::fs::write(&file, "{\"a\": false}").unwrap();
    std::fs::write(&lock, "process 1\n").unwrap();
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o444)).unwrap();
    std::fs::set_permissions(&flags, std::fs::Permissions::from_mode(0o777)).unwrap();
    run_as_nobody(folder.path(), "set_under_a_lock_of_another_user", &file);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"a\": true}");
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "process 1\n");
}

#[tokio::test]
async fn the_owner_survives_where_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    std::fs::write(&file, "{\"a\": false}").unwrap();
    if chown(&file, Some(NOBODY), Some(NOBODY)).is_err() {
        println!("SKIPPED: only root can give a file away");
        return;
    }
    let port = FlagFile::new(Format::Json, &file, "a", FlagKind::Bool).unwrap();
    port.set(Setting::Bool(true)).await.unwrap();
    let meta = std::fs::metadata(&file).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (NOBODY, NOBODY));
}

#[tokio::test]
async fn a_write_that_fails_leaves_everything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    std::fs::write(&file, "{\"a\": false}").unwrap();
    // a folder in the temporary file's place cannot be removed as a file
    std::fs::create_dir(folder.path().join(".x.json.canary.tmp")).unwrap();
    let port = FlagFile::new(Format::Json, &file, "a", FlagKind::Bool).unwrap();
    let e = port.set(Setting::Bool(true)).await.unwrap_err();
    assert!(e.message.contains("cannot write"), "{e}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"a\": false}");
}
