//! Environments that several policies of a folder share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::path::Path;
use std::process::{Command, Output};

fn canary(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_canary")).args(args).current_dir(folder).output().unwrap()
}

fn policy(name: &str) -> String {
    format!(
        "edition 2026\nmetric load: rate = page(`load_{name}`)\nflag {name}: bool\nchannel {name}_team\nrollout {name} {{\n  \
         guard load: load < 5/s else rollback\n  phase all {{ flag {name} = on   hold 10m }}\n  on rollback: notify {name}_team\n}}\n"
    )
}

/// Two policies, and one environment that binds what both declare, and `more`.
fn folder(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    let mut environment =
        String::from("edition 2026\nenvironment shared {\n  page = scrape(urls: [\"http://127.0.0.1:9\"])\n");
    for name in ["search", "basket"] {
        std::fs::write(folder.path().join(format!("{name}.canary")), policy(name)).unwrap();
        environment += &format!("  {name} = json_file(path: \"flags.json\", key: \"{name}\")\n");
        environment += &format!("  {name}_team = slack(url: secret(\"URL\"))\n");
        environment += &format!("  variants {name} {{ canary = `on=\"{name}\"`   stable = `on=\"\"` }}\n");
    }
    std::fs::write(folder.path().join("environments/shared.canary"), environment + more + "}\n").unwrap();
    folder
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

#[test]
fn what_is_bound_for_the_other_policy_is_no_mistake() {
    let folder = folder("");
    for args in [
        &["check", "."][..],
        &["check", "search.canary"],
        &["check", "environments/shared.canary"],
        &["plan", "search.canary", "--env", "shared"],
        &["plan", "basket.canary", "--env", "shared"],
    ] {
        let out = canary(folder.path(), args);
        assert!(out.status.success(), "{args:?}: {}", said(&out));
    }
    let plan = said(&canary(folder.path(), &["plan", "search.canary", "--env", "shared"]));
    assert!(plan.contains("search = json_file") && !plan.contains("basket"), "only what it needs is bound: {plan}");
}

#[test]
fn what_no_policy_declares_still_is() {
    let folder = folder("  serach = json_file(path: \"flags.json\", key: \"search\")\n");
    for args in [&["check", "."][..], &["check", "basket.canary"], &["plan", "search.canary", "--env", "shared"]] {
        let out = canary(folder.path(), args);
        assert!(
            !out.status.success() && said(&out).contains("`serach` is bound, and not declared"),
            "{args:?}: {}",
            said(&out)
        );
    }
}
