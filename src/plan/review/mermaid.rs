//! A plan as a Mermaid state diagram (mermaid.js.org/syntax/stateDiagram.html), for a pull request or a wiki.

use super::{Review, gate};
use crate::plan::{Consequence, Plan, Step, show};
use std::fmt::Write as _;

/// The diagram's text.
#[must_use]
pub fn diagram(plan: &Plan, review: &Review) -> String {
    let mut out = String::from("stateDiagram-v2\n");
    let _ = writeln!(out, "  state \"{}\" as start", label(&format!("{} at 0", plan.title)));
    for (i, (phase, seen)) in plan.phases.iter().zip(&review.phases).enumerate() {
        let mut lines = vec![phase.name.clone()];
        lines.extend(plan.shown(&phase.settings).iter().map(|(name, to)| format!("{name} = {to}")));
        lines.extend(phase.steps.iter().map(|s| gate(plan, s)));
        let _ = writeln!(out, "  state \"{}\" as p{i}", label(&lines.join("\n")));
        let from = if i == 0 { String::from("start") } else { format!("p{}", i - 1) };
        let at = seen.earliest_ms.map_or_else(String::new, |t| format!(" : T+{}", show::duration(t)));
        let _ = writeln!(out, "  {from} --> p{i}{at}");
    }
    out.push_str("  [*] --> start\n");
    if let Some(last) = plan.phases.len().checked_sub(1) {
        let at = review.earliest_end_ms.map_or_else(String::new, |t| format!(" : T+{}", show::duration(t)));
        let _ = writeln!(out, "  p{last} --> promoted{at}");
        out.push_str("  promoted --> [*]\n");
    }
    let (mut back, mut pause) = (false, false);
    for (i, _) in plan.phases.iter().enumerate() {
        let watching = |to: Option<usize>| -> Vec<&str> {
            plan.guards
                .iter()
                .filter(|g| super::watches(g, crate::plan::PhaseId::at(i)))
                .filter(|g| matches!(g.otherwise, Consequence::Rollback(p) if p.map(|p| p.index()) == to))
                .map(|g| g.name.as_str())
                .collect()
        };
        let steps = |paused: bool| -> Vec<String> {
            let phase = plan.phases.get(i).map_or(&[][..], |p| &p.steps);
            phase.iter().filter_map(|s| ends_in(plan, s, paused)).collect()
        };
        let mut all: Vec<String> = watching(None).into_iter().map(str::to_owned).collect();
        all.extend(steps(false));
        if matches!(plan.no_data.otherwise, Consequence::Rollback(_)) {
            all.push(String::from("no data"));
        }
        if !all.is_empty() {
            back = true;
            let _ = writeln!(out, "  p{i} --> rolled_back : {}", label(&all.join(", ")));
        }
        let waits = |c: Consequence| matches!(c, Consequence::Pause | Consequence::Halt);
        let mut held: Vec<String> = plan
            .guards
            .iter()
            .filter(|g| super::watches(g, crate::plan::PhaseId::at(i)) && waits(g.otherwise))
            .map(|g| g.name.clone())
            .collect();
        held.extend(steps(true));
        if waits(plan.no_data.otherwise) {
            held.push(String::from("no data"));
        }
        if !held.is_empty() {
            pause = true;
            let _ = writeln!(out, "  p{i} --> paused : {}", label(&held.join(", ")));
        }
        for earlier in 0..i {
            let some = watching(Some(earlier));
            if !some.is_empty() {
                let _ = writeln!(out, "  p{i} --> p{earlier} : {}", label(&some.join(", ")));
            }
        }
    }
    if back {
        out.push_str("  rolled_back --> [*]\n");
    }
    if pause {
        out.push_str("  note right of paused : a person resumes or aborts\n");
    }
    out
}

/// What a step is called where it fails, or is not met in time, and that pauses or takes everything back.
fn ends_in(plan: &Plan, step: &Step, paused: bool) -> Option<String> {
    let (what, then) = match step {
        Step::Run { action, otherwise } => (format!("{} fails", plan.action_name(*action)), *otherwise),
        Step::Promote { text, within: Some((d, c)), .. } | Step::HoldUntil { text, within: Some((d, c)), .. } => {
            (format!("{text} not met within {}", show::duration(*d)), *c)
        }
        _ => return None,
    };
    let fits = match then {
        Consequence::Pause | Consequence::Halt => paused,
        Consequence::Rollback(None) => !paused,
        _ => false,
    };
    fits.then_some(what)
}

/// A text that can stand in a label: Mermaid ends one at a quote or a line's end, and reads `;` and `#` itself. Its entity codes stand for
/// them; a line break is `<br/>`.
fn label(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            ';' => out.push_str("#59;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            ':' => out.push_str("#58;"),
            '\n' => out.push_str("<br/>"),
            c => out.push(c),
        }
    }
    out
}
