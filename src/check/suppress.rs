//! Comments that let one warning pass: `# canary: allow W0601 "reason" until 2027-01-31`.
//!
//! One before a statement speaks of that statement and everything in it; one behind a statement, on its last line, speaks of
//! that. Errors never pass. There is no clock here: the day comes from the command.

use super::registry;
use crate::syntax::ast::File;
use crate::syntax::codes;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::source::{FileId, SourceMap, Span};
pub use chrono::NaiveDate as Day;
use serde_json::Value;

/// A warning that a comment lets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// The warning.
    pub finding: Diagnostic,
    /// Why it may pass, in the words of who wrote the comment.
    pub reason: String,
    /// The last day on which it may.
    pub until: Option<Day>,
    /// The comment.
    pub comment: Span,
}

/// Findings after the comments were heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// What is left, with what is to be said of the comments themselves, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What was let pass.
    pub suppressed: Vec<Suppressed>,
}

/// A comment that lets warnings pass.
struct Allow {
    codes: Vec<(String, bool)>,
    reason: String,
    until: Option<Day>,
    comment: Span,
    /// What it speaks of.
    target: Option<Span>,
}

/// Hears the comments of some files. `found` is everything that was found in them; `today` is the day for which is judged.
/// Comments that let nothing pass are told only where nothing else is wrong: beside an error nobody knows.
#[must_use]
pub fn apply(files: &[File], map: &SourceMap, found: Vec<Diagnostic>, today: Day) -> Judged {
    let mut out = Judged::default();
    let (mut allows, mut unclear) = (Vec::new(), Vec::new());
    for file in files {
        for comment in directives(file, map) {
            match comment {
                Ok(allow) => allows.push(allow),
                Err((d, target)) => {
                    out.diagnostics.push(*d);
                    unclear.extend(target);
                }
            }
        }
    }
    let broken = out.diagnostics.iter().chain(&found).any(Diagnostic::is_error);
    let mut expired = Vec::new();
    for d in found {
        // what a comment that is not understood speaks of is told when the comment is
        if d.severity == Severity::Warning && unclear.iter().any(|t| covers(*t, d.span())) {
            continue;
        }
        let hit = allows.iter_mut().find_map(|a| {
            let speaks = d.severity == Severity::Warning && a.target.is_some_and(|t| covers(t, d.span()));
            let code = a.codes.iter_mut().find(|c| speaks && c.0 == d.code)?;
            code.1 = true;
            Some((a.until, a.reason.clone(), a.comment))
        });
        match hit {
            Some((Some(last), _, comment)) if today > last => {
                expired.push((comment, d.code.clone(), last));
                out.diagnostics.push(d);
            }
            Some((until, reason, comment)) => {
                out.suppressed.push(Suppressed { finding: d, reason, until, comment });
            }
            None => out.diagnostics.push(d),
        }
    }
    expired.dedup();
    for (comment, code, last) in expired {
        out.diagnostics.push(
            Diagnostic::warning("W0691", format!("{code} was let pass until {last}"), comment, "that day is over")
                .help("mend what it spoke of, or give it a later day and a reason that still holds"),
        );
    }
    if !broken {
        for a in &allows {
            for (code, _) in a.codes.iter().filter(|c| !c.1) {
                let label =
                    if a.target.is_none() { "no statement stands here to speak of" } else { "nothing to let pass" };
                out.diagnostics.push(
                    Diagnostic::warning("W0690", format!("there is no {code} here"), a.comment, label)
                        .help("remove the comment: it would hide the next one")
                        .fix(a.comment, ""),
                );
            }
        }
    }
    out.diagnostics.sort_by_key(|d| (d.span().file, d.span().start));
    out
}

fn covers(target: Span, at: Span) -> bool {
    at.file == target.file && target.start <= at.start && at.start <= target.end
}

/// A comment that lets something pass; or what is wrong with it, and what it speaks of.
type Heard = Result<Allow, (Box<Diagnostic>, Option<Span>)>;

