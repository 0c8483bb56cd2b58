//! What is said of the run: why, where it stands, what it will do, what it has decided.

use super::moment::{self, since};
use super::moves::place;
use super::world::{Replayed, World};
use super::{Answer, Session};
use crate::check::registry;
use crate::engine::{Record, Stage};
use crate::plan::{Time, render, show};
use crate::report::check_at::{self, Look};
use crate::report::timeline;
use crate::report::why::Subject;
use crate::sim::replay::outcome::Outcome;

impl Session {
    /// `:why`, `:why 12m30s`
    pub(super) fn why(&self, rest: &str) -> Answer {
        let (world, replayed, recorded) = self.replayed()?;
        let at = if rest.is_empty() {
            decided(replayed, self.at).unwrap_or(self.at)
        } else {
            moment::read(rest, self.at, &world.plan, replayed)?
        };
        let here =
            replayed.here(&world.plan, recorded, at).ok_or_else(|| String::from("nobody has checked by then"))?;
        // what follows the check is told as well
        let next = replayed.next(here.at);
        let events = replayed.events(next.unwrap_or(here.at).max(here.at));
        let run = format!("over {}", recorded.name);
        let subject = Subject {
            plan: &world.plan,
            bindings: &world.bindings,
            slice: None,
            run: &run,
            started: replayed.start(),
            verdict: replayed.outcome.verdict.filter(|_| replayed.over_by(here.at)).map(crate::engine::Verdict::text),
            events: &events,
        };
        let look = Look {
            subject: &subject,
            asked: here.at,
            first: replayed.start(),
            check: Some((here.at, &here.observation)),
            unkept: None,
            next,
            ended: None,
            baseline: here.baseline(),
            rule: None,
        };
        Ok(check_at::text(&look, self.style))
    }

    /// `:state`
    pub(super) fn state(&self) -> Answer {
        let (world, replayed, recorded) = self.replayed()?;
        let here = replayed
            .here(&world.plan, recorded, self.at)
            .ok_or_else(|| format!("nobody has checked by {}", self.cursor()))?;
        let style = self.style;
        let mut out = format!(
            "{} ({}): {}\n",
            style.bold(&since(here.at, replayed.start())),
            show::utc(here.at),
            place(world, replayed, &here)
        );
        let asked = world.plan.shown(&here.state.target.settings);
        for (port, setting) in &asked {
            let read = here.state.target.verified.map_or_else(
                || String::from("not read back yet"),
                |t| format!("read back at {}", since(t, replayed.start())),
            );
            out.push_str(&format!("  {port} asked to be {setting}, {read}\n"));
        }
        if let Some(p) = &here.state.paused {
            out.push_str(&format!("  paused since {}: {}\n", since(p.since, replayed.start()), p.why));
        }
        let open = here.observation.standing.as_ref().map(|s| s.open(&world.plan, &here.observation.guards, here.at));
        if matches!(here.state.stage, Stage::Phase(_)) {
            out.push_str(&self.standing()?.lines().skip(1).map(|l| format!("{l}\n")).collect::<String>());
            for b in open.unwrap_or_default() {
                out.push_str(&format!("  open: {}\n", b.text));
            }
        }
        Ok(out)
    }

    /// `:plan`
    pub(super) fn plan(&self) -> Answer {
        let world = self.world()?;
        let text = render::text(&world.plan, &world.bindings);
        if !world.bindings.environment.is_empty() {
            return Ok(text);
        }
        // without an environment nothing is bound
        let bound = |l: &&str| !matches!(l.trim(), "environment" | "bindings" | "bound by environment");
        let text: String = text.lines().filter(bound).map(|l| format!("{l}\n")).collect();
        Ok(text.replace("\n\n\n", "\n\n"))
    }

    /// `:timeline`
    pub(super) fn timeline(&self) -> Answer {
        let (_, replayed, _) = self.replayed()?;
        let end = replayed.end();
        if self.at >= end {
            return Ok(timeline::text(&replayed.outcome, self.style));
        }
        let so_far = replayed.between(None, self.at);
        let mut out = timeline::decisions(&so_far, replayed.start(), self.style);
        let more = replayed.outcome.decisions.len() - so_far.len();
        let more = match more {
            0 => String::from("nothing more is decided"),
            1 => String::from("one decision is still to come"),
            n => format!("{n} decisions are still to come"),
        };
        out.push_str(&self.style.faint(&format!("up to {}; {more}: `:run` goes on", self.cursor())));
        out.push('\n');
        Ok(out)
    }

    /// `:explain E0302`, `:explain errors < 1%`
    pub(super) fn explain(&mut self, rest: &str) -> Answer {
        if rest.is_empty() {
            return Err(String::from("`:explain` wants the code of a finding (`:explain E0302`) or an expression"));
        }
        if let Some(code) = registry::find(rest) {
            return registry::page(code.0)
                .map(registry::plain)
                .ok_or_else(|| format!("{} {}: {}; there is no page of it", code.0, code.1, code.2));
        }
        let code_like = rest.len() == 5
            && rest.starts_with(['E', 'W', 'e', 'w'])
            && rest.get(1..).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
        if code_like {
            let near = registry::near(rest).map_or_else(String::new, |n| format!(": did you mean `{n}`?"));
            return Err(format!("there is no code `{rest}`{near}"));
        }
        self.explain_expression(rest)
    }
}

/// The check of the last decision up to a moment that says something: not that a run was over that was taken back before.
fn decided(replayed: &Replayed, at: Time) -> Option<Time> {
    let outcome: &Outcome = &replayed.outcome;
    let tells = |r: &Record| {
        matches!(
            r,
            Record::Refused { .. }
                | Record::Rollback { .. }
                | Record::KillSwitch { .. }
                | Record::Paused { .. }
                | Record::Passed { .. }
                | Record::Promoted { .. }
                | Record::Raised { .. }
        )
    };
    let last = outcome.decisions.iter().rev().find(|d| d.at <= at && tells(&d.record))?;
    Some(replayed.check_at(last.at))
}

/// Whether a world has a guard of that name.
pub(super) fn guard(world: &World, name: &str) -> Option<usize> {
    world.plan.guards.iter().position(|g| g.name == name)
}
