//! People's words to a sliced run, and latched kill switches: to all slices, or to those that are meant.

use super::FleetExecutor;
use crate::engine::fleet::{FleetInput, SliceId};
use crate::engine::{Operator, Stage, Verdict};
use crate::plan::slices::Meant;
use crate::plan::{Plan, SwitchId};
use crate::runtime::apply::Request;
use crate::runtime::clock::now;
use crate::store::{Command, Latch, NewLatch};
use std::collections::BTreeMap;

/// What stands between a command's own words and the slices that it means, as JSON.
pub const SLICES: &str = " slices=";

/// The answer where no slice fits.
pub const NONE_MEANT: &str = "no slice of this run is meant by that";

impl FleetExecutor {
    /// Obeys people's commands and latched kill switches. `late`: they were said to a runner that has stopped since; then
    /// nothing is obeyed that raises.
    pub(super) fn on_commands(&mut self, late: bool) {
        for command in self.journal.commands() {
            let outcome = self.obey(&command, late);
            self.journal.acknowledge(&command, now(), &outcome);
        }
        self.obey_latches();
    }

    /// What came of a command.
    fn obey(&mut self, command: &Command, late: bool) -> String {
        let (kind, meant) = match command.kind.split_once(SLICES) {
            None => (command.kind.as_str(), None),
            Some((kind, json)) => match serde_json::from_str::<Meant>(json) {
                Ok(meant) => (kind, Some(meant)),
                Err(_) => return String::from("this runner cannot read which slices are meant"),
            },
        };
        if late && (kind == "resume" || kind.starts_with("approve ")) {
            return String::from("not obeyed: the runner it was said to has stopped; say it again");
        }
        let act = match operator(&self.plan, kind) {
            Ok(act) => act,
            Err(why) => return why,
        };
        let slices: Vec<SliceId> = match &meant {
            None => Vec::new(),
            Some(meant) => {
                let fits =
                    |s: &SliceId| self.slots.get(s.index()).is_some_and(|s| meant.is(&self.plan.slices, &s.values));
                let slices: Vec<SliceId> = self.kept.fleet.slices().filter(fits).collect();
                if slices.is_empty() {
                    return String::from(NONE_MEANT);
                }
                slices
            }
        };
        if let (Operator::Kill(switch), Some(_)) = (act, &meant)
            && self.is_for_all(switch)
        {
            let name = self.plan.switch_name(switch);
            return format!("kill switch {name} is one for all slices: say it without `--slice`");
        }
        if meant.is_none() {
            self.close(act);
        }
        let at = now();
        let input =
            FleetInput::Operator { slices: &slices, at, act, who: command.who.clone(), why: command.why.clone() };
        let came = self.feed(at, vec![input], None);
        if let (Operator::Kill(switch), None) = (act, &meant) {
            self.latch_all(switch, &command.who, &command.why);
        }
        let of = |kind: &str| came.get(kind).copied().unwrap_or(0);
        let slices = |n: usize| if n == 1 { String::from("1 slice") } else { format!("{n} slices") };
        let (n, done, not) = match act {
            Operator::Pause => (of("paused"), "paused", "nothing that runs is not paused already"),
            Operator::Resume => (of("resumed"), "resumed", "no slice that is meant is paused"),
            Operator::Abort => (of("rollback"), "rolling back", "no slice that is meant runs"),
            Operator::Approve(_) => (of("approved"), "approved", "no slice that is meant runs"),
            Operator::Kill(_) => (
                of(crate::engine::record::KILLED),
                "killed, rolling back",
                "killed already: it was thrown before, and is off or being taken back",
            ),
            // the store says what is reset: see `obey_resets`
            Operator::Reset(_) => (0, "", "reset it with `canary reset`"),
        };
        if n > 0 { format!("{done}: {}", slices(n)) } else { not.to_owned() }
    }

