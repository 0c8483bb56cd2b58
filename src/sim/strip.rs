//! A run in a few lines of letters: phases as bands, one row a guard, the expected and the actual moment marked.

use super::trace::{Mark, Trace};
use crate::plan::{GuardId, Millis, Plan, show};

/// What the letters mean, as far as they stand in a strip.
const LEGEND: [(char, &str); 9] = [
    ('o', "ok"),
    ('·', "ok, assumed"),
    ('f', "failing"),
    ('B', "breached"),
    ('w', "warming"),
    ('t', "thin"),
    ('u', "undecided"),
    ('d', "dark"),
    ('b', "blind"),
];

/// The strip, `width` columns wide at most. Each column is one or several checks; of several the worst is shown.
#[must_use]
pub fn strip(plan: &Plan, trace: &Trace, expected: Option<Millis>, actual: Option<Millis>, width: usize) -> String {
    let label = plan.guards.iter().map(|g| g.name.chars().count()).max().unwrap_or(0).max("expected".len());
    let room = width.saturating_sub(label + 3).max(10);
    // what lies far behind the last mark is of no interest
    let last = [expected, actual].into_iter().flatten().max().unwrap_or(trace.end).min(trace.end);
    let rows = trace.row_at(last).map_or(0, |r| r + 1);
    let rows = (rows + rows / 10).max(24).clamp(1, trace.rows.len().max(1));
    let each = rows.div_ceil(room).max(1);
    let columns = rows.div_ceil(each);
    let column = |at: Millis| trace.row_at(at).map_or(0, |r| r / each).min(columns.saturating_sub(1));
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        let pad = " ".repeat(label.saturating_sub(name.chars().count()));
        out.push_str(format!("  {pad}{name} {}", text.trim_end()).trim_end());
        out.push('\n');
    };
    line("phase", &bands(plan, trace, each, columns));
    let mut used = Vec::new();
    for (i, guard) in plan.guards.iter().enumerate() {
        let letters: String = (0..columns)
            .map(|c| {
                let checks = c * each..((c + 1) * each).min(rows);
                let worst = checks.map(|r| trace.mark(r, GuardId::at(i))).max_by_key(|m| m.badness());
                worst.unwrap_or(Mark::Off).letter()
            })
            .collect();
        used.extend(letters.chars());
        line(&guard.name, &letters);
    }
    let mark = |at: Millis, sign: char| {
        let c = column(at);
        format!("{}{sign} {}", " ".repeat(c), show::duration(at))
    };
    if let Some(at) = expected {
        let text = match trace.rows.first() {
            // what was to come lies behind the run's end, or before a slice began
            _ if at > trace.end => format!("{}> {}", " ".repeat(columns), show::duration(at)),
            Some(first) if at < first.at => format!("< {}", show::duration(at)),
            _ => mark(at, '^'),
        };
        line("expected", &text);
    }
    if let Some(at) = actual {
        line("actual", &mark(at, '^'));
    }
    let legend: Vec<String> =
        LEGEND.iter().filter(|(c, _)| used.contains(c)).map(|(c, word)| format!("{c} {word}")).collect();
    let span = show::duration(plan.check_every * i64::try_from(each).unwrap_or(1));
    out.push_str(&format!("  {} a letter; {}\n", span, legend.join(", ")));
    out
}

/// `|taste---|half------|` with `<` where everything is being taken back.
fn bands(plan: &Plan, trace: &Trace, each: usize, columns: usize) -> String {
    let phase = |c: usize| trace.rows.get(c * each).and_then(|r| r.phase);
    let mut out = String::new();
    let mut c = 0;
    while c < columns {
        let here = phase(c);
        let end = (c..columns).find(|k| phase(*k) != here).unwrap_or(columns);
        let length = end - c;
        let (name, fill) = match here {
            Some(p) => (plan.phase_name(p), '-'),
            None => ("", '<'),
        };
        let mut band = String::from(if here.is_some() { "|" } else { "" });
        band.push_str(name);
        let band: String = band.chars().take(length).collect();
        out.push_str(&band);
        out.extend(std::iter::repeat_n(fill, length.saturating_sub(band.chars().count())));
        c = end;
    }
    out
}
