//! The compiled plan: everything that a rollout will do, as data. Knows nothing of how it runs.
//!
//! A plan is made by [`crate::check`], pinned by its [`Plan::hash`], executed by [`crate::engine`]. Names are resolved to ids;
//! what remains as text is there to be shown. All times are whole milliseconds, all values are in base units: ratios as
//! fractions of one, durations in seconds, rates per second, bytes in bytes, booleans as 0 and 1.

mod also;
pub mod binding;
pub mod expr;
pub mod groups;
pub mod hash;
pub mod head;
pub mod input;
pub mod placeholder;
pub mod probe;
pub mod render;
pub mod review;
pub mod show;
pub mod signoff;
pub mod slices;
pub mod window;

use serde::{Deserialize, Serialize};

pub use binding::{Arg, Binding, Bindings, Secret};
pub use expr::{Compare, Node, NodeId, Outside, OverTime, Program, Temporal};
pub use head::{After, Drift, Gate, Release, Route, RouteBy};
pub use input::{Answer, Ask, Bucket, Input, InputId, Missing, Population, Reading, Selector, Window};
pub use probe::{Load, Probe, ProbeStep, Request};
pub use signoff::Signoff;
pub use slices::{Slice, SliceValues, StartSlices};
pub use window::CivilWindow;

/// Milliseconds: a duration.
pub type Millis = i64;
/// Milliseconds since 1970-01-01T00:00:00Z: a point in time.
pub type Time = i64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);
        impl $name {
            /// Its place in the plan's table.
            #[must_use]
            pub fn index(self) -> usize { self.0 as usize }
            /// The id of a place in the plan's table.
            #[must_use]
            pub fn at(index: usize) -> Self { Self(u32::try_from(index).unwrap_or(u32::MAX)) }
        }
    };
}
pub(crate) use id;

id!(
    /// A port of [`Plan::ports`].
    PortId
);
id!(
    /// A guard of [`Plan::guards`].
    GuardId
);
id!(
    /// A phase of [`Plan::phases`].
    PhaseId
);
id!(
    /// An action of [`Plan::actions`].
    ActionId
);
id!(
    /// A channel of [`Plan::channels`].
    ChannelId
);
id!(
    /// A kill switch of [`Plan::switches`].
    SwitchId
);
id!(
    /// A group of people of [`Plan::groups`].
    GroupId
);
id!(
    /// A reaction of [`Plan::reactions`].
    ReactionId
);

/// A compiled rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `canary.plan/1`
    pub schema: String,
    /// The language edition.
    pub edition: u32,
    /// The rollout's name.
    pub rollout: String,
    /// Its title, or its name.
    pub title: String,
    /// `owner "…"`
    pub owner: Option<String>,
    /// `link kind "target"`
    pub links: Vec<(String, String)>,
    /// Params with the values in force, as they would be written (`max_errors` → `1%`).
    pub params: Vec<(String, String)>,
    /// Distance between checks.
    pub check_every: Millis,
    /// Stretch after read-back before goals count; `None`: the next check.
    pub settle: Option<Millis>,
    /// How long a request may stay unverified before it is taken back: a minute, and what the environment lets a reload take.
    #[serde(default = "verify_within", skip_serializing_if = "is_verify_within")]
    pub verify_within: Millis,
    /// Length of the window in which `before` is read; `None` when nothing reads it.
    pub baseline: Option<Millis>,
    /// What happens while a source is silent.
    pub no_data: NoData,
    /// Preflight conditions.
    pub requires: Vec<Require>,
    /// The releases that are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// What must be true before exposure is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advance: Option<Gate>,
    /// How long after a rollback the rollout is not started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Millis>,
    /// What is done about a port that somebody else has set.
    #[serde(default, skip_serializing_if = "Drift::is_pause")]
    pub drift: Drift,
    /// Who always meets the canary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Other rollouts that must have been promoted before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    /// The dimensions of its slices, in the order of `per`; none: one life for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<Slice>,
    /// The inputs whose rows tell which slices there are: the canary's of the metrics that dimensions are `of`, or where every
    /// dimension is listed those that guards read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_in: Vec<InputId>,
    /// In which order and how fast slices begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_slices: Option<StartSlices>,
    /// Windows of civil time that conditions ask about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<CivilWindow>,
    /// Signoffs that conditions ask about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signoffs: Vec<Signoff>,
    /// Synthetic flows whose results conditions read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// What is set: traffic and flags.
    pub ports: Vec<Port>,
    /// What is asked at each check.
    pub inputs: Vec<Input>,
    /// All conditions as flat code.
    pub program: Program,
    /// Guards in the order of the policy.
    pub guards: Vec<Guard>,
    /// Phases in the order of the policy.
    pub phases: Vec<Phase>,
    /// Actions that the rollout can run.
    pub actions: Vec<Action>,
    /// Channels that the rollout can notify.
    pub channels: Vec<String>,
    /// Groups of people whose approval is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Reactions in the order of the policy.
    pub reactions: Vec<Reaction>,
    /// Kill switches that concern the rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<KillSwitch>,
    /// What the policy asks for and this version's engine cannot do: `check` and `plan` show it, nothing runs with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbuilt: Vec<Unbuilt>,
    /// Metrics by name, for `query` and for explanations.
    pub metrics: Vec<Metric>,
    /// SHA-256 over the canonical JSON of everything above, in hex; bindings have a hash of their own.
    pub hash: String,
}

