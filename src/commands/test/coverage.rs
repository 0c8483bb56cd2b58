//! `--coverage`: what of each rollout no test exercises.

use super::Policy;
use crate::report::style::Style;
use crate::sim::coverage::{Point, describe, points};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// One rollout.
pub(super) struct Covered {
    /// Its policy's file.
    policy: String,
    pub(super) rollout: String,
    exercised: usize,
    all: usize,
    /// What was never exercised, in words.
    missing: Vec<String>,
}

impl Covered {
    /// How much of the rules was exercised.
    pub(super) fn percent(&self) -> f64 {
        if self.all == 0 {
            return 100.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rollout has a few hundred rules")]
        {
            self.exercised as f64 / self.all as f64 * 100.0
        }
    }
}

/// Every rollout of every policy, those without a test too.
pub(super) fn of(policies: &[Policy]) -> Vec<Covered> {
    let mut out = Vec::new();
    for p in policies {
        for plan in &p.rollouts {
            let own = p.done.iter().filter(|d| d.test.plan.rollout == plan.rollout);
            let seen: BTreeSet<Point> = own.flat_map(|d| d.trace.seen.points().iter().copied()).collect();
            let all = points(plan);
            let missing: Vec<String> = all.iter().filter(|x| !seen.contains(x)).map(|x| describe(plan, *x)).collect();
            out.push(Covered {
                policy: p.name.clone(),
                rollout: plan.rollout.clone(),
                exercised: all.len() - missing.len(),
                all: all.len(),
                missing,
            });
        }
    }
    out
}

pub(super) fn text(all: &[Covered], style: Style) -> String {
    let mut out = String::new();
    for c in all {
        let line = format!("{} of {} rules exercised, {:.0} %", c.exercised, c.all, c.percent());
        let _ = writeln!(out, "\ncoverage of {} ({}): {line}", style.bold(&c.rollout), c.policy);
        for m in &c.missing {
            let _ = writeln!(out, "  - {m}");
        }
    }
    out
}

pub(super) fn json(all: &[Covered]) -> Value {
    let one = |c: &Covered| {
        json!({
            "policy": c.policy,
            "rollout": c.rollout,
            "rules": c.all,
            "exercised": c.exercised,
            "percent": c.percent(),
            "missing": c.missing,
        })
    };
    all.iter().map(one).collect()
}
