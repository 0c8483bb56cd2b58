//! Requests that the tool sends by itself: probes, which go on and on, and bursts of load, which a phase runs.

use super::Millis;
use serde::{Deserialize, Serialize};

/// A synthetic flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Its name.
    pub name: String,
    /// How often the flow is gone through.
    pub every: Millis,
    /// How long one flow may take, all steps together.
    pub timeout: Millis,
    /// Its steps, in order; the first that fails ends the flow.
    pub steps: Vec<ProbeStep>,
}

/// One request of a flow and what must come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeStep {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub request: Request,
    /// The status that must come back; `None`: any below 400.
    pub status: Option<u16>,
    /// How long the answer may take.
    pub within: Option<Millis>,
    /// A JSON path that must lead to something in the answer.
    pub found: Option<String>,
    /// What is kept of the answer for later steps: name and JSON path.
    pub captures: Vec<(String, String)>,
}

/// A request. Texts may hold `${name}` for what an earlier step captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path below the base that the environment binds.
    pub path: String,
    /// A JSON body.
    pub body: Option<String>,
    /// The captured name that stands in `Authorization: Bearer …`.
    pub bearer: Option<String>,
    /// Headers.
    pub headers: Vec<(String, String)>,
}

/// A bounded burst of requests. `${n}` in the path is the request's number, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// `GET` or `POST`.
    pub method: String,
    /// The path below the base that the environment binds.
    pub path: String,
    /// A JSON body.
    pub body: Option<String>,
    /// How many in all.
    pub requests: u32,
    /// By so many users in turn.
    pub users: u32,
    /// At most so many at a time.
    pub parallel: u32,
    /// The population that is to answer, where the environment can choose: `canary` or `stable`.
    pub via: Option<String>,
}
