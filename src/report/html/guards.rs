//! The lane of a guard: its value against its limit, over a strip of its words.

use super::markup::{Markup, name, percent};
use super::{COLUMNS, Made, STRIP, figures};
use crate::engine::Word;
use crate::plan::Time;
use crate::report::chart::columns::{known, thin};
use crate::report::chart::numbers::{Scale, brief};
use crate::report::chart::words::{Sign, of_word, stretches, worst};
use crate::sim::replay::outcome::{GuardTrack, Point};

/// A stretch narrower than this share of the axis has no letter: it would not fit in on a narrow screen.
const LETTER: f64 = 0.028;

/// The lane.
pub fn lane(m: &mut Markup, made: &Made<'_>, index: usize, guard: &GuardTrack) {
    let span = made.span;
    let scale = Scale::of(guard);
    let keep: Vec<Time> = made.listed.iter().filter_map(|i| made.outcome.decisions.get(*i)).map(|d| d.at).collect();
    let points = thin(&guard.points, span, COLUMNS, &keep);
    let words = columns(made, guard);
    m.open("div", &[("class", "lane guard")]);
    m.open("div", &[("class", "label")]);
    m.element("h3", &[], &name(&guard.name));
    m.element("p", &[("class", "aside condition")], &name(&guard.condition));
    m.element("p", &[("class", "value scripted"), ("data-guard", &index.to_string())], "");
    m.close();
    m.open("div", &[("class", "plot")]);
    let curve = [
        ("class", "curve"),
        ("viewBox", "0 0 1000 100"),
        ("preserveAspectRatio", "none"),
        ("role", "img"),
        ("aria-label", &figures::told(made, guard)),
    ];
    m.open("svg", &curve);
    for (from, to, sign) in &words {
        if !matches!(sign.class, "ok" | "off") {
            let (x, width) = (format!("{:.1}", from * 1000.0), format!("{:.1}", (to - from) * 1000.0));
            let class = format!("tint w-{}", sign.class);
            m.shape("rect", &[("class", &class), ("x", &x), ("width", &width), ("y", "0"), ("height", "100")]);
        }
    }
    let place = |t: Time, v: f64| (span.share(t) * 1000.0, 100.0 - scale.share(v) * 100.0);
    let limit = steps(&points, place);
    if !limit.is_empty() {
        // the side on which the value must not be
        let edge = if guard.below { 0 } else { 100 };
        for run in &limit {
            let Some(first) = run.first() else { continue };
            let d = format!("{}V{edge}H{:.1}Z", path(run), first.0);
            m.shape("path", &[("class", "bad-side"), ("d", &d)]);
        }
        m.shape("path", &[("class", "limit"), ("d", &limit.iter().map(|r| path(r)).collect::<String>())]);
    }
    let assumed = made.outcome.ports.iter().filter_map(|p| p.assumed_since).min().unwrap_or(Time::MAX);
    for (class, of) in
        [("line", runs(&points, |p| p.at <= assumed)), ("line dashed", runs(&points, |p| p.at >= assumed))]
    {
        let d: String = of
            .iter()
            .map(|run| {
                let places: Vec<(f64, f64)> = run.iter().map(|(t, v)| place(*t, *v)).collect();
                path(&places)
            })
            .collect();
        if !d.is_empty() {
            m.shape("path", &[("class", class), ("d", &d)]);
        }
    }
    m.close();
    strip(m, &words);
    m.close();
    sides(m, guard, scale);
    m.close();
}

/// The strip of words: hatched where it is not ok, with a letter where it fits.
fn strip(m: &mut Markup, words: &[(f64, f64, Sign)]) {
    m.open("svg", &[("class", "strip"), ("aria-hidden", "true")]);
    for (from, to, sign) in words {
        let (x, width) = (percent(*from), percent(to - from));
        let class = format!("w-{}", sign.class);
        m.shape("rect", &[("class", &class), ("x", &x), ("width", &width), ("y", "0"), ("height", "100%")]);
        if to - from >= LETTER && sign.class != "off" {
            let middle = percent(f64::midpoint(*from, *to));
            let class = format!("letter on-{}", sign.class);
            m.element("text", &[("class", &class), ("x", &middle), ("y", "12")], &sign.letter.to_string());
        }
    }
    m.close();
}

