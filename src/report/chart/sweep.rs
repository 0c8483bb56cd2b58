//! A sweep as grids of two axes, and as stretches of equal answers that can be read aloud.

use crate::engine::Verdict;
use crate::plan::Time;
use crate::sim::replay::outcome::{Axis, AxisValue, Cell, Sweep};

/// Two axes of a sweep, with the others fixed. A sweep of one axis is a grid of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid<'a> {
    /// The other axes, each with its value here.
    pub fixed: Vec<(&'a Axis, &'a AxisValue)>,
    /// The axis of the rows; `None`: there is one row.
    pub rows: Option<&'a Axis>,
    /// The axis of the columns.
    pub columns: &'a Axis,
    /// Row by row.
    pub cells: &'a [Cell],
}

impl<'a> Grid<'a> {
    /// The rows: the value of the row's axis, and its cells.
    pub fn lines(&self) -> impl Iterator<Item = (Option<&'a AxisValue>, &'a [Cell])> {
        let values = self.rows.map(|r| r.values.as_slice()).unwrap_or_default();
        let wide = self.columns.values.len().max(1);
        self.cells.chunks(wide).enumerate().map(|(i, cells)| (values.get(i), cells))
    }

    /// Whether the axes that are fixed here are at what the policy says.
    #[must_use]
    pub fn is_now(&self) -> bool {
        self.fixed.iter().all(|(axis, v)| now(axis, v))
    }
}

/// Whether a value is what the policy says.
#[must_use]
pub fn now(axis: &Axis, value: &AxisValue) -> bool {
    axis.now.as_ref().is_some_and(|n| n.text == value.text || n.number == value.number)
}

/// All grids of a sweep, the last two axes in each; none where the cells are not as many as the axes say.
#[must_use]
pub fn grids(sweep: &Sweep) -> Vec<Grid<'_>> {
    let expected = sweep.axes.iter().try_fold(1_usize, |n, a| n.checked_mul(a.values.len()));
    let Some((columns, before)) = sweep.axes.split_last().filter(|_| expected == Some(sweep.cells.len())) else {
        return Vec::new();
    };
    let (rows, others) = before.split_last().map_or((None, before), |(r, others)| (Some(r), others));
    let each = columns.values.len() * rows.map_or(1, |r| r.values.len());
    if each == 0 {
        return Vec::new();
    }
    let grid = |(i, cells)| {
        let mut rest: usize = i;
        let mut fixed: Vec<(&Axis, &AxisValue)> = Vec::new();
        for axis in others.iter().rev() {
            fixed.extend(axis.values.get(rest % axis.values.len().max(1)).map(|v| (axis, v)));
            rest /= axis.values.len().max(1);
        }
        fixed.reverse();
        Grid { fixed, rows, columns, cells }
    };
    sweep.cells.chunks(each).enumerate().map(grid).collect()
}

/// Neighbours of one row that came to the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Same<'a> {
    /// The values of all axes but the last.
    pub fixed: Vec<&'a AxisValue>,
    /// The first value of the last axis.
    pub from: &'a AxisValue,
    /// The last one.
    pub to: &'a AxisValue,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// By which rule.
    pub rule: Option<&'a str>,
    /// The phase that was entered last.
    pub phase: &'a str,
    /// When it was decided: the first and the last.
    pub decided: Option<(Time, Time)>,
}

/// The stretches of equal answers, row by row.
#[must_use]
pub fn same<'a>(grids: &[Grid<'a>]) -> Vec<Same<'a>> {
    let mut out: Vec<Same<'a>> = Vec::new();
    for grid in grids {
        for (row, cells) in grid.lines() {
            let fixed: Vec<&AxisValue> = grid.fixed.iter().map(|(_, v)| *v).chain(row).collect();
            let mut open: Option<Same<'a>> = None;
            for (value, cell) in grid.columns.values.iter().zip(cells) {
                let (rule, phase) = (cell.rule.as_deref(), cell.phase.as_str());
                match &mut open {
                    Some(o) if (o.verdict, o.rule, o.phase) == (cell.verdict, rule, phase) => {
                        o.to = value;
                        o.decided = match (o.decided, cell.decided_at) {
                            (Some((a, b)), Some(t)) => Some((a.min(t), b.max(t))),
                            (known, new) => known.or(new.map(|t| (t, t))),
                        };
                    }
                    _ => {
                        let decided = cell.decided_at.map(|t| (t, t));
                        let fixed = fixed.clone();
                        let next = Same { fixed, from: value, to: value, verdict: cell.verdict, rule, phase, decided };
                        out.extend(open.replace(next));
                    }
                }
            }
            out.extend(open);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(name: &str, n: u32) -> Axis {
        let value = |i| AxisValue { text: format!("{name}{i}"), number: f64::from(i) };
        Axis { name: name.to_owned(), values: (0..n).map(value).collect(), now: Some(value(1)) }
    }

    fn cell(rule: &str) -> Cell {
        let verdict = Some(if rule.is_empty() { Verdict::Promoted } else { Verdict::RolledBack });
        let rule = (!rule.is_empty()).then(|| rule.to_owned());
        Cell { verdict, decided_at: Some(5), phase: String::from("p"), rule, slices: None }
    }

    #[test]
    fn three_axes_are_a_grid_for_each_value_of_the_first() {
        let cells = (0..24).map(|i| cell(&i.to_string())).collect();
        let sweep = Sweep { axes: vec![axis("a", 2), axis("b", 3), axis("c", 4)], cells };
        let grids = grids(&sweep);
        assert_eq!(grids.len(), 2);
        assert_eq!(grids[1].fixed[0].1.text, "a1");
        assert!(grids[1].is_now() && !grids[0].is_now());
        let (row, line) = grids[1].lines().nth(2).unwrap();
        assert_eq!(row.unwrap().text, "b2");
        assert_eq!(line[3].rule.as_deref(), Some("23"));
    }

    #[test]
    fn one_axis_is_one_row_and_none_is_none() {
        let sweep = Sweep { axes: vec![axis("a", 3)], cells: vec![cell("x"), cell("x"), cell("")] };
        let grids = grids(&sweep);
        assert_eq!((grids.len(), grids[0].lines().count()), (1, 1));
        let same = same(&grids);
        assert_eq!(same.len(), 2);
        assert_eq!((same[0].from.text.as_str(), same[0].to.text.as_str(), same[0].rule), ("a0", "a1", Some("x")));
        assert!(super::grids(&Sweep { axes: Vec::new(), cells: vec![cell("")] }).is_empty());
        assert!(super::grids(&Sweep { axes: vec![axis("a", 3)], cells: Vec::new() }).is_empty(), "cells are missing");
        assert!(super::grids(&Sweep { axes: vec![axis("a", 0), axis("b", 0)], cells: Vec::new() }).is_empty());
    }
}
