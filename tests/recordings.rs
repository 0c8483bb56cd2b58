//! Recordings are files that others read and write: DuckDB does both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::plan::{Answer, Bucket, Missing, Population, Reading};
use canary::sim::recording::{About, Happened, Key, Query, Recording, Series, VERSION, decode, encode};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// A Python that has DuckDB: the one that `tests/run` makes, or the system's. Skips loudly without one.
fn python() -> Option<PathBuf> {
    let made = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python"));
    let has = |python: &PathBuf| {
        Command::new(python).args(["-c", "import duckdb"]).output().is_ok_and(|o| o.status.success())
    };
    let found = [made, PathBuf::from("python3")].into_iter().find(has);
    if found.is_none() {
        let why = "no Python has DuckDB: `tests/run` installs it";
        assert!(std::env::var("CANARY_REQUIRE_SERVERS").as_deref() != Ok("1"), "{why}, and CANARY_REQUIRE_SERVERS=1");
        // past the test runner's capture: a skipped test must not look like one that passed
        let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
    }
    found
}

fn key(metric: &str, population: Population, question: &str, slice: &[&str]) -> Key {
    let slice = slice.iter().map(|s| String::from(*s)).collect();
    Key { metric: metric.into(), population, question: question.into(), slice }
}

const START: i64 = 1_795_251_300_000;

fn recording() -> Recording {
    let ok = |reading, sampled_at| Answer { value: Ok(reading), sampled_at, series: 2 };
    let mut errors = Series::new(key("errors", Population::Canary, "increase over 5m", &["eu"])).unwrap();
    let mut latency = Series::new(key("latency", Population::Stable, "buckets over 5m", &[])).unwrap();
    let mut load = Series::new(key("load", Population::Canary, "value", &[])).unwrap();
    for i in 0..10_000 {
        let at = START + i * 15_000;
        let failed = Answer::failed("connection refused");
        errors.push(at, if i % 100 == 7 { failed } else { ok(Reading::Increase(i as f64), Some(at - 3)) }).unwrap();
        load.push(at, ok(Reading::Value(0.1 * i as f64), None)).unwrap();
    }
    let counts = [(Some(0.1), 3.0), (None, 5.0)].map(|(le, count)| Bucket { le, count });
    latency.push(START, ok(Reading::Buckets(counts.to_vec()), Some(START))).unwrap();
    latency.push(START + 15_000, Answer::missing(Missing::Empty { others: Some(false) })).unwrap();
    let mut series = vec![errors, latency, load];
    series.sort_by(|a, b| a.key.cmp(&b.key));
    let query = Query {
        metric: "errors".into(),
        population: Population::Canary,
        question: "increase over 5m".into(),
        text: "sum(increase(errors_total[5m]))".into(),
    };
    let about = About {
        version: VERSION,
        writer: "canary 0.1.0".into(),
        rollout: "checkout".into(),
        policy: "ab".into(),
        run: None,
        environment: None,
        incomplete: false,
        step: 15_000,
        from: START,
        to: START + 9_999 * 15_000,
        slices: vec!["region".into()],
        queries: vec![query],
    };
    Recording {
        about,
        series,
        happened: vec![Happened::Recovered { at: START + 1 }, Happened::Recovered { at: START + 1 }],
    }
}

const READ: &str = r#"
import duckdb, json, sys
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
path, out = sys.argv[1:3]
rows = lambda sql: [list(r) for r in db.sql(sql.replace("FILE", f"'{path}'")).fetchall()]
meta = rows("SELECT decode(value) FROM parquet_kv_metadata(FILE) WHERE decode(key) = 'canary.recording'")[0][0]
said = {
    "columns": rows("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM FILE)"),
    "series": rows("""SELECT metric, population, question, slice_region, count(*), sum(value), count(missing), sum(series)
        FROM FILE WHERE metric IS NOT NULL GROUP BY ALL ORDER BY metric"""),
    "times": rows("SELECT epoch_ms(min(time)), epoch_ms(max(time)), epoch_ms(min(sampled_at)) FROM FILE WHERE metric = 'errors'"),
    "buckets": rows("SELECT le::VARCHAR, value FROM FILE WHERE metric = 'latency' AND le IS NOT NULL ORDER BY le"),
    "missing": rows("SELECT DISTINCT missing FROM FILE WHERE missing IS NOT NULL ORDER BY 1"),
    "events": rows("SELECT seq, event FROM FILE WHERE event IS NOT NULL ORDER BY seq"),
    "about": json.loads(meta),
}
print(json.dumps(said))
db.execute(f"""COPY (SELECT * REPLACE (time::TIMESTAMP_MS AS time, sampled_at::TIMESTAMP_MS AS sampled_at) FROM '{path}')
    TO '{out}' (FORMAT parquet, KV_METADATA {{'canary.recording': '{meta}'}})""")
"#;

#[test]
fn duckdb_reads_a_recording_and_what_it_writes_is_one() {
    let Some(python) = python() else { return };
    let recording = recording();
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("rec.parquet"), folder.path().join("copy.parquet"));
    std::fs::write(&path, encode(&recording).unwrap()).unwrap();
    let out = Command::new(python).args(["-c", READ]).args([&path, &copy]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    let zoned = "TIMESTAMP WITH TIME ZONE";
    assert_eq!(
        said["columns"],
        json!([
            ["time", zoned],
            ["metric", "VARCHAR"],
            ["population", "VARCHAR"],
            ["question", "VARCHAR"],
            ["le", "DOUBLE"],
            ["slice_region", "VARCHAR"],
            ["value", "DOUBLE"],
            ["sampled_at", zoned],
            ["series", "INTEGER"],
            ["missing", "VARCHAR"],
            ["event", "VARCHAR"],
            ["seq", "INTEGER"],
        ])
    );
    // 0 + 1 + … + 9,999 without every hundredth from 7 on
    let sum = 49_995_000.0 - (0..100).map(|k| f64::from(7 + 100 * k)).sum::<f64>();
    assert_eq!(said["series"][0], json!(["errors", "canary", "increase over 5m", "eu", 10_000, sum, 100, 2 * 9_900]));
    assert_eq!(said["series"][1], json!(["latency", "stable", "buckets over 5m", null, 3, 8.0, 1, 4]));
    assert_eq!(said["series"][2][4], 10_000);
    assert_eq!(said["times"], json!([[START, START + 9_999 * 15_000, START - 3]]));
    assert_eq!(said["buckets"], json!([["0.1", 3.0], ["inf", 5.0]]));
    assert_eq!(
        said["missing"],
        json!([[r#"{"why":"empty","others":false}"#], [r#"{"why":"failed","message":"connection refused"}"#]])
    );
    let event = format!(r#"{{"what":"recovered","at":{}}}"#, START + 1);
    assert_eq!(said["events"], json!([[0, event], [1, event]]));
    assert_eq!(said["about"], serde_json::to_value(&recording.about).unwrap());
    let back = decode(&std::fs::read(copy).unwrap(), "copy.parquet").unwrap();
    assert_eq!(encode(&back).unwrap(), encode(&recording).unwrap());
}
