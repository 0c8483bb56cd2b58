//! Changes: what is set, put in and declared. Each is tried first; what is refused leaves everything as it was.

use super::entry::Wrapped;
use super::names;
use super::world::{Makings, Replayed, World};
use super::{Answer, Session, diff, refused};
use crate::plan::{Time, show};
use crate::report::{picture, timeline};
use crate::sim::in_parallel;
use crate::sim::replay::outcome::{Axis, Outcome, Sweep};
use crate::sim::replay::{self, change, inject, sweep};

/// So many replays at most are made for one entry: more are a matter of minutes, and `canary sim --vary` shows how far it is.
const REPLAYS: usize = 10_000;

impl Session {
    /// Takes a change in, and says what is decided otherwise.
    fn change(&mut self, of: Makings, said: &str) -> Answer {
        let (style, width) = (self.style, self.width);
        let world = World::make(of, self.recorded.as_ref()).map_err(|e| refused(e, style, width))?;
        let before = self.worlds.last().and_then(|w| w.replayed.as_ref());
        let told = told(before, world.replayed.as_ref());
        if let Some(r) = &world.replayed {
            self.at = r.check_at(self.at);
        }
        self.names = names::of(&world);
        self.worlds.push(world);
        Ok(format!("{said}\n{told}"))
    }

    fn makings(&self, change: String) -> Result<Makings, String> {
        Ok(Makings { change, ..self.world()?.of.clone() })
    }

    /// A declaration or a statement.
    pub(super) fn declare(&mut self, text: &str, statement: bool) -> Answer {
        let world = self.world()?;
        let wrapped =
            if statement { Wrapped::statement(text, &world.plan.rollout) } else { Wrapped::declaration(text) };
        let (policy, done) = world.of.policy.declare(wrapped);
        let done = done.map_err(|found| policy.tell(&found, self.style, self.width))?;
        if done.is_empty() {
            return Err(String::from(
                "nothing is declared by that: `guard NAME: CONDITION else hold` would be something",
            ));
        }
        let said: Vec<String> =
            done.iter().map(|m| format!("{} {}", m.what, if m.replaced { "replaced" } else { "added" })).collect();
        let first = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or(text);
        let more = if text.trim().contains('\n') { " …" } else { "" };
        let of = Makings { policy, ..self.makings(format!("{first}{more}"))? };
        self.change(of, &said.join(", "))
    }

    /// `:set errors.limit=2% max_errors=1%`
    pub(super) fn set(&mut self, rest: &str) -> Answer {
        if rest.is_empty() {
            return self.settings();
        }
        let pairs = pairs(rest)?;
        let mut of = self.makings(format!(":set {rest}"))?;
        for (i, (name, _)) in pairs.iter().enumerate() {
            if pairs.iter().take(i).any(|(n, _)| n == name) {
                return Err(format!("`{name}` is set twice: keep one of them"));
            }
        }
        let world = self.world()?;
        let mut said = Vec::new();
        for (name, value) in pairs {
            let was = now(world, &name).map_or_else(String::new, |v| format!(", was {v}"));
            said.push(format!("{name} = {value}{was}"));
            of.sets.retain(|(n, _)| *n != name);
            of.sets.push((name, value));
        }
        self.change(of, &said.join("\n"))
    }

    /// What is set, and what could be.
    fn settings(&self) -> Answer {
        let world = self.world()?;
        let mut out = String::new();
        for (name, value) in &world.of.sets {
            out.push_str(&format!("{name} = {value}, set here\n"));
        }
        let fields = self.names.iter().filter(|n| {
            matches!(n.kind, crate::repl::NameKind::Field | crate::repl::NameKind::Param)
                && !world.of.sets.iter().any(|(s, _)| *s == n.text)
        });
        for f in fields {
            out.push_str(&self.style.faint(&format!("{}: {}", f.text, f.hint)));
            out.push('\n');
        }
        if out.is_empty() {
            out.push_str("nothing can be set: this policy has no param, and no guard with a limit\n");
        }
        Ok(out)
    }