/// Limit and edges, written where they lie.
fn sides(m: &mut Markup, guard: &GuardTrack, scale: Scale) {
    m.open("div", &[("class", "side"), ("aria-hidden", "true")]);
    let limits: Vec<f64> = guard.points.iter().filter_map(|p| known(p.limit)).collect();
    let mut taken = Vec::new();
    let mut write = |m: &mut Markup, v: f64, class: &'static str| {
        let at = 1.0 - scale.share(v);
        if taken.iter().all(|t: &f64| (t - at).abs() > 0.2) {
            taken.push(at);
            m.element(
                "span",
                &[("class", class), ("style", &format!("top:{}", percent(at)))],
                &brief(Some(v), &guard.unit),
            );
        }
    };
    if let Some(last) = limits.last() {
        write(m, *last, "limit");
    }
    if guard.points.iter().any(|p| known(p.value).is_some()) {
        write(m, scale.hi, "");
        write(m, scale.lo, "");
    }
    if let Some(beyond) = scale.beyond {
        let class = if guard.below { "beyond" } else { "beyond low" };
        m.element("span", &[("class", class)], &format!("to {}", brief(Some(beyond), &guard.unit)));
    }
    m.close();
}

/// The words as stretches of columns: from, to, sign.
fn columns(made: &Made<'_>, guard: &GuardTrack) -> Vec<(f64, f64, Sign)> {
    let all = stretches(&guard.words, made.span.to);
    if all.len() <= STRIP {
        let share = |t| made.span.share(t);
        return all.iter().map(|s| (share(s.from), share(s.to), of_word(s.word))).collect();
    }
    let columns = worst(&all, made.span, STRIP);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred columns")]
    let share = |i: usize| i as f64 / STRIP as f64;
    let mut out: Vec<(f64, f64, Sign)> = Vec::new();
    for (i, column) in columns.iter().enumerate() {
        let Some(word): Option<Option<Word>> = *column else { continue };
        match out.last_mut() {
            Some(last) if last.2 == of_word(word) && (last.1 - share(i)).abs() < 1e-9 => last.1 = share(i + 1),
            _ => out.push((share(i), share(i + 1), of_word(word))),
        }
    }
    out
}

/// Stretches of known values among the points of a part.
fn runs(points: &[Point], part: impl Fn(&Point) -> bool) -> Vec<Vec<(Time, f64)>> {
    let mut out = vec![Vec::new()];
    for p in points {
        match (known(p.value).filter(|_| part(p)), out.last_mut()) {
            (Some(v), Some(run)) => run.push((p.at, v)),
            (None, Some(run)) if !run.is_empty() => out.push(Vec::new()),
            _ => {}
        }
    }
    out.retain(|r| !r.is_empty());
    out
}

/// Stretches of known limits, as steps: a limit holds until the next check.
fn steps(points: &[Point], place: impl Fn(Time, f64) -> (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let mut out: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for p in points {
        match (known(p.limit), out.last_mut()) {
            (Some(v), Some(run)) => {
                let (x, y) = place(p.at, v);
                if let Some((_, before)) = run.last().copied() {
                    run.push((x, before));
                }
                if run.last().is_none_or(|(_, before)| (before - y).abs() > 1e-9) {
                    run.push((x, y));
                }
            }
            (None, Some(run)) if !run.is_empty() => out.push(Vec::new()),
            _ => {}
        }
    }
    out.retain(|r| !r.is_empty());
    out
}

/// A line through some places; one place alone is a dot.
fn path(places: &[(f64, f64)]) -> String {
    let mut d = String::new();
    let mut last: Option<(f64, f64)> = None;
    for (i, (x, y)) in places.iter().enumerate() {
        // on one height there is nothing to draw but the way there
        let straight = last.is_some_and(|(_, before)| (before - y).abs() < 0.05)
            && places.get(i + 1).is_some_and(|(_, next)| (next - y).abs() < 0.05);
        if !straight {
            d.push_str(&format!("{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' }));
        }
        last = Some((*x, *y));
    }
    if places.len() == 1 {
        d.push_str("h0");
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_breaks_where_nothing_is_known_and_one_check_is_a_dot() {
        let p = |at, value| Point { at, value, limit: Some(1.0) };
        let all = [p(0, Some(1.0)), p(1, Some(2.0)), p(2, None), p(3, Some(3.0)), p(4, Some(f64::NAN)), p(5, None)];
        assert_eq!(runs(&all, |_| true), [vec![(0, 1.0), (1, 2.0)], vec![(3, 3.0)]]);
        assert_eq!(path(&[(3.0, 4.0)]), "M3.0 4.0h0");
        assert_eq!(path(&[(0.0, 4.0), (1.0, 4.0), (2.0, 4.0), (3.0, 5.0)]), "M0.0 4.0L2.0 4.0L3.0 5.0");
    }
}
