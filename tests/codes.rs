//! Every diagnostic code that stands in the source is registered once, in one of the two registries, with a slug of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::{check, syntax};
use std::collections::BTreeMap;
use std::path::Path;

/// `"E0123"` and `"W0123"` as string literals.
fn codes(text: &str) -> Vec<String> {
    let code = |p: &&str| p.len() == 5 && p.starts_with(['E', 'W']) && p[1..].bytes().all(|b| b.is_ascii_digit());
    text.split('"').filter(code).map(str::to_owned).collect()
}

fn walk(dir: &Path, used: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, used);
        } else if path.extension().is_some_and(|e| e == "rs") {
            for code in codes(&std::fs::read_to_string(&path).unwrap()) {
                used.insert(code, path.display().to_string());
            }
        }
    }
}

/// Problems of a set of used codes against registries.
fn problems(used: &BTreeMap<String, String>, registered: &[(&str, &str, &str)]) -> Vec<String> {
    let mut out = Vec::new();
    for (code, place) in used {
        let n = registered.iter().filter(|r| r.0 == code).count();
        if n != 1 {
            out.push(format!("{code} ({place}) is registered {n} times"));
        }
    }
    for (i, r) in registered.iter().enumerate() {
        if registered[..i].iter().any(|o| o.1 == r.1) {
            out.push(format!("the slug {} is given twice", r.1));
        }
        if r.2.trim().is_empty() {
            out.push(format!("{} says nothing", r.0));
        }
    }
    out
}

fn all() -> Vec<(&'static str, &'static str, &'static str)> {
    check::codes::CODES.iter().chain(syntax::codes::CODES).copied().collect()
}

#[test]
fn every_code_in_the_source_is_registered_once() {
    let mut used = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    assert!(used.len() >= all().len(), "{} codes are used, {} registered", used.len(), all().len());
    assert_eq!(problems(&used, &all()), [""; 0]);
}

#[test]
fn a_planted_code_and_a_second_entry_are_found() {
    let used: BTreeMap<String, String> =
        codes("f(\"E0999\"); g(\"E0201\")").into_iter().map(|c| (c, String::from("x.rs"))).collect();
    assert_eq!(problems(&used, &all()), ["E0999 (x.rs) is registered 0 times"]);
    let mut twice = all();
    twice.push(("E0201", "unknown-name", "again"));
    assert_eq!(problems(&used, &twice).len(), 3);
}