/// Something that a plan carries and no engine does yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbuilt {
    /// The construct in the language's own words: `ramp`, `slice`.
    pub what: String,
    /// Where it stands: `file:line:column`.
    pub place: String,
}

/// How long a request may stay unverified where nothing has to be reloaded.
pub const VERIFY_WITHIN: Millis = 60_000;

fn verify_within() -> Millis {
    VERIFY_WITHIN
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_verify_within(d: &Millis) -> bool {
    *d == VERIFY_WITHIN
}

/// A metric as declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its kind as declared (`events`, `histogram`, `ratio`, …).
    pub kind: String,
    /// How its values are shown.
    pub unit: Unit,
    /// The node that yields its value for the canary, for `canary query`; none for a raw counter or a histogram.
    pub value: Option<NodeId>,
    /// The inputs behind it (all populations that the plan reads; for `query`, at least the canary's).
    pub inputs: Vec<InputId>,
}

/// What a number stands for, to show it with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Shown as `0`/`1`, `on`/`off`.
    Bool,
    /// A bare number.
    Number,
    /// A whole number of things.
    Count,
    /// A fraction of one, shown in percent.
    Ratio,
    /// Seconds, shown as `350ms`, `1.5s`.
    Duration,
    /// Per second.
    Rate,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// Its word in a plan's JSON and in a policy: `ratio`, `duration`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::Duration => "duration",
            Self::Rate => "rate",
            Self::Bytes => "bytes",
        }
    }
}

/// `no data tolerate … else …`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoData {
    /// How long a source may be silent.
    pub tolerate: Tolerance,
    /// `hold`, `pause` or `rollback`.
    pub otherwise: Consequence,
}

/// How long something may last: observed time, or a number of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// At least this much observed time.
    For(Millis),
    /// At least this many checks.
    Checks(u32),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Reported, blocks nothing.
    Tell,
    /// Blocks the end of a phase.
    Hold,
    /// Latches a pause.
    Pause,
    /// Pauses every slice.
    Halt,
    /// Takes exposure back to a phase's settings, or (`None`) to what was read before the first change.
    Rollback(Option<PhaseId>),
}

impl Consequence {
    /// Its word in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::Hold => "hold",
            Self::Pause => "pause",
            Self::Halt => "halt",
            Self::Rollback(_) => "rollback",
        }
    }
}

/// `require C "why"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Require {
    /// The condition.
    pub cond: NodeId,
    /// The condition as written.
    pub text: String,
    /// Why it is asked.
    pub why: String,
}