/// The comments of a file that mean to let something pass.
fn directives(file: &File, map: &SourceMap) -> Vec<Heard> {
    let id = file.span.file;
    let text = map.get(id).map_or("", |f| f.text.as_str());
    if !text.contains("canary:") {
        return Vec::new();
    }
    let mut spans = Vec::new();
    places(&serde_json::to_value(&file.items).unwrap_or_default(), &mut spans);
    let heard = |(start, end)| {
        let said = directive(id, text, start, end)?;
        let target = target(text, start, end, &spans).map(|(s, e)| Span::new(id, s, e));
        Some(said.map(|allow| Allow { target, ..allow }).map_err(|d| (d, target)))
    };
    comments(text).into_iter().filter_map(heard).collect()
}

/// Every comment, from its `#` to the end of its line; those signs in strings and between backticks are none.
fn comments(text: &str) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                while let Some((_, c)) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' | '\n' => break,
                        _ => {}
                    }
                }
            }
            '`' => drop(chars.by_ref().find(|(_, c)| *c == '`')),
            '#' => {
                let mut end = text.len();
                for (i, c) in chars.by_ref() {
                    if c == '\n' {
                        end = i;
                        break;
                    }
                }
                out.push((at, end));
            }
            _ => {}
        }
    }
    out
}

/// All places in a tree.
fn places(tree: &Value, out: &mut Vec<(usize, usize)>) {
    match tree {
        Value::Object(m) => {
            let number = |k: &str| m.get(k).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            if let (Some(s), Some(e), true) = (number("start"), number("end"), m.contains_key("file")) {
                out.push((s, e));
            }
            m.values().for_each(|v| places(v, out));
        }
        Value::Array(l) => l.iter().for_each(|v| places(v, out)),
        _ => {}
    }
}

/// The statement that a comment speaks of.
fn target(text: &str, start: usize, end: usize, spans: &[(usize, usize)]) -> Option<(usize, usize)> {
    let before = text.get(..start).unwrap_or("");
    let line = before.rfind('\n').map_or(0, |n| n + 1);
    let beside = before.get(line..).unwrap_or("").trim_end();
    if beside.trim().is_empty() || beside.ends_with('{') {
        let next = code_behind(text, end)?;
        return spans.iter().filter(|s| s.0 == next).max_by_key(|s| s.1).copied();
    }
    let ended = |s: &&(usize, usize)| s.1 > line && s.1 <= start && s.1 > s.0;
    let last = spans.iter().filter(ended).map(|s| s.1).max()?;
    spans.iter().filter(ended).filter(|s| s.1 == last).min_by_key(|s| s.0).copied()
}

/// The first place behind a comment that is neither blank nor comment.
fn code_behind(text: &str, mut at: usize) -> Option<usize> {
    loop {
        let rest = text.get(at..)?;
        at += rest.len() - rest.trim_start().len();
        let rest = text.get(at..)?;
        if rest.is_empty() {
            return None;
        }
        if !rest.starts_with('#') {
            return Some(at);
        }
        at += rest.find('\n')?;
    }
}

/// Words that others use for the same.
const KIN: [&str; 7] = ["ignore", "suppress", "disable", "expect", "accept", "permit", "noqa"];

const FORM: &str =
    "it is written `# canary: allow W0601 \"reason\"`, with `until 2027-01-31` behind it where it shall end";

/// What a comment says, if it means to let something pass.
fn directive(id: FileId, text: &str, start: usize, end: usize) -> Option<Result<Allow, Box<Diagnostic>>> {
    let comment = text.get(start..end)?.trim_end();
    let said = comment.trim_start_matches('#').trim_start().strip_prefix("canary:")?;
    let rest = said.trim_start();
    let head: &str = rest.split(|c: char| c.is_whitespace()).next().unwrap_or("");
    let means = head == "allow"
        || KIN.contains(&head)
        || super::suggest::nearest(head, ["allow"]).is_some()
        || rest.split(|c: char| !c.is_ascii_alphanumeric()).any(is_code);
    if !means {
        return None;
    }
    let whole = Span::new(id, start, start + comment.len());
    // where a part of the comment stands in the file
    let base = start + (comment.len() - rest.len());
    let place = |part: &str| {
        let at = rest.find(part).unwrap_or(0);
        Span::new(id, base + at, base + at + part.len())
    };
    Some(read(rest, head, whole, &place).map_err(Box::new))
}

