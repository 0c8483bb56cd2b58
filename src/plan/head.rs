//! What the head of a rollout says beside its checks: releases, gates, routes, what must have gone before.

use super::{Millis, NodeId, PortId};
use serde::{Deserialize, Serialize};

/// `release canary "main" stable "r0.5" [proven by m]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// What the canary is: fills `${release}` in its label matchers.
    pub canary: String,
    /// What the stable population is.
    pub stable: Option<String>,
    /// The metric that tells which release answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_by: Option<String>,
}

/// `advance when C`: asked before each raise of exposure; shuts and reopens by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The condition.
    pub when: NodeId,
    /// The condition as written.
    pub text: String,
}

/// What is done about a port that is read as something else than was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// Pause and tell.
    #[default]
    Pause,
    /// Set it again.
    Correct,
    /// Only tell.
    Tell,
}

impl Drift {
    /// Its word in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Correct => "correct",
            Self::Tell => "tell",
        }
    }

    pub(super) fn is_pause(&self) -> bool {
        *self == Self::Pause
    }
}

/// `route checkout = header "X-Canary" "1"`: who always meets the canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The traffic port.
    pub port: PortId,
    /// By what.
    pub by: RouteBy,
    /// The header's or cookie's name.
    pub key: String,
    /// Its value; without one, that it is there.
    pub value: Option<String>,
}

/// What a request is routed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteBy {
    /// A header.
    Header,
    /// A cookie.
    Cookie,
}

impl RouteBy {
    /// Its word in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// `after search_rollout promoted within 7d`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The other rollout.
    pub rollout: String,
    /// How long ago it was promoted at most.
    pub within: Millis,
}