/// A traffic or flag port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What can be set on it.
    pub kind: PortKind,
    /// The group of flags that it is a member of; its name is then `group.member`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The dimensions of which each slice has a port of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<String>,
}

/// What can be set on a port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortKind {
    /// The canary's share of traffic.
    Traffic,
    /// On or off.
    BoolFlag,
    /// A whole number out of a list (empty: any).
    CountFlag(Vec<i64>),
    /// A ratio out of a list (empty: any).
    RatioFlag(Vec<f64>),
}

/// What a port is set to, or was read as.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The canary's share, 0 to 1 (traffic, ratio flags).
    Share(f64),
    /// On or off.
    Bool(bool),
    /// A whole number.
    Count(i64),
    /// The key is not there (a flag before the first change).
    Absent,
}

impl Setting {
    /// Whether two settings are the same as far as a backend can tell (shares within 1/1,000,000).
    #[must_use]
    pub fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Share(a), Self::Share(b)) => (a - b).abs() < 1e-6,
            (a, b) => a == b,
        }
    }

    /// How much it exposes, to tell a raise from a lowering of one port: a share, a number, 1 for on, 0 for absent.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a flag's count is small")]
    pub fn size(self) -> f64 {
        match self {
            Self::Share(r) => r,
            Self::Count(n) => n as f64,
            Self::Bool(b) => f64::from(u8::from(b)),
            Self::Absent => 0.0,
        }
    }

    /// The next value of a ramp: by one step more, and never above its last.
    #[must_use]
    pub fn raised(self, by: Self, to: Self) -> Self {
        match (self, by, to) {
            (Self::Count(a), Self::Count(d), Self::Count(b)) => Self::Count(a.saturating_add(d).min(b)),
            (Self::Share(a), Self::Share(d), Self::Share(b)) => Self::Share(if a + d > b - 1e-9 { b } else { a + d }),
            // the checker lets nothing else be: the end of the ramp is then its only step
            _ => to,
        }
    }

    /// Whether anything is exposed.
    #[must_use]
    pub fn exposes(self) -> bool {
        match self {
            Self::Share(s) => s > 0.0,
            Self::Bool(b) => b,
            Self::Count(n) => n != 0,
            Self::Absent => false,
        }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // rounded where a product in binary leaves dust, but never to nothing: what is exposed is not shown as 0%
            Self::Share(s) if (s * 1e8).round() == 0.0 && *s != 0.0 => write!(f, "{}%", (s * 1e14).round() / 1e12),
            Self::Share(s) => write!(f, "{}%", (s * 1e8).round() / 1e6),
            Self::Bool(true) => f.write_str("on"),
            Self::Bool(false) => f.write_str("off"),
            Self::Count(n) => write!(f, "{n}"),
            Self::Absent => f.write_str("absent"),
        }
    }
}

/// A guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Its name.
    pub name: String,
    /// True while all is well.
    pub healthy: NodeId,
    /// The condition as written.
    pub text: String,
    /// Nodes below `healthy` whose windows decide whether it is warming: the inputs it reads.
    pub inputs: Vec<InputId>,
    /// How long it may be false.
    pub tolerate: Tolerance,
    /// What follows then.
    pub otherwise: Consequence,
    /// What it throws besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<SwitchId>,
    /// First phase in which it watches.
    pub from: PhaseId,
    /// First phase in which it no longer watches.
    pub until: Option<PhaseId>,
    /// A person may not waive it.
    pub never_waived: bool,
    /// The comparison whose two sides are shown as value and limit (the first one of the condition).
    pub shown: Option<NodeId>,
    /// Unit of that comparison.
    pub unit: Unit,
}

/// A phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its purpose.
    pub purpose: Option<String>,
    /// What it sets, flags first, then traffic. Settings of earlier phases persist; see [`Plan::settings_at`].
    pub settings: Vec<(PortId, Setting)>,
    /// Shares of traffic that are copied to the canary, whose answers nobody sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<(PortId, f64)>,
    /// Why no rollback leads back across its beginning, where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// What it does, in order.
    pub steps: Vec<Step>,
}

