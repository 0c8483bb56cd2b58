//! The keywords of each place, the rules they suggest, and how each construct is written.

use crate::syntax::grammar::Rule;

/// Where junk was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// Between declarations.
    Top,
    /// In an environment.
    Environment,
    /// In a rollout.
    Rollout,
    /// In a phase.
    Phase,
    /// In a kill switch.
    Switch,
    /// In a probe.
    Probe,
    /// In a signoff.
    Signoff,
    /// In an objective.
    Slo,
    /// In a score.
    Score,
    /// In a test.
    Test,
}

impl Context {
    /// What is expected here.
    pub fn wants(self) -> &'static str {
        match self {
            Self::Top => "a declaration",
            Self::Environment => "a line of an environment",
            Self::Rollout => "a statement of a rollout",
            Self::Phase => "a statement of a phase",
            Self::Switch => "a statement of a kill switch",
            Self::Probe => "a step of a probe",
            Self::Signoff => "a line of a signoff",
            Self::Slo => "a line of an `slo`",
            Self::Score => "a part of a score",
            Self::Test => "a line of a test",
        }
    }

    /// Where its statements stand.
    pub fn place(self) -> &'static str {
        match self {
            Self::Top => "at the top of a file",
            Self::Environment => "in an environment",
            Self::Rollout => "in a rollout",
            Self::Phase => "in a phase",
            Self::Switch => "in a kill switch",
            Self::Probe => "in a probe",
            Self::Signoff => "in a signoff",
            Self::Slo => "in an `slo`",
            Self::Score => "in a score",
            Self::Test => "in a test",
        }
    }

    /// Its forms.
    pub fn forms(self) -> &'static [Form] {
        match self {
            Self::Top => TOP,
            Self::Environment => ENVIRONMENT,
            Self::Rollout => ROLLOUT,
            Self::Phase => PHASE,
            Self::Switch => SWITCH,
            Self::Probe => PROBE,
            Self::Signoff => SIGNOFF,
            Self::Slo => SLO,
            Self::Score => SCORE,
            Self::Test => TEST,
        }
    }

    /// The form that a keyword begins here.
    pub fn form(self, keyword: &str) -> Option<&'static Form> {
        self.forms().iter().find(|f| f.keyword == keyword)
    }
}

/// All contexts with words of their own, in the order in which a misplaced statement is looked up.
pub(crate) const CONTEXTS: [Context; 9] = [
    Context::Rollout,
    Context::Phase,
    Context::Top,
    Context::Environment,
    Context::Test,
    Context::Signoff,
    Context::Probe,
    Context::Slo,
    Context::Score,
];

/// A keyword with the rules it may begin and the shape of the construct.
#[derive(Debug)]
pub(crate) struct Form {
    pub keyword: &'static str,
    pub rules: &'static [Rule],
    pub shape: &'static str,
}

const fn form(keyword: &'static str, rules: &'static [Rule], shape: &'static str) -> Form {
    Form { keyword, rules, shape }
}

const TOP: &[Form] = &[
    form("edition", &[Rule::edition], "edition 2026"),
    form("param", &[Rule::param], "param NAME: TYPE [= VALUE] [at least V] [at most V] [\"doc\"]"),
    form("let", &[Rule::let_], "let NAME = EXPRESSION"),
    form("metric", &[Rule::metric], "metric NAME: KIND = SOURCE(`QUERY`)"),
    form("traffic", &[Rule::traffic], "traffic NAME [about 40/s]"),
    form("flag", &[Rule::flag], "flag NAME: bool`, `flag NAME: count in [0, 1, 2]`, a group `flags NAME: [one, two]"),
    form("action", &[Rule::action], "action NAME timeout 60s, undo none"),
    form("channel", &[Rule::channel], "channel NAME, NAME"),
    form("environment", &[Rule::environment], "environment NAME { … }"),
    form("rollout", &[Rule::rollout], "rollout NAME \"title\" { … }"),
    form("use", &[Rule::use_], "use \"./team.canary\" as NAME`, `use std.http(service: \"x\") as NAME"),
    form("slice", &[Rule::slice], "slice NAME in [\"low\", \"high\"]`, `slice NAME of METRIC [label \"tenant_id\"]"),
    form("flags", &[Rule::flags], "flags NAME: [A, B]`, `flags NAME: [A, B] in [0%, 10%, 100%]"),
    form("probe", &[Rule::probe], "probe NAME every 30s [timeout 10s] { step NAME = get(\"/path\") }"),
    form("load", &[Rule::load], "load NAME = burst(get: \"/path\", requests: 100)"),
    form("killswitch", &[Rule::killswitch], "killswitch NAME { flag PORT = off   run ACTION }"),
    form("window", &[Rule::window], "window NAME = mon..fri 09:00..17:00 zone \"Europe/Berlin\""),
    form("signoff", &[Rule::signoff], "signoff NAME { artifact \"file.json\" … }"),
    form("slo", &[Rule::slo], "slo NAME { objective METRIC <= 0.1% over 30d }"),
    form("score", &[Rule::score], "score NAME { part NAME = METRIC bad 2% good 0.1% }"),
    form("test", &[Rule::test], "test \"what it shows\" for ROLLOUT [with PARAM = VALUE] { … }"),
];

const ENVIRONMENT: &[Form] = &[
    form("variants", &[Rule::variants], "variants PORT { canary = `…` stable = `…` }"),
    form("labels", &[Rule::labels], "labels { DIMENSION = \"label\" }"),
    form("people", &[Rule::people], "people GROUP = [\"name\"]"),
];

