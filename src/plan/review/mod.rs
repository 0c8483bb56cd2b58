//! What a reviewer wants to know of a plan and nobody wrote into it: when it can end, what each phase exposes and who watches
//! it, what it waits for, whom it needs, and how long harm can last.

pub mod mermaid;
mod text;
mod worst;

use super::render::{Credential, credentials, until, watches};
use super::{Act, Bindings, Consequence, Millis, Node, PhaseId, Plan, Population, Setting, Step, also, show};
use serde::Serialize;

pub use text::write as text;
pub use worst::{Worst, worst};

/// All that is computed of a plan for its reader. Durations are milliseconds since the first check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Review {
    /// When the rollout can be over at the earliest; `None` when it never ends by itself.
    pub earliest_end_ms: Option<Millis>,
    /// When it is over at the latest, if no guard blocks it, nobody pauses it and every check is answered; `None` where something
    /// is waited for without limit.
    pub latest_end_ms: Option<Millis>,
    /// What has no limit: why there is no latest end.
    pub unlimited: Vec<String>,
    /// The phases in order.
    pub phases: Vec<PhaseReview>,
    /// How long harm that a guard would roll back can last, guard by guard.
    pub worst_cases: Vec<Worst>,
    /// What is asked of each source.
    pub questions: Vec<Questions>,
    /// What only a person can do.
    pub people: Vec<String>,
    /// What the run does to the world besides setting ports.
    pub actions: Vec<ActionReview>,
    /// What is read from outside when the run starts, by name.
    pub credentials: Vec<CredentialReview>,
}

/// A phase as its reader sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseReview {
    /// Its name.
    pub name: String,
    /// When it begins at the earliest.
    pub earliest_ms: Option<Millis>,
    /// When it begins at the latest; see [`Review::latest_end_ms`].
    pub latest_ms: Option<Millis>,
    /// What is exposed while it lasts: its own settings over those of the phases before it.
    pub exposes: Vec<(String, Setting)>,
    /// What must happen before it ends, besides its guards, in order.
    pub gates: Vec<String>,
    /// The guards that watch it.
    pub guards: Vec<String>,
    /// Those of them that did not watch the phase before.
    pub armed: Vec<String>,
    /// Why no rollback leads back across it, where it is `irreversible`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
}

/// What is asked of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Questions {
    /// The source as the policy calls it.
    pub source: String,
    /// How many questions at each check. A question is asked once, however many guards read it.
    pub each_check: usize,
    /// How many of them only tell a silent canary from a silent source.
    pub only_to_tell_apart: usize,
    /// How many once, before the first change.
    pub once: usize,
}

/// An action and what starts it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionReview {
    /// Its name.
    pub name: String,
    /// How long it may take.
    pub timeout_ms: Millis,
    /// What starts it.
    pub started_by: Vec<String>,
    /// What undoes it at a rollback.
    pub undone_by: Option<String>,
}

/// A credential or address, by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CredentialReview {
    /// The variable, or the file in `$CREDENTIALS_DIRECTORY`.
    pub name: String,
    /// Whether it is a secret.
    pub secret: bool,
    /// What needs it.
    pub used_by: Vec<String>,
}

/// Computes everything.
#[must_use]
pub fn review(plan: &Plan, bindings: &Bindings) -> Review {
    let mut unlimited = Vec::new();
    let phases = phases(plan, &mut unlimited);
    let (earliest_end_ms, latest_end_ms) = times(plan).last().copied().unwrap_or_default();
    Review {
        earliest_end_ms,
        latest_end_ms,
        unlimited,
        phases,
        worst_cases: plan.guards.iter().filter_map(|g| worst(plan, bindings, g)).collect(),
        questions: questions(plan),
        people: people(plan, bindings),
        actions: actions(plan),
        credentials: credentials(bindings).into_iter().map(CredentialReview::from).collect(),
    }
}

impl From<Credential> for CredentialReview {
    fn from(c: Credential) -> Self {
        Self { name: c.name, secret: c.secret, used_by: c.used_by }
    }
}