impl Phase {
    /// The ports that it sets itself, at once or step by step.
    pub fn ports(&self) -> impl Iterator<Item = PortId> + '_ {
        let ramped = self.steps.iter().filter_map(|s| match s {
            Step::Ramp { port, .. } => Some(*port),
            _ => None,
        });
        self.settings.iter().map(|(p, _)| *p).chain(ramped)
    }
}

/// A step of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Run an action and wait for it.
    Run {
        /// Which.
        action: ActionId,
        /// When it fails: `pause` or `rollback`.
        otherwise: Consequence,
    },
    /// Let this much observed time pass.
    Hold(Millis),
    /// Wait for a condition.
    Promote {
        /// The condition.
        when: NodeId,
        /// The condition as written.
        text: String,
        /// How long to wait for it, and what then.
        within: Option<(Millis, Consequence)>,
    },
    /// Wait for a number of events.
    HoldUntil {
        /// That so many were counted since the phase's settings were verified.
        when: NodeId,
        /// As written: `500 events of errors`.
        text: String,
        /// How long to wait for them, and what then.
        within: Option<(Millis, Consequence)>,
    },
    /// Stay for good: guards watch, nothing ends.
    HoldForever,
    /// Raise a port step by step, each after so much observed time with all guards ok.
    Ramp {
        /// Which.
        port: PortId,
        /// The first value.
        from: Setting,
        /// The last value.
        to: Setting,
        /// The distance between two.
        by: Setting,
        /// Observed time between two.
        every: Millis,
    },
}

impl Step {
    /// What follows when it fails or takes too long.
    #[must_use]
    pub fn otherwise(&self) -> Option<Consequence> {
        match self {
            Self::Run { otherwise, .. } => Some(*otherwise),
            Self::Promote { within, .. } | Self::HoldUntil { within, .. } => within.map(|(_, otherwise)| otherwise),
            Self::Hold(_) | Self::HoldForever | Self::Ramp { .. } => None,
        }
    }
}

/// An action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// How long it may take.
    pub timeout: Millis,
    /// What undoes it at a rollback.
    pub undo: Option<ActionId>,
    /// The requests that it sends, where it is a burst of load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}

/// A kill switch: takes away at once, and stays thrown until a person resets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KillSwitch {
    /// Its name.
    pub name: String,
    /// What it sets, traffic first, then flags; nothing of it exposes anything.
    pub settings: Vec<(PortId, Setting)>,
    /// What it runs once that is read back, in order. None of them is ever undone.
    pub actions: Vec<ActionId>,
    /// In a rollout with slices: it is declared without `per`, and thrown for all of them at once. Else a slice's is its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_all: bool,
}

/// A reaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub act: Act,
    /// The statement as written.
    pub text: String,
}

/// When a reaction fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// When one of these happens.
    On(Vec<Happening>),
    /// At each multiple of this since the first check.
    Every(Millis),
    /// At these times since the first check.
    At(Vec<Millis>),
    /// On a rising edge of a condition.
    When(NodeId),
}

/// What a reaction can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A guard is breached.
    Breach,
    /// The rollout is paused.
    Pause,
    /// A rollback begins (and, once more, when it is verified).
    Rollback,
    /// A phase is passed, or the rollout is promoted.
    Promote,
    /// A guard's source is silent.
    Blind,
    /// A kill switch fires.
    Kill,
    /// The run ends.
    Done,
}

/// What a reaction does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Tell these channels.
    Notify(Vec<ChannelId>),
    /// Run an action, without waiting, at most `limit.0` times in any stretch of `limit.1`.
    Run {
        /// Which.
        action: ActionId,
        /// At most this often.
        limit: Option<(u32, Millis)>,
    },
    /// Keep every metric's value in the journal.
    Snapshot,
}

