//! Going through the replay: forth, back, and where one is then.

use super::moment::{self, since};
use super::world::{Here, Replayed, World};
use super::{Answer, Session};
use crate::engine::{Stage, Word};
use crate::plan::{Time, show};
use crate::report::text::{reading, used};
use crate::report::timeline;
use crate::sim::replay::inject::duration;

impl Session {
    /// `:step`, `:step 5m`
    pub(super) fn step(&mut self, rest: &str) -> Answer {
        let (_, replayed, _) = self.replayed()?;
        let to = if rest.is_empty() {
            replayed.next(self.at)
        } else {
            let long = duration(rest).map_err(|e| format!("`:step` takes how long: {e}"))?;
            if long <= 0 {
                return Err(String::from("`:step` goes forth: `:goto` goes back as well"));
            }
            Some(replayed.check_at(self.at.saturating_add(long)).max(replayed.next(self.at).unwrap_or(self.at)))
        };
        match to.filter(|t| *t > self.at) {
            Some(to) => self.forth(to),
            None => Err(format!("this is the last check, at {}: `:goto start` goes back", self.cursor())),
        }
    }

    /// `:run`
    pub(super) fn run(&mut self) -> Answer {
        let (_, replayed, _) = self.replayed()?;
        let end = replayed.end();
        let to = if self.at < end { end } else { replayed.last() };
        if to <= self.at {
            return Err(format!("this is the last check, at {}: `:goto start` goes back", self.cursor()));
        }
        self.forth(to)
    }

    /// `:goto MOMENT`
    pub(super) fn goto(&mut self, rest: &str) -> Answer {
        let (world, replayed, _) = self.replayed()?;
        let to = moment::read(rest, self.at, &world.plan, replayed)?;
        if to > self.at {
            return self.forth(to);
        }
        let from = self.at;
        self.at = to;
        let back = if to < from { format!("back to {}\n", self.cursor()) } else { String::new() };
        Ok(back + &self.standing()?)
    }

    /// Goes on, and says what was decided on the way.
    fn forth(&mut self, to: Time) -> Answer {
        let from = std::mem::replace(&mut self.at, to);
        let (_, replayed, _) = self.replayed()?;
        // at the first check it was said of nobody yet what was decided at it
        let from = (from > replayed.start()).then_some(from);
        let decided = replayed.between(from, to);
        let mut out = timeline::decisions(&decided, replayed.start(), self.style);
        if decided.is_empty() {
            out.push_str("nothing was decided\n");
        }
        out.push_str(&self.standing()?);
        Ok(out)
    }

    /// `12m30s`
    pub(super) fn cursor(&self) -> String {
        crate::repl::Talk::prompt(self)
    }

    /// Where the rollout is, in a line or a few.
    pub(super) fn standing(&self) -> Answer {
        let (world, replayed, recorded) = self.replayed()?;
        let Some(here) = replayed.here(&world.plan, recorded, self.at) else {
            return Err(format!("nobody has checked by {}", self.cursor()));
        };
        let mut out =
            format!("{}: {}\n", self.style.bold(&since(here.at, replayed.start())), place(world, replayed, &here));
        if matches!(here.state.stage, Stage::Phase(_)) {
            out.push_str(&self.guards(&here));
        }
        Ok(out)
    }

    /// The guards, those that are ok in a line.
    fn guards(&self, here: &Here) -> String {
        let (mut well, mut out) = (Vec::new(), String::new());
        for g in &here.observation.guards {
            if g.word == Word::Ok {
                well.push(g.guard.as_str());
                continue;
            }
            let used = used(g).filter(|_| g.reading.used > 0).map_or_else(String::new, |u| format!(", bad for {u}"));
            let word = self.style.word(g.word, g.word.text());
            out.push_str(&format!("  {} {word}: {}{used}\n", g.guard, reading(g)));
        }
        if !well.is_empty() {
            out.push_str(&format!("  {}: {}\n", self.style.word(Word::Ok, "ok"), well.join(", ")));
        }
        out
    }
}

/// The phase and what is exposed, or how it ended.
pub(super) fn place(world: &World, replayed: &Replayed, here: &Here) -> String {
    let (plan, state) = (&world.plan, &here.state);
    let ports: Vec<String> = plan
        .ports
        .iter()
        .zip(&here.observation.ports)
        .map(|(p, read)| format!("{} {}", p.name, read.map_or_else(|| String::from("not read"), |s| s.to_string())))
        .collect();
    let ports = if ports.is_empty() { String::new() } else { format!(", {}", ports.join(", ")) };
    // what is read back at the very end is told behind the last check
    let stage = match (state.stage, replayed.outcome.verdict) {
        (Stage::RollingBack(_), Some(v)) if here.at >= replayed.last() => Stage::Done(v),
        (stage, _) => stage,
    };
    match stage {
        Stage::Idle => String::from("not begun"),
        Stage::Phase(p) => {
            let paused = if state.paused.is_some() { ", paused" } else { "" };
            let entered = since(state.entered, replayed.start());
            format!("phase {} since {entered}{paused}{ports}", plan.phase_name(p))
        }
        Stage::RollingBack(v) => format!("being taken back ({}){ports}", v.text().replace('_', " ")),
        Stage::Done(v) => {
            let at =
                replayed.over().map_or_else(String::new, |t| format!(" at {}", show::roughly(t - replayed.start())));
            format!("{}{at}", v.text().replace('_', " "))
        }
    }
}
