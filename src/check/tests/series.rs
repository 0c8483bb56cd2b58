//! The notation of a series: `70 70 _x3 stale 70+2x10`, as promtool writes the values of its tests.
//!
//! Source: Prometheus, "Unit testing for rules", section `<series>`: `a+bxn` is n + 1 values, `axn` too, `_xn` is n missing ones.

use super::Sample;

/// At most so many values: a test names a course, it holds no recording.
const LONGEST: usize = 100_000;

/// The values of a notation, each times `unit`.
///
/// # Errors
/// The token that is none, and why.
pub(crate) fn parse(text: &str, unit: f64) -> Result<Vec<Sample>, (String, String)> {
    let mut out = Vec::new();
    for token in text.split_whitespace() {
        let bad = |why: &str| (token.to_owned(), why.to_owned());
        let room = |n: usize| {
            if out.len().saturating_add(n) > LONGEST { Err(bad("too many values")) } else { Ok(()) }
        };
        match token {
            "_" | "stale" => {
                room(1)?;
                out.push(Sample::Missing);
                continue;
            }
            "NaN" => {
                room(1)?;
                out.push(Sample::NotANumber);
                continue;
            }
            _ => {}
        }
        if let Some(n) = token.strip_prefix("_x") {
            let n: usize = n.parse().map_err(|_| bad("a count is needed behind `x`"))?;
            room(n)?;
            out.extend(std::iter::repeat_n(Sample::Missing, n));
            continue;
        }
        let (values, times) = match token.split_once('x') {
            Some((values, n)) => (values, Some(n.parse::<usize>().map_err(|_| bad("a count is needed behind `x`"))?)),
            None => (token, None),
        };
        let (first, by) = split(values);
        let number = |t: &str| -> Result<f64, (String, String)> {
            let v: f64 = t.parse().map_err(|_| bad("not a number"))?;
            if v.is_finite() { Ok(v) } else { Err(bad("not a number")) }
        };
        let (first, by) = (number(first)?, by.map(number).transpose()?);
        if by.is_some() && times.is_none() {
            return Err(bad("how often? `70+2x10`"));
        }
        let n = times.unwrap_or(0);
        room(n.saturating_add(1))?;
        let mut v = first;
        for _ in 0..=n {
            out.push(Sample::Is(v * unit));
            v += by.unwrap_or(0.0);
        }
    }
    Ok(out)
}

/// `70+2` and `70-2` as first value and step; a sign in front, or behind an exponent, belongs to its number.
fn split(text: &str) -> (&str, Option<&str>) {
    let bytes = text.as_bytes();
    for (i, c) in text.char_indices().skip(1) {
        let behind_exponent = i.checked_sub(1).and_then(|j| bytes.get(j)).is_some_and(|b| matches!(b, b'e' | b'E'));
        if matches!(c, '+' | '-') && !behind_exponent {
            let (first, rest) = text.split_at(i);
            return (first, Some(rest.strip_prefix('+').unwrap_or(rest)));
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<Option<f64>> {
        let one = |s: Sample| match s {
            Sample::Is(v) => Some(v),
            Sample::Missing => None,
            Sample::NotANumber => Some(f64::NAN),
        };
        parse(text, 1.0).unwrap().into_iter().map(one).collect()
    }

    #[test]
    fn values_steps_gaps_and_repeats() {
        assert_eq!(values("70 70"), [Some(70.0), Some(70.0)]);
        assert_eq!(values("_x2 stale _"), [None; 4]);
        assert_eq!(values("70+2x2"), [Some(70.0), Some(72.0), Some(74.0)]);
        assert_eq!(values("-1-1x1"), [Some(-1.0), Some(-2.0)]);
        assert_eq!(values("3x2"), [Some(3.0); 3]);
        assert_eq!(values("1e-3"), [Some(0.001)]);
        assert!(values("NaN")[0].unwrap().is_nan());
        assert_eq!(parse("50", 0.01).unwrap(), [Sample::Is(0.5)]);
    }

    #[test]
    fn what_is_no_value_is_named() {
        for (text, token) in
            [("70 abc", "abc"), ("70+2", "70+2"), ("_xx", "_xx"), ("inf", "inf"), ("1x9999999", "1x9999999")]
        {
            assert_eq!(parse(text, 1.0).unwrap_err().0, token);
        }
    }
}
