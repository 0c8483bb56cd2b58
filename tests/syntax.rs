//! The front end on whole texts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::syntax::source::FileId;

#[test]
fn every_example_of_the_language_parses() {
    let mut seen = 0;
    for entry in std::fs::read_dir("tests/fixtures/syntax").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (tree, diagnostics) = canary::syntax::parse(FileId(0), &text);
        assert!(diagnostics.is_empty(), "{}: {diagnostics:#?}", path.display());
        assert!(!tree.items.is_empty());
        seen += 1;
    }
    assert_eq!(seen, 11);
}
