//! The policy that is replayed: read once, compiled as often as a sweep or a conversation asks.

use super::Format;
use super::exit::{Status, because};
use super::load::{
    Loaded, declared_beside, environment_file, environment_files, first_causes, is_undeclared, load, print_diagnostics,
    today,
};
use super::sim;
use super::test::Keeper;
use crate::check::{self, suppress};
use crate::plan::Plan;
use crate::repl::session::{self, Recorded, Session};
use crate::report::style::Style;
use crate::sim::recording::{Recording, decode_plan};
use crate::sim::replay::change;
use crate::syntax::diagnostic::Diagnostic;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;

/// A policy in memory.
pub struct Policy {
    loaded: Loaded,
    rollout: Option<String>,
    environment: Option<String>,
    /// What other policies declare that share the environment.
    others: BTreeSet<String>,
}

impl Policy {
    /// Reads a policy, and the environment where one is asked for.
    ///
    /// # Errors
    /// The exit status when a file cannot be read; it was said on standard error.
    pub fn read(file: &Path, environment: Option<&str>, rollout: Option<&str>) -> Result<Self, Status> {
        let beside = environment.and_then(|name| environment_file(file, name));
        let mut paths = vec![file.to_owned()];
        paths.extend(beside.clone());
        let loaded = load(&paths)?;
        let own = |s: &str| s.to_owned();
        let (rollout, environment) = (rollout.map(own), environment.map(own));
        let mut out = Self { loaded, rollout, environment, others: BTreeSet::new() };
        if let Some(beside) = beside
            && out.compiled(&[]).1.iter().any(is_undeclared)
        {
            out.others = declared_beside(&beside);
        }
        Ok(out)
    }

    /// The environments that the policy's own file declares.
    #[must_use]
    pub fn environments(&self) -> Vec<String> {
        let items = self.loaded.files.iter().flat_map(|f| &f.items);
        let named = items.filter_map(|i| match i {
            crate::syntax::ast::Item::Environment(e) => Some(e.name.node.clone()),
            _ => None,
        });
        named.collect()
    }

    /// The rollouts that it declares.
    #[must_use]
    pub fn rollouts(&self) -> Vec<String> {
        let items = self.loaded.files.iter().flat_map(|f| &f.items);
        let named = items.filter_map(|i| match i {
            crate::syntax::ast::Item::Rollout(r) => Some(r.name.node.clone()),
            _ => None,
        });
        named.collect()
    }

    fn compiled(&self, sets: &[(String, String)]) -> (Option<Plan>, Vec<Diagnostic>) {
        let (files, map, rollout) = (&self.loaded.files, &self.loaded.map, self.rollout.as_deref());
        match self.environment.as_deref() {
            None => check::compile_alone(files, map, rollout, sets),
            env => {
                let (made, found) = check::compile_beside(files, map, rollout, env, sets, &self.others);
                (made.map(|(plan, _)| plan), found)
            }
        }
    }

    /// The plan with params set; what is wrong is said on standard error.
    ///
    /// # Errors
    /// The exit status when there is none.
    pub fn plan(&self, params: &[(String, String)]) -> Result<Plan, Status> {
        let (made, found) = self.compiled(params);
        let mut all = self.loaded.diagnostics.clone();
        let said: BTreeSet<_> = all.iter().map(|d| self.loaded.said(d)).collect();
        all.extend(found.into_iter().filter(|d| !said.contains(&self.loaded.said(d))));
        let mut all = suppress::apply(&self.loaded.files, &self.loaded.map, first_causes(all), today()).diagnostics;
        all.retain(|d| d.code != "W0690");
        let plan = made.filter(|_| !all.iter().any(Diagnostic::is_error));
        if let Some(plan) = &plan {
            all.extend(check::cannot_run(plan, &self.loaded.map));
        }
        if !all.is_empty() {
            let err = &mut std::io::stderr();
            print_diagnostics(&all, &self.loaded.map, Format::Human, err, std::io::stderr().is_terminal());
        }
        plan.filter(|p| p.unbuilt.is_empty()).ok_or(Status::Wrong)
    }

