//! Many points become few: of each column of a picture the points stay that make its shape, and with them every extreme.

use super::time::Span;
use crate::plan::Time;
use crate::sim::replay::outcome::Point;

/// At most some eight points a column: the first and the last, those with the least and the most of value, limit and their distance,
/// one that is unknown, and those at the times that are named in `keep` (rising). The distance is what a breach is measured in, so
/// the check that came farthest is always among them.
#[must_use]
pub fn thin(points: &[Point], span: Span, columns: usize, keep: &[Time]) -> Vec<Point> {
    if points.len() <= columns.saturating_mul(2) {
        return points.to_vec();
    }
    let mut out = Vec::new();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let column = span.column(first.at, columns);
        let (here, behind) = rest.split_at(rest.partition_point(|p| span.column(p.at, columns) <= column).max(1));
        let mut chosen = vec![0, here.len() - 1];
        let measures: [fn(&Point) -> Option<f64>; 3] =
            [|p| known(p.value), |p| known(p.limit), |p| Some(known(p.value)? - known(p.limit)?)];
        for measure in measures {
            let numbers = || here.iter().enumerate().filter_map(|(i, p)| Some((i, measure(p)?)));
            chosen.extend(numbers().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i));
            chosen.extend(numbers().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i));
        }
        chosen.extend(here.iter().position(|p| known(p.value).is_none()));
        let named = keep.partition_point(|t| *t < first.at);
        for t in keep.iter().skip(named).take_while(|t| here.last().is_some_and(|l| **t <= l.at)) {
            chosen.extend(here.partition_point(|p| p.at <= *t).checked_sub(1));
        }
        chosen.sort_unstable();
        chosen.dedup();
        out.extend(chosen.into_iter().filter_map(|i| here.get(i)).copied());
        rest = behind;
    }
    out
}

/// A number that can be drawn.
#[must_use]
pub fn known(v: Option<f64>) -> Option<f64> {
    v.filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(n: i64) -> Vec<Point> {
        (0..n).map(|at| Point { at, value: Some(0.001), limit: Some(0.01) }).collect()
    }

    #[test]
    fn no_breach_and_no_gap_disappears_among_a_hundred_thousand_points() {
        let mut all = points(100_000);
        all[77_777].value = Some(0.02);
        all[12_345].value = None;
        all[55_555].limit = Some(0.000_5);
        all[33_333].value = Some(f64::NAN);
        let span = Span { from: 0, to: 100_000 };
        let few = thin(&all, span, 900, &[4_242, 99_001]);
        assert!(few.len() < 900 * 6, "{}", few.len());
        assert!(few.is_sorted_by_key(|p| p.at));
        let has = |at: Time| few.iter().any(|p| p.at == at);
        for at in [0, 4_242, 12_345, 33_333, 55_555, 77_777, 99_001, 99_999] {
            assert!(has(at), "the point at {at} is gone");
        }
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let all = points(100);
        assert_eq!(thin(&all, Span { from: 0, to: 100 }, 50, &[]), all);
        assert!(thin(&[], Span { from: 0, to: 1 }, 0, &[]).is_empty());
    }

    #[test]
    fn points_outside_of_the_span_end_too() {
        let all = points(100);
        let few = thin(&all, Span { from: 40, to: 60 }, 4, &[]);
        assert!(few.len() < 100 && few.first() == all.first() && few.last() == all.last());
    }
}
