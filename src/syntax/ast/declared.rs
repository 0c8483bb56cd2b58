//! Declarations beside metrics, ports and rollouts: modules, slices, probes, loads, windows, signoffs, objectives, scores.

use super::{Arg, Expr, Name};
use crate::syntax::source::{FileId, Span, Spanned};
use serde::{Deserialize, Serialize};

/// `use std.http(service: "x") as http` · `use "./team.canary" as team`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// What is imported.
    pub module: Module,
    /// Values for the module's params; every one is named.
    pub args: Vec<Arg>,
    /// The name that its declarations go by here: `http.errors`.
    pub alias: Name,
    /// The whole declaration.
    pub span: Span,
}

/// Where a module comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// `"./team.canary"`: a path, seen from the importing file.
    File(Spanned<String>),
    /// `std.http`: the path's words.
    Library(Vec<Name>),
}

/// A module that was put in place of its `use`; its declarations follow as items of their own, called `http.errors`. No text has
/// it: the checker makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// The name in front of what the module declares, with those of the modules around it: `team.http`.
    pub alias: Name,
    /// The module's text; none where it could not be had.
    pub file: Option<FileId>,
    /// Something is missing from what follows, and was reported: names that are not there are no second mistake.
    pub broken: bool,
    /// Whether the file that imports it says the alias anywhere.
    pub used: bool,
    /// The `use`.
    pub span: Span,
}

/// `slice severity in ["low", "high"]` · `slice tenant of agreement label "tenant_id"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Its name.
    pub name: Name,
    /// Where its values come from.
    pub values: SliceValues,
    /// The whole declaration.
    pub span: Span,
}

/// Where the values of a slice's dimension come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceValues {
    /// An [`super::ExprKind::List`] of texts, the least risky first.
    In(Expr),
    /// Seen in a metric's labels.
    Of {
        /// The metric's path.
        metric: Vec<Name>,
        /// `label "tenant_id"`; without it the label is called as the dimension.
        label: Option<Spanned<String>>,
    },
}

/// `probe n every 30s timeout 10s { step … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its name.
    pub name: Name,
    /// How often the flow is gone through.
    pub every: Expr,
    /// How long one flow may take.
    pub timeout: Option<Expr>,
    /// Its steps, in order.
    pub steps: Vec<ProbeStep>,
    /// The whole declaration.
    pub span: Span,
}

/// `step login = post("/login", status: 200)`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeStep {
    /// Its name.
    pub name: Name,
    /// An [`super::ExprKind::Call`] of a method.
    pub call: Expr,
    /// The whole step.
    pub span: Span,
}

/// `load n = burst(get: "/q", requests: 100, users: 5, via: canary)`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Its name.
    pub name: Name,
    /// The call.
    pub value: Expr,
    /// The whole declaration.
    pub span: Span,
}

/// `window n = mon..fri 09:00..17:00 zone "Europe/Berlin"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CivilWindow {
    /// Its name.
    pub name: Name,
    /// Days of the week: one, or from … to, both inside.
    pub days: Vec<(Name, Option<Name>)>,
    /// Hours, half open.
    pub hours: Vec<Hours>,
    /// A name of the IANA time zone database.
    pub zone: Spanned<String>,
    /// The whole declaration.
    pub span: Span,
}

/// `22:00..06:00`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Minutes after midnight at which it begins.
    pub from: u16,
    /// Minutes after midnight before which it ends; not after `from`: overnight.
    pub to: u16,
    /// Where it stands.
    pub span: Span,
}

/// `signoff n { … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signoff {
    /// Its name.
    pub name: Name,
    /// Its lines in order.
    pub body: Vec<SignoffLine>,
    /// The whole declaration.
    pub span: Span,
}

/// A line of a signoff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignoffLine {
    /// `artifact "signoffs/m4.json"`
    Artifact(Spanned<String>, Span),
    /// `require C "why"`
    Require {
        /// The condition.
        cond: Expr,
        /// Why it is asked.
        why: Option<Spanned<String>>,
        /// The line.
        span: Span,
    },
    /// `by "quality"`
    By(Spanned<String>, Span),
    /// `expires 14d`
    Expires(Expr, Span),
    /// Text that no line could be made of; a diagnostic says why.
    Junk(Span),
}

/// `slo n { objective errors <= 0.1% over 30d }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// Its name.
    pub name: Name,
    /// Its lines; one objective is wanted.
    pub objectives: Vec<Objective>,
    /// The whole declaration.
    pub span: Span,
}

/// `objective errors <= 0.1% over 30d`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// A comparison of an `events` metric with a share.
    pub of: Expr,
    /// The period of the budget.
    pub over: Expr,
    /// The line.
    pub span: Span,
}

/// `score n { part … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Its name.
    pub name: Name,
    /// Its parts.
    pub parts: Vec<Part>,
    /// The whole declaration.
    pub span: Span,
}

/// `part errors = errors bad 2% good 0.1% weight 3`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: Name,
    /// What is measured.
    pub value: Expr,
    /// Scored 0.
    pub bad: Expr,
    /// Scored 1.
    pub good: Expr,
    /// Default 1.
    pub weight: Option<Expr>,
    /// The line.
    pub span: Span,
}