fn is_code(word: &str) -> bool {
    word.len() == 5 && word.starts_with(['E', 'W']) && word.bytes().skip(1).all(|b| b.is_ascii_digit())
}

#[expect(clippy::result_large_err, reason = "made once for a comment that is wrong, and passed on at once")]
fn read(rest: &str, head: &str, whole: Span, place: &dyn Fn(&str) -> Span) -> Result<Allow, Diagnostic> {
    let error = |message: String, span: Span, label: &str| Diagnostic::error(codes::SUPPRESSION, message, span, label);
    if head != "allow" {
        let d = error(format!("a warning is let pass with `allow`, not with `{head}`"), place(head), "unknown word");
        return Err(if is_code(head) { d.help(FORM) } else { d.help("write `allow`").fix(place(head), "allow") });
    }
    let behind = rest.get(head.len()..).unwrap_or("");
    let (listed, tail) = behind.split_at(behind.find('"').unwrap_or(behind.len()));
    let listed_codes = listed.split(" until").next().unwrap_or("");
    let mut codes = Vec::new();
    for word in listed_codes.split([',', ' ', '\t']).filter(|w| !w.is_empty()) {
        codes.push((allowed(word, place(word), &error)?, false));
    }
    if codes.is_empty() {
        return Err(error(String::from("this comment names no code"), whole, "which warning?").help(FORM));
    }
    let reason = tail.get(1..).and_then(|t| t.split_once('"'));
    let Some((reason, tail)) = reason.filter(|r| !r.0.trim().is_empty()) else {
        return Err(error(format!("{} is let pass without a reason", codes_of(&codes)), whole, "why?").help(FORM));
    };
    let tail = tail.trim();
    let until = match tail.strip_prefix("until").map(str::trim) {
        None if tail.is_empty() => None,
        None => {
            return Err(error(format!("`{tail}` means nothing behind the reason"), place(tail), "not understood")
                .help("only `until 2027-01-31` can stand there"));
        }
        Some(day) => match Day::parse_from_str(day, "%Y-%m-%d") {
            Ok(d) if day.len() == 10 => Some(d),
            _ => {
                let at = if day.is_empty() { whole } else { place(day) };
                return Err(error(format!("`{day}` is no day"), at, "not a date").help("write it as `2027-01-31`"));
            }
        },
    };
    Ok(Allow { codes, reason: reason.to_owned(), until, comment: whole, target: None })
}

fn codes_of(codes: &[(String, bool)]) -> String {
    codes.iter().map(|c| c.0.as_str()).collect::<Vec<_>>().join(", ")
}

