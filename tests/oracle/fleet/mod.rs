//! Slices: many lives at once, against one reference interpreter a life and the bookkeeping between them.

mod reference;
mod run;
mod world;

pub use run::{pair, report};

use canary::engine::Operator;
use canary::plan::{Answer, PortId, Setting, Time};

/// What a check finds of one slice.
#[derive(Debug, Clone)]
pub struct Row {
    pub answers: Vec<Answer>,
    pub ports: Vec<Option<Setting>>,
    pub epoch: u32,
}

/// What was read of a slice before it begins.
#[derive(Debug, Clone)]
pub struct Begins {
    pub slice: usize,
    pub originals: Vec<(PortId, Setting)>,
    pub baseline: Vec<Option<Answer>>,
}

/// What reaches a sliced run.
#[derive(Debug, Clone)]
pub enum Event {
    Seen {
        values: Vec<String>,
        at: Time,
    },
    Tick {
        at: Time,
        rows: Vec<Row>,
        begins: Vec<Begins>,
        rolled_back: Option<Time>,
        live: bool,
    },
    Verified {
        slice: usize,
        at: Time,
        epoch: u32,
        read: Vec<(PortId, Setting)>,
    },
    ActionEnded {
        slice: usize,
        at: Time,
        token: u32,
        ok: bool,
    },
    OwnActionEnded {
        at: Time,
        token: u32,
        ok: bool,
    },
    /// To all where no slice is named.
    Operator {
        slices: Vec<usize>,
        at: Time,
        act: Operator,
    },
    /// The state is written down and read.
    Stored,
    Recovered {
        at: Time,
    },
}
