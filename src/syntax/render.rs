//! Findings for a terminal and for a reader of JSON.

use super::diagnostic::{Diagnostic, Label, Severity};
use super::source::{FileId, SourceFile, SourceMap, Span};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to write colours. The caller decides: a terminal, `NO_COLOR`, a flag.
    pub colour: bool,
    /// Columns to wrap at.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, width: 100 }
    }
}

/// A report for people: every finding with its piece of source, then the count.
#[must_use]
pub fn human(sources: &SourceMap, diagnostics: &[Diagnostic], style: Style) -> String {
    let theme = if style.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(style.width).with_links(false).with_context_lines(1);
    let mut out = String::new();
    for d in diagnostics {
        let shown = Shown::new(sources, d);
        let before = out.len();
        if let Some(excerpt) = long_line(sources, d) {
            let _ = writeln!(out, "{}: {}\n  {}: {excerpt}", d.code, d.message, sources.place(d.span()));
            if let Some(h) = &shown.help {
                let _ = writeln!(out, "  help: {h}");
            }
        } else if handler.render_report(&mut out, &shown).is_err() {
            // a place outside its file: never hide the finding for it
            out.truncate(before);
            let _ = writeln!(out, "{}: {}: {}", d.code, sources.place(d.span()), d.message);
            if let Some(h) = &shown.help {
                let _ = writeln!(out, "  help: {h}");
            }
        }
        out.push('\n');
    }
    if let Some(line) = summary(diagnostics) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// The longest line that is shown whole, in bytes.
const LONGEST_LINE: usize = 400;

/// Where the line under the finding, or one beside it, would flood the terminal: what stands around the finding.
fn long_line(sources: &SourceMap, d: &Diagnostic) -> Option<String> {
    let span = d.span();
    let text = &sources.get(span.file)?.text;
    let (start, end) = (span.start as usize, (span.end as usize).min(text.len()));
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    let around = |lines: usize| {
        let from = before.rmatch_indices('\n').nth(lines).map_or(0, |(i, _)| i + 1);
        let to = after.match_indices('\n').nth(lines).map_or(text.len(), |(i, _)| end + i);
        text.get(from..to)
    };
    if around(1)?.lines().all(|l| l.len() <= LONGEST_LINE) {
        return None;
    }
    let head: String = before.chars().rev().take_while(|c| *c != '\n').take(30).collect();
    let head: String = head.chars().rev().collect();
    let tail: String = text.get(start..)?.chars().take_while(|c| *c != '\n').take(40).collect();
    Some(format!("…{head}⟪here⟫{tail}…"))
}

/// `2 errors, 1 warning`; nothing for a clean text.
#[must_use]
pub fn summary(diagnostics: &[Diagnostic]) -> Option<String> {
    let (errors, warnings) = count(diagnostics);
    let words = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{n} {word}s")),
    };
    let parts: Vec<String> = [words(errors, "error"), words(warnings, "warning")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn count(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    (errors, diagnostics.len() - errors)
}

/// A report for programs, schema `canary.check/1`. Lines and columns count from 1, columns in characters; `start` and `end`
/// are byte offsets.
#[must_use]
pub fn json(sources: &SourceMap, diagnostics: &[Diagnostic]) -> Value {
    let (errors, warnings) = count(diagnostics);
    let files: Vec<&str> = sources.files().iter().map(|f| f.name.as_str()).collect();
    let found: Vec<Value> = diagnostics
        .iter()
        .map(|d| {
            let labels: Vec<Value> = d
                .labels
                .iter()
                .map(|l| {
                    let mut place = place(sources, l.span);
                    if let Some(o) = place.as_object_mut() {
                        o.insert(String::from("text"), json!(l.text));
                    }
                    place
                })
                .collect();
            let fix = d.fix.as_ref().map(|f| {
                let mut place = place(sources, f.span);
                if let Some(o) = place.as_object_mut() {
                    o.insert(String::from("replacement"), json!(f.replacement));
                }
                place
            });
            json!({
                "code": d.code,
                "severity": d.severity,
                "message": d.message,
                "labels": labels,
                "help": d.help,
                "fix": fix,
            })
        })
        .collect();
    json!({
        "schema": "canary.check/1",
        "files": files,
        "diagnostics": found,
        "errors": errors,
        "warnings": warnings,
    })
}

fn place(sources: &SourceMap, span: Span) -> Value {
    let file = sources.get(span.file);
    let (line, column) = file.map_or((1, 1), |f| f.line_col(span.start));
    let (end_line, end_column) = file.map_or((1, 1), |f| f.line_col(span.end));
    json!({
        "file": file.map(|f| f.name.as_str()),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": span.start,
        "end": span.end,
    })
}

/// A finding as miette wants it: labels of one file only, the rest in the help.
struct Shown<'a> {
    finding: &'a Diagnostic,
    source: Option<Named<'a>>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(sources: &'a SourceMap, finding: &'a Diagnostic) -> Self {
        let main: FileId = finding.span().file;
        let file = sources.get(main).filter(|f| !f.text.is_empty());
        let (here, elsewhere): (Vec<&Label>, Vec<&Label>) = finding.labels.iter().partition(|l| l.span.file == main);
        let mut help = finding.help.clone().unwrap_or_default();
        for l in elsewhere {
            if !help.is_empty() {
                help.push('\n');
            }
            let _ = write!(help, "{}: {}", sources.place(l.span), l.text);
        }
        Self {
            finding,
            labels: file.map_or_else(Vec::new, |f| here.iter().map(|l| labelled(f, l)).collect()),
            source: file.map(Named),
            help: (!help.is_empty()).then_some(help),
        }
    }
}