/// A code that can be let pass.
#[expect(clippy::result_large_err, reason = "made once for a comment that is wrong, and passed on at once")]
fn allowed(word: &str, place: Span, error: &dyn Fn(String, Span, &str) -> Diagnostic) -> Result<String, Diagnostic> {
    match registry::find(word) {
        Some((code, ..)) if code.starts_with('E') => {
            Err(error(format!("{code} is an error, and errors do not pass"), place, "not a warning")
                .help(format!("mend what it speaks of; `canary explain {code}` shows how")))
        }
        Some(("W0690" | "W0691", ..)) => Err(error(
            format!("{word} speaks of such comments, and cannot be let pass by one"),
            place,
            "not one of the policy",
        )
        .help("remove the comment that it speaks of")),
        Some((code, ..)) if *code == word => Ok(word.to_owned()),
        Some((code, ..)) => Err(error(format!("`{word}` is written `{code}` here"), place, "")
            .help(format!("write `{code}`"))
            .fix(place, *code)),
        None => {
            let d = error(format!("there is no code `{word}`"), place, "unknown code");
            Err(match registry::near(word).and_then(registry::find) {
                Some((code, ..)) => d.help(format!("did you mean `{code}`?")),
                None => d.help("`canary explain` lists all codes"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a text on a day, without and with its comments heard.
    fn told(text: &str, day: &str) -> (Vec<String>, usize) {
        let mut map = SourceMap::default();
        let id = map.add("p.canary", text);
        let (file, mut found) = crate::syntax::parse(id, text);
        let files = [file];
        found.extend(crate::check::check_files(&files, &map).diagnostics);
        let judged = apply(&files, &map, found, Day::parse_from_str(day, "%Y-%m-%d").unwrap());
        (judged.diagnostics.into_iter().map(|d| d.code).collect(), judged.suppressed.len())
    }

    fn policy(metric: &str, day: &str, night: &str) -> String {
        format!(
            "edition 2026\n{metric}\ntraffic t\nrollout r {{\n  phase a {{ traffic t = 50%   hold 1h }}\n  {day}\n  \
             phase b {{ {night}\n    traffic t = 5%\n    hold 1h }}\n}}\n"
        )
    }

    const QUEUE: &str = "metric queue: count = prometheus(\n  `queue # \"depth`,\n)";

    #[test]
    fn a_comment_speaks_of_the_next_statement_or_of_the_one_it_stands_behind() {
        let today = "2026-06-01";
        assert_eq!(told(&policy("", "", ""), today), (vec![String::from("W0602")], 0));
        let allow = "# canary: allow W0602 \"why\"";
        // before the phase, with another comment between, at the head of its block
        assert_eq!(told(&policy("", allow, ""), today), (vec![], 1));
        assert_eq!(told(&policy("", &format!("{allow}\n\n  # so\n"), ""), today), (vec![], 1));
        assert_eq!(told(&policy("", "", allow), today), (vec![], 1));
        // behind a declaration of several lines
        let queue = format!("{QUEUE}  # canary: allow W0601 \"why\"");
        assert_eq!(told(&policy(&queue, allow, ""), today), (vec![], 2));
        // another statement's comment, and one of another code
        let before = format!("{allow}\n{QUEUE}");
        assert_eq!(told(&policy(&before, "", ""), today).0, ["W0690", "W0601", "W0602"]);
        // two codes in one
        let both = "# canary: allow W0601, W0602 \"why\"";
        assert_eq!(told(&policy("", both, ""), today), (vec![String::from("W0690")], 1));
    }

    #[test]
    fn a_day_is_the_last_one() {
        let text = policy("", "# canary: allow W0602 \"why\" until 2026-06-01", "");
        assert_eq!(told(&text, "2026-06-01"), (vec![], 1));
        assert_eq!(told(&text, "2026-06-02").0, ["W0691", "W0602"]);
    }

    #[test]
    fn prose_is_prose_and_what_is_not_understood_is_an_error() {
        let one = |comment: &str| told(&policy("", comment, ""), "2026-06-01").0;
        assert_eq!(one("# canary: 5 % of them"), ["W0602"]);
        assert_eq!(one("# canary run p.canary"), ["W0602"]);
        for wrong in [
            "# canary: allow W0602",
            "# canary: allow W0602 \"\"",
            "# canary: allow \"why\"",
            "# canary: alow W0602 \"why\"",
            "# canary: W0602 \"why\"",
            "# canary: allow E0201 \"why\"",
            "# canary: allow W0690 \"why\"",
            "# canary: allow lowers-exposure \"why\"",
            "# canary: allow W0602 \"why\" for ever",
            "# canary: allow W0602 \"why\" until 2027-02-30",
            "# canary: allow W0602 \"why\" until",
        ] {
            assert_eq!(one(wrong), [codes::SUPPRESSION], "{wrong}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "# canary:",
            "#canary: allow",
            "`# canary: allow W0601",
            "\"# canary: allow W0601 \\",
            "# canary: allow ä W0601 \"ö",
        ] {
            let _ = told(text, "2026-06-01");
        }
    }
}
