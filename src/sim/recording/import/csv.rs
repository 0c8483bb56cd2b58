//! CSV: a header, and a line a sample.

use super::{ImportError, Raw, units};
use chrono::DateTime;
use std::collections::HashMap;

const HEADER: &str = "the first line names the columns: `time`, `metric`, `value`, and where needed `population`, `unit`, `le`, \
                      `slice_<dimension>`; any other column is a label";

/// Series of a CSV text (RFC 4180, or with `;` or tabs in the place of commas). A line without a value is passed over, `stale` ends
/// a series, `NaN` is a sample that is no number.
///
/// # Errors
/// A column that is needed is not there; a time or value cannot be read; a line has more or fewer fields than the header.
pub fn read(text: &str) -> Result<Vec<Raw>, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    let delimiter =
        [b',', b';', b'\t'].into_iter().max_by_key(|d| first.bytes().filter(|b| b == d).count()).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns: Vec<String> =
        reader.headers().map_err(|e| ImportError::new(e.to_string(), HEADER))?.iter().map(str::to_owned).collect();
    let place = |name: &str| columns.iter().position(|c| c == name);
    let needed = |name: &str| {
        place(name).ok_or_else(|| {
            let shown = columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
            ImportError::at("line 1", format!("there is no column `{name}`, only {shown}"), HEADER)
        })
    };
    if let Some(twice) = columns.iter().enumerate().find(|(i, c)| columns.iter().skip(i + 1).any(|d| d == *c)) {
        return Err(ImportError::at("line 1", format!("the column `{}` stands twice", twice.1), HEADER));
    }
    let (time, metric, value) = (needed("time")?, needed("metric")?, needed("value")?);
    let unit = place("unit");
    let mut found: HashMap<Vec<String>, usize> = HashMap::new();
    let mut raws: Vec<Raw> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| {
            let line = e.position().map(|p| format!("line {}", p.line())).unwrap_or_default();
            ImportError::at(
                &line,
                malformed(&e),
                "give every line the fields that the first line names, and quotes that close",
            )
        })?;
        let line = record.position().map(|p| format!("line {}", p.line())).unwrap_or_default();
        let field = |i: usize| record.get(i).unwrap_or_default();
        if field(value).is_empty() {
            continue;
        }
        let at = when(field(time)).ok_or_else(|| {
            let what = format!("`{}` is no time", field(time));
            ImportError::at(&line, what, "write `2026-11-21T09:15:00Z`, or seconds or milliseconds since 1970")
        })?;
        let (number, suffix) = if field(value) == "stale" { ("stale", None) } else { units::split(field(value)) };
        let sample = match number {
            "stale" => None,
            n => Some(n.parse::<f64>().map_err(|_| {
                let what = format!("`{}` is no number", field(value));
                ImportError::at(
                    &line,
                    what,
                    "write `0.25`, `25%`, `350ms`; `NaN` where there is none, `stale` where a series ends",
                )
            })?),
        };
        let stated = unit.map(field).filter(|u| !u.is_empty());
        if let (Some(a), Some(b)) = (stated, suffix)
            && a != b
        {
            let what = format!("the column `unit` says `{a}`, and the value `{}`", field(value));
            return Err(ImportError::at(&line, what, "keep one of them"));
        }
        // a stale mark has no unit of its own: it ends the series of that name whatever its unit
        let own = stated.or(suffix).unwrap_or_default().to_owned();
        let mut id: Vec<String> = Vec::with_capacity(columns.len());
        for (i, _) in columns.iter().enumerate().filter(|(i, _)| *i != time && *i != value && Some(*i) != unit) {
            id.push(field(i).to_owned());
        }
        let place = match found.get(&id) {
            Some(place) => *place,
            None => {
                let named = |(i, c): (usize, &String)| {
                    let label = i != time && i != value && i != metric && Some(i) != unit && !field(i).is_empty();
                    label.then(|| (c.clone(), field(i).to_owned()))
                };
                raws.push(Raw {
                    name: field(metric).to_owned(),
                    labels: columns.iter().enumerate().filter_map(named).collect(),
                    unit: (!own.is_empty()).then(|| own.clone()),
                    place: line.clone(),
                    samples: Vec::new(),
                });
                found.insert(id, raws.len() - 1);
                raws.len() - 1
            }
        };
        let Some(raw) = raws.get_mut(place) else { continue };
        if let Some(population) = raw.label("population")
            && !["canary", "stable", "before"].contains(&population)
        {
            let what = format!("`{population}` is no population");
            return Err(ImportError::at(&line, what, "there are `canary`, `stable` and `before`"));
        }
        if sample.is_some() && raw.unit.as_deref().unwrap_or_default() != own {
            if !raw.samples.iter().all(|s| s.1.is_none()) {
                let before = raw.unit.clone().unwrap_or_else(|| String::from("none"));
                let what = format!("the unit of `{}` is `{own}` here and `{before}` before", raw.shown());
                return Err(ImportError::at(&line, what, "a series has one unit in all of its lines"));
            }
            raw.unit = (!own.is_empty()).then_some(own);
        }
        raw.samples.push((at, sample));
    }
    Ok(raws)
}

fn malformed(e: &csv::Error) -> String {
    match e.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, and the first line names {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => String::from("not UTF-8"),
        _ => e.to_string(),
    }
}

/// RFC 3339, seconds or milliseconds since 1970: what is read as seconds would be after the year 5000 is in milliseconds.
fn when(text: &str) -> Option<i64> {
    const MILLIS: f64 = 1e11;
    if let Ok(n) = text.parse::<f64>() {
        let ms = if n.abs() >= MILLIS { n } else { n * 1000.0 };
        // what a double still counts in whole milliseconds
        return (ms.abs() < 9e15).then(|| ms.round() as i64);
    }
    DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp_millis())
}
