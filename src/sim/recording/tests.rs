//! What is written is read back; what is not a recording is said to be none.

use super::*;

fn about(slices: &[&str]) -> About {
    About {
        version: VERSION,
        writer: String::from("canary 0.1.0"),
        rollout: String::from("checkout"),
        policy: String::from("abc"),
        run: None,
        environment: None,
        incomplete: false,
        step: 15_000,
        from: 0,
        to: 150_000,
        slices: slices.iter().map(|s| String::from(*s)).collect(),
        queries: vec![Query {
            metric: String::from("errors"),
            population: Population::Canary,
            question: String::from("increase over 5m"),
            text: String::from("sum(increase(errors[5m]))"),
        }],
    }
}

fn key(metric: &str, population: Population, question: &str, slice: &[&str]) -> Key {
    Key {
        metric: String::from(metric),
        population,
        question: String::from(question),
        slice: slice.iter().map(|s| String::from(*s)).collect(),
    }
}

fn answer(value: Reading) -> Answer {
    Answer { value: Ok(value), sampled_at: Some(7), series: 2 }
}

fn recording(slices: &[&str], series: Vec<Series>) -> Recording {
    let mut series = series;
    series.sort_by(|a, b| a.key.cmp(&b.key));
    Recording { about: about(slices), series, happened: Vec::new() }
}

fn buckets(pairs: &[(Option<f64>, f64)]) -> Reading {
    Reading::Buckets(pairs.iter().map(|(le, count)| Bucket { le: *le, count: *count }).collect())
}

fn same(a: &Recording, b: &Recording) {
    assert_eq!(a.about, b.about);
    assert_eq!(a.happened, b.happened);
    assert_eq!(a.series.len(), b.series.len());
    for (a, b) in a.series.iter().zip(&b.series) {
        assert_eq!(a.key, b.key);
        assert_eq!(a.times, b.times);
        for row in 0..a.times.len() {
            assert_eq!(a.answer(row), b.answer(row), "{} row {row}", a.key);
        }
    }
}

fn everything() -> Recording {
    let mut gauge = Series::new(key("latency", Population::Canary, "value", &[])).unwrap();
    gauge.push(0, answer(Reading::Value(0.25))).unwrap();
    gauge.push(15_000, Answer::missing(Missing::Stale { age: 90_000, others: Some(true) })).unwrap();
    gauge.push(30_000, Answer { value: Ok(Reading::Value(f64::NAN)), sampled_at: None, series: 1 }).unwrap();
    gauge.push(45_000, Answer::failed("connection refused: \"x\"")).unwrap();
    let mut counted = Series::new(key("errors", Population::Stable, "increase over 5m", &["eu", "gold"])).unwrap();
    counted.push(0, answer(Reading::Increase(12.5))).unwrap();
    let mut hist = Series::new(key("latency", Population::Before, "buckets since last", &[])).unwrap();
    hist.push(0, answer(buckets(&[(Some(0.1), 3.0), (None, 9.0)]))).unwrap();
    hist.push(15_000, Answer::missing(Missing::Empty { others: None })).unwrap();
    hist.push(30_000, answer(buckets(&[(Some(0.1), 3.0), (Some(0.5), 4.0), (None, 9.0)]))).unwrap();
    hist.push(45_000, answer(buckets(&[]))).unwrap();
    let mut r = recording(&["region", "tier"], vec![gauge, counted, hist]);
    let share = Setting::Share(0.25);
    r.happened = vec![
        Happened::Start { at: 0, originals: vec![(String::from("traffic"), share)], rolled_back: Some(-5) },
        Happened::Check { at: 15_000, ports: vec![(String::from("traffic"), share)], ports_epoch: 1, live: true },
        Happened::Recovered { at: 15_000 },
        Happened::Operator {
            at: 14_000,
            act: String::from("pause"),
            of: None,
            who: String::from("ann"),
            why: String::from("ü"),
        },
    ];
    r
}

#[test]
fn everything_comes_back() {
    let r = everything();
    let bytes = encode(&r).unwrap();
    let back = decode(&bytes, "a.parquet").unwrap();
    same(&r, &back);
    assert_eq!(encode(&back).unwrap(), bytes);
    let empty = recording(&[], Vec::new());
    same(&empty, &decode(&encode(&empty).unwrap(), "").unwrap());
}

/// A row of a file that somebody else wrote.
#[derive(Clone, Default)]
struct Row {
    time: i64,
    metric: Option<&'static str>,
    population: Option<&'static str>,
    question: Option<&'static str>,
    le: Option<f64>,
    value: Option<f64>,
    series: Option<i32>,
    missing: Option<&'static str>,
    event: Option<&'static str>,
    seq: Option<i32>,
}

