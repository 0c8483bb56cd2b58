//! Phases and what they do.

use super::Dice;
use super::conditions::{At, healthy};
use std::fmt::Write as _;

/// The traffic that each phase sets, upwards; -1 where it sets none.
pub fn raised(dice: &mut Dice, phases: usize) -> Vec<i64> {
    let mut share = 0;
    let one = |_| {
        if dice.percent(20) {
            return -1;
        }
        share = (share + dice.between(1, 40)).min(if dice.percent(15) { 100 } else { 99 });
        share
    };
    (0..phases).map(one).collect()
}

pub fn phase(dice: &mut Dice, i: usize, phases: usize, raised: &[i64], out: &mut String) {
    let _ = write!(out, "  phase p{i} {{");
    if dice.percent(8) {
        out.push_str(" irreversible \"the old schema is gone\" ");
    }
    let mut settings = Vec::new();
    let before = raised[..i].iter().copied().max().unwrap_or(0).max(0);
    let ramps = raised[i] > before + 3 && dice.percent(20);
    if raised[i] >= 0 && !ramps {
        settings.push(format!("traffic checkout = {}%", raised[i]));
    }
    let rank = i.min(2);
    for (chance, flag) in [
        (25, String::from("flag cache = on")),
        (20, format!("flag workers = {}", rank + 1)),
        (15, format!("flag share = {}", ["10%", "10%", "50%"][rank])),
        (15, String::from("flag m4 = on")),
    ] {
        if dice.percent(chance) {
            settings.push(flag);
        }
    }
    if !settings.is_empty() {
        let _ = write!(out, " {} ", settings.join(", "));
    }
    let ramp = if ramps {
        let by = 1 + (raised[i] - before) / dice.between(2, 4);
        let every = dice.one(&["15s", "30s", "1m"]);
        format!(" ramp checkout from {}% to {}% by {by}% every {every} ", before + 1, raised[i])
    } else {
        String::new()
    };
    let later = dice.percent(40);
    if !later {
        out.push_str(&ramp);
    }
    for _ in 0..2 {
        if dice.percent(25) {
            let otherwise = dice.one(&["", " else pause", " else rollback"]);
            let _ = write!(out, " run {}{otherwise} ", dice.one(&["smoke", "scale", "migrate"]));
        }
    }
    if later {
        out.push_str(&ramp);
    }
    let last = i + 1 == phases;
    if last && dice.percent(10) {
        out.push_str(" hold forever }\n");
        return;
    }
    if dice.percent(if last { 90 } else { 60 }) {
        let _ = write!(out, " hold {} ", dice.one(&["15s", "1m", "2m", "100s", "30s"]));
    }
    if dice.percent(15) {
        let within = dice.one(&["", " within 5m else pause", " within 2m else rollback"]);
        let _ = write!(out, " hold until {} events of errors{within} ", dice.one(&[500, 3000]));
    }
    if dice.percent(35) {
        let within = dice.one(&["", " within 5m else pause", " within 2m else rollback"]);
        let condition = if dice.percent(45) {
            dice.one(&[
                "approved(\"engineering\")",
                "approved(\"engineering\", valid: 1m)",
                "approved(\"quality\") or approved(\"engineering\")",
            ])
            .to_owned()
        } else {
            healthy(dice, At::Promote).text
        };
        let _ = write!(out, " promote when {condition}{within} ");
    }
    out.push_str("}\n");
}
