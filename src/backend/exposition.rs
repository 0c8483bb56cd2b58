//! Reads a `/metrics` page: the Prometheus text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>) and OpenMetrics 1.0
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), with quoted names of either.

use super::series::Labels;
use crate::plan::Time;
use std::fmt;

/// Which of the two formats a page is in. They differ in what a timestamp is and in how a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Timestamps in whole milliseconds; the page ends where it ends.
    Text,
    /// Timestamps in seconds; exemplars; the page ends with `# EOF`, and one that does not was cut off.
    OpenMetrics,
}

impl Format {
    /// The format of a page: what its content type says; where that says nothing of it, a closing `# EOF` tells.
    #[must_use]
    pub fn of(content_type: &str, text: &str) -> Self {
        if content_type.contains("openmetrics") || text.trim_end().ends_with("\n# EOF") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// One line of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposed {
    /// Whose value.
    pub labels: Labels,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// When it was taken, where the page says so.
    pub time: Option<Time>,
}

/// Why a page cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// 1-based line.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads all samples of a page. Comments, `HELP`, `TYPE`, `UNIT` and exemplars are passed over; `_created` lines are series
/// like any other.
///
/// # Errors
/// The first line that is malformed, or (OpenMetrics) a page without its `# EOF`. A page is taken as a whole or not at all.
pub fn parse(text: &str, format: Format) -> Result<Vec<Exposed>, Malformed> {
    let mut out = Vec::new();
    let mut ended = false;
    let mut number = 0;
    for (i, line) in text.split('\n').enumerate() {
        let line = line.trim_end_matches('\r').trim_matches([' ', '\t']);
        if line.is_empty() {
            continue;
        }
        number = i + 1;
        let at = |message: String| Malformed { line: number, message };
        if format == Format::OpenMetrics && ended {
            return Err(at(String::from("something follows `# EOF`")));
        }
        if line.starts_with('#') {
            ended |= line == "# EOF";
            continue;
        }
        out.push(sample(line, format).map_err(at)?);
    }
    if format == Format::OpenMetrics && !ended {
        return Err(Malformed {
            line: number + 1,
            message: String::from("the page ends without `# EOF`: it was cut off"),
        });
    }
    Ok(out)
}

fn sample(line: &str, format: Format) -> Result<Exposed, String> {
    let mut c = Cursor { rest: line };
    let mut name = c.name(true).to_owned();
    c.blanks();
    let mut labels = Vec::new();
    if c.eat('{') {
        c.labels(&mut name, &mut labels)?;
    }
    if name.is_empty() {
        return Err(format!("a metric name is expected, not {}", c.found()));
    }
    c.blanks();
    let word = c.word();
    if word.is_empty() {
        return Err(format!("`{name}` has no value"));
    }
    let value = word.parse().map_err(|_| format!("`{}` is no number", brief(word)))?;
    c.blanks();
    let mut time = None;
    if !c.rest.is_empty() && !c.rest.starts_with('#') {
        let word = c.word();
        time = Some(timestamp(word, format)?);
        c.blanks();
    }
    if format == Format::OpenMetrics && c.eat('#') {
        c.exemplar()?;
    }
    if !c.rest.is_empty() {
        return Err(format!("{} follows the sample", c.found()));
    }
    Ok(Exposed { labels: Labels::new(name, labels), value, time })
}

fn timestamp(word: &str, format: Format) -> Result<Time, String> {
    let parsed = match format {
        Format::Text => word.parse().ok(),
        Format::OpenMetrics => word
            .parse()
            .ok()
            .map(|s: f64| s * 1000.0)
            // 9e15: what a double still counts in whole milliseconds
            .filter(|ms| ms.abs() < 9e15)
            .map(|ms| ms.round() as Time),
    };
    parsed.ok_or_else(|| {
        let unit = match format {
            Format::Text => "whole milliseconds",
            Format::OpenMetrics => "seconds",
        };
        format!("`{}` is no timestamp in {unit}", brief(word))
    })
}

fn brief(word: &str) -> String {
    if word.chars().count() > 40 { word.chars().take(39).chain(['…']).collect() } else { word.to_owned() }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (head, tail) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = tail;
        head
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// An unquoted name, empty where none begins; a metric's may hold colons.
    fn name(&mut self, colons: bool) -> &'a str {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// A text in double quotes; the opening quote is next. `\\`, `\"` and `\n` are escapes, any other backslash is itself.
    fn quoted(&mut self) -> Result<String, String> {
        if !self.eat('"') {
            return Err(format!("a text in quotes is expected, not {}", self.found()));
        }
        let mut out = String::new();
        loop {
            let end = self.rest.find(['"', '\\']).ok_or("a text in quotes does not end on its line")?;
            out.push_str(self.take(end));
            if self.eat('"') {
                return Ok(out);
            }
            let (escape, char) = match self.rest.as_bytes().get(1) {
                Some(b'n') => (2, '\n'),
                Some(b'"') => (2, '"'),
                Some(b'\\') => (2, '\\'),
                _ => (1, '\\'),
            };
            self.take(escape);
            out.push(char);
        }
    }

    /// The rest of `{…}`. A quoted text without a value is the metric's name.
    fn labels(&mut self, name: &mut String, labels: &mut Vec<(String, String)>) -> Result<(), String> {
        loop {
            self.blanks();
            if self.eat('}') {
                return Ok(());
            }
            let in_quotes = self.rest.starts_with('"');
            let key = if in_quotes { self.quoted()? } else { self.name(false).to_owned() };
            self.blanks();
            if self.eat('=') {
                if key.is_empty() {
                    return Err(String::from("a label without name"));
                }
                self.blanks();
                let value = self.quoted()?;
                if key == "__name__" || labels.iter().any(|(k, _)| *k == key) {
                    return Err(format!("the label `{}` stands twice", brief(&key)));
                }
                labels.push((key, value));
            } else if in_quotes && name.is_empty() {
                *name = key;
            } else {
                return Err(format!("`=` or `}}` is expected, not {}", self.found()));
            }
            self.blanks();
            if !self.eat(',') && !self.rest.starts_with('}') {
                return Err(format!("`,` or `}}` is expected, not {}", self.found()));
            }
        }
    }

    /// `{labels} value [timestamp]` after the `#`: read so that a broken line is noticed, then forgotten.
    fn exemplar(&mut self) -> Result<(), String> {
        self.blanks();
        if !self.eat('{') {
            return Err(format!("an exemplar's `{{` is expected, not {}", self.found()));
        }
        self.labels(&mut String::from("exemplar"), &mut Vec::new())?;
        self.blanks();
        let value = self.word();
        if value.parse::<f64>().is_err() {
            return Err(format!("an exemplar's value `{}` is no number", brief(value)));
        }
        self.blanks();
        if !self.rest.is_empty() {
            let word = self.word();
            timestamp(word, Format::OpenMetrics)?;
        }
        Ok(())
    }

    fn found(&self) -> String {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        match rest.split([' ', '\t']).next() {
            None | Some("") => String::from("the end of the line"),
            Some(word) => format!("`{}`", brief(word)),
        }
    }
}

#[cfg(test)]
mod tests;
