//! A file that is read in stretches comes to what it comes to when it is read from the first row to the last, whatever is in it.

use super::super::{About, Happened, Key, Recording, Series};
use super::decode::from;
use super::encode;
use crate::plan::{Answer, Bucket, Missing, Population, Reading};
use bytes::Bytes;

/// The answers of a series that has a row group of its own.
const OWN: i64 = 1 << 13;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

fn series(metric: &str, question: &str, rows: i64, dice: &mut Dice) -> Series {
    let key = Key {
        metric: String::from(metric),
        population: Population::Canary,
        question: String::from(question),
        slice: Vec::new(),
    };
    let mut series = Series::new(key).unwrap();
    for i in 0..rows {
        let n = f64::from(u32::try_from(dice.roll(1_000_000)).unwrap());
        let value = match (dice.roll(2_000), question) {
            (0, _) => Err(Missing::Empty { others: Some(true) }),
            (_, "value") => Ok(Reading::Value(n)),
            (_, "increase over 5m") => Ok(Reading::Increase(n)),
            _ => Ok(Reading::Buckets(vec![Bucket { le: Some(0.1), count: n }, Bucket { le: None, count: n + 1.0 }])),
        };
        series.push(i * 15_000, Answer { value, sampled_at: Some(i * 15_000 - 7), series: 1 }).unwrap();
    }
    series
}

fn recording(dice: &mut Dice) -> Recording {
    // short ones, which share a group, between long ones
    let mut series = vec![
        series("a", "value", OWN + 100, dice),
        series("b", "increase over 5m", 40, dice),
        series("c", "value", 1, dice),
        series("d", "buckets over 5m", OWN, dice),
        series("e", "value", OWN, dice),
        series("e", "increase over 5m", OWN + 7, dice),
    ];
    series.sort_by(|a, b| a.key.cmp(&b.key));
    let happened = (0..10_000).map(|i| Happened::Recovered { at: i }).collect();
    let about = About {
        version: 1,
        writer: String::new(),
        rollout: String::new(),
        policy: String::new(),
        run: None,
        environment: None,
        incomplete: false,
        step: 15_000,
        from: 0,
        to: OWN * 15_000,
        slices: Vec::new(),
        queries: Vec::new(),
    };
    Recording { about, series, happened }
}

/// As text: NaN stands where there is no number, and is not equal to itself.
fn both(bytes: &[u8]) -> [Result<Recording, String>; 2] {
    let way = |many| from(Bytes::copy_from_slice(bytes), "x", many).map_err(|e| e.to_string());
    [way(0), way(i64::MAX)]
}

fn same(bytes: &[u8], what: &str) -> bool {
    match both(bytes) {
        [Ok(a), Ok(b)] => {
            assert_eq!(a.about, b.about, "{what}");
            assert_eq!(a.happened, b.happened, "{what}");
            assert_eq!(a.series.len(), b.series.len(), "{what}");
            for (a, b) in a.series.iter().zip(&b.series) {
                assert_eq!((&a.key, &a.times, &a.missing), (&b.key, &b.times, &b.missing), "{what}");
                assert!((0..a.times.len()).all(|row| a.answer(row) == b.answer(row)), "{what}: {}", a.key);
            }
            true
        }
        [Err(a), Err(b)] => {
            assert_eq!(a, b, "{what}");
            false
        }
        [a, b] => panic!("{what}: {:?} and {:?}", a.err(), b.err()),
    }
}

#[test]
fn a_file_that_is_read_in_stretches_is_the_one_that_is_read_at_once() {
    let mut dice = Dice(7);
    let recording = recording(&mut dice);
    let bytes = encode(&recording).unwrap();
    assert!(same(&bytes, "as it was written"));
    let [Ok(read), _] = both(&bytes) else { panic!("it can be read") };
    assert_eq!(read.happened, recording.happened);
    for (a, b) in read.series.iter().zip(&recording.series) {
        assert!((0..b.times.len()).all(|row| a.answer(row) == b.answer(row)), "{}", b.key);
    }
    let mut refused = 0;
    for case in 0..40 {
        let mut changed = bytes.clone();
        let at = dice.roll(changed.len());
        changed[at] ^= 1 << dice.roll(8);
        refused += usize::from(!same(&changed, &format!("case {case}: the byte at {at} changed")));
    }
    assert!(refused > 0, "some changes are found");
}
