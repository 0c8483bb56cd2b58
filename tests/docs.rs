//! Every fenced `canary` block of the README and the docs is a policy that checks without a word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check::modules::{Modules, NoFiles};
use canary::syntax::source::SourceMap;
use canary::{check, syntax};
use std::path::{Path, PathBuf};

fn blocks(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        match &mut current {
            Some(_) if line.trim() == "```" => out.extend(current.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line.trim() == "```canary" => current = Some(String::new()),
            None => {}
        }
    }
    assert!(current.is_none(), "a block is not closed");
    out
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = vec![root.join("README.md")];
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|e| e.unwrap().path());
    out.extend(docs.filter(|p| p.extension().is_some_and(|e| e == "md")));
    out
}

#[test]
fn every_policy_in_the_docs_checks_without_a_word() {
    let mut seen = 0;
    for page in pages() {
        for (i, block) in blocks(&std::fs::read_to_string(&page).unwrap()).into_iter().enumerate() {
            let mut map = SourceMap::default();
            let id = map.add(format!("{}#{i}", page.display()), block.clone());
            let (file, mut found) = syntax::parse(id, &block);
            let mut none = NoFiles;
            let mut modules = Modules::new(&mut none);
            let files = [modules.expand(&mut map, "", "", file)];
            found.extend(modules.finish());
            found.extend(check::check_files(&files, &map).diagnostics);
            let day = check::suppress::Day::from_ymd_opt(2026, 6, 1).unwrap();
            let found = check::suppress::apply(&files, &map, found, day).diagnostics;
            // who copies a block must not be told by `fmt --check` that it is laid out otherwise
            let laid_out = syntax::format::format(id, &block).unwrap();
            assert_eq!(block, laid_out, "{}", page.display());
            let style = syntax::render::Style::default();
            assert!(found.is_empty(), "{}", syntax::render::human(&map, &found, style));
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} blocks were found");
}

#[test]
fn every_page_that_is_linked_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    let examples = std::fs::read_dir(root.join("examples")).unwrap().map(|e| e.unwrap().path().join("README.md"));
    let examples = examples.filter(|p| p.exists()).chain([root.join("examples/README.md")]).collect::<Vec<_>>();
    assert!(examples.len() >= 6);
    for page in pages().into_iter().chain(examples) {
        for part in std::fs::read_to_string(&page).unwrap().split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap();
            let there = target.contains("://") || page.parent().unwrap().join(target).exists();
            assert!(there, "{} links {target}, which is not there", page.display());
            links += 1;
        }
    }
    assert!(links > 0);
}