    /// `:inject latency +300ms from 20m to 40m`
    pub(super) fn inject(&mut self, rest: &str) -> Answer {
        let (world, _, _) = self.replayed()?;
        if rest.is_empty() {
            if world.of.faults.is_empty() {
                return Ok(String::from(
                    "nothing is put in: `:inject latency +300ms from 20m to 40m` puts something in\n",
                ));
            }
            return Ok(world.of.faults.iter().map(|f| format!("{f}\n")).collect());
        }
        inject::parse(rest, &world.plan)?;
        let mut of = self.makings(format!(":inject {rest}"))?;
        if of.faults.iter().any(|f| f == rest) {
            return Err(format!("`{rest}` is in already: `:undo` takes the last change back"));
        }
        of.faults.push(rest.to_owned());
        self.change(of, &format!("put in: {rest}"))
    }

    /// `:undo`
    pub(super) fn undo(&mut self) -> Answer {
        if self.worlds.len() < 2 {
            return Err(String::from("nothing was changed yet"));
        }
        let Some(gone) = self.worlds.pop() else { return Ok(String::new()) };
        let world = self.world()?;
        let told = told(gone.replayed.as_ref(), world.replayed.as_ref());
        let names = names::of(world);
        let at = world.replayed.as_ref().map(|r| r.check_at(self.at));
        self.at = at.unwrap_or(self.at);
        self.names = names;
        Ok(format!("taken back: {}\n{told}", gone.of.change))
    }

    /// `:diff`
    pub(super) fn diff(&self) -> Answer {
        let (world, is, _) = self.replayed()?;
        let was = self.worlds.iter().rev().nth(1).and_then(|w| w.replayed.as_ref());
        let Some(was) = was else {
            return Err(String::from(
                "nothing was changed yet: `:set`, `:inject` or a rule that is typed in changes something",
            ));
        };
        let text = diff::text(&was.outcome, &is.outcome, self.style);
        let head = self.style.bold(&world.of.change);
        if text.is_empty() {
            return Ok(format!("{head}\nevery decision is as before\n"));
        }
        Ok(format!("{head}\n{text}"))
    }

    /// `:vary errors.limit=0.5%..5%:0.5%`
    pub(super) fn vary(&mut self, rest: &str) -> Answer {
        let (world, replayed, recorded) = self.replayed()?;
        if rest.is_empty() {
            return Err(String::from("`:vary` wants a name with a range: `:vary errors.limit=0.5%..5%:0.5%`"));
        }
        let axes: Vec<Axis> = pairs(rest)?
            .iter()
            .map(|(n, v)| sweep::axis(&format!("{n}={v}")).map_err(|e| e.replace("--vary", ":vary")))
            .collect::<Result<_, _>>()?;
        for (i, a) in axes.iter().enumerate() {
            if axes.iter().take(i).any(|b| b.name == a.name) {
                return Err(format!("`{}` is varied twice: keep one of them", a.name));
            }
        }
        let axes: Vec<Axis> = axes.into_iter().map(|a| Axis { now: sweep::now(&world.plan, &a.name), ..a }).collect();
        let places = sweep::grid(&axes).map_err(|e| e.replace("--vary", ":vary"))?;
        if places.len() > REPLAYS {
            let many = places.len();
            return Err(format!(
                "these are {many} replays, and more than {REPLAYS} are not made here: `canary sim --vary` makes them"
            ));
        }
        let Some(scenario) = world.brief() else { return Err(String::from(super::NO_RECORDING)) };
        let cells = in_parallel::map_each(&places, |place| {
            let values =
                axes.iter().zip(place).filter_map(|(a, i)| Some((a.name.clone(), a.values.get(*i)?.text.clone())));
            let values: Vec<(String, String)> = values.collect();
            let point = || values.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(", ");
            let plan = self.varied(world, &values).map_err(|e| format!(":vary {}: {e}", point()))?;
            Ok(sweep::cell(&replay::replay(&plan, &recorded.recording, &scenario)))
        });
        let cells = cells.into_iter().collect::<Result<Vec<_>, String>>()?;
        let sweep = Sweep { axes, cells };
        let start = replayed.start();
        let mut out = timeline::sweep(&sweep, start, self.style);
        if sweep.axes.len() > 1 {
            out.push('\n');
            out.push_str(&picture::heat_map(&sweep, start, self.width, self.style));
        }
        Ok(out)
    }

