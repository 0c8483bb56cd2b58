//! Valid policies by chance, as text: what is made of them goes through the real parser and checker.

mod conditions;
mod phases;
mod sliced;

use super::dice::Dice;
use canary::check;
use canary::plan::Plan;
use canary::syntax::{self, source::SourceMap};
use conditions::healthy;
pub use sliced::sliced;
use std::fmt::Write as _;

const PRELUDE: &str = include_str!("prelude.canary");

/// A policy's text.
pub fn text(seed: u64) -> String {
    let mut dice = Dice::new(seed ^ 0x0070_0110_C1E5_0000);
    let phases = 1 + dice.below(4);
    let mut out = String::from(PRELUDE);
    out.push_str("\nrollout shop \"Shop\" {\n");
    head(&mut dice, &mut out);
    let raised = phases::raised(&mut dice, phases);
    let guards = dice.one(&[0, 1, 1, 2, 2, 3, 3, 4]);
    for i in 0..guards {
        guard(&mut dice, i, phases, &raised, &mut out);
    }
    for i in 0..phases {
        phases::phase(&mut dice, i, phases, &raised, &mut out);
    }
    reactions(&mut dice, &mut out);
    out.push_str("}\n");
    out
}

/// The plan of a text. That it is valid is part of what is tested.
pub fn compile(text: &str) -> Result<Plan, String> {
    let mut map = SourceMap::default();
    let id = map.add("generated.canary", text.to_owned());
    let (file, found) = syntax::parse(id, text);
    if !found.is_empty() {
        return Err(format!("{found:#?}\n{text}"));
    }
    let (made, found) = check::compile(&[file], &map, None, Some("here"), &[]);
    let (plan, _) = made.ok_or_else(|| format!("{found:#?}\n{text}"))?;
    if plan.unbuilt.is_empty() { Ok(plan) } else { Err(format!("not built yet: {:?}\n{text}", plan.unbuilt)) }
}

fn head(dice: &mut Dice, out: &mut String) {
    let checks = ["15s", "15s", "30s", "10s"];
    let _ = writeln!(out, "  check every {}", dice.one(&checks));
    if dice.percent(25) {
        let _ = writeln!(out, "  settle {}s", dice.one(&[0, 5, 20, 45]));
    }
    if dice.percent(10) {
        let _ = writeln!(out, "  baseline {}", dice.one(&["5m", "2m"]));
    }
    if dice.percent(10) {
        out.push_str("  cooldown 1h after rollback\n");
    }
    if dice.percent(10) {
        let _ = writeln!(out, "  require {} \"a reason\"", healthy(dice, conditions::At::Start));
    }
    if dice.percent(12) {
        let _ = writeln!(out, "  advance when {}", conditions::gate(dice));
        // asked once more when the gate opens
        if dice.percent(40) {
            let _ = writeln!(out, "  require {} \"another reason\"", healthy(dice, conditions::At::Start));
        }
    }
    if dice.percent(35) {
        let _ = writeln!(out, "  drift {}", dice.one(&["correct", "correct", "tell", "pause"]));
    }
    if dice.percent(70) {
        let tolerate = dice.one(&[
            "",
            " tolerate 30s",
            " tolerate 1m",
            " tolerate 2 checks",
            " tolerate 5m",
            " tolerate 5 checks",
        ]);
        let _ = writeln!(out, "  no data{tolerate} else {}", dice.one(&["hold", "pause", "rollback", "pause"]));
    }
}

/// What one guard says, up to its consequence.
#[derive(Clone)]
struct Rule {
    says: String,
    end: usize,
}

fn rule(dice: &mut Dice, phases: usize, raised: &[i64]) -> Rule {
    let from = if dice.percent(30) { dice.below(phases) } else { 0 };
    let until =
        if dice.percent(20) && from + 1 < phases { Some(from + 1 + dice.below(phases - from - 1)) } else { None };
    let end = until.unwrap_or(phases);
    // with all traffic on the canary there is nobody to compare it with
    let alone = raised[from..end].contains(&100);
    let mut condition = healthy(dice, conditions::At::Guard { alone });
    if condition.counted && dice.percent(50) {
        let _ = write!(condition.text, " at least {} events", dice.one(&[50, 100, 5]));
    }
    let mut says = condition.text;
    if from > 0 {
        let _ = write!(says, " from p{from}");
    }
    if let Some(u) = until {
        let _ = write!(says, " until p{u}");
    }
    let tolerances =
        ["", "", " tolerate 15s", " tolerate 1m", " tolerate 2 checks", " tolerate 4 checks", " tolerate 50s"];
    says.push_str(dice.one(&tolerances));
    Rule { says, end }
}

/// A guard, or two that say the same and ask for something else.
fn guard(dice: &mut Dice, i: usize, phases: usize, raised: &[i64], out: &mut String) {
    let rule = rule(dice, phases, raised);
    let twice = dice.percent(20);
    for name in [format!("g{i}"), format!("g{i}_too")].iter().take(1 + usize::from(twice)) {
        let never = if dice.percent(5) { " never waived" } else { "" };
        let consequence = match dice.below(12) {
            0 | 10 if !twice => String::from("tell"),
            1..=3 if !twice => String::from("hold"),
            4 if !twice => String::from("pause"),
            5 => String::from(dice.one(&["pause", "halt"])),
            0..=7 if rule.end > 1 => format!("rollback to p{}", dice.below(rule.end - 1)),
            8 if rule.end > 1 => {
                format!("rollback to p{}, kill {}", dice.below(rule.end - 1), dice.one(&["stop", "quench"]))
            }
            9 => format!("rollback, kill {}", dice.one(&["stop", "quench"])),
            _ => String::from("rollback"),
        };
        let _ = writeln!(out, "  guard {name}: {}{never} else {consequence}", rule.says);
    }
}

fn reactions(dice: &mut Dice, out: &mut String) {
    for _ in 0..dice.below(4) {
        let channels = dice.one(&["oncall", "team", "oncall, team"]);
        let _ = match dice.below(8) {
            0 => writeln!(out, "  on breach, pause, rollback, promote, blind, kill, done: notify {channels}"),
            1 => writeln!(
                out,
                "  on {}: notify {channels}",
                dice.one(&["breach", "pause", "rollback", "promote", "blind", "kill", "done"])
            ),
            2 => writeln!(
                out,
                "  on {}: run {}",
                dice.one(&["breach", "pause", "rollback", "promote", "done"]),
                dice.one(&["smoke", "scale"])
            ),
            3 => writeln!(out, "  every {}: notify {channels}", dice.one(&["2m", "45s", "20s"])),
            4 => writeln!(out, "  at {}: snapshot", dice.one(&["1m", "1m, 5m", "30s, 3m, 30m"])),
            5 => writeln!(out, "  every 3m: snapshot"),
            6 => writeln!(
                out,
                "  when {}: run {} limit 2 per 5m",
                conditions::trigger(dice),
                dice.one(&["smoke", "scale"])
            ),
            _ => writeln!(out, "  when {}: notify {channels}", conditions::trigger(dice)),
        };
    }
}
