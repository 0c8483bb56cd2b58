//! `canary record --import`: a recording of what others kept.

use super::{Args, wrong};
use crate::backend::exposition::{self, Exposed};
use crate::commands::exit::Status;
use crate::commands::load::{Compiled, plain};
use crate::commands::recording::write;
use crate::plan::{Millis, Time};
use crate::sim::recording::import::{self, ImportError, Mapping, Raw, Rule};
use std::collections::BTreeMap;
use std::path::Path;

/// What a text is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Text {
    /// A header with `time`, `metric`, `value`, and a line a sample
    Csv,
    /// OpenMetrics, or the Prometheus text format, with a time in each line
    Openmetrics,
    /// Answers of Prometheus' `/api/v1/query_range`, or of an instant query of a range
    #[value(name = "query_range")]
    QueryRange,
    /// The `input_series` of a test of promtool
    Promtool,
}

/// The largest text that is read: it is read as a whole.
const LARGEST: u64 = 1 << 30;

/// Imports.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn import(
    args: &Args,
    file: &Path,
    format: Text,
    compiled: &Compiled,
    every: Millis,
    from: Time,
) -> Result<(), Status> {
    let shown = file.display().to_string();
    let failed = |e: ImportError| wrong(&format!("{shown}: {e}"));
    let unread = |e: &std::io::Error| wrong(&format!("cannot read {shown}: {}", plain(e)));
    let length = std::fs::metadata(file).map_err(|e| unread(&e))?.len();
    if length > LARGEST {
        return Err(wrong(&format!(
            "{shown} has {} MiB, and 1024 MiB are read at most: import less of it",
            length >> 20
        )));
    }
    let bytes = std::fs::read(file).map_err(|e| unread(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        wrong(&format!("{shown} is no text: byte {at} is not UTF-8; save it as UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let rules: Result<Vec<Rule>, ImportError> = args.map.iter().map(|r| Rule::parse(r)).collect();
    let mapping = Mapping(rules.map_err(|e| wrong(&format!("--map {e}")))?);
    let raws = match format {
        Text::Csv => import::csv(text),
        Text::Openmetrics => openmetrics(text),
        Text::QueryRange => import::prometheus_json(text),
        Text::Promtool => import::promtool(text, from),
    };
    let made = import::import(raws.map_err(failed)?, &shown, &compiled.plan, every, &mapping).map_err(failed)?;
    write(&made.recording, &args.output).map_err(|e| wrong(&e))?;
    // when a counter began is no series of its own
    let unused: Vec<&str> = made.unused.iter().map(String::as_str).filter(|n| !n.ends_with("_created")).collect();
    if !unused.is_empty() {
        eprintln!("canary: not read by the policy: {}", unused.join(", "));
    }
    super::say_done(&args.output, &made.recording);
    Ok(())
}

/// The series of a page whose lines have times.
fn openmetrics(text: &str) -> Result<Vec<Raw>, ImportError> {
    let format = exposition::Format::of("", text);
    let exposed = exposition::parse(text, format).map_err(|e| {
        ImportError::at(&format!("line {}", e.line), e.message, "it is no OpenMetrics text as far as that")
    })?;
    let mut raws: BTreeMap<_, Raw> = BTreeMap::new();
    for Exposed { labels, value, time } in exposed {
        let Some(time) = time else {
            return Err(ImportError::new(
                format!("`{}` has a line without a time", labels.name),
                "a recording needs the time of each sample, as `promtool tsdb dump-openmetrics` writes it",
            ));
        };
        let raw = raws.entry(labels).or_insert_with_key(|labels| Raw {
            name: labels.name.clone(),
            labels: labels.rest.clone(),
            ..Raw::default()
        });
        raw.samples.push((time, Some(value)));
    }
    Ok(raws.into_values().collect())
}
