//! Units of imported values: what the text says, what the name says, what the metric is declared as, and what cannot be.

use super::{ImportError, Raw};
use crate::plan::{Ask, Input, Plan, Unit, show};

/// A unit's word, what it measures, and how much of the base unit it is.
const UNITS: [(&str, Unit, f64); 24] = [
    ("ns", Unit::Duration, 1e-9),
    ("us", Unit::Duration, 1e-6),
    ("µs", Unit::Duration, 1e-6),
    ("ms", Unit::Duration, 1e-3),
    ("s", Unit::Duration, 1.0),
    ("m", Unit::Duration, 60.0),
    ("min", Unit::Duration, 60.0),
    ("h", Unit::Duration, 3600.0),
    ("d", Unit::Duration, 86_400.0),
    ("%", Unit::Ratio, 0.01),
    ("ratio", Unit::Ratio, 1.0),
    ("B", Unit::Bytes, 1.0),
    ("kB", Unit::Bytes, 1e3),
    ("MB", Unit::Bytes, 1e6),
    ("GB", Unit::Bytes, 1e9),
    ("KiB", Unit::Bytes, 1024.0),
    ("MiB", Unit::Bytes, 1_048_576.0),
    ("GiB", Unit::Bytes, 1_073_741_824.0),
    ("/s", Unit::Rate, 1.0),
    ("/m", Unit::Rate, 1.0 / 60.0),
    ("/min", Unit::Rate, 1.0 / 60.0),
    ("/h", Unit::Rate, 1.0 / 3600.0),
    ("count", Unit::Count, 1.0),
    ("1", Unit::Number, 1.0),
];

/// What Prometheus' naming rules put behind a name: <https://prometheus.io/docs/practices/naming/#base-units>.
const SUFFIXES: [(&str, Unit, f64); 11] = [
    ("_nanoseconds", Unit::Duration, 1e-9),
    ("_microseconds", Unit::Duration, 1e-6),
    ("_milliseconds", Unit::Duration, 1e-3),
    ("_ms", Unit::Duration, 1e-3),
    ("_seconds", Unit::Duration, 1.0),
    ("_bytes", Unit::Bytes, 1.0),
    ("_kilobytes", Unit::Bytes, 1e3),
    ("_megabytes", Unit::Bytes, 1e6),
    ("_ratio", Unit::Ratio, 1.0),
    ("_percent", Unit::Ratio, 0.01),
    ("_percentage", Unit::Ratio, 0.01),
];

/// A value in another unit: `350ms` are 0.35 s to the last bit, which a product with 0.001 is not.
pub(super) fn times(value: f64, scale: f64) -> f64 {
    let parts = (1.0 / scale).round();
    if scale < 1.0 && (scale * parts - 1.0).abs() < 1e-12 { value / parts } else { value * scale }
}

/// What a unit's word measures, and how much of the base unit it is.
fn known(word: &str) -> Option<(Unit, f64)> {
    UNITS.iter().find(|(w, ..)| *w == word).map(|(_, unit, factor)| (*unit, *factor))
}

/// Splits `350ms` into number and unit; a bare number has none.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    if text.parse::<f64>().is_ok() {
        return (text, None);
    }
    let words = UNITS.iter().filter_map(|(w, ..)| text.strip_suffix(w).map(|n| (n.trim_end(), *w)));
    let number = words.filter(|(n, _)| n.parse::<f64>().is_ok()).max_by_key(|(_, w)| w.len());
    number.map_or((text, None), |(n, w)| (n, Some(w)))
}

/// By what the samples of each series (of buckets: the bounds) are to be multiplied, so that they are in the unit that the input is
/// asked in.
///
/// # Errors
/// The text's unit measures something else than the metric; a name says another unit than the metric is declared with; a value
/// cannot be in the metric's unit.
pub(super) fn scale(plan: &Plan, input: &Input, raws: &[&Raw]) -> Result<Vec<f64>, ImportError> {
    let declared = plan.metrics.iter().find(|m| m.name == input.metric).map(|m| m.unit);
    raws.iter().map(|raw| one(input, declared, raw)).collect()
}

