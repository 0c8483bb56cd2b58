//! The answer of Prometheus' `/api/v1/query_range` (a matrix), as its HTTP API documents it:
//! <https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries>. That of `query` with a range (`x[1h]`) is one, too.

use super::{ImportError, Raw};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Reply {
    status: Option<String>,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Line {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<serde::de::IgnoredAny>,
}

const HELP: &str = "save the whole answer of `/api/v1/query_range?query=…&start=…&end=…&step=…`";

/// Series of one answer, or of several, one a line. What an expression answers without a name (`rate(x[5m])`) is called `value`.
///
/// # Errors
/// Not such an answer: an error of the server, another type of result, native histograms.
pub fn read(text: &str) -> Result<Vec<Raw>, ImportError> {
    let mut raws = Vec::new();
    for (i, reply) in serde_json::Deserializer::from_str(text).into_iter::<Reply>().enumerate() {
        let place = format!("answer {}", i + 1);
        let bad = |what: String| ImportError::at(&place, what, HELP);
        let reply = reply.map_err(|e| bad(format!("not an answer of Prometheus: {e}")))?;
        if reply.status.as_deref().is_some_and(|s| s != "success") {
            return Err(bad(format!("the server did not answer: {}", reply.error.unwrap_or_default())));
        }
        let data = reply.data.ok_or_else(|| bad(String::from("there is no `data` in it")))?;
        if data.result_type != "matrix" {
            return Err(bad(format!("a `{}`, and a matrix is needed", data.result_type)));
        }
        let lines: Vec<Line> = serde_json::from_value(data.result).map_err(|e| bad(format!("no matrix: {e}")))?;
        for (n, line) in lines.into_iter().enumerate() {
            let place = format!("{place}, series {}", n + 1);
            if !line.histograms.is_empty() {
                let what = "a native histogram, which policies do not read";
                return Err(ImportError::at(&place, what, "ask for the `_bucket` series"));
            }
            let mut labels = line.metric;
            let name = labels.remove("__name__").unwrap_or_else(|| String::from("value"));
            let mut samples = Vec::with_capacity(line.values.len());
            for (seconds, value) in line.values {
                let ms = seconds * 1000.0;
                let number = value.parse::<f64>().ok().filter(|_| ms.abs() < 9e15);
                let number = number
                    .ok_or_else(|| ImportError::at(&place, format!("`{value}` at {seconds} is no sample"), HELP))?;
                samples.push((ms.round() as i64, Some(number)));
            }
            raws.push(Raw { name, labels: labels.into_iter().collect(), unit: None, place, samples });
        }
    }
    Ok(raws)
}