const ROLLOUT: &[Form] = &[
    form("owner", &[Rule::owner], "owner \"team\""),
    form("link", &[Rule::link], "link KIND \"where\""),
    form("check", &[Rule::check_every], "check every 15s"),
    form("settle", &[Rule::settle], "settle 30s"),
    form("baseline", &[Rule::baseline], "baseline 5m"),
    form("require", &[Rule::require], "require CONDITION \"why\""),
    form("no", &[Rule::no_data], "no data tolerate 10m else pause"),
    form(
        "guard",
        &[Rule::guard],
        "guard NAME: CONDITION [at least N events] [from PHASE] [until PHASE] [tolerate D] [never waived] else CONSEQUENCE",
    ),
    form("phase", &[Rule::phase], "phase NAME \"purpose\" { … }"),
    form("on", &[Rule::reaction], "on breach, rollback: notify CHANNEL"),
    form("every", &[Rule::reaction], "every 5m: notify CHANNEL"),
    form("at", &[Rule::reaction], "at 15m, 30m: snapshot"),
    form("when", &[Rule::reaction], "when CONDITION: run ACTION limit 4 per 1h"),
    form("release", &[Rule::release], "release canary \"NAME\" [stable \"NAME\"] [proven by METRIC]"),
    form("advance", &[Rule::advance], "advance when CONDITION"),
    form("cooldown", &[Rule::cooldown], "cooldown 24h after rollback"),
    form("start", &[Rule::start_slices], "start slices by DIMENSION [limit 200 per 1h]"),
    form("drift", &[Rule::drift], "drift pause`, `drift correct`, `drift tell"),
    form("route", &[Rule::route], "route PORT = header \"X-Canary\" \"1\"`, `route PORT = cookie \"canary\""),
    form("after", &[Rule::after], "after ROLLOUT promoted within 7d"),
];

const PHASE: &[Form] = &[
    form("traffic", &[Rule::settings], "traffic PORT = 5%"),
    form("flag", &[Rule::settings], "flag PORT = on"),
    form("run", &[Rule::run], "run ACTION [else pause]"),
    form(
        "hold",
        &[Rule::hold_forever, Rule::hold_until, Rule::hold],
        "hold 30m`, `hold forever`, `hold until 500 events of METRIC",
    ),
    form("promote", &[Rule::promote], "promote when CONDITION [within D else CONSEQUENCE]"),
    form("ramp", &[Rule::ramp], "ramp PORT from 5% to 50% by 5% every 10m"),
    form("mirror", &[Rule::mirror], "mirror PORT = 20%"),
    form("irreversible", &[Rule::irreversible], "irreversible \"why\""),
];

const SWITCH: &[Form] = &[
    form("traffic", &[Rule::settings], "traffic PORT = 0%"),
    form("flag", &[Rule::settings], "flag PORT = off"),
    form("run", &[Rule::run], "run ACTION"),
];

const PROBE: &[Form] = &[form("step", &[Rule::step], "step NAME = get(\"/path\", status: 200)")];

const SIGNOFF: &[Form] = &[
    form("artifact", &[Rule::artifact], "artifact \"signoffs/NAME.json\""),
    form("require", &[Rule::sign_require], "require CONDITION \"why\""),
    form("by", &[Rule::sign_by], "by \"who signs\""),
    form("expires", &[Rule::expires], "expires 14d"),
];

const SLO: &[Form] = &[form("objective", &[Rule::objective], "objective METRIC <= 0.1% over 30d")];

const SCORE: &[Form] = &[form("part", &[Rule::score_part], "part NAME = METRIC bad 2% good 0.1% [weight 3]")];

const TEST: &[Form] = &[
    form("assume", &[Rule::assume], "assume healthy"),
    form("starts", &[Rule::starts], "starts at 2026-10-25T00:30Z"),
    form(
        "given",
        &[Rule::given],
        "given [stable|before] METRIC = 2% [of 100/s] [from 3m] [to 5m]`, `given METRIC ramps 70% to 90%`, `given rolled back 3h ago`, `given recording \"recordings/NAME.parquet\"",
    ),
    form("inject", &[Rule::inject], "inject \"latency +300ms from 20m to 40m\""),
    form(
        "source",
        &[Rule::source_line],
        "source NAME fails [from 5m] [to 9m]`, `source NAME lacks canary`, `source NAME keeps no history",
    ),
    form("runner", &[Rule::runner_line], "runner stops from 3m to 5m"),
    form("action", &[Rule::action_line], "action NAME fails`, `action NAME hangs"),
    form(
        "operator",
        &[Rule::operator_line],
        "operator approves \"group\" [as \"who\"] at 20m`, `operator pauses [as \"who\"] at 20m`, `resumes`, `aborts`, `kills SWITCH`, `resets SWITCH`, of one slice `operator pauses[tenant: \"acme\"] at 20m",
    ),
    form("port", &[Rule::port_line], "port NAME drifts to 20% at 10m`, `port NAME fails from 5m to 6m"),
    form(
        "expect",
        &[Rule::expect],
        "expect rollback [to PHASE] [at 17m] [because GUARD]`, `expect no rollback`, `expect promoted`, `expect PORT is 50%`, `expect phase NAME`, `expect guard NAME is failing`, `expect notified CHANNEL`, `expect ran ACTION [3 times]`, `expect killed SWITCH`, `expect snapshot`, `expect paused`, `expect refused",
    ),
];

/// The nearest of some words, if it is near: a third of its letters, at most two.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|w| (strsim::osa_distance(word, w), w))
        .filter(|(d, w)| *d > 0 && *d <= 2 && *d * 3 <= w.len().max(word.len()))
        .min()
        .map(|(_, w)| w)
}
