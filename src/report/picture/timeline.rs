//! The timeline of a replay in a terminal.

use super::{NARROW, WIDE, bars};
use crate::engine::Verdict;
use crate::plan::{Time, show};
use crate::report::chart::decisions::{headline, mark};
use crate::report::chart::numbers::{bad, brief, farthest};
use crate::report::chart::time::{Span, clock};
use crate::report::chart::words::{WORDS, of_verdict, of_word, stretches, worst};
use crate::report::chart::{at, time};
use crate::report::sliced;
use crate::report::style::Style;
use crate::report::text::{cut, pad, printable};
use crate::sim::replay::outcome::{Outcome, closely};

/// A name takes so many columns at most.
const NAME: usize = 18;
/// What stands behind a row, where there is room.
const TAIL: usize = 24;
/// So many decisions are listed; the report has all of them.
const LISTED: usize = 40;
/// What a decision is called in the picture.
const KEYS: &str = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The timeline, `width` columns wide at most (between 40 and 220): phases as bands, exposure and guards as blocks, words as letters, and
/// the decisions that change the course. Ends with a line break.
#[must_use]
pub fn timeline(outcome: &Outcome, width: usize, style: Style) -> String {
    let width = width.clamp(NARROW, WIDE);
    let whole = outcome;
    let outcome = &*closely(whole);
    let names = outcome.ports.iter().map(|p| &p.name).chain(outcome.guards.iter().map(|g| &g.name));
    let label = names.map(|n| n.chars().count()).max().unwrap_or(0).clamp("decisions".len(), NAME);
    let tail = if width >= 90 { TAIL } else { 0 };
    let columns = width - label - 1 - if tail > 0 { tail + 2 } else { 0 };
    let mut p = Picture { outcome, span: Span::of(outcome), style, label, columns, tail, out: String::new() };
    p.head(width);
    p.axis();
    p.phases();
    let listed = p.decisions();
    p.ports();
    p.guards();
    p.legend(width);
    p.list(&listed, width);
    p.slices(whole);
    p.assumptions(width);
    p.out
}

struct Picture<'a> {
    outcome: &'a Outcome,
    span: Span,
    style: Style,
    /// Columns of the names on the left.
    label: usize,
    /// Columns of the picture itself.
    columns: usize,
    /// Columns behind it, or none.
    tail: usize,
    out: String,
}

