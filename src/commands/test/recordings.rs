//! The recordings that tests name, each read once.

use super::super::load::{environment_files, plain};
use super::super::modules::{Outside, beside_policy};
use super::super::policy::Policy;
use crate::check::tests::Test;
use crate::plan::Plan;
use crate::sim::recording::{Recording, decode_owned, decode_plan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A recording's file.
#[derive(Debug)]
pub(in super::super) struct Read {
    pub(super) recording: Recording,
    /// The plan that the run had, where it stands in the file.
    pub(super) plan: Option<Plan>,
}

/// What was read.
#[derive(Default)]
pub(super) struct Recordings {
    read: BTreeMap<PathBuf, Result<Arc<Read>, String>>,
}

impl Recordings {
    /// The recording of a test of a policy's file; where it names an environment, the test's plan is that of the environment from here on.
    pub(super) fn of(&mut self, test: &mut Test, policy: &Path) -> Result<Arc<Read>, String> {
        let Some(named) = test.recording.clone() else { return Err(String::from("the test names no recording")) };
        let file = beside_policy(policy, &named.file).map_err(|why| match why {
            Outside::Lies(message) => format!(
                "{message}: a policy's test reads nothing but its own repository: put the recording inside, and write its path \
                 from this file"
            ),
            Outside::NoPath => format!("`{:?}` is no path", named.file),
            Outside::NotThere(..) => format!(
                "`{}` is not there: a recording is kept with its test, and its path is seen from the policy's folder",
                named.file
            ),
        })?;
        let read = || {
            let bytes = std::fs::read(&file).map_err(|e| format!("cannot read `{}`: {}", named.file, plain(&e)))?;
            let plan = decode_plan(&bytes);
            let recording = decode_owned(bytes, &named.file).map_err(|e| e.to_string())?;
            Ok(Arc::new(Read { recording, plan }))
        };
        let recording = self.read.entry(file.clone()).or_insert_with(read).clone()?;
        if let Some(environment) = &named.environment {
            test.plan = Arc::new(in_environment(test, &named.with, policy, environment)?);
        }
        Ok(recording)
    }
}

/// A test's plan as an environment has it: how often its sources are scraped can stand in it.
fn in_environment(test: &Test, with: &[String], policy: &Path, environment: &str) -> Result<Plan, String> {
    let known = environment_files(policy);
    if environment != "lab" && !known.iter().any(|n| n == environment) && !declares(policy, environment) {
        let there = if known.is_empty() { String::new() } else { format!("; there is {}", known.join(", ")) };
        return Err(format!(
            "there is no environment `{environment}` beside the policy{there}: name the one that the run was recorded in"
        ));
    }
    let wrong = |why: &str| format!("the policy cannot be compiled for the environment `{environment}`: {why}");
    let read = Policy::read(policy, Some(environment), Some(&test.plan.rollout));
    let read = read.map_err(|_| wrong("it cannot be read"))?;
    let sets: Vec<(String, String)> = test.plan.params.iter().filter(|(n, _)| with.contains(n)).cloned().collect();
    let plan = read.changed(&sets).map_err(|e| wrong(&e))?;
    // lines of a test say what they mean by its place in the plan
    let names = |p: &Plan| {
        let ports: Vec<_> = p.ports.iter().map(|x| x.name.clone()).collect();
        let guards: Vec<_> = p.guards.iter().map(|x| x.name.clone()).collect();
        let phases: Vec<_> = p.phases.iter().map(|x| x.name.clone()).collect();
        let actions: Vec<_> = p.actions.iter().map(|x| x.name.clone()).collect();
        let switches: Vec<_> = p.switches.iter().map(|x| x.name.clone()).collect();
        (ports, guards, phases, actions, switches, p.channels.clone(), p.check_every)
    };
    if names(&plan) != names(&test.plan) {
        return Err(wrong("it has other guards, phases, ports or channels there"));
    }
    Ok(plan)
}

/// Whether the policy's own file declares an environment of that name.
fn declares(policy: &Path, environment: &str) -> bool {
    Policy::read(policy, None, None).is_ok_and(|p| p.environments().iter().any(|n| n == environment))
}
