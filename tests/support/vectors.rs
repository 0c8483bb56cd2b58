//! Files of vectors: `tests/vectors/*.json`, in the format of `temporal_reference.py` (1) or `window_reference.py` (2). Whatever is
//! not of the format is an error that says what.

use super::formula::{Formula, Operand, Shown, Trace};
use canary::engine::monitor::{Monitor, Stopwatch};
use canary::engine::past::Past;
use canary::engine::truth::Truth;
use canary::plan::{Compare, Millis, OverTime, Temporal, Time};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The only key of an object, and what it holds.
fn only(v: &Value) -> Result<(&str, &Value), String> {
    let one = v.as_object().and_then(|o| if o.len() == 1 { o.iter().next() } else { None });
    one.map(|(k, v)| (k.as_str(), v)).ok_or_else(|| format!("{v} is no formula: an object with one key"))
}

/// Of an object that has exactly these keys.
fn fields<'v, const N: usize>(v: &'v Value, keys: [&str; N]) -> Result<[&'v Value; N], String> {
    let object = v.as_object().filter(|o| o.len() == N).ok_or_else(|| format!("{v} has not the keys {keys:?}"))?;
    let mut out = [v; N];
    for (slot, key) in out.iter_mut().zip(keys) {
        *slot = object.get(key).ok_or_else(|| format!("{v} has no `{key}`"))?;
    }
    Ok(out)
}

fn seconds(v: &Value) -> Result<Millis, String> {
    v.as_i64().and_then(|s| s.checked_mul(1000)).ok_or_else(|| format!("{v} is no number of whole seconds"))
}

fn count(v: &Value) -> Result<u32, String> {
    v.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| format!("{v} is no count"))
}

fn number(v: &Value) -> Result<f64, String> {
    v.as_f64().ok_or_else(|| format!("{v} is no number"))
}

fn text(v: &Value) -> Result<&str, String> {
    v.as_str().ok_or_else(|| format!("{v} is no text"))
}

fn list(v: &Value) -> Result<&[Value], String> {
    v.as_array().map(Vec::as_slice).ok_or_else(|| format!("{v} is no list"))
}

fn truth(v: &Value) -> Result<Truth, String> {
    match v.as_str() {
        Some("T") => Ok(Truth::True),
        Some("F") => Ok(Truth::False),
        Some("U") => Ok(Truth::Unknown),
        _ => Err(format!("{v} is none of T, F, U")),
    }
}

/// Which formulas a file may hold: those of `temporal_reference.py` (1), and windows besides (2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Temporal,
    Windows,
}

fn operand(v: &Value, format: Format) -> Result<Operand, String> {
    if let Some(name) = v.as_str() {
        return Ok(Operand::Metric(name.to_owned()));
    }
    match (only(v)?, format) {
        (("window", w), Format::Windows) => window(w),
        _ => Err(format!("{v} is no metric's name")),
    }
}

fn window(w: &Value) -> Result<Operand, String> {
    let how = text(w.get("how").unwrap_or(&Value::Null))?;
    let ([of, _, d], q) = if how == "quantile" {
        let [of, how, d, q] = fields(w, ["of", "how", "seconds", "q"])?;
        ([of, how, d], number(q)?)
    } else {
        (fields(w, ["of", "how", "seconds"])?, 0.0)
    };
    let how = match how {
        "avg" => OverTime::Avg,
        "sum" => OverTime::Sum,
        "min" => OverTime::Min,
        "max" => OverTime::Max,
        "stddev" => OverTime::Stddev,
        "delta" => OverTime::Delta,
        "rate" => OverTime::Rate,
        "quantile" => OverTime::Quantile(q),
        other => return Err(format!("unknown `how` {other}")),
    };
    let of = Box::new(operand(of, Format::Windows)?);
    Ok(Operand::Window { of, how, window: seconds(d)?, past: Past::default() })
}

