//! What a check was answered, slice by slice.

use super::keys::SliceId;
use crate::plan::{Answer, InputId, Missing, Plan, Population, PortId, Setting, Time};

/// The answers of one check: a row a slice, a column an input; and what each slice's ports were read as.
#[derive(Debug, Clone)]
pub struct Observed {
    inputs: usize,
    ports: usize,
    answers: Vec<Answer>,
    read: Vec<Option<Setting>>,
    epochs: Vec<u32>,
}

impl Observed {
    /// Nothing was answered to anybody.
    #[must_use]
    pub fn new(plan: &Plan, slices: usize) -> Self {
        let (inputs, ports) = (plan.inputs.len(), plan.ports.len());
        Self {
            inputs,
            ports,
            answers: vec![Answer::missing(Missing::NotAsked); inputs * slices],
            read: vec![None; ports * slices],
            epochs: vec![0; slices],
        }
    }

    /// Forgets what was answered, and has rows for so many slices.
    pub fn clear(&mut self, slices: usize) {
        self.answers.clear();
        self.answers.resize(self.inputs * slices, Answer::missing(Missing::NotAsked));
        self.read.clear();
        self.read.resize(self.ports * slices, None);
        self.epochs.clear();
        self.epochs.resize(slices, 0);
    }

    /// One slice's answer. A slice that came after this was made is ignored.
    pub fn answer(&mut self, slice: SliceId, input: InputId, answer: Answer) {
        if input.index() < self.inputs
            && let Some(slot) = self.answers.get_mut(slice.index() * self.inputs + input.index())
        {
            *slot = answer;
        }
    }

    /// The same answer for every slice: of a question that is not split by slices, or one that failed.
    pub fn everyone(&mut self, input: InputId, answer: &Answer) {
        for slice in 0..self.epochs.len() {
            self.answer(SliceId::at(slice), input, answer.clone());
        }
    }

    /// The rows of one question that was answered for all slices at once: a slice without a row has no series, while the others
    /// have.
    pub fn grouped(&mut self, input: InputId, rows: impl IntoIterator<Item = (SliceId, Answer)>) {
        let mut rows = rows.into_iter().peekable();
        let others = Some(rows.peek().is_some());
        self.everyone(input, &Answer::missing(Missing::Empty { others }));
        for (slice, answer) in rows {
            self.answer(slice, input, answer);
        }
    }

    /// What a slice's port was read as; `None` where it was not read or could not be.
    pub fn port(&mut self, slice: SliceId, port: PortId, is: Option<Setting>) {
        if port.index() < self.ports
            && let Some(slot) = self.read.get_mut(slice.index() * self.ports + port.index())
        {
            *slot = is;
        }
    }

    /// Which of a slice's requests was verified when its ports were read.
    pub fn epoch(&mut self, slice: SliceId, epoch: u32) {
        if let Some(slot) = self.epochs.get_mut(slice.index()) {
            *slot = epoch;
        }
    }

    /// A slice whose newest sample is too old while another slice's is fresh is dark, not blind: says so. To be called when all
    /// answers are in.
    pub fn complete(&mut self, plan: &Plan, at: Time) {
        for (i, input) in plan.inputs.iter().enumerate() {
            if input.population == Population::Before || input.by.is_empty() {
                continue;
            }
            let age = |a: &Answer| a.sampled_at.map(|t| (at - t).max(0));
            let column = || self.answers.iter().skip(i).step_by(self.inputs.max(1));
            let fresh = column().any(|a| a.value.is_ok() && age(a).is_none_or(|age| age <= input.max_age));
            if !fresh {
                continue;
            }
            for a in self.answers.iter_mut().skip(i).step_by(self.inputs.max(1)) {
                if let (Ok(_), Some(age)) = (&a.value, age(a))
                    && age > input.max_age
                {
                    a.value = Err(Missing::Stale { age, others: Some(true) });
                }
            }
        }
    }

    /// A slice's answers by input.
    #[must_use]
    pub fn answers(&self, slice: SliceId) -> &[Answer] {
        let from = slice.index() * self.inputs;
        self.answers.get(from..from + self.inputs).unwrap_or_default()
    }

    /// What a slice's ports were read as.
    #[must_use]
    pub fn ports(&self, slice: SliceId) -> &[Option<Setting>] {
        let from = slice.index() * self.ports;
        self.read.get(from..from + self.ports).unwrap_or_default()
    }

    /// Which of a slice's requests was verified when its ports were read.
    #[must_use]
    pub fn verified(&self, slice: SliceId) -> u32 {
        self.epochs.get(slice.index()).copied().unwrap_or(0)
    }
}
