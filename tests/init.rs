//! `canary init`: what it writes is whole, checks, is formatted, and runs; what is there is never overwritten.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn canary(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_canary")).args(args).current_dir(folder).output().unwrap()
}

#[track_caller]
fn ok(folder: &Path, args: &[&str]) -> String {
    let out = canary(folder, args);
    assert!(out.status.success(), "{args:?}: {out:?}");
    String::from_utf8(out.stdout).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut out: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .flat_map(|e| {
            let path = e.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() { names(&path).iter().map(|n| format!("{name}/{n}")).collect() } else { vec![name] }
        })
        .collect();
    out.sort();
    out
}

/// The command that `init` says to try, as a newcomer would type it.
fn tried(printed: &str) -> Vec<String> {
    let line = printed.lines().find(|l| l.contains("--env lab")).unwrap();
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

#[test]
fn each_template_checks_is_formatted_plans_and_runs_as_it_says() {
    let listed = ok(Path::new("."), &["init", "--list"]);
    let templates: Vec<String> = listed.lines().map(|l| l.split_whitespace().next().unwrap().to_owned()).collect();
    assert_eq!(templates, ["http", "flag", "script"]);
    // one after the other: together they would slow down what they watch
    templates.iter().for_each(|t| one_runs(t));
}

fn one_runs(template: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let printed = ok(at, &["init", "--template", template]);
    ok(at, &["check", ".", "--deny", "warnings"]);
    ok(at, &["fmt", "--check", "."]);
    let policy = names(at).into_iter().find(|n| n.ends_with(".canary") && !n.contains('/')).unwrap();
    ok(at, &["plan", &policy, "--env", "production"]);
    let text = std::fs::read_to_string(at.join(&policy)).unwrap();
    let args = tried(&printed);
    assert!(text.contains(&args.join(" ")), "the comment says what is printed: {args:?}");
    // a busy machine is slow by itself: that is not what is tested
    let mut args: Vec<&str> = args.iter().map(|a| if a == "patience=3s" { "patience=1m" } else { a }).collect();
    args.extend(["--set", if template == "flag" { "slower=5s" } else { "slow=5s" }]);
    let run = ok(at, &args);
    assert!(run.contains("promoted: every phase ended"), "{run}");
}

#[test]
fn what_is_there_is_never_overwritten_and_nothing_is_written_by_half() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir(at.join("environments")).unwrap();
    std::fs::write(at.join("environments/production.canary"), "mine").unwrap();
    let out = canary(at, &["init"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(said.contains("environments/production.canary is there already, and nothing was written"), "{said}");
    assert_eq!(names(at), ["environments/production.canary"]);
    assert_eq!(std::fs::read_to_string(at.join("environments/production.canary")).unwrap(), "mine");

    // a link that leads nowhere is something, too
    let other = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", other.path().join("service.canary")).unwrap();
    assert_eq!(canary(other.path(), &["init"]).status.code(), Some(2));
    assert!(!other.path().join("environments").exists());

    // where a folder cannot be made, what was written before goes again
    let third = tempfile::tempdir().unwrap();
    std::fs::write(third.path().join("environments"), "a file").unwrap();
    let out = canary(third.path(), &["init"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8(out.stderr).unwrap().contains("cannot write environments/production.canary"));
    assert_eq!(names(third.path()), ["environments"]);
}

#[test]
fn a_policy_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let printed = ok(folder.path(), &["init", "--template", "script", "rollouts/pay.canary"]);
    assert!(printed.contains("canary run rollouts/pay.canary --env lab"), "{printed}");
    let at = folder.path().join("rollouts");
    assert_eq!(names(&at), ["environments/production.canary", "pay.canary", "smoke.sh", "split.sh"]);
    let text = std::fs::read_to_string(at.join("pay.canary")).unwrap();
    assert!(text.contains("canary check pay.canary") && !text.contains("service.canary"), "{text}");
    ok(folder.path(), &["check", "rollouts"]);
    ok(folder.path(), &["fmt", "--check", "rollouts"]);
}

#[test]
fn an_unknown_template_is_told_which_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let out = canary(folder.path(), &["init", "--template", "kubernetes"]);
    assert_eq!(out.status.code(), Some(2));
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("http") && said.contains("script"), "{said}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn the_script_that_splits_says_what_it_has_set() {
    let folder = tempfile::tempdir().unwrap();
    ok(folder.path(), &["init", "--template", "script"]);
    let mode = std::fs::metadata(folder.path().join("split.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{mode:o}");
    let split = |args: &[&str]| {
        let mut c = Command::new("./split.sh");
        c.args(args).current_dir(folder.path()).env("SPLIT_NO_RELOAD", "1").env_remove("SPLIT_CONF").output().unwrap()
    };
    let says = |wanted: &str| assert_eq!(String::from_utf8(split(&["get"]).stdout).unwrap().trim(), wanted);
    says("{\"canary\": 0}");
    for percent in ["5", "0.5", "100", "50", "0"] {
        assert!(split(&["set", percent]).status.success());
        says(&format!("{{\"canary\": {percent}}}"));
    }
    std::fs::write(folder.path().join("split.conf"), "somebody's own\n").unwrap();
    assert!(!split(&["get"]).status.success(), "a file that is not ours holds no share");
    assert_eq!(split(&["put"]).status.code(), Some(2));
}