    /// The plan with params and fields of guards set, in words where it cannot be had.
    ///
    /// # Errors
    /// Why not.
    pub fn changed(&self, sets: &[(String, String)]) -> Result<Plan, String> {
        let (fields, params): (Vec<_>, Vec<_>) = sets.iter().cloned().partition(|(name, _)| change::is_field(name));
        let (made, found) = self.compiled(&params);
        let error = || {
            let first = found.iter().find(|d| d.is_error());
            first.map_or_else(
                || String::from("the policy has errors"),
                |d| match &d.help {
                    Some(help) => format!("{}: {help}", d.message),
                    None => d.message.clone(),
                },
            )
        };
        let plan = made.ok_or_else(error)?;
        apply(plan, &fields)
    }
}

impl Policy {
    /// What a conversation needs of it: texts that are typed in are compiled together with these.
    fn for_talk(self) -> session::Policy {
        let Loaded { map, files, .. } = self.loaded;
        session::Policy { map, files, rollout: self.rollout, environment: self.environment, others: self.others }
    }
}

/// The policy in the environment that it was recorded in, where none is named and the plan as it is by itself is another one.
/// A recording says which environment that was, and its plan is taken though the policy be another one by now; of a run that was
/// recorded before recordings said it, each environment beside the policy is tried for the plan that the run had.
pub fn its_own(
    file: &Path,
    rollout: Option<&str>,
    alone: &Plan,
    params: &[(String, String)],
    recording: &Recording,
) -> Option<(Policy, Plan)> {
    let was = |p: &Plan| p.hash == recording.about.policy;
    if was(alone) {
        return None;
    }
    if let Some(name) = &recording.about.environment
        && let Ok(policy) = Policy::read(file, Some(name), rollout)
        && let Ok(set) = policy.changed(params)
    {
        return Some((policy, set));
    }
    if recording.happened.is_empty() {
        return None;
    }
    let files = environment_files(file);
    files.iter().map(String::as_str).chain(["lab"]).find_map(|name| {
        let policy = Policy::read(file, Some(name), rollout).ok()?;
        let set = policy.changed(params).ok()?;
        (was(&set) || policy.changed(&[]).is_ok_and(|p| was(&p))).then_some((policy, set))
    })
}

/// A conversation about a policy, and about a recording where there is one: the files are read here, and no more afterwards. Of a file
/// with several rollouts one must be named.
///
/// # Errors
/// The exit status when something cannot be read, is wrong, or does not fit together; it was said on standard error.
pub fn conversation(
    file: &Path,
    environment: Option<&str>,
    rollout: Option<&str>,
    recording: Option<&Path>,
    style: Style,
    width: usize,
) -> Result<Session, Status> {
    let mut policy = Policy::read(file, environment, rollout)?;
    let plan = policy.plan(&[])?;
    let read = |f: &Path| {
        // a recording that goes with a test has the plan that its run had
        let then = std::fs::read(f).ok().and_then(|bytes| decode_plan(&bytes));
        Ok(Recorded { name: f.display().to_string(), recording: sim::read(f)?, then })
    };
    let recorded = recording.map(read).transpose()?;
    if let (Some(recorded), None) = (&recorded, environment)
        && let Some((own, _)) = its_own(file, rollout, &plan, &[], &recorded.recording)
    {
        policy = own;
    }
    let mut session = Session::new(policy.for_talk(), recorded, style, width).map_err(|e| wrong(&e))?;
    if let Some(recording) = recording {
        session.keeps(Box::new(Keeper { policy: file.to_owned(), recording: recording.to_owned() }));
    }
    Ok(session)
}

/// Sets fields of guards, one after the other.
///
/// # Errors
/// What is wrong with one.
pub fn apply(mut plan: Plan, fields: &[(String, String)]) -> Result<Plan, String> {
    for (i, (name, value)) in fields.iter().enumerate() {
        if fields.iter().take(i).any(|(n, _)| n == name) {
            return Err(format!("`{name}` is set twice: keep one of them"));
        }
        plan = change::set(&plan, name, value)?;
    }
    Ok(plan)
}

/// Says why a request is wrong.
pub fn wrong(message: &str) -> Status {
    because(Status::Wrong, message)
}
