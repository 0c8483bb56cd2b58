//! The `input_series` of a file for `promtool test rules`:
//! <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/>.

use super::mapping::selector_of;
use super::{ImportError, Raw};
use crate::check::tests::{Sample, series};
use crate::plan::{Millis, Time};
use promql_parser::label::MatchOp;
use saphyr_parser::{Event, Parser};

const HELP: &str = "it is a file for `promtool test rules`: `tests:` with an `interval` and `input_series`";
/// Deeper than any such file.
const DEEPEST: usize = 32;

/// A YAML node, as far as these files need it.
enum Node {
    Text(String, usize),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    fn text(&self) -> Option<(&str, usize)> {
        match self {
            Self::Text(text, line) => Some((text, *line)),
            _ => None,
        }
    }

    fn list(&self) -> &[Self] {
        match self {
            Self::List(nodes) => nodes,
            _ => &[],
        }
    }
}

/// Series of the only test of such a file; its first values are of the time `from`. As in `canary test`, `_` and `stale` have no
/// series at once.
///
/// # Errors
/// Not such a file; more than one test in it; a series or its values cannot be read.
pub fn read(text: &str, from: Time) -> Result<Vec<Raw>, ImportError> {
    let root = tree(text)?;
    let tests = root.get("tests").map(Node::list).unwrap_or_default();
    let [test] = tests else {
        let help = "keep one test: a recording is one course of events";
        return Err(ImportError::new(
            format!("{} tests in the file", tests.len()),
            if tests.is_empty() { HELP } else { help },
        ));
    };
    let stated = test.get("interval").or_else(|| root.get("evaluation_interval")).and_then(Node::text);
    let interval = match stated {
        None => 60_000,
        Some((text, line)) => {
            let bad = || ImportError::at(&at(line), format!("`{text}` is no interval"), "write `15s` or `1m`");
            duration(text).ok_or_else(bad)?
        }
    };
    let mut raws = Vec::new();
    for s in test.get("input_series").map(Node::list).unwrap_or_default() {
        let (Some((name, line)), Some((values, values_line))) =
            (s.get("series").and_then(Node::text), s.get("values").and_then(Node::text))
        else {
            return Err(ImportError::new("an input series without `series` and `values`", HELP));
        };
        let bad = |what: String| ImportError::at(&at(line), what, "write it as `requests_total{version=\"v2\"}`");
        let (metric, lists) = selector_of(name).map_err(|e| bad(format!("`{name}` is no series: {e}")))?;
        let mut raw = Raw { name: metric.unwrap_or_default(), place: at(line), ..Raw::default() };
        for m in lists.into_iter().flatten() {
            match m.op {
                MatchOp::Equal if m.name == "__name__" => raw.name = m.value,
                MatchOp::Equal => raw.labels.push((m.name, m.value)),
                _ => return Err(bad(format!("`{name}` is no series: its labels have one value each"))),
            }
        }
        let samples = series::parse(values, 1.0).map_err(|(token, why)| {
            let help = "write `1 2 3`, `1+1x10`, `_x3`, `stale`";
            ImportError::at(&at(values_line), format!("`{token}` is no value of a series: {why}"), help)
        })?;
        for (i, sample) in samples.into_iter().enumerate() {
            let step = i64::try_from(i).ok().and_then(|i| interval.checked_mul(i)).and_then(|d| from.checked_add(d));
            let Some(time) = step else { return Err(bad(String::from("its values reach beyond all times"))) };
            let value = match sample {
                Sample::Is(v) => Some(v),
                Sample::Missing => None,
                Sample::NotANumber => Some(f64::NAN),
            };
            raw.samples.push((time, value));
        }
        raws.push(raw);
    }
    Ok(raws)
}

fn at(line: usize) -> String {
    format!("line {line}")
}

/// A duration of Prometheus: `1m30s`.
fn duration(text: &str) -> Option<Millis> {
    let mut rest = text.trim();
    let mut sum: Millis = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let size = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<Millis>().ok()?.checked_mul(size)?)?;
        rest = tail;
    }
    (sum > 0).then_some(sum)
}

fn tree(text: &str) -> Result<Node, ImportError> {
    let mut open: Vec<(Node, Option<String>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|e| ImportError::at(&at(e.marker().line()), format!("not YAML: {}", e.info()), HELP))?;
        let line = span.start.line();
        let done = match event {
            Event::Scalar(value, ..) => Node::Text(value.into_owned(), line),
            Event::Alias(_) => return Err(ImportError::at(&at(line), "an alias", "write it out")),
            Event::MappingStart(..) | Event::SequenceStart(..) if open.len() >= DEEPEST => {
                return Err(ImportError::at(&at(line), "nested too deep", HELP));
            }
            Event::MappingStart(..) => {
                open.push((Node::Map(Vec::new()), None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push((Node::List(Vec::new()), None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some((node, _)) => node,
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => return Ok(done),
            Some((Node::List(nodes), _)) => nodes.push(done),
            Some((Node::Map(pairs), key)) => match (key.take(), done) {
                (None, Node::Text(text, _)) => *key = Some(text),
                (None, _) => return Err(ImportError::at(&at(line), "a key that is no text", HELP)),
                (Some(key), value) => pairs.push((key, value)),
            },
            Some((Node::Text(..), _)) => {}
        }
    }
    Err(ImportError::new("nothing in it", HELP))
}
