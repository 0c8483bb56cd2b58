//! Every vector of the temporal operators and of values over time, through the library's public interface.
//!
//! Reads every `*.json` of the folder that `CANARY_VECTORS` names (`tests/vectors`, where it is not set), in the format of
//! `tests/vectors/temporal_reference.py` ("format": 1) or `window_reference.py` ("format": 2). A folder without any, and a file that
//! is not of these formats, are errors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/formula.rs"]
mod formula;
#[path = "support/vectors.rs"]
mod vectors;

use formula::{Care, Shown, evaluate};
use std::path::{Path, PathBuf};
use vectors::{Vector, read};

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

/// The files of a folder, or why it holds none.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut out = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.extension().is_some_and(|e| e == "json") {
            out.push(path);
        }
    }
    out.sort();
    if out.is_empty() { Err(format!("{}: no file of vectors (*.json)", folder.display())) } else { Ok(out) }
}

/// Whether two values are the same, numbers bit for bit.
fn same(a: &Option<Shown>, b: &Option<Shown>) -> bool {
    match (a, b) {
        (Some(Shown::Number(Some(x))), Some(Shown::Number(Some(y)))) => x.to_bits() == y.to_bits(),
        _ => a == b,
    }
}

/// Where a vector does not come out as expected.
fn difference(v: &Vector, care: Care) -> Option<String> {
    let got = evaluate(&v.formula, &v.trace, care);
    let at = (0..got.len()).find(|i| !same(&got[*i], &v.expect[*i]))?;
    let time = v.trace.ticks[at] / 1000;
    Some(format!("vector {} at tick {at} ({time}s): {:?}, expected {:?}", v.name, got[at], v.expect[at]))
}

/// Reads and checks all files of a folder; says how many vectors there were, or all that is wrong.
fn check(folder: &Path) -> Result<usize, String> {
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files(folder)? {
        let of_file = |e: String| format!("{}: {e}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|e| of_file(e.to_string()))?;
        match read(&text) {
            Err(e) => wrong.push(of_file(e)),
            Ok(vectors) => {
                count += vectors.len();
                for v in &vectors {
                    let plain = Care::default();
                    let cares = [plain, Care { stored: true, ..plain }, Care { twice: true, ..plain }];
                    wrong.extend(cares.into_iter().find_map(|c| difference(v, c)).map(of_file));
                }
            }
        }
    }
    if wrong.is_empty() { Ok(count) } else { Err(wrong.join("\n")) }
}

#[test]
fn every_vector_of_the_folder() {
    let folder = std::env::var_os("CANARY_VECTORS").map_or_else(|| PathBuf::from(OWN), PathBuf::from);
    match check(&folder) {
        Ok(count) => println!("{count} vectors of {}", folder.display()),
        Err(wrong) => panic!("{wrong}"),
    }
}

#[test]
fn the_own_vectors_are_all_there() {
    let of = |name: &str| read(&std::fs::read_to_string(Path::new(OWN).join(name)).unwrap()).unwrap().len();
    assert!(of("temporal_vectors.json") >= 59);
    assert!(of("window_vectors.json") >= 80);
}

#[test]
fn a_folder_that_shows_nothing_is_an_error_that_names_it() {
    let empty = tempfile::tempdir().unwrap();
    assert!(check(empty.path()).unwrap_err().contains(&empty.path().display().to_string()));
    std::fs::write(empty.path().join("vectors.txt"), "{}").unwrap();
    assert!(check(empty.path()).unwrap_err().contains("no file of vectors"));
    assert!(check(&empty.path().join("nowhere")).is_err());
}

#[test]
fn what_is_not_of_the_format_is_an_error_that_names_the_file() {
    let good = r#"{"format": 1, "note": "", "count": 1, "vectors": [{"name": "one", "formula": {"cmp": ["x", "<", 5]},
        "check_every": 15, "bridge": 60, "active_from": 15, "ticks": [0, 15], "metrics": {"x": [1, null]}, "expect": [null, "U"]}]}"#;
    let told = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("these.json"), good.replacen(from, to, 1)).unwrap();
        check(folder.path()).map_err(|e| e.split_once("these.json: ").expect("the file's name").1.to_owned())
    };
    assert_eq!(told("one", "one"), Ok(1));
    for (from, to, why) in [
        ("{\"format\"", "[\"format\"", "no JSON"),
        ("\"format\": 1", "\"format\": 3", "`format`"),
        ("\"format\": 1, ", "", "`format`"),
        ("\"count\": 1", "\"count\": 2", "`count` says 2"),
        ("\"note\"", "\"remark\"", "unknown key `remark`"),
        ("\"cmp\"", "\"compare\"", "vector one: unknown formula compare"),
        ("\"<\"", "\"=<\"", "vector one: unknown comparison =<"),
        ("\"x\", \"<\"", "\"z\", \"<\"", "vector one: there is no metric z"),
        ("\"x\", \"<\"", r#"{"window": {"of": "x", "how": "avg", "seconds": 9}}, "<""#, "is no metric's name"),
        ("[0, 15]", "[15, 15]", "tick times must increase"),
        ("[1, null]", "[1]", "metric x has 1 values at 2 ticks"),
        ("[null, \"U\"]", "[null]", "1 values are expected at 2 ticks"),
        ("[null, \"U\"]", "[null, \"V\"]", "none of T, F, U"),
        ("\"bridge\": 60, ", "", "no `bridge`"),
        ("\"check_every\": 15", "\"check_every\": 0", "`check_every`"),
        ("\"bridge\"", "\"bridges\"", "unknown key `bridges`"),
        // and what is of the format and wrong
        ("[null, \"U\"]", "[null, null]", "vector one at tick 1 (15s)"),
        ("[null, \"U\"]", "[\"T\", \"U\"]", "vector one at tick 0 (0s)"),
        ("[null, \"U\"]", "[null, \"F\"]", "vector one at tick 1 (15s)"),
    ] {
        let e = told(from, to).expect_err(to);
        assert!(e.contains(why), "{to}: {e}");
    }
}
