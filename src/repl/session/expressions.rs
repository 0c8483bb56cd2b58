//! Expressions that are typed in, and the names that are no expressions: guards, ports, phases, fields, sources.

use super::ask::{Probe, answer};
use super::entry::{Entry, Wrapped};
use super::moment::{self, since};
use super::policy::Question;
use super::tell::guard;
use super::world::{Here, Replayed, World};
use super::{Answer, Session, parts};
use crate::check::ask::Asked;
use crate::engine::Word;
use crate::plan::Time;
use crate::repl::COMMANDS;
use crate::report::chart::at::last;
use crate::report::text::{reading, tolerance, used};
use crate::sim::replay::change;

/// A guard's words.
const WORDS: [Word; 8] =
    [Word::Ok, Word::Failing, Word::Breached, Word::Warming, Word::Thin, Word::Undecided, Word::Dark, Word::Blind];

impl Session {
    /// `errors`, `errors @ 12m30s`, `errors is failing`
    pub(super) fn expression(&mut self, text: &str, at: Option<&str>) -> Answer {
        if text.is_empty() {
            return Err(String::from("an expression is wanted before the `@`, such as `errors @ 12m30s`"));
        }
        let at = self.moment(at)?;
        if let Some(told) = self.word_of(text, at) {
            return told;
        }
        let bare = self.bare_name(text, at);
        let question = match self.question(text) {
            Ok(q) => q,
            // what is no expression may be a name all the same
            Err(e) => return bare.unwrap_or(Err(e)),
        };
        if let Asked::Constant { written, kind } = &question.asked {
            return Ok(format!("{written}  {}\n", self.style.faint(kind)));
        }
        let (world, replayed, recorded) = self.replayed()?;
        let Some(probe) = Probe::of(&question) else { return Ok(String::new()) };
        if let Some(why) = probe.lacks(replayed, recorded) {
            return Err(why);
        }
        let at = at.unwrap_or(self.at);
        let (_, Some(m)) = probe.follow(replayed, recorded, at) else {
            return Err(format!("nobody has checked by {}", since(at, replayed.start())));
        };
        let mut out = answer(&probe, &m, &self.when(replayed, at), self.style);
        // a guard is often called as what it reads
        if guard(world, text).is_some()
            && let Some(Ok(more)) = bare
        {
            out.push_str(&more);
        }
        Ok(out)
    }

    /// `:explain errors < 1% @ 12m30s`
    pub(super) fn explain_expression(&mut self, text: &str) -> Answer {
        let Entry::Expression { text, at } = Entry::of(text) else {
            return Err(String::from("`:explain` wants the code of a finding (`:explain E0302`) or an expression"));
        };
        let at = self.moment(at)?;
        let question = self.question(text)?;
        if let Asked::Constant { written, kind } = &question.asked {
            return Ok(format!("{written}  {}\n", self.style.faint(kind)));
        }
        let (_, replayed, recorded) = self.replayed()?;
        let Some(probe) = Probe::of(&question) else { return Ok(String::new()) };
        if let Some(why) = probe.lacks(replayed, recorded) {
            return Err(why);
        }
        let at = at.unwrap_or(self.at);
        let (_, Some(m)) = probe.follow(replayed, recorded, at) else {
            return Err(format!("nobody has checked by {}", since(at, replayed.start())));
        };
        let when = self.when(replayed, at);
        Ok(format!("{}{}\n", parts::explain(&question, &probe, &m, self.style), self.style.faint(&when)))
    }

    fn moment(&self, at: Option<&str>) -> Result<Option<Time>, String> {
        let Some(text) = at else { return Ok(None) };
        let (world, replayed, _) = self.replayed()?;
        moment::read(text, self.at, &world.plan, replayed).map(Some)
    }

    /// `at 12m30s`, and that the rollout was over by then.
    fn when(&self, replayed: &Replayed, at: Time) -> String {
        let over = replayed
            .over()
            .filter(|t| *t < at)
            .map_or_else(String::new, |t| format!(", the rollout was over at {}", since(t, replayed.start())));
        format!("at {}{over}", since(at, replayed.start()))
    }

    /// Reads an expression; what is wrong with it is told under its own characters.
    pub(super) fn question(&self, text: &str) -> Result<Question, String> {
        let world = self.world()?;
        let params: Vec<_> = world.of.sets.iter().filter(|(n, _)| !change::is_field(n)).cloned().collect();
        world.of.policy.ask(Wrapped::expression(text), &params).map_err(|(policy, found)| {
            let mut told = policy.tell(&found, self.style, self.width);
            let first = text.split_whitespace().next().unwrap_or("");
            if COMMANDS.iter().any(|c| c.name.strip_prefix(':') == Some(first)) {
                told.push_str(&format!("did you mean `:{first}`?\n"));
            }
            told
        })
    }

