//! What is written is read back; what is not a recording is said to be none.

use super::*;

fn about(slices: &[&str]) -> About {
    About {
        version: VERSION,
        writer: String::from("canary 0.1.0"),
        rollout: String::from("checkout"),
        policy: String::from("abc"),
        run: None,
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
        Happened::Start { at: 0, originals: vec![(String::from("traffic"), share.clone())], rolled_back: Some(-5) },
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