/// A formula; `outermost` ones may be no truth.
fn formula(v: &Value, format: Format, outermost: bool) -> Result<Formula, String> {
    let inner = |v: &Value| formula(v, format, false).map(Box::new);
    let inners = |v: &Value| -> Result<Vec<Formula>, String> {
        let all: Result<Vec<_>, _> = list(v)?.iter().map(|f| formula(f, format, false)).collect();
        all.and_then(|a| if a.is_empty() { Err(format!("{v} joins nothing")) } else { Ok(a) })
    };
    let temporal = |of: &Value, op| inner(of).map(|of| Formula::Temporal(of, op, Monitor::default()));
    let (op, arg) = only(v)?;
    match op {
        "cmp" => {
            let [x, op, bound] = list(arg)? else { return Err(format!("{v}: three parts")) };
            let op = match text(op)? {
                "<" => Compare::Lt,
                "<=" => Compare::Le,
                ">" => Compare::Gt,
                ">=" => Compare::Ge,
                "==" => Compare::Eq,
                "!=" => Compare::Ne,
                other => return Err(format!("unknown comparison {other}")),
            };
            Ok(Formula::Cmp(operand(x, format)?, op, number(bound)?))
        }
        "missing" => Ok(Formula::Missing(operand(arg, format)?)),
        "const" => truth(arg).map(Formula::Const),
        "not" => inner(arg).map(Formula::Not),
        "and" => inners(arg).map(Formula::And),
        "or" => inners(arg).map(Formula::Or),
        "for" => {
            let [of, d] = fields(arg, ["of", "seconds"])?;
            temporal(of, Temporal::For(seconds(d)?))
        }
        "for_checks" => {
            let [of, n] = fields(arg, ["of", "n"])?;
            temporal(of, Temporal::Checks(count(n)?))
        }
        "of_checks" => {
            let [of, k, n] = fields(arg, ["of", "k", "n"])?;
            temporal(of, Temporal::KOfN(count(k)?, count(n)?))
        }
        "share" => {
            let [of, percent, d] = fields(arg, ["of", "percent", "seconds"])?;
            let millionths = (number(percent)? * 1e4).round();
            if !(0.0..=1e6).contains(&millionths) {
                return Err(format!("{percent} is no percentage"));
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million")]
            temporal(of, Temporal::ShareOf(millionths as u32, seconds(d)?))
        }
        "hold" => {
            let [of, d] = fields(arg, ["while", "seconds"])?;
            Ok(Formula::Hold(inner(of)?, seconds(d)?, Stopwatch::default()))
        }
        "threshold" if outermost => {
            let [of, d] = fields(arg, ["healthy", "tolerate"])?;
            Ok(Formula::Threshold(inner(of)?, seconds(d)?, Monitor::default()))
        }
        "observed" if outermost => fields(arg, []).map(|[]| Formula::Observed(Stopwatch::default())),
        "window" if outermost && format == Format::Windows => window(arg).map(Formula::Number),
        other => Err(format!("unknown formula {other}")),
    }
}

/// One vector: what is expected of a formula over a trace.
#[derive(Debug)]
pub struct Vector {
    pub name: String,
    pub formula: Formula,
    pub trace: Trace,
    pub expect: Vec<Option<Shown>>,
}

/// Reads a file of vectors; what is not of the format is an error that says what and, as far as that is known, in which vector.
pub fn read(file: &str) -> Result<Vec<Vector>, String> {
    let doc: Value = serde_json::from_str(file).map_err(|e| format!("no JSON: {e}"))?;
    let head = doc.as_object().ok_or("no object at the top")?;
    if let Some(key) = head.keys().find(|k| !["format", "note", "count", "vectors"].contains(&k.as_str())) {
        return Err(format!("unknown key `{key}` at the top"));
    }
    let format = match head.get("format").and_then(Value::as_u64) {
        Some(1) => Format::Temporal,
        Some(2) => Format::Windows,
        _ => return Err(String::from("`format` is neither 1 nor 2")),
    };
    head.get("note").map_or(Ok(""), text)?;
    let vectors = list(head.get("vectors").ok_or("no `vectors`")?)?;
    let said = head.get("count").and_then(Value::as_u64).ok_or("no `count`")?;
    if vectors.is_empty() || said != vectors.len() as u64 {
        return Err(format!("{} vectors, and `count` says {said}", vectors.len()));
    }
    let one = |v: &Value| {
        let name = v.get("name").and_then(Value::as_str).unwrap_or("without a name");
        vector(v, format).map_err(|e| format!("vector {name}: {e}"))
    };
    vectors.iter().map(one).collect()
}

fn vector(v: &Value, format: Format) -> Result<Vector, String> {
    const KEYS: [&str; 8] = ["name", "formula", "check_every", "bridge", "active_from", "ticks", "metrics", "expect"];
    let object: &Map<String, Value> = v.as_object().ok_or("no object")?;
    if let Some(key) = object.keys().find(|k| !KEYS.contains(&k.as_str()) && !["source", "why"].contains(&k.as_str())) {
        return Err(format!("unknown key `{key}`"));
    }
    let get = |key: &str| object.get(key).ok_or_else(|| format!("no `{key}`"));
    let ticks: Vec<Time> = list(get("ticks")?)?.iter().map(seconds).collect::<Result<_, _>>()?;
    if ticks.windows(2).any(|w| w[0] >= w[1]) {
        return Err(String::from("tick times must increase"));
    }
    let mut metrics = BTreeMap::new();
    for (name, row) in get("metrics")?.as_object().ok_or("`metrics` is no object")? {
        let value = |v: &Value| if v.is_null() { Ok(None) } else { number(v).map(Some) };
        let row: Vec<Option<f64>> = list(row)?.iter().map(value).collect::<Result<_, _>>()?;
        if row.len() != ticks.len() {
            return Err(format!("metric {name} has {} values at {} ticks", row.len(), ticks.len()));
        }
        metrics.insert(name.clone(), row);
    }
    let formula = formula(get("formula")?, format, true)?;
    let known = |name: &str| metrics.contains_key(name);
    if let Some(name) = read_by(&formula).into_iter().find(|n| !known(n)) {
        return Err(format!("there is no metric {name}"));
    }
    let shown = |e: &Value| -> Result<Option<Shown>, String> {
        Ok(match (&formula, e) {
            (_, Value::Null) => None,
            (Formula::Threshold(..), e) => {
                let words = ["ok", "failing", "breached", "unknown"];
                let word = words.into_iter().find(|w| e.as_str() == Some(w));
                Some(Shown::Word(word.ok_or_else(|| format!("{e} is no word of a threshold"))?))
            }
            (Formula::Observed(_), e) => {
                Some(Shown::Seconds(e.as_i64().ok_or_else(|| format!("{e} is no number of seconds"))?))
            }
            (Formula::Number(_), Value::String(u)) if u == "U" => Some(Shown::Number(None)),
            (Formula::Number(_), e) => Some(Shown::Number(Some(number(e)?))),
            (_, e) => Some(Shown::Truth(truth(e)?)),
        })
    };
    let expect: Vec<Option<Shown>> = list(get("expect")?)?.iter().map(shown).collect::<Result<_, _>>()?;
    if expect.len() != ticks.len() {
        return Err(format!("{} values are expected at {} ticks", expect.len(), ticks.len()));
    }
    let check_every = seconds(get("check_every")?)?;
    if check_every <= 0 {
        return Err(String::from("`check_every` is not above 0"));
    }
    let (bridge, active_from) = (seconds(get("bridge")?)?, seconds(get("active_from")?)?);
    let name = text(get("name")?)?.to_owned();
    Ok(Vector { name, formula, trace: Trace { ticks, metrics, check_every, bridge, active_from }, expect })
}

/// The metrics that a formula reads.
fn read_by(f: &Formula) -> Vec<&str> {
    fn of(x: &Operand) -> &str {
        match x {
            Operand::Metric(name) => name,
            Operand::Window { of: x, .. } => of(x),
        }
    }
    match f {
        Formula::Cmp(x, ..) | Formula::Missing(x) | Formula::Number(x) => vec![of(x)],
        Formula::Const(_) | Formula::Observed(_) => Vec::new(),
        Formula::Not(f) | Formula::Temporal(f, ..) | Formula::Hold(f, ..) | Formula::Threshold(f, ..) => read_by(f),
        Formula::And(fs) | Formula::Or(fs) => fs.iter().flat_map(read_by).collect(),
    }
}
