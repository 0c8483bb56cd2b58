//! Decisions before and after a change, side by side.

use crate::plan::{Time, show};
use crate::report::style::Style;
use crate::report::text::{pad, printable};
use crate::sim::replay::outcome::Outcome;

/// So many equal lines stand around a difference.
const AROUND: usize = 1;
/// Beyond so many pairs of lines that would have to be compared the middle is shown as it was and as it is.
const PAIRS: usize = 4_000_000;

/// A decision in a line.
type Line = (Time, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Was,
    Is,
}

fn lines(outcome: &Outcome) -> Vec<Line> {
    let first = |t: &str| printable(t).lines().next().unwrap_or("").to_owned();
    outcome.decisions.iter().map(|d| (d.at - outcome.start, first(&d.text))).collect()
}

/// What was decided otherwise, `-` as it was and `+` as it is; empty where nothing was.
pub(super) fn text(was: &Outcome, is: &Outcome, style: Style) -> String {
    let (was, is) = (lines(was), lines(is));
    let aligned = align(&was, &is);
    if aligned.iter().all(|(side, _)| *side == Side::Both) {
        return String::new();
    }
    let near = |i: usize| {
        let from = i.saturating_sub(AROUND);
        aligned.iter().skip(from).take(i - from + AROUND + 1).any(|(side, _)| *side != Side::Both)
    };
    let times = aligned.iter().map(|(_, (at, _))| show::roughly(*at).len());
    let wide = times.max().unwrap_or(0);
    let mut out = String::new();
    let mut left_out = 0;
    let skip = |n: &mut usize, out: &mut String| {
        if *n > 0 {
            let word = if *n == 1 { "decision" } else { "decisions" };
            out.push_str(&style.faint(&format!("  … {n} {word} as before")));
            out.push('\n');
        }
        *n = 0;
    };
    for (i, (side, (at, text))) in aligned.iter().enumerate() {
        if !near(i) {
            left_out += 1;
            continue;
        }
        skip(&mut left_out, &mut out);
        let line = format!("{}  {text}", pad(&show::roughly(*at), wide));
        out.push_str(&match side {
            Side::Both => format!("  {line}"),
            Side::Was => style.bad(&format!("- {line}")),
            Side::Is => style.good(&format!("+ {line}")),
        });
        out.push('\n');
    }
    skip(&mut left_out, &mut out);
    out
}

/// The longest common part keeps its place.
fn align(was: &[Line], is: &[Line]) -> Vec<(Side, Line)> {
    let front = was.iter().zip(is).take_while(|(a, b)| a == b).count();
    let (was_rest, is_rest) = (was.get(front..).unwrap_or_default(), is.get(front..).unwrap_or_default());
    let back = was_rest.iter().rev().zip(is_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = |l: &[Line]| l.get(..l.len().saturating_sub(back)).unwrap_or_default().to_vec();
    let (a, b) = (middle(was_rest), middle(is_rest));
    let mut out: Vec<(Side, Line)> = was.iter().take(front).map(|l| (Side::Both, l.clone())).collect();
    if a.len().saturating_mul(b.len()) > PAIRS {
        out.extend(a.into_iter().map(|l| (Side::Was, l)));
        out.extend(b.into_iter().map(|l| (Side::Is, l)));
    } else {
        out.extend(common(&a, &b));
    }
    out.extend(was_rest.iter().skip(was_rest.len() - back).map(|l| (Side::Both, l.clone())));
    out
}

/// The longest common subsequence, by the table.
fn common(a: &[Line], b: &[Line]) -> Vec<(Side, Line)> {
    let wide = b.len() + 1;
    let mut table = vec![0_u32; (a.len() + 1) * wide];
    let get = |table: &[u32], i: usize, j: usize| table.get(i * wide + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let longest =
                if x == y { get(&table, i + 1, j + 1) + 1 } else { get(&table, i + 1, j).max(get(&table, i, j + 1)) };
            if let Some(cell) = table.get_mut(i * wide + j) {
                *cell = longest;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    loop {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => {
                out.push((Side::Both, x.clone()));
                (i, j) = (i + 1, j + 1);
            }
            (Some(x), y) if y.is_none() || get(&table, i + 1, j) >= get(&table, i, j + 1) => {
                out.push((Side::Was, x.clone()));
                i += 1;
            }
            (_, Some(y)) => {
                out.push((Side::Is, y.clone()));
                j += 1;
            }
            (_, None) => return in_time(out),
        }
    }
}

/// Between two decisions that both have, the order is that of time.
fn in_time(mut all: Vec<(Side, Line)>) -> Vec<(Side, Line)> {
    let mut from = 0;
    while from < all.len() {
        let to = all.iter().skip(from).position(|(s, _)| *s == Side::Both).map_or(all.len(), |n| from + n);
        if let Some(part) = all.get_mut(from..to) {
            part.sort_by_key(|(side, (at, _))| (*at, *side == Side::Is));
        }
        from = to + 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Line> {
        (0..).zip(text.chars()).map(|(_, c)| (Time::from(u32::from(c)), c.to_string())).collect()
    }

    fn shown(was: &str, is: &str) -> String {
        let one = |(side, (_, t)): &(Side, Line)| match side {
            Side::Both => t.clone(),
            Side::Was => format!("-{t}"),
            Side::Is => format!("+{t}"),
        };
        align(&list(was), &list(is)).iter().map(one).collect()
    }

    #[test]
    fn what_is_common_keeps_its_place() {
        assert_eq!(shown("abcd", "abcd"), "abcd");
        assert_eq!(shown("abcd", "abxd"), "ab-c+xd");
        assert_eq!(shown("", "ab"), "+a+b");
        assert_eq!(shown("ab", ""), "-a-b");
        assert_eq!(shown("acegk", "abcghk"), "a+bc-eg+hk");
        assert_eq!(shown("ad", "bc"), "-a+b+c-d");
    }
}