fn one(input: &Input, declared: Option<Unit>, raw: &Raw) -> Result<f64, ImportError> {
    let counts = matches!(input.ask, Ask::Increase(..));
    let metric = &input.metric;
    let factor = match (&raw.unit, declared) {
        (Some(word), declared) => {
            let Some((unit, factor)) = known(word) else {
                let words = UNITS.map(|(w, ..)| w).join(", ");
                return Err(ImportError::at(&raw.place, format!("`{word}` is no unit"), &format!("there are {words}")));
            };
            let wanted = if counts { Unit::Count } else { declared.unwrap_or(unit) };
            let plain = |u: Unit| matches!(u, Unit::Count | Unit::Number);
            if wanted != unit && !(plain(wanted) && plain(unit)) {
                let what = format!(
                    "`{}` is in `{word}`, which is a {}, and the metric `{metric}` is declared as {}",
                    raw.shown(),
                    unit.word(),
                    wanted.word()
                );
                return Err(ImportError::at(&raw.place, what, "correct the unit, or import it as another metric"));
            }
            Some(factor / input.scale)
        }
        (None, Some(unit)) if !counts => {
            named(input, unit, raw)?;
            None
        }
        _ => None,
    };
    if matches!(input.ask, Ask::Gauge(_) | Ask::PromQl { .. }) {
        plausible(input, declared.unwrap_or(Unit::Number), raw, factor)?;
    } else if let Some((time, v)) =
        raw.samples.iter().find_map(|(t, v)| v.filter(|v| *v < 0.0 || v.is_infinite()).map(|v| (*t, v)))
    {
        let what = format!("`{}` is a counter, and is {v} at {}", raw.shown(), show::utc(time));
        return Err(ImportError::at(
            &raw.place,
            what,
            "a counter's readings are 0 or more and finite; correct the data",
        ));
    }
    Ok(factor.unwrap_or(1.0))
}

/// Whether a name says another unit than the metric is declared with.
fn named(input: &Input, declared: Unit, raw: &Raw) -> Result<(), ImportError> {
    let base = ["_total", "_bucket"].iter().find_map(|s| raw.name.strip_suffix(s)).unwrap_or(&raw.name);
    let Some((suffix, unit, factor)) = SUFFIXES.iter().find(|(s, ..)| base.ends_with(s)) else { return Ok(()) };
    if *unit != declared || (factor / input.scale - 1.0).abs() < 1e-9 {
        return Ok(());
    }
    let what = format!(
        "`{}` is in {} by its name, and the metric `{}` takes its numbers in units of {}",
        raw.name,
        suffix.trim_start_matches('_'),
        input.metric,
        show::value(input.scale, declared)
    );
    Err(ImportError::at(&raw.place, what, "give the metric that `unit:`, or the data a column `unit`"))
}

fn plausible(input: &Input, unit: Unit, raw: &Raw, factor: Option<f64>) -> Result<(), ImportError> {
    let base = factor.unwrap_or(1.0) * input.scale;
    for (time, value) in &raw.samples {
        let Some(v) = value.filter(|v| v.is_finite()) else { continue };
        let wrong = match unit {
            Unit::Bool => v != 0.0 && v != 1.0,
            // where the text says percent, 120 % is what it says
            Unit::Ratio => v < 0.0 || (factor.is_none() && v * base > 1.0 + 1e-9),
            Unit::Duration | Unit::Count | Unit::Bytes => v < 0.0,
            Unit::Number | Unit::Rate => false,
        };
        if !wrong {
            continue;
        }
        let what = format!(
            "`{}` is {v} at {}, and the metric `{}` is declared as {} with units of {}: that would be {}",
            raw.shown(),
            show::utc(*time),
            input.metric,
            unit.word(),
            show::value(input.scale, unit),
            show::value(times(v, base), unit)
        );
        let help = match unit {
            Unit::Ratio if v > 0.0 => {
                "if the numbers are percents, declare `unit: 1%`, or give the data a column `unit` with `%`"
            }
            Unit::Bool => "a bool is 0 or 1; correct the data, or import it as another metric",
            _ => "correct the data, or import it as another metric",
        };
        return Err(ImportError::at(&raw.place, what, help));
    }
    Ok(())
}