    /// `errors is failing`
    fn word_of(&self, text: &str, at: Option<Time>) -> Option<Answer> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if words.first() == Some(&"guard") {
            words.remove(0);
        }
        let (name, word, not) = match words.as_slice() {
            [name, "is", word] => (*name, *word, false),
            [name, "is", "not", word] => (*name, *word, true),
            _ => return None,
        };
        Some(self.is_word(name, word, not, at))
    }

    fn is_word(&self, name: &str, word: &str, not: bool, at: Option<Time>) -> Answer {
        let (world, replayed, _) = self.replayed()?;
        let Some(index) = guard(world, name) else {
            let known: Vec<&str> = world.plan.guards.iter().map(|g| g.name.as_str()).collect();
            return Err(format!("there is no guard `{name}`: there {}", list(&known)));
        };
        if !WORDS.iter().any(|w| w.text() == word) {
            let known: Vec<&str> = WORDS.iter().map(|w| w.text()).collect();
            return Err(format!("`{word}` is no word of a guard: it is {}", known.join(", ")));
        }
        let here = self.there(at.unwrap_or(self.at))?;
        let is = here.state.guards.get(index).filter(|g| g.active).and_then(|g| g.word);
        let holds = is.is_some_and(|w| w.text() == word) != not;
        let truth = if holds { self.style.good("true") } else { self.style.bad("false") };
        let when = self.when(replayed, here.at);
        Ok(format!("{truth}  {}\n{}", self.style.faint(&when), self.guard_text(world, &here, index)))
    }

    fn there(&self, at: Time) -> Result<Here, String> {
        let (world, replayed, recorded) = self.replayed()?;
        replayed
            .here(&world.plan, recorded, at)
            .ok_or_else(|| format!("nobody has checked by {}", since(at, replayed.start())))
    }

    fn guard_text(&self, world: &World, here: &Here, index: usize) -> String {
        let Some(g) = world.plan.guards.get(index) else { return String::new() };
        let tolerate = tolerance(g.tolerate).map_or_else(String::new, |t| format!(" tolerate {t}"));
        let rule = format!("guard {}: {}{tolerate} else {}\n", g.name, g.text, g.otherwise.word());
        let watches = here.state.guards.get(index).is_some_and(|s| s.active);
        let report = here.observation.guards.iter().find(|r| r.guard == g.name).filter(|_| watches);
        let Some(r) = report else { return format!("{rule}  does not watch here\n") };
        let used = used(r).filter(|_| r.reading.used > 0).map_or_else(String::new, |u| format!(", bad for {u}"));
        format!("{rule}  {}: {}{used}\n", self.style.word(r.word, r.word.text()), reading(r))
    }

    /// A name that is of something else than a value; none where nothing has it.
    fn bare_name(&self, text: &str, at: Option<Time>) -> Option<Answer> {
        let world = self.worlds.last()?;
        let plan = &world.plan;
        let name = text.strip_prefix("guard ").map_or(text, str::trim);
        if let Some(index) = guard(world, name) {
            return Some(match self.there(at.unwrap_or(self.at)) {
                Ok(here) => Ok(self.guard_text(world, &here, index)),
                // what it says is known all the same
                Err(_) => {
                    plan.guards.get(index).map(|g| format!("guard {}: {}\n", g.name, g.text)).ok_or_else(String::new)
                }
            });
        }
        if let Some((value, _)) = change::value_now(plan, text) {
            return Some(Ok(format!("{value}  {}\n", self.style.faint("what the guard says; `:set` sets another"))));
        }
        if let Some(port) = plan.ports.iter().position(|p| p.name == text) {
            return Some(self.port(port, at));
        }
        if let Some(phase) = plan.phases.iter().find(|p| p.name == text) {
            let entered = world.replayed.as_ref().map(|r| {
                let bands: Vec<String> = r
                    .outcome
                    .phases
                    .iter()
                    .filter(|b| b.name == phase.name)
                    .map(|b| format!("from {} to {}", since(b.from, r.start()), since(b.to, r.start())))
                    .collect();
                if bands.is_empty() { String::from("never entered") } else { bands.join(", ") }
            });
            let entered = entered.map_or_else(String::new, |e| format!(": {e}"));
            return Some(Ok(format!("phase {text}{entered}\n")));
        }
        let asked: Vec<&str> = plan.inputs.iter().filter(|i| i.source == text).map(|i| i.metric.as_str()).collect();
        if !asked.is_empty() {
            let mut asked = asked;
            asked.sort_unstable();
            asked.dedup();
            return Some(Ok(format!("source {text}: asked for {}\n", asked.join(", "))));
        }
        None
    }

    fn port(&self, port: usize, at: Option<Time>) -> Answer {
        let (world, replayed, _) = self.replayed()?;
        let at = at.unwrap_or(self.at);
        let name = world.plan.ports.get(port).map_or("", |p| p.name.as_str());
        let Some(track) = replayed.outcome.ports.get(port) else { return Err(format!("{name} was not looked at")) };
        let word = |s: Option<crate::plan::Setting>| s.map_or_else(|| String::from("nothing"), |s| s.to_string());
        let assumed = if track.assumed_since.is_some_and(|t| t <= at) { " (assumed)" } else { "" };
        Ok(format!(
            "{name} asked to be {}, read as {}{assumed}  {}\n",
            word(last(&track.requested, at)),
            word(last(&track.observed, at)),
            self.style.faint(&self.when(replayed, at))
        ))
    }
}

fn list(known: &[&str]) -> String {
    match known {
        [] => String::from("is none"),
        [one] => format!("is {one}"),
        _ => format!("are {}", known.join(", ")),
    }
}