impl Picture<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A row: its name, its picture (painted already), and what stands behind it. Where there is no room behind, it stands below.
    fn row(&mut self, name: &str, picture: &str, tail: &str) {
        let name = pad(&cut(&printable(name).replace('\n', " "), self.label), self.label);
        let name = self.style.bold(&name);
        match self.tail {
            0 => self.line(&format!("{name} {picture}")),
            tail_width => {
                let tail = self.style.faint(&cut(tail, tail_width));
                self.line(&format!("{name} {picture}  {tail}"));
            }
        }
    }

    fn head(&mut self, width: usize) {
        let (o, style) = (self.outcome, self.style);
        let word = if o.verdict.is_none() { "not over when the recording was" } else { of_verdict(o.verdict).text };
        let name = printable(&o.rollout).replace('\n', " ");
        let name = cut(&name, width.saturating_sub(word.len() + 2));
        let after = format!(", {} after the first check", show::duration(o.end.saturating_sub(o.start)));
        let fits = name.chars().count() + 2 + word.len() + after.len() <= width;
        let word = match o.verdict {
            Some(Verdict::Promoted) => style.good(word),
            Some(_) => style.bad(word),
            None => style.unsure(word),
        };
        let name = style.bold(&name);
        self.line(&format!("{name}: {word}{}", if fits { after.as_str() } else { "" }));
        let column = self.span.length() / Time::try_from(self.columns).unwrap_or(1).max(1);
        let text = format!(
            "{} to {} UTC, a check every {}, a column is {}",
            show::utc(o.start).trim_end_matches(" UTC"),
            clock(o.end),
            show::duration(o.every),
            show::roughly(column.max(1))
        );
        self.line(&style.faint(&cut(&text, width)));
        if let Some(shown) = sliced::shown(o) {
            self.line(&style.faint(&cut(&shown, width)));
        }
        self.line("");
    }

    fn axis(&mut self) {
        let mut row = vec![' '; self.columns];
        let most = (self.columns / 10).clamp(2, 9);
        let mut free = 0;
        for tick in self.span.ticks(most) {
            let text = if tick == 0 { String::from("0") } else { time::elapsed(tick) };
            let column = self.span.column(self.span.from.saturating_add(tick), self.columns);
            let text = format!("╵{text}");
            if column >= free && column + text.chars().count() <= self.columns {
                for (to, c) in row.iter_mut().skip(column).zip(text.chars()) {
                    *to = c;
                }
                free = column + text.chars().count() + 1;
            }
        }
        let row: String = row.into_iter().collect();
        let row = format!("{} {row}", " ".repeat(self.label));
        let row = self.style.faint(row.trim_end());
        self.line(&row);
    }

    fn phases(&mut self) {
        let mut row = vec![' '; self.columns];
        let columns = |from: Time, to: Time| {
            let first = self.span.column(from, self.columns);
            // up to where the next begins
            let last = if to >= self.span.to { self.columns } else { self.span.column(to, self.columns) };
            (first, last.max(first + 1))
        };
        for band in &self.outcome.phases {
            let (first, last) = columns(band.from, band.to);
            let fill = if band.name == "rolling back" { '<' } else { '─' };
            let name = printable(&band.name).replace('\n', " ");
            // a character that is two columns wide would shift all that follow
            let name = name.chars().map(|c| if unicode_width::UnicodeWidthChar::width(c) == Some(1) { c } else { '?' });
            let text = std::iter::once('┃').chain(name).chain(std::iter::repeat(fill));
            for (to, c) in row.iter_mut().skip(first).take(last - first).zip(text) {
                *to = c;
            }
            for (from, to) in &band.paused {
                let (first, last) = columns(*from, *to);
                for (to, c) in
                    row.iter_mut().skip(first).take(last - first).zip("╱paused".chars().chain(std::iter::repeat('╱')))
                {
                    *to = c;
                }
            }
        }
        let row: String = row.into_iter().collect();
        self.row("phase", &row, "");
    }

    /// Marks the decisions that change the course; returns each with its key.
    fn decisions(&mut self) -> Vec<(usize, char)> {
        let major = |i: &usize| self.outcome.decisions.get(*i).is_some_and(|d| mark(&d.record).major);
        let all: Vec<usize> = (0..self.outcome.decisions.len()).filter(major).collect();
        // of many the first and the last
        let skipped = all.len().saturating_sub(LISTED);
        let chosen = all.iter().enumerate().filter(|(n, _)| *n < LISTED / 2 || *n >= LISTED / 2 + skipped);
        let listed: Vec<(usize, char)> = chosen.map(|(_, i)| *i).zip(KEYS.chars()).collect();
        // side by side where several are in one column, in their order, and all within the picture
        let mut places: Vec<usize> = Vec::new();
        for (i, _) in &listed {
            let at = self.outcome.decisions.get(*i).map_or(self.span.from, |d| d.at);
            let free = places.last().map_or(0, |p| p + 1);
            places.push(self.span.column(at, self.columns).max(free));
        }
        let mut room = self.columns;
        let mut row = vec![' '; self.columns];
        for (place, (_, key)) in places.iter().zip(&listed).rev() {
            // where even that is too little it stands in the list alone
            let Some(last) = room.checked_sub(1) else { break };
            room = last.min(*place);
            if let Some(to) = row.get_mut(room) {
                *to = *key;
            }
        }
        let row: String = row.into_iter().collect();
        self.row("decisions", &row, "");
        listed
    }

    fn ports(&mut self) {
        for port in &self.outcome.ports {
            let top = at::largest(&port.requested, &port.observed);
            let asked = bars::settings(&port.requested, self.span, self.columns, top);
            let read = bars::settings(&port.observed, self.span, self.columns, top);
            let largest = port.requested.iter().max_by(|a, b| a.1.size().total_cmp(&b.1.size())).map(|(_, s)| *s);
            let most = largest.map_or_else(String::new, |s| format!(", at most {s}"));
            self.row(&port.name, &asked, &format!("asked {}{most}", bars::last(&port.requested, self.span)));
            let read = self.style.faint(&read);
            self.row("  read", &read, &format!("read {}", bars::last(&port.observed, self.span)));
            if let Some(since) = port.assumed_since {
                let first = self.span.column(since, self.columns);
                let row = format!("{}{}", " ".repeat(first), "~".repeat(self.columns - first));
                let row = self.style.unsure(&row);
                self.row("  assumed", &row, &format!("since {}", self.span.since_start(since)));
            }
        }
    }

    fn guards(&mut self) {
        for guard in &self.outcome.guards {
            let words = worst(&stretches(&guard.words, self.span.to), self.span, self.columns);
            let values = bars::painted(&bars::values(guard, self.span, self.columns), &words, self.style);
            let letters = bars::painted(&bars::letters(&words), &words, self.style);
            let (far, limit) = match farthest(guard) {
                Some((_, v, l)) => {
                    let sign = if guard.below { '<' } else { '>' };
                    let far = brief(Some(v), &guard.unit);
                    let far = if bad(guard, v, l) { format!("beyond: {far}") } else { format!("nearest: {far}") };
                    (far, format!("limit {sign} {}", brief(Some(l), &guard.unit)))
                }
                None => (String::from("never known"), String::new()),
            };
            self.row(&guard.name, &values, &far);
            self.row("", &letters, &limit);
        }
    }

    fn legend(&mut self, width: usize) {
        let said = |w| self.outcome.guards.iter().any(|g| g.words.iter().any(|(_, said)| *said == w));
        let words: Vec<String> = WORDS
            .into_iter()
            .rev()
            .filter(|w| w.is_some() && said(*w))
            .map(|w| format!("{} {}", of_word(w).letter, of_word(w).text))
            .collect();
        let mut text = words.join(", ");
        if self.outcome.guards.iter().any(|g| g.below) {
            text.push_str("; ▇ █ above a limit");
        }
        if self.outcome.guards.iter().any(|g| !g.below) {
            text.push_str("; ▁ below one that is a floor");
        }
        if !self.outcome.guards.is_empty() {
            for part in wrapped(&text, width) {
                let part = self.style.faint(&part);
                self.line(&part);
            }
        }
    }

    fn list(&mut self, listed: &[(usize, char)], width: usize) {
        if !listed.is_empty() {
            self.line("");
        }
        let times =
            listed.iter().filter_map(|(i, _)| self.outcome.decisions.get(*i)).map(|d| self.span.since_start(d.at));
        let wide = times.map(|t| t.chars().count()).max().unwrap_or(0);
        for (i, key) in listed {
            let Some(d) = self.outcome.decisions.get(*i) else { continue };
            let when = pad(&self.span.since_start(d.at), wide);
            let text = cut(&printable(headline(d)), width.saturating_sub(wide + 4));
            let text = if mark(&d.record).class == "bad" { self.style.bad(&text) } else { text };
            self.line(&format!("{key} {when}  {text}"));
        }
        let major = self.outcome.decisions.iter().filter(|d| mark(&d.record).major).count();
        if major > listed.len() {
            self.line(&format!("  {} more between them", major - listed.len()));
        }
    }

    /// How the slices ended.
    fn slices(&mut self, whole: &Outcome) {
        let Some(slices) = &whole.slices else { return };
        self.line("");
        for line in sliced::lines(slices, whole.start, self.style) {
            self.line(&line);
        }
    }

    fn assumptions(&mut self, width: usize) {
        if self.outcome.assumptions.is_empty() {
            return;
        }
        self.line("");
        let head = self.style.unsure(&cut("assumed, because no recording knows it:", width));
        self.line(&head);
        for a in &self.outcome.assumptions {
            let since =
                a.since.map_or_else(|| String::from("all along"), |t| format!("since {}", self.span.since_start(t)));
            let text = printable(&format!("{since}: {}", a.text)).replace('\n', " ");
            for (n, part) in wrapped(&text, width.saturating_sub(4)).iter().enumerate() {
                self.line(&format!("{}{part}", if n == 0 { "  ~ " } else { "    " }));
            }
        }
    }
}

/// Lines of at most so many characters, broken at blanks where there are some.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut out = vec![String::new()];
    for word in text.split_whitespace() {
        for piece in word.chars().collect::<Vec<_>>().chunks(width.max(1)) {
            let piece: String = piece.iter().collect();
            let room = out.last().map_or(0, |l| l.chars().count());
            match out.last_mut() {
                Some(line) if room == 0 => line.push_str(&piece),
                Some(line) if room + 1 + piece.chars().count() <= width => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => out.push(piece),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_blanks_and_within_words_that_are_too_long() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrapped("", 3), [""]);
    }
}
