//! Who does what an engine asks for where there is nobody: ports that are as they were asked to be, actions that end as somebody
//! says. One for each life on virtual time, of a test as of a replay.

use crate::engine::Effect;
use crate::plan::{ActionId, Millis, Plan, PortId, PortKind, Setting};

/// How a cancelled action ends.
const CANCELLED: &str = "cancelled";

/// An action under way. Times are those of whoever drives: since a test's first check, or since 1970.
struct Under {
    token: u32,
    action: ActionId,
    since: Millis,
    cancelled: bool,
}

/// How an action ended.
pub(super) struct Ended {
    pub(super) token: u32,
    pub(super) ok: bool,
    pub(super) how: String,
}

impl Ended {
    /// The end of an action that nothing is known of, and that nobody cancelled.
    pub(super) fn well() -> (bool, String) {
        (true, String::from("exit status 0"))
    }
}

/// Ports and actions.
pub(super) struct Hands {
    /// What every port is.
    ports: Vec<Setting>,
    /// The request that is not read back yet.
    asked: Option<(u32, Vec<(PortId, Setting)>)>,
    running: Vec<Under>,
}

impl Hands {
    /// With every port as it is while nothing is exposed.
    pub(super) fn untouched(plan: &Plan) -> Self {
        let off = |kind: &PortKind| match kind {
            PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(0.0),
            PortKind::BoolFlag => Setting::Bool(false),
            PortKind::CountFlag(_) => Setting::Count(0),
        };
        Self::new(plan.ports.iter().map(|p| off(&p.kind)).collect())
    }

    /// With ports as they are before anything is changed.
    pub(super) fn new(ports: Vec<Setting>) -> Self {
        Self { ports, asked: None, running: Vec::new() }
    }

    /// What every port is.
    pub(super) fn ports(&self) -> impl Iterator<Item = (PortId, Setting)> + '_ {
        self.ports.iter().enumerate().map(|(i, s)| (PortId::at(i), *s))
    }

    /// Whether something was asked for that has not come to its end.
    pub(super) fn is_busy(&self) -> bool {
        self.asked.is_some() || !self.running.is_empty()
    }

    /// Somebody, or the recording, has set a port.
    pub(super) fn put(&mut self, port: PortId, to: Setting) {
        if let Some(slot) = self.ports.get_mut(port.index()) {
            *slot = to;
        }
    }

    /// The runner is gone: actions go down with it, and nobody waits for what was asked for.
    pub(super) fn stopped(&mut self) {
        self.running.clear();
        self.asked = None;
    }

    /// The actions that end now: `how` says how one ended that was begun then, `None` where it goes on. What is cancelled ends
    /// badly.
    pub(super) fn ended(&mut self, how: impl Fn(ActionId, Millis) -> Option<(bool, String)>) -> Vec<Ended> {
        let mut out = Vec::new();
        self.running.retain(|under| {
            let end =
                if under.cancelled { Some((false, CANCELLED.to_owned())) } else { how(under.action, under.since) };
            let Some((ok, how)) = end else { return true };
            out.push(Ended { token: under.token, ok, how });
            false
        });
        out
    }

    /// Somebody else says that an action has ended.
    pub(super) fn ends(&mut self, token: u32) {
        self.running.retain(|under| under.token != token);
    }

    /// Whether that is the request that is not read back yet.
    pub(super) fn awaits(&self, epoch: u32) -> bool {
        self.asked.as_ref().is_some_and(|(e, _)| *e == epoch)
    }

    /// The request that is read back now, unless one of its ports fails.
    pub(super) fn verified(&mut self, fails: impl Fn(PortId) -> bool) -> Option<(u32, Vec<(PortId, Setting)>)> {
        if self.asked.as_ref()?.1.iter().any(|(p, _)| fails(*p)) {
            return None;
        }
        let (epoch, settings) = self.asked.take()?;
        for (port, to) in &settings {
            self.put(*port, *to);
        }
        Some((epoch, settings))
    }

    /// Does what an effect asks for, as far as it is about ports and actions.
    pub(super) fn does(&mut self, at: Millis, effect: &Effect) {
        match effect {
            Effect::Apply { epoch, settings, .. } => self.asked = Some((*epoch, settings.clone())),
            Effect::Run { token, action, .. } => {
                self.running.push(Under { token: *token, action: *action, since: at, cancelled: false });
            }
            // what is cancelled ends badly, and says so before the next check
            Effect::CancelRuns => self.running.iter_mut().for_each(|r| r.cancelled = true),
            Effect::Record(_)
            | Effect::Halt { .. }
            | Effect::Throw { .. }
            | Effect::Notify { .. }
            | Effect::Finish(_) => {}
        }
    }
}
