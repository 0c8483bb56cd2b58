//! The policy that is talked about, with what was typed in.

use crate::syntax::ast;
use crate::syntax::source::SourceMap;
use std::collections::BTreeSet;

/// A policy as it was read, modules put in place of their `use`s.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The texts.
    pub map: SourceMap,
    /// The trees: the policy's first, then that of the environment where there is one.
    pub files: Vec<ast::File>,
    /// The rollout that was asked for; none where there is only one.
    pub rollout: Option<String>,
    /// The environment; none: the plan as it is by itself.
    pub environment: Option<String>,
    /// What other policies declare that share the environment.
    pub others: BTreeSet<String>,
}
