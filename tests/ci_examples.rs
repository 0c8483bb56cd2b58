//! What `examples/ci` offers does what it says: the hook in a repository of its own, the steps of the workflow and of the
//! pre-commit hooks on a good policy and on a bad one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

const GOOD: &str = "edition 2026\nmetric errors: ratio = prometheus(`up`)\ntraffic shop\nrollout r {\n  guard a: errors < 5%  else rollback\n  phase p { traffic shop = 5%   hold 1m }\n}\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(folder: &Path, program: &str, args: &[&str]) -> Output {
    let ours = Path::new(env!("CARGO_BIN_EXE_canary")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(ours).chain(std::env::split_paths(&path))).unwrap();
    let mut c = Command::new(program);
    c.args(args).current_dir(folder).env("PATH", path).env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        c.env_remove(name);
    }
    c.output().unwrap()
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let r = Self(tempfile::tempdir().unwrap());
        for args in
            [&["init", "-q"][..], &["config", "user.name", "tester"], &["config", "user.email", "tester@localhost"]]
        {
            r.git(args, true);
        }
        std::fs::copy(root().join("examples/ci/pre-commit"), r.0.path().join(".git/hooks/pre-commit")).unwrap();
        std::fs::create_dir(r.0.path().join("policies")).unwrap();
        r
    }

    #[track_caller]
    fn git(&self, args: &[&str], succeeds: bool) -> String {
        let out = run(self.0.path(), "git", args);
        assert_eq!(out.status.success(), succeeds, "git {args:?}: {}", text(&out));
        text(&out)
    }

    fn stage(&self, name: &str, policy: &str) {
        std::fs::write(self.0.path().join(name), policy).unwrap();
        self.git(&["add", name], true);
    }

    fn commits(&self) -> usize {
        let out = run(self.0.path(), "git", &["rev-list", "--all", "--count"]);
        text(&out).trim().parse().unwrap()
    }
}

#[test]
fn the_hook_lets_good_policies_pass_and_bad_ones_not() {
    if !support::require("git") {
        return;
    }
    let r = Repository::new();
    // what is no policy is none of its business
    r.stage("README", "hello");
    r.git(&["commit", "-qm", "readme"], true);

    r.stage("policies/shop.canary", GOOD);
    r.git(&["commit", "-qm", "good"], true);
    assert_eq!(r.commits(), 2);

    r.stage("policies/shop.canary", &GOOD.replace("< 5%", "< 5"));
    let said = r.git(&["commit", "-qm", "bad"], false);
    assert!(said.contains("E0302") && said.contains("policies/shop.canary:5"), "{said}");
    assert!(said.contains("nothing was committed"), "{said}");

    // what is staged counts, not what lies in the folder
    std::fs::write(r.0.path().join("policies/shop.canary"), GOOD).unwrap();
    r.git(&["commit", "-qm", "still bad"], false);
    r.stage("policies/shop.canary", &GOOD.replace("5%  else", "6%  else"));
    std::fs::write(r.0.path().join("policies/shop.canary"), "nonsense").unwrap();
    r.git(&["commit", "-qm", "good again"], true);

    r.stage("policies/shop.canary", &GOOD.replace("  guard", " guard"));
    let said = r.git(&["commit", "-qm", "not formatted"], false);
    assert!(said.contains("canary fmt"), "{said}");
    assert_eq!(r.commits(), 3);
}

/// Runs a command line of the examples on a folder with a good policy, and on one with a bad one.
fn tells_good_from_bad(line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policies/shop.canary");
    std::fs::create_dir(policy.parent().unwrap()).unwrap();
    for (policy_text, wanted) in
        [(GOOD.to_owned(), true), (GOOD.replace("  guard", "guard").replace("5%  else", "5 else"), false)]
    {
        std::fs::write(&policy, policy_text).unwrap();
        let out = run(folder.path(), words[0], &words[1..]);
        assert_eq!(out.status.success(), wanted, "{line}: {}", text(&out));
    }
}

#[test]
fn the_steps_of_the_workflow_tell_good_from_bad() {
    let workflow = std::fs::read_to_string(root().join("examples/ci/github.yml")).unwrap();
    let steps: Vec<&str> = workflow
        .lines()
        .filter_map(|l| l.trim().strip_prefix("- run: "))
        .filter(|l| l.starts_with("canary "))
        .collect();
    assert_eq!(steps.len(), 3, "{steps:?}");
    for step in steps {
        let has = run(root(), "canary", &[step.split_whitespace().nth(1).unwrap(), "--help"]).status.success();
        // policy tests come with the command that runs them
        if has && !step.starts_with("canary test") {
            tells_good_from_bad(step);
        }
        assert!(has || step.starts_with("canary test"), "{step}");
    }
}

#[test]
fn the_hooks_for_pre_commit_tell_good_from_bad() {
    let hooks = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
    let entries: Vec<&str> = hooks.lines().filter_map(|l| l.trim().strip_prefix("entry: ")).collect();
    assert_eq!(entries, ["canary check", "canary fmt --check"]);
    for entry in entries {
        tells_good_from_bad(&format!("{entry} policies/shop.canary"));
    }
}

#[test]
fn the_files_are_yaml() {
    if !support::require("python3") {
        return;
    }
    for (file, check) in [
        (".pre-commit-hooks.yaml", "assert [h['id'] for h in d] == ['canary-check', 'canary-fmt']"),
        ("examples/ci/github.yml", "assert len(d['jobs']['policies']['steps']) == 6"),
    ] {
        let code = format!("import yaml,sys; d = yaml.safe_load(open(sys.argv[1])); {check}");
        // where PyYAML is depends on which of the two Debian's package reached
        let ok = ["python3", "/usr/bin/python3"]
            .iter()
            .any(|python| run(root(), python, &["-c", &code, file]).status.success());
        assert!(ok, "{file}");
    }
}