    /// The plan with some values besides.
    fn varied(&self, world: &World, values: &[(String, String)]) -> Result<crate::plan::Plan, String> {
        let fields = |list: &[(String, String)]| -> Vec<(String, String)> {
            list.iter().filter(|(n, _)| change::is_field(n)).cloned().collect()
        };
        let mut plan = if values.iter().all(|(n, _)| change::is_field(n)) {
            world.plan.clone()
        } else {
            let set = |list: &[(String, String)]| -> Vec<(String, String)> {
                list.iter().filter(|(n, _)| !change::is_field(n)).cloned().collect()
            };
            let mut params = set(&world.of.sets);
            params.retain(|(n, _)| !values.iter().any(|(v, _)| v == n));
            params.extend(set(values));
            let made = world.of.policy.compile(&params);
            let mut plan = made.map(|(plan, _)| plan).map_err(|found| first(&found))?;
            for (name, value) in fields(&world.of.sets).iter().filter(|(n, _)| !values.iter().any(|(v, _)| v == n)) {
                plan = change::set(&plan, name, value)?;
            }
            plan
        };
        for (name, value) in fields(values) {
            plan = change::set(&plan, &name, &value)?;
        }
        Ok(plan)
    }
}

/// The first error, in a line.
fn first(found: &[crate::syntax::diagnostic::Diagnostic]) -> String {
    let d = found.iter().find(|d| d.is_error());
    d.map_or_else(
        || String::from("the policy has errors"),
        |d| d.help.as_ref().map_or_else(|| d.message.clone(), |h| format!("{}: {h}", d.message)),
    )
}

/// `NAME=VALUE` once or several times; a value may hold blanks (`3 checks`), a name none.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let wrong =
        || format!("`{text}` is no `NAME=VALUE`, such as `errors.limit=2%`; several stand one behind the other");
    let mut out: Vec<(String, String)> = Vec::new();
    for word in text.replace(" = ", "=").split_whitespace() {
        match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => out.push((name.to_owned(), value.to_owned())),
            Some(_) => return Err(wrong()),
            None => {
                let (_, value) = out.last_mut().ok_or_else(wrong)?;
                value.push(' ');
                value.push_str(word);
            }
        }
    }
    if out.iter().any(|(_, v)| v.trim().is_empty()) || out.is_empty() {
        return Err(wrong());
    }
    Ok(out)
}

/// What a field or a param is now.
fn now(world: &World, name: &str) -> Option<String> {
    if change::is_field(name) {
        return change::value_now(&world.plan, name).map(|(text, _)| text);
    }
    world.plan.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
}

/// What a change comes to, in a line.
fn told(before: Option<&Replayed>, after: Option<&Replayed>) -> String {
    let (Some(before), Some(after)) = (before, after) else { return String::new() };
    let (was, is) = (ending(&before.outcome), ending(&after.outcome));
    let same = |o: &Outcome| o.decisions.iter().map(|d| (d.at, d.text.clone())).collect::<Vec<(Time, String)>>();
    if was != is {
        return format!("before: {was}\nnow:    {is}; `:diff` shows where they part\n");
    }
    if same(&before.outcome) == same(&after.outcome) {
        return format!("every decision is as before: {is}\n");
    }
    format!("{is}, as before; something on the way is otherwise: `:diff` shows it\n")
}

/// How it ends: `rolled back at 17m because errors`.
fn ending(outcome: &Outcome) -> String {
    let cell = sweep::cell(outcome);
    let at = cell.decided_at.map_or_else(String::new, |t| format!(" at {}", show::roughly(t - outcome.start)));
    let rule = cell.rule.map_or_else(String::new, |r| format!(" because {r}"));
    match cell.verdict {
        None => format!("in phase {} when the recording is over", cell.phase),
        Some(v) => format!("{}{at}{rule}", v.text().replace('_', " ")),
    }
}