/// When each phase begins, at the earliest and at the latest, and, last, when the last one ends.
pub(super) fn times(plan: &Plan) -> Vec<(Option<Millis>, Option<Millis>)> {
    // `advance when` may stay shut before the first raise already
    let mut at = (Some(0_i64), plan.advance.is_none().then_some(0_i64));
    let mut out = vec![at];
    for (i, phase) in plan.phases.iter().enumerate() {
        let settle = plan.settle.unwrap_or(0).max(plan.check_every);
        let (mut least, mut most) = (0_i64, Some(settle));
        // what must have been true for a while is measured beside the holds, from the phase's first check on
        let mut lasting = 0;
        if !phase.settings.is_empty() {
            // hold stands still while a guard's window reaches back to before the settings
            let warming = worst::warming(plan, PhaseId::at(i));
            least = least.saturating_add(warming);
            most = most.and_then(|m| m.checked_add(warming)?.checked_add(plan.verify_within));
        }
        for step in &phase.steps {
            let (short, long) = span(plan, step);
            least = least.saturating_add(short);
            most = most.zip(long).and_then(|(m, l)| m.checked_add(l));
            if let Step::Promote { when, .. } = step {
                let reach = if phase.settings.is_empty() { 0 } else { worst::reach(plan, *when) };
                lasting = lasting.max(reach.saturating_add(worst::lasting(plan, *when)));
            }
        }
        let least = settle.saturating_add(least.max(lasting));
        // no `within` begins before the holds are over: the rest of what must last is part of it
        most = most.map(|m| m.max(least));
        at = (at.0.and_then(|t| t.checked_add(least)), at.1.zip(most).and_then(|(t, m)| t.checked_add(m)));
        out.push(at);
    }
    out
}

/// How long a step takes at least, and at most; `None` where nothing limits it.
fn span(plan: &Plan, step: &Step) -> (Millis, Option<Millis>) {
    match step {
        // it is seen to have ended at a check
        Step::Run { action, .. } => {
            (0, plan.actions.get(action.index()).map(|a| a.timeout.saturating_add(plan.check_every)))
        }
        Step::Hold(d) => (*d, Some(*d)),
        Step::Promote { within, .. } | Step::HoldUntil { within, .. } => {
            (0, within.map(|(d, _)| d.saturating_add(plan.check_every)))
        }
        Step::Ramp { every, .. } => {
            // each raise is read back and settles before its time counts, and waits for all guards besides
            let raises = also::ramp_raises(step);
            let settle = plan.settle.unwrap_or(0).max(plan.check_every);
            let least = every.saturating_add(settle);
            (least.saturating_mul(raises), least.checked_add(plan.verify_within).and_then(|d| d.checked_mul(raises)))
        }
        // there is no end
        Step::HoldForever => (Millis::MAX, None),
    }
}

fn phases(plan: &Plan, unlimited: &mut Vec<String>) -> Vec<PhaseReview> {
    let times = times(plan);
    if let Some(gate) = &plan.advance {
        unlimited.push(format!("`advance when {}` may stay shut before any raise", gate.text));
    }
    let mut before: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for (i, phase) in plan.phases.iter().enumerate() {
        let guards: Vec<String> =
            plan.guards.iter().filter(|g| watches(g, PhaseId::at(i))).map(|g| g.name.clone()).collect();
        for step in &phase.steps {
            match step {
                Step::Promote { text, within: None, .. } => {
                    unlimited.push(format!("phase {}: `promote when {text}` has no `within`", phase.name));
                }
                Step::HoldUntil { text, within: None, .. } => {
                    unlimited.push(format!("phase {}: `hold until {text}` has no `within`", phase.name));
                }
                Step::HoldForever => unlimited.push(format!("phase {} holds forever", phase.name)),
                _ => {}
            }
        }
        let (earliest_ms, latest_ms) = times.get(i).copied().unwrap_or((None, None));
        out.push(PhaseReview {
            name: phase.name.clone(),
            earliest_ms,
            latest_ms,
            exposes: plan.shown(&plan.settings_at(PhaseId::at(i))),
            gates: phase.steps.iter().map(|s| gate(plan, s)).collect(),
            armed: guards.iter().filter(|g| !before.contains(g)).cloned().collect(),
            guards: guards.clone(),
            irreversible: phase.irreversible.clone(),
        });
        before = guards;
    }
    out
}

/// A step in the words of the policy, with what follows where it is not met.
#[must_use]
pub fn gate(plan: &Plan, step: &Step) -> String {
    match step {
        Step::Run { action, otherwise } => {
            let timeout = plan.actions.get(action.index()).map_or(0, |a| a.timeout);
            format!(
                "run {} within {} else {}",
                plan.action_name(*action),
                show::duration(timeout),
                super::render::consequence(plan, *otherwise)
            )
        }
        Step::Hold(d) => format!("hold {}", show::duration(*d)),
        Step::Promote { text, within, .. } => format!("promote when {text}{}", until(plan, *within)),
        Step::HoldUntil { text, within, .. } => format!("hold until {text}{}", until(plan, *within)),
        Step::HoldForever => String::from("hold forever"),
        Step::Ramp { port, from, to, by, every } => {
            format!("ramp {} from {from} to {to} by {by} every {}", plan.port_name(*port), show::duration(*every))
        }
    }
}

