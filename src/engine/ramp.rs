//! `ramp x from a to b by s every d`: one port, raised step by step.

use super::advance::{named, request};
use super::gate;
use super::monitor::Stopwatch;
use super::record::Record;
use super::state::{State, Waiting, WaitsFor};
use super::step::Effect;
use crate::plan::{Plan, PortId, Setting, Step, Time};

/// One live check of a ramp. `sound`: every guard is ok, and every port was read as asked for. Whether its last value is reached, read
/// back and settled.
///
/// A raise waits for `every` of observed time since the value before it has settled, and for a sound check; both must be there at the
/// same check. The first value waits for no time; that it is sound is asked only where something is exposed already, since where
/// nothing is there may be nothing to be seen.
pub(super) fn ramp(
    plan: &Plan,
    state: &mut State,
    at: Time,
    step: &Step,
    sound: bool,
    waited: Option<Waiting>,
    out: &mut Vec<Effect>,
) -> bool {
    let Step::Ramp { port, from, to, by, every } = *step else { return true };
    let now = state.target.settings.iter().find(|(q, _)| *q == port).map(|(_, s)| *s);
    let is_now = |v: Setting| now.is_some_and(|n| n.same(v));
    let value = match state.ramp {
        None if is_now(from) => {
            state.ramp = Some(from);
            return from.same(to);
        }
        None => {
            let exposed = state.target.settings.iter().any(|(_, s)| s.exposes());
            if exposed && !sound {
                return false;
            }
            from
        }
        // a kill switch held it down: where it had come to is asked for again
        Some(v) if !is_now(v) => {
            if !sound {
                return false;
            }
            v
        }
        Some(v) if v.same(to) => return true,
        Some(v) => {
            if state.hold.counted < every || !sound {
                return false;
            }
            v.raised(by, to)
        }
    };
    let settings = with(plan, &state.target.settings, port, value);
    let barred = gate::barred(plan, state, port).map(WaitsFor::Switch);
    if let Some(on) = barred.or_else(|| gate::shut(plan, state, &settings)) {
        gate::wait(plan, state, at, waited, on, || gate::waits_for(plan, on), out);
        return false;
    }
    state.ramp = Some(value);
    state.hold = Stopwatch::default();
    request(state, at, settings.clone(), false);
    state.target.goes_on = true;
    let epoch = state.target.epoch;
    out.push(Effect::record(Record::Raised {
        phase: plan.phase_name(state.phase).to_owned(),
        port: plan.port_name(port).to_owned(),
        to: value,
        settings: named(plan, &settings),
        epoch,
    }));
    out.push(Effect::Apply { epoch, settings, lowers: false });
    false
}

/// Settings with one port at a value.
fn with(plan: &Plan, settings: &[(PortId, Setting)], port: PortId, value: Setting) -> Vec<(PortId, Setting)> {
    let mut out: Vec<(PortId, Setting)> = settings.iter().copied().filter(|(q, _)| *q != port).collect();
    out.push((port, value));
    out.sort_by_key(|(p, _)| (plan.is_traffic(*p), *p));
    out
}
