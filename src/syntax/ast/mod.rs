//! The tree of a `.canary` file: what was written, with its places, before any meaning.
//!
//! Every construct of the language has a node here. The tree is a value: nothing in it points outside, and an erroneous text still gives one (with
//! [`ExprKind::Hole`] and [`Item::Junk`] where nothing could be made of it).

mod declared;
mod test;

pub use declared::{
    CivilWindow, Hours, Imported, Load, Module, Objective, Part, Probe, ProbeStep, Score, Signoff, SignoffLine, Slice,
    SliceValues, Slo, Use,
};
pub use test::{ActionFault, Dims, Expect, Given, OperatorAct, SourceFault, Test, TestLine, TestLineKind};

use super::source::{Span, Spanned};
use serde::{Deserialize, Serialize};

/// A name and where it stands.
pub type Name = Spanned<String>;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Top-level items in the order of the text.
    pub items: Vec<Item>,
    /// The whole text.
    pub span: Span,
}

/// A top-level item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// `edition 2026`
    Edition(Spanned<u32>),
    /// `param n: type = const [at least v] [at most v] "doc"`
    Param(Param),
    /// `let n = expr`
    Let(Let),
    /// ``metric n: kind = expr``
    Metric(Metric),
    /// `traffic n [about 40/s]`
    Traffic(Traffic),
    /// `flag n: bool|count|ratio [in [..]]`
    Flag(Flag),
    /// `flags n: ["a", "b"] [in [..]]`
    Flags(Flags),
    /// `action n timeout d, undo other|none`
    Action(Action),
    /// `channel a, b`
    Channel(Vec<Name>),
    /// `killswitch n { … }`
    Killswitch(Killswitch),
    /// `environment n { … }`
    Environment(Environment),
    /// `rollout n "title" { … }`
    Rollout(Rollout),
    /// `use std.http(service: "x") as http`
    Use(Use),
    /// A module in place of its `use`; made by the checker, never by the parser.
    Imported(Imported),
    /// `slice severity in […]`
    Slice(Slice),
    /// `probe n every d { … }`
    Probe(Probe),
    /// `load n = burst(…)`
    Load(Load),
    /// `window n = mon..fri 09:00..17:00 zone "…"`
    Window(CivilWindow),
    /// `signoff n { … }`
    Signoff(Signoff),
    /// `slo n { … }`
    Slo(Slo),
    /// `score n { … }`
    Score(Score),
    /// `test "…" for n { … }`
    Test(Test),
    /// Text that no item could be made of; a diagnostic says why.
    Junk(Span),
}

/// `param max_errors: ratio = 1% at most 2% "doc"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its declared type: `ratio`, `duration`, `count`, …
    pub ty: Name,
    /// Its value unless one is given with `--set`; an empty [`ExprKind::Hole`] where it must be given (see [`Param::is_required`]).
    pub default: Expr,
    /// Lower bound.
    pub at_least: Option<Expr>,
    /// Upper bound.
    pub at_most: Option<Expr>,
    /// One line of documentation.
    pub doc: Option<Spanned<String>>,
    /// The whole declaration.
    pub span: Span,
}

impl Param {
    /// Whether a value must be given: the default is left out.
    #[must_use]
    pub fn is_required(&self) -> bool {
        matches!(self.default.kind, ExprKind::Hole) && self.default.span.start == self.default.span.end
    }
}

/// `let n = expr`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Let {
    /// Its name.
    pub name: Name,
    /// What it stands for.
    pub value: Expr,
    /// The whole declaration.
    pub span: Span,
}

/// ``metric n: kind = prometheus(`…`, max_age: 1m, lag: 15s)`` or an expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: Name,
    /// `ratio`, `duration`, `count`, `number`, `rate`, `bytes`, `counter`, `events`, `histogram`.
    pub kind: Name,
    /// A call of a source port (``prometheus(`…`)``), `events(bad: .., total: ..)`, or any expression.
    pub value: Expr,
    /// The whole declaration.
    pub span: Span,
}

/// `traffic n`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Its name.
    pub name: Name,
    /// `about 40/s`: how much traffic there is.
    pub about: Option<Expr>,
    /// `per dims`: one for each slice.
    pub per: Vec<Name>,
    /// The whole declaration.
    pub span: Span,
}