impl Plan {
    /// Whether an input counts the bad events of an `events` metric, and nothing else: that it has no series then says that
    /// there were none, as long as the whole is there.
    #[must_use]
    pub fn is_bad_part(&self, id: InputId) -> bool {
        self.program.nodes.iter().any(|n| matches!(n, Node::Events { bad, total } if *bad == id && *total != id))
    }

    /// What every port is set to when `phase` is entered: its own settings, with the first value of the ramp that is its first step,
    /// over those of all earlier phases, whose ramps have come to their last values. Ports that no phase up to this one names are
    /// not in the list: they are left alone.
    #[must_use]
    pub fn settings_at(&self, phase: PhaseId) -> Vec<(PortId, Setting)> {
        let mut out: Vec<(PortId, Setting)> = Vec::new();
        let mut set = |port: PortId, value: Setting| match out.iter_mut().find(|(q, _)| *q == port) {
            Some(slot) => slot.1 = value,
            None => out.push((port, value)),
        };
        for (i, p) in self.phases.iter().enumerate().take(phase.index() + 1) {
            for &(port, value) in &p.settings {
                set(port, value);
            }
            for (n, step) in p.steps.iter().enumerate() {
                match *step {
                    Step::Ramp { port, to, .. } if i < phase.index() => set(port, to),
                    Step::Ramp { port, from, .. } if n == 0 => set(port, from),
                    _ => {}
                }
            }
        }
        // flags first, then traffic: whoever is exposed finds the flags set
        out.sort_by_key(|(p, _)| (self.is_traffic(*p), *p));
        out
    }

    /// Whether a phase sets a port; else only a kill switch does.
    #[must_use]
    pub fn is_set_by_a_phase(&self, port: PortId) -> bool {
        self.phases.iter().any(|p| p.ports().any(|q| q == port))
    }

    /// Whether a port is traffic.
    #[must_use]
    pub fn is_traffic(&self, port: PortId) -> bool {
        self.ports.get(port.index()).is_some_and(|p| p.kind == PortKind::Traffic)
    }

    /// Settings with their ports' names, the members of a group that agree put together: to be shown.
    #[must_use]
    pub fn shown<T: PartialEq + Copy>(&self, list: &[(PortId, T)]) -> Vec<(String, T)> {
        let named: Vec<_> = list.iter().map(|(p, s)| (self.port_name(*p).to_owned(), *s)).collect();
        groups::together(&named)
    }

    /// A port's name.
    #[must_use]
    pub fn port_name(&self, port: PortId) -> &str {
        self.ports.get(port.index()).map_or("?", |p| p.name.as_str())
    }

    /// A phase's name.
    #[must_use]
    pub fn phase_name(&self, phase: PhaseId) -> &str {
        self.phases.get(phase.index()).map_or("?", |p| p.name.as_str())
    }

    /// A guard's name.
    #[must_use]
    pub fn guard_name(&self, guard: GuardId) -> &str {
        self.guards.get(guard.index()).map_or("?", |g| g.name.as_str())
    }

    /// A kill switch's name.
    #[must_use]
    pub fn switch_name(&self, switch: SwitchId) -> &str {
        self.switches.get(switch.index()).map_or("?", |s| s.name.as_str())
    }

    /// A kill switch by name.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<SwitchId> {
        self.switches.iter().position(|s| s.name == name).map(SwitchId::at)
    }

    /// A group of people by name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<GroupId> {
        self.groups.iter().position(|g| g == name).map(GroupId::at)
    }

    /// A group's name.
    #[must_use]
    pub fn group_name(&self, group: GroupId) -> &str {
        self.groups.get(group.index()).map_or("?", String::as_str)
    }

    /// Puts settings into the order in which they are taken back: traffic first, then flags, the last declared first.
    pub fn in_order_of_taking_back(&self, settings: &mut [(PortId, Setting)]) {
        settings.sort_by_key(|(p, _)| (!self.is_traffic(*p), std::cmp::Reverse(*p)));
    }

    /// An action's name.
    #[must_use]
    pub fn action_name(&self, action: ActionId) -> &str {
        self.actions.get(action.index()).map_or("?", |a| a.name.as_str())
    }
}