    /// A switch that was thrown for all slices is latched for those as well that were not seen yet.
    fn latch_all(&mut self, switch: SwitchId, who: &str, why: &str) {
        let name = self.plan.switch_name(switch).to_owned();
        let new = NewLatch { switch: name.clone(), who: who.to_owned(), why: why.to_owned(), at: now() };
        if let Err(e) = self.journal.store().latch(self.journal.run(), &new) {
            let text = format!("kill switch {name} is NOT latched for slices that come later: {e}");
            self.watcher.remark(now(), &text);
        }
    }

    fn is_for_all(&self, switch: SwitchId) -> bool {
        self.plan.switches.get(switch.index()).is_some_and(|s| s.for_all)
    }

    /// A word that ends the whole run: no slice begins any more.
    fn close(&mut self, act: Operator) {
        let verdict = match act {
            Operator::Abort => Verdict::Aborted,
            Operator::Kill(_) => Verdict::Killed,
            _ => return,
        };
        self.kept.closing.get_or_insert(verdict);
    }

    /// Ends lives: what `abort` and `kill` do where nobody runs it. Slices: none for all.
    pub(super) fn take_back(&mut self, slices: Vec<SliceId>, act: Operator, who: String, why: String) {
        let at = now();
        let of_all = slices.is_empty();
        let over = self.kept.verdict().is_some();
        if of_all || over {
            self.close(act);
        }
        let latch = (who.clone(), why.clone());
        let mut inputs = vec![FleetInput::Operator { slices: &slices, at, act, who, why }];
        if of_all || over {
            // what the runner that stopped had under way ended with it, or is begun again
            inputs.push(FleetInput::Recovered { at });
        }
        self.feed(at, inputs, None);
        if let (Operator::Kill(switch), true) = (act, of_all) {
            self.latch_all(switch, &latch.0, &latch.1);
        }
        if !of_all && !over {
            self.ask_again(&slices);
            self.only = slices;
        }
    }

    /// Asks again for what slices that are being taken back had asked for when their runner stopped.
    fn ask_again(&mut self, slices: &[SliceId]) {
        for slice in slices {
            let Some(state) = self.kept.fleet.state(*slice) else { continue };
            let Some(slot) = self.slots.get(slice.index()) else { continue };
            if let (Stage::RollingBack(_), None, Some(ports)) = (state.stage, state.target.verified, &slot.ports) {
                let (epoch, settings) = (state.target.epoch, state.target.settings.clone());
                self.requests.ask(*slice, Request { epoch, settings, lowers: true }, std::sync::Arc::clone(ports));
            }
        }
    }

    /// A switch that was latched without a word to this runner is thrown here as well: while it is latched nothing that it
    /// concerns is exposed.
    /// False: what is latched is not known now; what was known still holds.
    pub(super) fn obey_latches(&mut self) -> bool {
        if self.plan.switches.is_empty() {
            return true;
        }
        let Ok(thrown) = self.journal.thrown() else { return false };
        if thrown == self.thrown {
            return true;
        }
        self.thrown = thrown;
        let mut inputs: Vec<(Vec<SliceId>, SwitchId, Latch)> = Vec::new();
        for latch in self.thrown.iter().filter(|l| l.reset.is_none()) {
            for (i, switch) in self.plan.switches.iter().enumerate() {
                let id = SwitchId::at(i);
                let rest = latch.switch.strip_prefix(switch.name.as_str());
                let meant = |s: &SliceId| match rest {
                    Some("") => true,
                    Some(slice) => slice.strip_prefix('[').and_then(|s| s.strip_suffix(']')) == Some(self.name(*s)),
                    None => false,
                };
                let killed = |s: SliceId| self.kept.fleet.state(s).is_some_and(|state| state.killed.contains(&id));
                // also those that are over: what a promoted one has left on is taken away
                let begun = |s: &SliceId| self.kept.fleet.stage(*s).is_some_and(|stage| stage != Stage::Idle);
                let all = self.kept.fleet.slices().filter(begun);
                let slices: Vec<SliceId> = all.filter(meant).filter(|s| !killed(*s)).collect();
                if !slices.is_empty() {
                    inputs.push((slices, id, latch.clone()));
                }
            }
        }
        self.obey_resets();
        for (slices, switch, latch) in inputs {
            let at = now();
            let act = Operator::Kill(switch);
            if self.is_for_all(switch) {
                self.close(act);
            }
            let input = FleetInput::Operator { slices: &slices, at, act, who: latch.who, why: latch.why };
            self.feed(at, vec![input], None);
        }
        true
    }