/// `flag n: count in [0, 1, 2]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// Its name.
    pub name: Name,
    /// `bool`, `count` or `ratio`.
    pub ty: Name,
    /// The values it may take.
    pub values: Option<Expr>,
    /// `per dims`: one for each slice.
    pub per: Vec<Name>,
    /// The whole declaration.
    pub span: Span,
}

/// `flags m4: ["failure_catalog", "strict_golden"]`: flags that are set as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flags {
    /// The group's name.
    pub name: Name,
    /// An [`ExprKind::List`] of names, bare or in quotes.
    pub members: Expr,
    /// The values that each may take; without them each is on or off.
    pub values: Option<Expr>,
    /// `per dims`: one for each slice.
    pub per: Vec<Name>,
    /// The whole declaration.
    pub span: Span,
}

/// `action n timeout 60s, undo other`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Its name.
    pub name: Name,
    /// How long it may take.
    pub timeout: Option<Expr>,
    /// What undoes it.
    pub undo: Option<Undo>,
    /// The whole declaration.
    pub span: Span,
}

/// The `undo` of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// `undo none`: said on purpose.
    None(Span),
    /// `undo other`: another action.
    Action(Name),
}

/// `killswitch n { … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Killswitch {
    /// Its name.
    pub name: Name,
    /// `per dims`: one for each slice.
    pub per: Vec<Name>,
    /// What stands in its braces, in order: settings and `run`s.
    pub body: Vec<PhaseStatement>,
    /// The whole declaration.
    pub span: Span,
}

/// `environment n { … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: Name,
    /// Its lines in order.
    pub entries: Vec<EnvEntry>,
    /// The whole declaration.
    pub span: Span,
}

/// A line of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvEntry {
    /// `NAME = backend(arg: value, …)`: `value` is an [`ExprKind::Call`]. `store` and `evidence` are names like any other.
    Bind {
        /// The port, source, channel, action, or `store`.
        name: Name,
        /// The call.
        value: Expr,
        /// The line.
        span: Span,
    },
    /// ``variants checkout { canary = `…` stable = `…` all = `` }``
    Variants {
        /// The traffic or flag port.
        port: Name,
        /// Population and label matchers, as written between the backticks.
        entries: Vec<(Name, Spanned<String>)>,
        /// The line.
        span: Span,
    },
    /// `labels { tenant = "tenant_id" }`: the label that tells a slice's value, where it is not called as the dimension.
    Labels {
        /// Dimension and label.
        entries: Vec<(Name, Spanned<String>)>,
        /// The line.
        span: Span,
    },
    /// `people engineering = ["user-1"]`: who may approve.
    People {
        /// The group.
        group: Name,
        /// An [`ExprKind::List`] of texts.
        people: Expr,
        /// The line.
        span: Span,
    },
}

/// `rollout n "title" { … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Its name.
    pub name: Name,
    /// Its title.
    pub title: Option<Spanned<String>>,
    /// `per dims`: one for each slice.
    pub per: Vec<Name>,
    /// What stands in its braces, in order.
    pub body: Vec<Statement>,
    /// The whole declaration.
    pub span: Span,
}

/// A statement of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// `owner "team"`
    Owner(Spanned<String>),
    /// `link adr "…"`
    Link {
        /// What is linked: `adr`, `review`, `runbook`.
        kind: Name,
        /// Where to.
        target: Spanned<String>,
        /// The statement.
        span: Span,
    },
    /// `check every d`
    CheckEvery(Expr, Span),
    /// `settle d`
    Settle(Expr, Span),
    /// `baseline d`
    Baseline(Expr, Span),
    /// `require C "why"`
    Require {
        /// The condition.
        cond: Expr,
        /// Why it is asked.
        why: Option<Spanned<String>>,
        /// The statement.
        span: Span,
    },
    /// `no data tolerate d|n checks else hold|pause|rollback`
    NoData {
        /// How long a source may be silent.
        tolerate: Option<Tolerance>,
        /// What then.
        otherwise: Consequence,
        /// The statement.
        span: Span,
    },
    /// `guard n: …`
    Guard(Guard),
    /// `phase n "purpose" { … }`
    Phase(Phase),
    /// `on …: …`, `every d: …`, `at …: …`, `when C: …`
    Reaction(Reaction),
    /// `release canary "main" stable "r0.5" [proven by m]`
    Release {
        /// The canary's release.
        canary: Spanned<String>,
        /// The stable one.
        stable: Option<Spanned<String>>,
        /// The metric that tells which release answers.
        proven_by: Option<Vec<Name>>,
        /// The statement.
        span: Span,
    },
    /// `advance when C`: a gate before each raise of exposure.
    Advance(Expr, Span),
    /// `cooldown 24h after rollback`
    Cooldown {
        /// How long.
        length: Expr,
        /// After what: `rollback`.
        after: Name,
        /// The statement.
        span: Span,
    },
    /// `start slices by severity limit 200 per 1h`
    StartSlices {
        /// The dimension whose order counts.
        by: Name,
        /// At most n in any stretch of d.
        limit: Option<(Expr, Expr)>,
        /// The statement.
        span: Span,
    },
    /// `drift pause|correct|tell`
    Drift(Name, Span),
    /// `route checkout = header "X-Canary" "1"`
    Route {
        /// The traffic port.
        port: Name,
        /// `header`, `cookie`.
        by: Name,
        /// The header's or cookie's name.
        key: Spanned<String>,
        /// Its value.
        value: Option<Spanned<String>>,
        /// The statement.
        span: Span,
    },
    /// `after search_rollout promoted within 7d`
    After {
        /// The other rollout.
        rollout: Name,
        /// How long ago at most.
        within: Expr,
        /// The statement.
        span: Span,
    },
    /// Text that no statement could be made of; a diagnostic says why.
    Junk(Span),
}