fn row(time: i64, value: f64) -> Row {
    Row {
        time,
        metric: Some("errors"),
        population: Some("canary"),
        question: Some("value"),
        value: Some(value),
        series: Some(1),
        ..Row::default()
    }
}

fn bucket(time: i64, le: f64, value: f64) -> Row {
    Row { question: Some("buckets over 5m"), le: Some(le), ..row(time, value) }
}

/// A Parquet file with these rows, as a recording has them or not.
fn file(about: &str, rows: &[Row]) -> Vec<u8> {
    use super::file::columns;
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::{metadata::KeyValue, properties::WriterProperties, writer::SerializedFileWriter};
    let key = vec![KeyValue::new(columns::METADATA.to_owned(), about.to_owned())];
    let props = WriterProperties::builder().set_key_value_metadata(Some(key)).build();
    let mut out = Vec::new();
    let mut file = SerializedFileWriter::new(&mut out, columns::schema(&[]).unwrap(), props.into()).unwrap();
    let mut group = file.next_row_group().unwrap();
    macro_rules! column {
        ($kind:ty, $cells:expr) => {{
            let cells: Vec<_> = rows.iter().map($cells).collect();
            let levels: Vec<i16> = cells.iter().map(|c| i16::from(c.is_some())).collect();
            let values: Vec<_> = cells.into_iter().flatten().collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<$kind>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }};
    }
    column!(Int64Type, |r: &Row| Some(r.time));
    column!(ByteArrayType, |r: &Row| r.metric.map(ByteArray::from));
    column!(ByteArrayType, |r: &Row| r.population.map(ByteArray::from));
    column!(ByteArrayType, |r: &Row| r.question.map(ByteArray::from));
    column!(DoubleType, |r: &Row| r.le);
    column!(DoubleType, |r: &Row| r.value);
    column!(Int64Type, |_: &Row| None::<i64>);
    column!(Int32Type, |r: &Row| r.series);
    column!(ByteArrayType, |r: &Row| r.missing.map(ByteArray::from));
    column!(ByteArrayType, |r: &Row| r.event.map(ByteArray::from));
    column!(Int32Type, |r: &Row| r.seq);
    group.close().unwrap();
    file.close().unwrap();
    out
}

fn told(bytes: &[u8]) -> String {
    decode(bytes, "rec.parquet").unwrap_err().to_string()
}

fn good_about() -> String {
    serde_json::to_string(&about(&[])).unwrap()
}