    /// The switch that is latched for a slice, of all that there are or of it alone.
    pub(super) fn latched(&self, written: &str) -> Option<&str> {
        self.plan.switches.iter().map(|s| s.name.as_str()).find(|name| {
            let own =
                |l: &Latch| l.switch.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']').map(|s| s == written);
            self.thrown.iter().any(|l| l.reset.is_none() && (l.switch == *name || own(l) == Some(true)))
        })
    }
}

impl FleetExecutor {
    /// A switch that a guard has thrown, and with which its slice lives on, was reset by a person: the store says so, whether this
    /// runner was there or not.
    fn obey_resets(&mut self) {
        let unlatched: Vec<String> = self.journal.unlatched().into_iter().map(str::to_owned).collect();
        let mut newest: BTreeMap<&str, &Latch> = BTreeMap::new();
        for latch in &self.thrown {
            // the last time that it was thrown comes first
            newest.entry(latch.switch.as_str()).or_insert(latch);
        }
        let (mut found, mut for_all) = (Vec::new(), Vec::new());
        for (switch, latch) in newest {
            let Some(reset) = latch.reset.clone().filter(|_| !unlatched.iter().any(|u| u == switch)) else { continue };
            for (i, s) in self.plan.switches.iter().enumerate() {
                if s.for_all {
                    let id = SwitchId::at(i);
                    let killed = |x| self.kept.fleet.state(x).is_some_and(|st| st.killed.contains(&id));
                    if s.name == switch && (self.kept.fleet.thrown().contains(&id) || self.kept.active().any(killed)) {
                        for_all.push((id, reset.clone()));
                    }
                    continue;
                }
                let slice = switch.strip_prefix(s.name.as_str()).and_then(|r| r.strip_prefix('[')?.strip_suffix(']'));
                let Some(slice) = slice else { continue };
                let id = SwitchId::at(i);
                let lives = self.kept.active().filter(|x| self.name(*x) == slice);
                let killed = lives.filter(|x| self.kept.fleet.state(*x).is_some_and(|st| st.killed.contains(&id)));
                found.extend(killed.map(|x| (x, id, reset.clone())));
            }
        }
        for (switch, reset) in for_all {
            let at = now();
            let act = Operator::Reset(switch);
            self.feed(at, vec![FleetInput::Operator { slices: &[], at, act, who: reset.who, why: reset.why }], None);
        }
        for (slice, switch, reset) in found {
            let at = now();
            let act = Operator::Reset(switch);
            let input = FleetInput::Operator { slices: &[slice], at, act, who: reset.who, why: reset.why };
            self.feed(at, vec![input], None);
        }
    }
}

/// What a command asks for; why it cannot.
fn operator(plan: &Plan, kind: &str) -> Result<Operator, String> {
    match kind {
        "pause" => return Ok(Operator::Pause),
        "resume" => return Ok(Operator::Resume),
        "abort" => return Ok(Operator::Abort),
        _ => {}
    }
    if let Some(group) = kind.strip_prefix("approve ") {
        let asked = plan.groups.join(", ");
        return plan.group(group).map(Operator::Approve).ok_or_else(|| match asked.is_empty() {
            true => String::from("its plan asks for nobody's approval"),
            false => format!("its plan asks for no approval of {group}, only of {asked}"),
        });
    }
    if let Some(name) = kind.strip_prefix("kill ") {
        return plan.switch(name).map(Operator::Kill).ok_or_else(|| format!("its plan has no kill switch {name}"));
    }
    Err(format!("this runner does not know `{kind}`"))
}