/// `tolerate 5m` or `tolerate 2 checks`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// Wall time that was observed.
    For(Expr),
    /// A number of checks.
    Checks(Expr),
}

/// What happens when a guard or gate is not met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consequence {
    /// Which.
    pub kind: ConsequenceKind,
    /// `rollback to PHASE`
    pub to: Option<Name>,
    /// `, kill K`: the switch that is thrown besides.
    pub kill: Option<Name>,
    /// The consequence after `else`.
    pub span: Span,
}

/// The words after `else`, from mild to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsequenceKind {
    /// Reported, blocks nothing.
    Tell,
    /// Blocks promotion.
    Hold,
    /// Latches a pause.
    Pause,
    /// Pauses all slices.
    Halt,
    /// Takes exposure back.
    Rollback,
}

/// `guard n: HEALTHY [at least n events] [from phase] [until phase] [tolerate d] [never waived] else CONSEQUENCE`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Its name.
    pub name: Name,
    /// What is true while all is well.
    pub healthy: Expr,
    /// `at least n events`
    pub at_least: Option<Expr>,
    /// `from PHASE`
    pub from: Option<Name>,
    /// `until PHASE`
    pub until: Option<Name>,
    /// `tolerate …`
    pub tolerate: Option<Tolerance>,
    /// `never waived`
    pub never_waived: bool,
    /// `else …`
    pub otherwise: Consequence,
    /// The whole statement.
    pub span: Span,
}

/// `phase n "purpose" { … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: Name,
    /// Its purpose.
    pub purpose: Option<Spanned<String>>,
    /// What stands in its braces, in order.
    pub body: Vec<PhaseStatement>,
    /// The whole statement.
    pub span: Span,
}

/// A statement of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseStatement {
    /// `traffic x = 5%`, `flag y = on`: one each; a list `traffic x = 10%, flag y = 1` gives several.
    Set {
        /// `traffic` or `flag`, as written.
        keyword: SetKeyword,
        /// The port.
        port: Name,
        /// The value.
        value: Expr,
        /// The setting.
        span: Span,
    },
    /// `run a [else pause|rollback]`
    Run {
        /// The action.
        action: Name,
        /// Default: rollback.
        otherwise: Option<Consequence>,
        /// The statement.
        span: Span,
    },
    /// `hold d`
    Hold(Expr, Span),
    /// `promote when C [within d else …]`
    Promote {
        /// The condition.
        when: Expr,
        /// How long to wait, and what then.
        within: Option<(Expr, Consequence)>,
        /// The statement.
        span: Span,
    },
    /// `ramp x from 5% to 50% by 5% every 10m`
    Ramp {
        /// The port.
        port: Name,
        /// First value.
        from: Expr,
        /// Last value.
        to: Expr,
        /// Step.
        by: Expr,
        /// Observed time between steps.
        every: Expr,
        /// The statement.
        span: Span,
    },
    /// `mirror x = 20%`
    Mirror {
        /// The traffic port.
        port: Name,
        /// The mirrored share.
        value: Expr,
        /// The statement.
        span: Span,
    },
    /// `hold forever`
    HoldForever(Span),
    /// `hold until 500 events of errors [within 6h else …]`
    HoldUntil {
        /// How many.
        events: Expr,
        /// Of which metric.
        of: Option<Vec<Name>>,
        /// How long to wait, and what then.
        within: Option<(Expr, Consequence)>,
        /// The statement.
        span: Span,
    },
    /// `irreversible "why"`: first word of a phase that no rollback crosses.
    Irreversible(Spanned<String>, Span),
    /// Text that no statement could be made of; a diagnostic says why.
    Junk(Span),
}