fn questions(plan: &Plan) -> Vec<Questions> {
    let mut out: Vec<Questions> = Vec::new();
    for input in &plan.inputs {
        let at = match out.iter().position(|q| q.source == input.source) {
            Some(at) => at,
            None => {
                out.push(Questions { source: input.source.clone(), each_check: 0, only_to_tell_apart: 0, once: 0 });
                out.len() - 1
            }
        };
        let Some(q) = out.get_mut(at) else { continue };
        if input.population == Population::Before {
            q.once += 1;
        } else {
            q.each_check += 1;
            q.only_to_tell_apart += usize::from(input.auxiliary);
        }
    }
    out
}

fn people(plan: &Plan, bindings: &Bindings) -> Vec<String> {
    let mut out = Vec::new();
    let pauses = |c: Consequence| matches!(c, Consequence::Pause | Consequence::Halt);
    let mut resumed: Vec<String> =
        plan.guards.iter().filter(|g| pauses(g.otherwise)).map(|g| format!("guard {}", g.name)).collect();
    if pauses(plan.no_data.otherwise) {
        resumed.push(String::from("no data"));
    }
    for phase in &plan.phases {
        for step in &phase.steps {
            match step {
                Step::Run { action, otherwise } if pauses(*otherwise) => {
                    resumed.push(format!("a failed {}", plan.action_name(*action)));
                }
                Step::Promote { text, within: Some((_, c)), .. }
                | Step::HoldUntil { text, within: Some((_, c)), .. }
                    if pauses(*c) =>
                {
                    resumed.push(format!("`{text}` not met in phase {}", phase.name));
                }
                _ => {}
            }
        }
    }
    resumed.push(String::from("a port that somebody else changed"));
    for phase in plan.phases.iter().filter(|p| p.irreversible.is_some()) {
        resumed.push(format!("what would roll back across phase {}", phase.name));
    }
    for phase in &plan.phases {
        for step in &phase.steps {
            let Step::Promote { when, within, .. } = step else { continue };
            for node in below(plan, *when) {
                if let Node::Approved { group, valid } = node {
                    let valid = valid.map_or(String::new(), |v| format!(", not more than {} old", show::duration(v)));
                    let group = plan.group_name(*group);
                    let who = match bindings.people.get(group) {
                        Some(names) => format!("somebody of {group} ({})", names.join(", ")),
                        None => format!(
                            "anybody, for {group} (environment {} does not say who that is)",
                            bindings.environment
                        ),
                    };
                    out.push(format!("{who} who approves of phase {}{}{valid}", phase.name, until(plan, *within)));
                }
            }
        }
    }
    out.push(format!("somebody who resumes or aborts a pause, which can follow {}", listed(&resumed)));
    for phase in &plan.phases {
        if let Some(why) = &phase.irreversible {
            out.push(format!(
                "somebody who mends what fails from phase {} on: no rollback leads back across it ({why})",
                phase.name
            ));
        }
    }
    for s in &plan.switches {
        out.push(format!("somebody who resets kill switch {} once it was thrown", s.name));
    }
    out
}

fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn actions(plan: &Plan) -> Vec<ActionReview> {
    plan.actions
        .iter()
        .enumerate()
        .map(|(i, a)| {
            let is = |id: super::ActionId| id.index() == i;
            let mut started_by = Vec::new();
            for p in &plan.phases {
                if p.steps.iter().any(|s| matches!(s, Step::Run { action, .. } if is(*action))) {
                    started_by.push(format!("phase {}", p.name));
                }
            }
            for r in &plan.reactions {
                if matches!(&r.act, Act::Run { action, .. } if is(*action)) {
                    started_by.push(format!("`{}`", r.text));
                }
            }
            for s in &plan.switches {
                if s.actions.iter().any(|a| is(*a)) {
                    started_by.push(format!("kill switch {}", s.name));
                }
            }
            for b in &plan.actions {
                if b.undo.is_some_and(is) {
                    started_by.push(format!("a rollback, to undo {}", b.name));
                }
            }
            ActionReview {
                name: a.name.clone(),
                timeout_ms: a.timeout,
                started_by,
                undone_by: a.undo.map(|u| plan.action_name(u).to_owned()),
            }
        })
        .collect()
}

/// The nodes below one, itself included, each once.
pub(super) fn below(plan: &Plan, root: super::NodeId) -> Vec<&Node> {
    let mut seen = vec![false; plan.program.nodes.len()];
    let mut todo = vec![root];
    let mut out = Vec::new();
    while let Some(id) = todo.pop() {
        let (Some(mark), Some(node)) = (seen.get_mut(id.index()), plan.program.nodes.get(id.index())) else { continue };
        if !std::mem::replace(mark, true) {
            out.push(node);
            todo.extend(node.operands());
        }
    }
    out
}