/// A source with its name; miette's own one wants to possess the text.
struct Named<'a>(&'a SourceFile);

impl SourceCode for Named<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let found = self.0.text.read_span(span, lines_before, lines_after)?;
        // without context lines it is the place in the headline that is asked for: columns count characters there
        let column = if lines_before == 0 && lines_after == 0 {
            let at = u32::try_from(span.offset()).unwrap_or(u32::MAX);
            self.0.line_col(at).1.saturating_sub(1)
        } else {
            found.column()
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.name.clone(),
            found.data(),
            *found.span(),
            found.line(),
            column,
            found.line_count(),
        )))
    }
}

fn labelled(file: &SourceFile, l: &Label) -> LabeledSpan {
    let len = file.text.len();
    let mut start = (l.span.start as usize).min(len);
    let end = (l.span.end as usize).min(len);
    if start == len {
        // behind the last line nothing could be drawn: point behind the last word
        start = file.text.trim_end().len();
        let text = (!l.text.is_empty()).then(|| l.text.clone());
        return LabeledSpan::new(text, start, 0);
    }
    let text = (!l.text.is_empty()).then(|| l.text.clone());
    LabeledSpan::new(text, start, end.saturating_sub(start))
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.finding.fmt(f)
    }
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.finding.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(&self.finding.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (SourceMap, Vec<Diagnostic>) {
        let mut sources = SourceMap::default();
        let a = sources.add("a.canary", "edition 2026\nlet ä = 5min\n");
        let b = sources.add("b.canary", "let x = 1\n");
        let empty = sources.add("empty.canary", "");
        let found = vec![
            Diagnostic::error("E0110", "`min` is no unit", Span::new(a, 22, 26), "unknown unit")
                .also(Span::new(b, 4, 5), "declared here")
                .help("write `5m`")
                .fix(Span::new(a, 22, 26), "5m"),
            Diagnostic::warning("E0103", "nothing here", Span::new(empty, 0, 0), ""),
            Diagnostic::error("E0112", "at the end", Span::new(a, 27, 27), "end of the file"),
        ];
        (sources, found)
    }

    #[test]
    fn a_terminal_shows_the_place_and_the_way_out() {
        let (sources, found) = sample();
        let text = human(&sources, &found, Style::default());
        for part in [
            "E0110",
            "`min` is no unit",
            "a.canary:2:9",
            "unknown unit",
            "write `5m`",
            "b.canary:1:5: declared here",
            "nothing here",
            "at the end",
            "2 errors, 1 warning",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "no colour unless told so");
        let style = Style { colour: true, width: 80 };
        assert!(human(&sources, &found, style).contains('\u{1b}'));
    }

    #[test]
    fn json_counts_columns_in_characters() {
        let (sources, found) = sample();
        let v = json(&sources, &found);
        assert_eq!(v["schema"], "canary.check/1");
        assert_eq!(v["errors"], 2);
        assert_eq!(v["warnings"], 1);
        let l = &v["diagnostics"][0]["labels"][0];
        assert_eq!(
            (&l["file"], &l["line"], &l["column"], &l["end_column"], &l["start"]),
            (&json!("a.canary"), &json!(2), &json!(9), &json!(13), &json!(22))
        );
        assert_eq!(v["diagnostics"][0]["fix"]["replacement"], "5m");
        assert_eq!(v["diagnostics"][0]["severity"], "error");
        assert_eq!(v["diagnostics"][1]["fix"], Value::Null);
    }
}