/// The keyword of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetKeyword {
    /// `traffic x = 5%`
    Traffic,
    /// `flag y = on`
    Flag,
}

/// A reaction: tells or does chores, never steers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub act: Act,
    /// The whole statement.
    pub span: Span,
}

/// When a reaction fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// `on breach, rollback`: names of happenings.
    On(Vec<Name>),
    /// `every d`
    Every(Expr),
    /// `at 15m, 30m`
    At(Vec<Expr>),
    /// `when C`
    When(Expr),
}

/// What a reaction does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// `notify a, b`
    Notify(Vec<Name>),
    /// `run a [limit n per d]`
    Run {
        /// The action.
        action: Name,
        /// At most n in any stretch of d.
        limit: Option<(Expr, Expr)>,
    },
    /// `snapshot`
    Snapshot(Span),
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    /// What.
    pub kind: ExprKind,
    /// Where, without surrounding blanks.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExprKind {
    /// `99.6%`, `1500ms`, `on`, `3`
    Literal(Literal),
    /// `"text"`, escapes resolved.
    Text(String),
    /// `` `raw` ``, exactly as between the backticks.
    Raw(String),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `errors`, `http.errors`, `phase.elapsed`: the path's words.
    Name(Vec<Name>),
    /// `share(h < 300ms, 10m)`, `http.errors(10m)`, `haproxy(socket: "…")`
    Call {
        /// The callee's path.
        callee: Vec<Name>,
        /// Its arguments.
        args: Vec<Arg>,
    },
    /// `precision[tenant: "acme"]`: one slice's.
    Index {
        /// What is indexed.
        base: Box<Expr>,
        /// Dimension and value.
        dims: Vec<(Name, Expr)>,
    },
    /// `-x`
    Neg(Box<Expr>),
    /// `not x`
    Not(Box<Expr>),
    /// `a + b`, `a and b`, `a < b`, `a in b`
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Where the operator stands.
        op_span: Span,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `C for 5m`, `C for 3 checks`, `C for 3 of 5 checks`, `C for 80% of 10m`
    For {
        /// The condition.
        of: Box<Expr>,
        /// For how long.
        span: Box<ForSpan>,
    },
    /// `comparison confidence C [or undecided]`
    Confidence {
        /// The comparison.
        of: Box<Expr>,
        /// `99%`
        level: Box<Expr>,
        /// Whether `or undecided` stands behind it.
        or_undecided: bool,
    },
    /// `(x)`: kept, since `C for d` under `and` must be in parentheses.
    Paren(Box<Expr>),
    /// Nothing could be made of the text; a diagnostic says why.
    Hole,
}

/// The tail of `C for …`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForSpan {
    /// `for 5m`
    Duration(Expr),
    /// `for 3 checks`
    Checks(Expr),
    /// `for 3 of 5 checks`
    KOfN(Expr, Expr),
    /// `for 80% of 10m`
    ShareOf(Expr, Expr),
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arg {
    /// `name:` before it, if any.
    pub name: Option<Name>,
    /// Its value.
    pub value: Expr,
}

/// Operators between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `in`
    In,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
}

impl BinaryOp {
    /// How it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
        }
    }

    /// Whether it compares two values.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }
}

/// A literal with its unit. Numbers are in the unit's base: ratios as fractions of one, durations in seconds, rates per
/// second, bytes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// `true`, `on` / `false`, `off`
    Bool(bool),
    /// `3`, `0.5`: dimensionless as written.
    Number(f64),
    /// `99.6%` as 0.996
    Ratio(f64),
    /// `0.5pp` as 0.005: the difference of two ratios
    Points(f64),
    /// `1h30m`: whole milliseconds (a finer one is an error)
    Duration(i64),
    /// `200/s`: per second (`/m` and `/h` are converted)
    Rate(f64),
    /// `10MiB`
    Bytes(f64),
    /// `2026-12-20T09:00Z`: milliseconds since 1970-01-01T00:00Z
    Time(i64),
}
