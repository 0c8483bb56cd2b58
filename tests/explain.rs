//! `canary explain`: every registered code has a page, and every page is true: its wrong example is told exactly that code, its
//! right one is clean.
//!
//! A page's fences: `canary wrong` and `canary` are written to `policy.canary`; `sh wrong` and `sh right` are run beside it and
//! end with the command that says (or does not say) the code. Without one the policy is checked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check::registry;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The fenced blocks of a page with what stands behind their first fence.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut current: Option<(String, String)> = None;
    for line in page.lines() {
        match &mut current {
            Some(_) if line == "```" => out.extend(current.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None => current = line.strip_prefix("```").map(|info| (info.to_owned(), String::new())),
        }
    }
    assert!(current.is_none(), "a block is not closed");
    out
}

/// Errors and warnings that an example is told.
fn told(code: &str, blocks: &[(String, String)], policy: &str, script: &str) -> Vec<(String, String)> {
    let policy = blocks.iter().find(|b| b.0 == policy).map(|b| b.1.as_str());
    let script = blocks.iter().find(|b| b.0 == script).map_or("canary check policy.canary", |b| b.1.trim_end());
    assert!(policy.is_some() || script.contains("> policy.canary"), "{code} lacks an example");
    assert!(script.lines().last().unwrap().starts_with("canary "), "{code}: a script ends with the command");
    let folder = tempfile::tempdir().unwrap();
    if let Some(text) = policy {
        std::fs::write(folder.path().join("policy.canary"), text).unwrap();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_canary")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let out = Command::new("bash")
        .args(["-ec", &format!("{script} --format json")])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    // `plan` says what is wrong on standard error, and prints the plan itself
    let reports = [&out.stdout, &out.stderr].map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_default());
    let found: Vec<(String, String)> = reports
        .iter()
        .filter_map(|r| r["diagnostics"].as_array())
        .flatten()
        .map(|d| (d["code"].as_str().unwrap().to_owned(), d["message"].as_str().unwrap().to_owned()))
        .collect();
    let broken = reports.iter().filter_map(|r| r["diagnostics"].as_array()).flatten().any(|d| d["severity"] == "error");
    assert_eq!(
        out.status.success(),
        !broken,
        "{code}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    found
}

#[test]
fn every_code_has_a_page() {
    let paged: BTreeSet<&str> = registry::pages().collect();
    let missing: Vec<String> = registry::all()
        .filter(|c| !paged.contains(c.0))
        .map(|c| format!("{} {}: write docs/diagnostics/{}.md, and its code into src/check/registry.rs", c.0, c.1, c.0))
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(paged.contains(name.trim_end_matches(".md")), "{name} is in no list of src/check/registry.rs");
    }
}

#[test]
fn every_page_is_true() {
    let mut wrong = Vec::new();
    for (code, slug, _) in registry::all() {
        let Some(page) = registry::page(code) else { continue };
        if page.lines().next() != Some(&format!("# {code} {slug}")) {
            wrong.push(format!("{code}: its title is not `# {code} {slug}`"));
        }
        if page.split("\nWrong:\n").next().unwrap().len() < 100 {
            wrong.push(format!("{code} explains nothing"));
        }
        let blocks = blocks(page);
        let bad = told(code, &blocks, "canary wrong", "sh wrong");
        // that more was not looked for can only be said beside what was found
        let others = *code == "E0120";
        // a warning that is back stands beside what says why
        let back = *code == "W0691";
        let only = bad.iter().all(|f| f.0 == *code || others || (back && f.0.starts_with('W')));
        if bad.iter().filter(|f| f.0 == *code).count() == 0 || !only {
            wrong.push(format!("{code}: its wrong example is told {bad:?}"));
        }
        let good = told(code, &blocks, "canary", "sh right");
        if !good.is_empty() {
            wrong.push(format!("{code}: its right example is told {good:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn explain(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_canary")).arg("explain").args(args).output().unwrap();
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_code_is_explained_by_code_slug_and_in_json() {
    let (status, page, _) = explain(&["e0302"]);
    assert_eq!(status, 0);
    assert!(page.starts_with("E0302 ratio-needs-percent\n"), "{page}");
    assert!(
        page.contains("    guard errors: errors < 0.01") || page.contains("      guard errors: errors < 0.01"),
        "{page}"
    );
    assert!(!page.contains("```"), "{page}");
    assert_eq!(explain(&["ratio-needs-percent"]).1, page);
    let json: Value = serde_json::from_str(&explain(&["E0302", "--format", "json"]).1).unwrap();
    assert_eq!(json["schema"], "canary.explain/1");
    assert_eq!(json["codes"][0]["slug"], "ratio-needs-percent");
    assert!(json["codes"][0]["page"].as_str().unwrap().starts_with("# E0302"));
}

#[test]
fn without_a_code_all_are_listed() {
    let (status, text, _) = explain(&[]);
    assert_eq!((status, text.lines().count()), (0, registry::all().count()));
    let json: Value = serde_json::from_str(&explain(&["--format", "json"]).1).unwrap();
    assert_eq!(json["codes"].as_array().unwrap().len(), registry::all().count());
    assert_eq!(json["codes"][0]["severity"], "error");
}

#[test]
fn an_unknown_code_is_told_what_is_near() {
    let (status, _, said) = explain(&["ratio-needs-percnt"]);
    assert_eq!(status, 2);
    assert!(said.contains("there is no code `ratio-needs-percnt`: did you mean `ratio-needs-percent`?"), "{said}");
    assert!(explain(&["flurb"]).2.contains("`canary explain` lists all codes"));
}