#[test]
fn what_others_write_in_this_form_is_read() {
    let mut gap = row(30_000, 0.0);
    (gap.value, gap.missing) = (None, Some(r#"{"why":"not_asked"}"#));
    let rows = [row(0, 1.0), row(15_000, 2.0), gap, bucket(0, 0.1, 1.0), bucket(0, f64::INFINITY, 2.0)];
    let r = decode(&file(&good_about(), &rows), "").unwrap();
    let of = |q| r.find(&key("errors", Population::Canary, q, &[])).unwrap();
    assert_eq!(of("value").times, [0, 15_000, 30_000]);
    assert_eq!(of("value").answer(2).unwrap().value, Err(Missing::NotAsked));
    assert_eq!(of("buckets over 5m").answer(0).unwrap().value, Ok(buckets(&[(Some(0.1), 1.0), (None, 2.0)])));
}

#[test]
fn what_is_wrong_in_a_row_is_told_with_its_place_and_a_way_out() {
    let good = good_about();
    let mut cases: Vec<(&str, Vec<Row>)> = vec![
        (
            "row 3, column `time`, series errors of canary (value): a second answer for 1970-01-01 00:00:15 UTC",
            vec![row(0, 1.0), row(15_000, 1.0), row(15_000, 1.0)],
        ),
        (
            "row 2, column `time`, series errors of canary (value): 1970-01-01 00:00:00 UTC stands behind 1970-01-01 00:00:15 UTC",
            vec![row(15_000, 1.0), row(0, 1.0)],
        ),
        ("row 2, column `value`: NaN is no number", vec![row(0, 1.0), row(1, f64::NAN)]),
        ("row 1, column `value`: inf is no number", vec![row(0, f64::INFINITY)]),
        ("row 1, column `le`: NaN is no number", vec![bucket(0, f64::NAN, 1.0)]),
        (
            "row 2, column `le`, series errors of canary (buckets over 5m): the bounds do not rise",
            vec![bucket(0, 0.2, 1.0), bucket(0, 0.1, 1.0)],
        ),
    ];
    let with = |f: fn(&mut Row)| {
        let mut r = row(0, 1.0);
        f(&mut r);
        vec![r]
    };
    cases.extend([
        (
            "row 1, column `population`: `everyone` is no population; there are `canary`, `stable` and `before`",
            with(|r| r.population = Some("everyone")),
        ),
        ("row 1, column `question`: `rate` is no question", with(|r| r.question = Some("rate"))),
        ("row 1, column `question`: empty", with(|r| r.question = None)),
        (
            "row 1, column `value`, series errors of canary (value): neither a number nor a reason",
            with(|r| r.value = None),
        ),
        (
            "row 1, column `missing`, series errors of canary (value): a number, and a reason",
            with(|r| r.missing = Some(r#"{"why":"empty","others":null}"#)),
        ),
        (
            "row 1, column `missing`, series errors of canary (value): `{\"why\":\"dog\"}` is no reason",
            with(|r| (r.value, r.missing) = (None, Some(r#"{"why":"dog"}"#))),
        ),
        (
            "row 1, column `series`, series errors of canary (value): not a number of series",
            with(|r| r.series = Some(-3)),
        ),
        ("row 1, column `series`, series errors of canary (value): not a number of series", with(|r| r.series = None)),
        (
            "row 1, column `le`, series errors of canary (value): a bound, and the question is not about buckets",
            with(|r| r.le = Some(1.0)),
        ),
        ("row 1, column `metric`: neither a metric nor an event", with(|r| r.metric = None)),
        ("row 1, column `event`: `{` is no event", with(|r| (r.metric, r.event, r.seq) = (None, Some("{"), Some(0)))),
        (
            "row 1, column `seq`: not 0, though 0 events stand before it",
            with(|r| (r.metric, r.event, r.seq) = (None, Some(r#"{"what":"recovered","at":0}"#), Some(1))),
        ),
        (
            "row 1, column `time`: another time than its event has",
            with(|r| (r.metric, r.event, r.seq) = (None, Some(r#"{"what":"recovered","at":9}"#), Some(0))),
        ),
    ]);
    for (want, rows) in cases {
        let got = told(&file(&good, &rows));
        assert!(got.starts_with(&format!("rec.parquet: {want}")), "{got}\nwanted {want}");
        assert!(got.contains("; "), "no way out: {got}");
    }
    let mut other = row(0, 1.0);
    other.metric = Some("latency");
    let got = told(&file(&good, &[row(0, 1.0), other, row(15_000, 1.0)]));
    assert!(got.contains("row 3, column `metric`, series errors of canary (value): the rows of this series stand in more than one place"), "{got}");
}

#[test]
fn what_is_no_recording_is_told() {
    let bytes = encode(&everything()).unwrap();
    for text in [&b""[..], b"PAR", b"time,metric,value\n1,a,2\n"] {
        assert!(told(text).contains("not a recording"), "{}", told(text));
    }
    for cut in [5, 20, bytes.len() / 2, bytes.len() - 1] {
        assert!(told(&bytes[..cut]).contains("ends too early"), "{}", told(&bytes[..cut]));
    }
    let newer = file(&good_about().replace("\"version\":1", "\"version\":7"), &[row(0, 1.0)]);
    assert!(told(&newer).contains("version 7 of the format, and this canary reads up to 1"), "{}", told(&newer));
    assert!(told(&file("{}", &[])).contains("`canary.recording` cannot be read"));
    assert!(told(&file("not json", &[])).contains("`canary.recording` cannot be read"));
    let sliced = file(&serde_json::to_string(&about(&["region"])).unwrap(), &[row(0, 1.0)]);
    assert!(told(&sliced).contains("lacks the column `slice_region`"), "{}", told(&sliced));
}

/// A Parquet file of one column.
fn one_column(meta: Option<&str>, name: &str, physical: parquet::basic::Type) -> Vec<u8> {
    use parquet::file::{metadata::KeyValue, properties::WriterProperties, writer::SerializedFileWriter};
    use parquet::schema::types::Type;
    let key = meta.map(|m| vec![KeyValue::new("canary.recording".to_owned(), m.to_owned())]);
    let props = WriterProperties::builder().set_key_value_metadata(key).build();
    let field = Type::primitive_type_builder(name, physical).build().unwrap();
    let schema = Type::group_type_builder("x").with_fields(vec![field.into()]).build().unwrap();
    let mut out = Vec::new();
    SerializedFileWriter::new(&mut out, schema.into(), props.into()).unwrap().close().unwrap();
    out
}

#[test]
fn a_strangers_parquet_file_is_told_with_its_columns() {
    use parquet::basic::Type;
    let got = told(&one_column(None, "price", Type::DOUBLE));
    assert!(got.contains("no recording of canary") && got.contains("its columns are `price`"), "{got}");
    let got = told(&one_column(Some(&good_about()), "time", Type::INT32));
    assert!(got.contains("the column `time` is INT32, and has to be a timestamp in milliseconds (INT64)"), "{got}");
    let got = told(&one_column(Some(&good_about()), "price", Type::DOUBLE));
    assert!(got.contains("lacks the column `time`"), "{got}");
}

#[test]
fn what_is_no_recording_is_not_written() {
    let wrong = |change: fn(&mut Recording)| {
        let mut r = everything();
        change(&mut r);
        encode(&r).unwrap_err().to_string()
    };
    assert!(wrong(|r| r.series.reverse()).contains("not sorted by key"));
    assert!(wrong(|r| r.series[1].times[1] = 0).contains("times do not rise"));
    assert!(wrong(|r| r.about.version = 2).contains("version 2"));
    assert!(wrong(|r| r.series[0].counts.clear()).contains("another number of values"));
    assert!(wrong(|r| r.about.slices = vec!["a".into()]).contains("2 values for 1 dimensions"));
    assert!(wrong(|r| r.about.slices = vec!["a".into(), "a".into()]).contains("stands twice"));
    assert!(wrong(|r| r.series.iter_mut().for_each(|s| s.missing.clear())).contains("needs a reason"));
}

#[test]
fn answers_are_pushed_in_order_and_of_the_questions_kind() {
    let mut s = Series::new(key("m", Population::Canary, "buckets over 5m", &[])).unwrap();
    s.push(10, answer(buckets(&[(None, 2.0)]))).unwrap();
    let before = s.clone();
    let same = s.push(10, answer(buckets(&[]))).unwrap_err();
    assert!(same.to_string().contains("two answers"), "{same}");
    let back = s.push(9, answer(buckets(&[]))).unwrap_err();
    assert!(back.to_string().contains("times must rise"), "{back}");
    assert!(matches!(s.push(11, answer(Reading::Value(1.0))), Err(PushError::OtherKind { found: "value", .. })));
    assert!(matches!(s.push(11, answer(buckets(&[(None, 1.0), (Some(0.1), 1.0)]))), Err(PushError::Bounds { .. })));
    assert!(matches!(s.push(11, answer(buckets(&[(Some(f64::INFINITY), 1.0)]))), Err(PushError::Bounds { .. })));
    assert_eq!(s, before);
    // a bound that comes later is absent before
    s.push(20, answer(buckets(&[(Some(0.5), 1.0), (None, 4.0)]))).unwrap();
    assert_eq!(s.answer(0).unwrap().value, Ok(buckets(&[(None, 2.0)])));
    assert_eq!(s.answer(1).unwrap().value, Ok(buckets(&[(Some(0.5), 1.0), (None, 4.0)])));
    assert!(matches!(Series::new(key("m", Population::Canary, "rate", &[])), Err(PushError::Question { .. })));
}

/// Long enough for groups of its own, pages and batches, with bounds across their edges.
fn long() -> Recording {
    let mut gauge = Series::new(key("latency", Population::Canary, "value", &[])).unwrap();
    let mut hist = Series::new(key("latency", Population::Canary, "buckets over 5m", &["eu"])).unwrap();
    for i in 0..40_000 {
        let a = if i % 1000 < 30 { Answer::failed("down") } else { answer(Reading::Value(i as f64 / 7.0)) };
        gauge.push(i * 15_000, a).unwrap();
        let all = [(Some(0.1), i as f64), (Some(0.2), i as f64), (None, i as f64)];
        let some = if i % 3 == 0 { &all[..] } else { &all[1..] };
        hist.push(i * 15_000, answer(buckets(some))).unwrap();
    }
    let mut all = vec![gauge, hist];
    for i in 0..300 {
        let mut s = Series::new(key("errors", Population::Stable, "increase over 5m", &[&format!("t{i:03}")])).unwrap();
        (0..90).for_each(|t| s.push(t * 15_000, answer(Reading::Increase(t as f64))).unwrap());
        all.push(s);
    }
    recording(&["tenant"], all)
}

#[test]
fn long_series_come_back_across_pages_and_groups() {
    let r = long();
    let bytes = encode(&r).unwrap();
    same(&r, &decode_owned(bytes, "").unwrap());
}

#[test]
fn no_bytes_stop_it() {
    let small = encode(&everything()).unwrap();
    let large = encode(&long()).unwrap();
    let cases = std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(600_u64);
    let mut read = 0;
    for case in 0..cases {
        let mut x = (case + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = |below: usize| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 16) as usize % below.max(1)
        };
        let mut bytes = if case % 50 == 0 { large.clone() } else { small.clone() };
        for _ in 0..=random(3) {
            // half of the changes in the footer, where the sizes are
            let footer = bytes.len().saturating_sub(3000);
            let at = if random(2) == 0 { footer + random(bytes.len() - footer) } else { random(bytes.len()) };
            match random(6) {
                0 => bytes[at] ^= 1 << random(8),
                1 => bytes[at] = random(256) as u8,
                2 => bytes[at] = 0xff,
                3 => drop(bytes.drain(at..(at + random(16)).min(bytes.len()))),
                4 => bytes.insert(at, random(256) as u8),
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        // what is read although it was changed is a recording: it can be written
        if let Ok(r) = decode(&bytes, "x") {
            encode(&r).unwrap_or_else(|e| panic!("case {case}: {e}"));
            read += 1;
        }
    }
    assert!(read > 0 && read < cases, "{read} of {cases} were read");
}

#[test]
fn a_page_that_says_it_is_huge_is_refused_before_room_is_made() {
    let bytes = encode(&everything()).unwrap();
    // the first page's header: type (field 1), then its size unpacked (field 2), each a zigzag varint
    assert_eq!((bytes[4], bytes[6]), (0x15, 0x15), "another layout of the first header");
    let mut huge = bytes[..7].to_vec();
    huge.extend([0xfe, 0xff, 0xff, 0xff, 0x0f]);
    let size = bytes[7..].iter().position(|b| *b < 0x80).unwrap() + 1;
    huge.extend(&bytes[7 + size..]);
    let got = told(&huge);
    assert!(got.contains("is said to hold 2147483647"), "{got}");
}

/// Found by tests/replay_equals_run.rs: both were kept under one name, and a replay gave one's numbers to the other.
#[test]
fn a_query_that_is_asked_over_two_windows_is_two_questions() {
    let text = "edition 2026
metric busy: rate = prometheus(`sum(rate(requests_total[${window}]))`, window: 1m)
metric pool: count = prometheus(`sum(pool)`)
flag search: bool
rollout search {
  guard busy: busy < 100/s and busy(5m) < 80/s and pool < 10  else rollback
  phase all { flag search = on   hold 10m }
}
";
    let mut map = crate::syntax::source::SourceMap::default();
    let id = map.add(String::from("policy.canary"), String::from(text));
    let files = [crate::syntax::parse(id, text).0];
    let plan = crate::check::compile_alone(&files, &map, None, &[]).0.unwrap();
    let questions: Vec<String> = plan.inputs.iter().map(|i| Key::of(i, &[]).question).collect();
    assert_eq!(questions, ["value over 1m", "value over 5m", "value"]);
    assert!(questions.iter().all(|q| Kind::of(q) == Some(Kind::Value)));
    assert_eq!((Kind::of("value over "), Kind::of("value since last")), (None, None));
    // and they come back from a file as two
    let series = plan.inputs.iter().map(|i| {
        let mut s = Series::new(Key::of(i, &[])).unwrap();
        s.push(0, Answer { value: Ok(Reading::Value(1.0)), sampled_at: None, series: 1 }).unwrap();
        s
    });
    let mut series: Vec<Series> = series.collect();
    series.sort_by(|a, b| a.key.cmp(&b.key));
    let recording = Recording { about: about(&[]), series, happened: Vec::new() };
    let back = decode(&encode(&recording).unwrap(), "x").unwrap();
    assert_eq!(back, recording);
    assert!(fits(&back, &plan).is_ok());
}

/// What older versions wrote: without the fields, and with `incomplete` behind the writer.
#[test]
fn an_older_recordings_metadata_is_read() {
    let older = good_about().replace(r#""environment":null,"incomplete":false,"#, "");
    assert_ne!(older, good_about());
    let about = decode(&file(&older, &[row(0, 1.0)]), "old").unwrap().about;
    assert_eq!((about.environment, about.incomplete, about.writer.as_str()), (None, false, "canary 0.1.0"));
    let older = older.replace("canary 0.1.0", "canary 0.1.0, incomplete");
    let about = decode(&file(&older, &[row(0, 1.0)]), "old").unwrap().about;
    assert_eq!((about.incomplete, about.writer.as_str()), (true, "canary 0.1.0"));
    let named =
        good_about().replace(r#""environment":null,"incomplete":false,"#, r#""environment":"lab","incomplete":true,"#);
    let about = decode(&file(&named, &[row(0, 1.0)]), "new").unwrap().about;
    assert_eq!((about.environment.as_deref(), about.incomplete), (Some("lab"), true));
}
