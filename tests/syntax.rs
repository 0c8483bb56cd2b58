//! The front end on whole texts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::syntax::source::{FileId, SourceMap};
use canary::syntax::{codes, render};

#[test]
fn every_example_of_the_language_parses() {
    let mut seen = 0;
    for entry in std::fs::read_dir("tests/fixtures/syntax").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (tree, diagnostics) = canary::syntax::parse(FileId(0), &text);
        assert!(
            diagnostics.is_empty(),
            "{}: {diagnostics:#?}",
            path.display()
        );
        assert!(!tree.items.is_empty());
        seen += 1;
    }
    assert_eq!(seen, 11);
}

/// Source and report of each wrong text, to be read alone.
#[test]
fn wrong_texts_are_explained() {
    let mut names: Vec<_> = std::fs::read_dir("tests/fixtures/wrong")
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 30);
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut sources = SourceMap::default();
        let id = sources.add(format!("{name}.canary"), text.as_str());
        let (_, found) = canary::syntax::parse(id, &text);
        assert!(!found.is_empty(), "{name}");
        if name.starts_with("three") {
            assert!(found.len() >= 3, "{name}: {found:#?}");
        }
        for d in &found {
            assert!(codes::find(&d.code).is_some(), "{name}: {}", d.code);
            assert!(!d.message.starts_with("unexpected"), "{name}: {}", d.message);
            assert!(d.help.is_some(), "{name}: `{}` offers no way out", d.message);
        }
        let report = render::human(&sources, &found, render::Style::default());
        insta::with_settings!({snapshot_path => "snapshots/wrong", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, format!("{text}\n{}\n\n{report}", "─".repeat(100)));
        });
    }
}
