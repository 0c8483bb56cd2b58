//! A histogram's increments out of its `_bucket` series.

use crate::plan::Bucket;

/// Puts increments by `le` in order: bounds ascending with `+Inf` last, equal bounds written differently (`1`, `1.0`) summed,
/// and counts never falling from one bound to the next.
///
/// Counts of a true histogram cannot fall, but each bucket's increase is extrapolated for itself, and a scrape can catch a
/// client between two of its buckets: such small inversions are lifted to the count below them, as Prometheus does for
/// `histogram_quantile`.
///
/// # Errors
/// A text when a bound is no number, or when there is no `+Inf` bucket, without which nobody knows how many events there were.
pub fn assemble<'a>(increments: impl IntoIterator<Item = (Option<&'a str>, f64)>) -> Result<Vec<Bucket>, String> {
    let mut out: Vec<Bucket> = Vec::new();
    for (le, count) in increments {
        let le = bound(le)?;
        match out.iter_mut().find(|b| b.le == le) {
            Some(b) => b.count += count,
            None => out.push(Bucket { le, count }),
        }
    }
    out.sort_by(|a, b| {
        let key = |b: &Bucket| b.le.unwrap_or(f64::INFINITY);
        key(a).total_cmp(&key(b))
    });
    if out.last().is_none_or(|b| b.le.is_some()) {
        return Err(String::from("the histogram has no bucket with le=\"+Inf\", so the number of events is unknown"));
    }
    let mut floor = 0.0_f64;
    for b in &mut out {
        floor = floor.max(b.count);
        b.count = floor;
    }
    Ok(out)
}

fn bound(le: Option<&str>) -> Result<Option<f64>, String> {
    let Some(le) = le else {
        return Err(String::from("a series has no label `le`: the selector must be a histogram's `_bucket` series"));
    };
    match le.parse::<f64>() {
        Ok(v) if v == f64::INFINITY => Ok(None),
        // + 0.0 turns -0 into 0
        Ok(v) if v.is_finite() => Ok(Some(v + 0.0)),
        _ => Err(format!("`{le}` is no bucket bound")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_sums_and_lifts() {
        let b = assemble([
            (Some("+Inf"), 9.99),
            (Some("0.5"), 4.0),
            (Some("1"), 5.0),
            (Some("1.0"), 5.0),
            (Some("1e-1"), 1.0),
        ])
        .expect("buckets");
        let got: Vec<_> = b.iter().map(|b| (b.le, b.count)).collect();
        assert_eq!(got, [(Some(0.1), 1.0), (Some(0.5), 4.0), (Some(1.0), 10.0), (None, 10.0)]);
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        assert!(assemble([(Some("1"), 1.0)]).expect_err("").contains("+Inf"));
        assert!(assemble([(None, 1.0)]).expect_err("").contains("_bucket"));
        assert!(assemble([(Some("x"), 1.0)]).expect_err("").contains("`x`"));
        assert!(assemble([(Some("NaN"), 1.0)]).expect_err("").contains("`NaN`"));
    }
}
