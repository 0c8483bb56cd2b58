//! What holds of all bytes that are read as a recording, and of every text that is imported as one.

use canary::check;
use canary::plan::Plan;
use canary::sim::recording::import::{self, Mapping, Raw};
use canary::sim::recording::{Recording, decode, encode};
use canary::syntax::{self, source::SourceMap};
use std::sync::OnceLock;

/// A step between checks that keeps what a text comes to small.
const STEP: i64 = 24 * 3_600_000;

type Reader = fn(&str) -> Result<Vec<Raw>, import::ImportError>;

/// Any bytes are a recording, or are refused in words. What can be read can be written, and is the same when it is read again.
pub fn bytes(bytes: &[u8]) {
    match decode(bytes, "bytes") {
        Ok(recording) => comes_back(&recording),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

/// Any text is an import in each of the formats, or is refused in words; what is imported can be kept.
pub fn text(text: &str) {
    let readers: [Reader; 3] = [import::csv, import::prometheus_json, |text| import::promtool(text, 1_795_255_200_000)];
    for read in readers {
        let imported = read(text).and_then(|raws| import::import(raws, "text", plan(), STEP, &Mapping::default()));
        match imported {
            Ok(imported) => comes_back(&imported.recording),
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
}

fn comes_back(recording: &Recording) {
    let kept = encode(recording).unwrap_or_else(|e| panic!("what was read cannot be written: {e}"));
    let read = decode(&kept, "kept").unwrap_or_else(|e| panic!("what was written cannot be read: {e}"));
    assert_eq!(recording.about, read.about);
    assert_eq!(recording.happened, read.happened);
    assert_eq!(recording.series.len(), read.series.len());
    for (a, b) in recording.series.iter().zip(&read.series) {
        assert_eq!((&a.key, &a.times), (&b.key, &b.times));
        // NaN stands where there is no number: it is compared answer by answer
        assert!((0..a.times.len()).all(|row| a.answer(row) == b.answer(row)), "{} is another one", a.key);
    }
}

/// A policy with counters, a histogram, and what was before.
fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = include_str!("../../policies/checkout.canary");
        let mut map = SourceMap::default();
        let id = map.add("checkout.canary", text);
        let (file, _) = syntax::parse(id, text);
        let (made, found) = check::compile_alone(&[file], &map, None, &[]);
        made.unwrap_or_else(|| panic!("{found:#?}"))
    })
}
