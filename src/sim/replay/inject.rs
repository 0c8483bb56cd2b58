//! Faults that are put into a recording: `latency +300ms from 20m to 40m`.
//!
//! What is added is added to the canary alone. A metric that is measured for the canary by itself (`${where}` in its query) gets
//! the whole of it. One that is measured for everybody together gets it times the share of the traffic that the canary has at that
//! check: at 5 % it hurts 5 %. An answer about a window is hurt as far as the window lies within the fault.

use crate::plan::slices::{Meant, Slice};
use crate::plan::{
    Answer, Ask, Bucket, Input, InputId, Metric, Millis, Missing, Node, Plan, Population, Reading, Time, Unit, Window,
    show,
};
use crate::syntax::{self, ast, source::FileId};

/// A fault, as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// As written.
    pub text: String,
    /// What is put in.
    pub what: Fault,
    /// From when, since the first check.
    pub from: Millis,
    /// Until when; `None`: to the end.
    pub to: Option<Millis>,
    /// In which slices; `None`: in all, or in a rollout without slices.
    pub slices: Option<Meant>,
}

/// What is put in.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The canary's values of a metric are worse by so much, in base units.
    Worse {
        /// The metric.
        metric: String,
        /// By how much.
        by: f64,
    },
    /// The canary's series of a metric are gone.
    Missing {
        /// The metric.
        metric: String,
    },
    /// The canary's series of a metric get no new samples.
    Stale {
        /// The metric.
        metric: String,
    },
    /// A source answers nothing.
    Source(String),
    /// The runner is gone; when it comes back it asks for the checks that it has missed.
    Runner,
}

/// A number with what it counts, as somebody wrote it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// In base units.
    pub number: f64,
    /// Its literal.
    pub kind: Kind,
}

/// The kinds of literals that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `3`
    Number,
    /// `3%`
    Ratio,
    /// `3pp`
    Points,
    /// `3s`
    Duration,
    /// `3/s`
    Rate,
    /// `3MiB`
    Bytes,
}

impl Kind {
    /// Whether a value of this unit can be written so.
    #[must_use]
    pub fn is(self, unit: Unit) -> bool {
        match unit {
            Unit::Ratio => matches!(self, Self::Ratio | Self::Points),
            Unit::Duration => self == Self::Duration,
            Unit::Rate => self == Self::Rate,
            Unit::Bytes => self == Self::Bytes,
            Unit::Number | Unit::Count => self == Self::Number,
            Unit::Bool => false,
        }
    }
}

/// A literal as the language writes it, with or without a sign.
///
/// # Errors
/// What is wrong with it.
pub fn quantity(text: &str) -> Result<Quantity, String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, rest.trim_start()),
        None => (1.0, text),
    };
    let (file, found) = syntax::parse(FileId(u32::MAX), &format!("let value = {digits}\n"));
    if let Some(first) = found.iter().find(|d| d.is_error()) {
        return Err(format!("`{text}`: {}", first.message));
    }
    let literal = match file.items.as_slice() {
        [ast::Item::Let(l)] => match &l.value.kind {
            ast::ExprKind::Literal(l) => Some(*l),
            _ => None,
        },
        _ => None,
    };
    let (number, kind) = match literal {
        Some(ast::Literal::Number(n)) => (n, Kind::Number),
        Some(ast::Literal::Ratio(n)) => (n, Kind::Ratio),
        Some(ast::Literal::Points(n)) => (n, Kind::Points),
        Some(ast::Literal::Duration(ms)) => (crate::engine::eval::seconds(ms), Kind::Duration),
        Some(ast::Literal::Rate(n)) => (n, Kind::Rate),
        Some(ast::Literal::Bytes(n)) => (n, Kind::Bytes),
        _ => return Err(format!("`{text}` is no number with a unit, such as `300ms` or `1pp`")),
    };
    Ok(Quantity { number: sign * number, kind })
}

/// A duration, in milliseconds.
///
/// # Errors
/// What is wrong with it.
#[expect(clippy::cast_possible_truncation, reason = "the parser bounds durations")]
pub fn duration(text: &str) -> Result<Millis, String> {
    match quantity(text)? {
        Quantity { number, kind: Kind::Duration } if number >= 0.0 => Ok((number * 1000.0).round() as Millis),
        Quantity { number: 0.0, .. } => Ok(0),
        _ => Err(format!("`{text}` is no duration, such as `20m`")),
    }
}

/// How an injection is written.
pub const FORMS: &str = "`latency +300ms from 20m to 40m`, `errors +1pp from 5m`, `errors missing`, `errors stale from 10m`, \
                     `source prometheus outage from 5m to 10m`, `runner outage from 20m to 40m`";

/// Reads an injection, and holds it against the plan.
///
/// # Errors
/// What is wrong with it, with a way out.
pub fn parse(text: &str, plan: &Plan) -> Result<Injection, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let wrong = |why: &str| format!("`{text}`: {why}; an injection is one of {FORMS}");
    let times = words.iter().position(|w| *w == "from" || *w == "to").filter(|i| *i >= 2).unwrap_or(words.len());
    let (head, tail) = words.split_at(times);
    let (mut from, mut to) = (0, None);
    let mut tail = tail.iter();
    let mut last = "";
    while let Some(word) = tail.next() {
        let value = tail.next().ok_or_else(|| wrong(&format!("`{word}` wants a time since the start")))?;
        let at = duration(value).map_err(|e| wrong(&e))?;
        match (*word, last) {
            ("from", "") => from = at,
            ("to", "" | "from") => to = Some(at),
            _ => return Err(wrong(&format!("`{word}` is not understood here"))),
        }
        last = word;
    }
    if to.is_some_and(|to| to <= from) {
        return Err(wrong("it ends before it begins"));
    }
    let (head, slices) = match head.iter().position(|w| *w == "in").filter(|i| *i >= 2) {
        None => (head, None),
        Some(i) => {
            let (head, meant) = head.split_at(i);
            (head, Some(slices(plan, &meant.get(1..).unwrap_or_default().join(" "), text)?))
        }
    };
    let what = match head {
        ["runner" | "source", ..] if slices.is_some() => {
            return Err(format!("`{text}`: an outage is one for all slices: leave `in …` out"));
        }
        ["runner", "outage"] if to.is_none() => {
            return Err(wrong("a runner that never comes back decides nothing: say until when, as in `to 40m`"));
        }
        ["runner", "outage"] => Fault::Runner,
        ["source", source, "outage"] => {
            let mut sources: Vec<&str> = plan.inputs.iter().map(|i| i.source.as_str()).collect();
            sources.sort_unstable();
            sources.dedup();
            if !sources.contains(source) {
                return Err(format!(
                    "`{text}`: {} reads no source `{source}`; it reads {}",
                    plan.rollout,
                    sources.join(", ")
                ));
            }
            Fault::Source((*source).to_owned())
        }
        [name, "missing"] => Fault::Missing { metric: metric(plan, name, text)?.name.clone() },
        [name, "stale"] => Fault::Stale { metric: metric(plan, name, text)?.name.clone() },
        [name, amount @ ..] if amount.first().is_some_and(|a| a.starts_with(['+', '-'])) => {
            let metric = metric(plan, name, text)?;
            let by = quantity(&amount.concat()).map_err(|e| wrong(&e))?;
            right_unit(metric, by, text)?;
            Fault::Worse { metric: metric.name.clone(), by: by.number }
        }
        _ => return Err(wrong("it is not understood")),
    };
    let out = Injection { text: text.to_owned(), what, from, to, slices };
    if !matches!(out.what, Fault::Runner) && out.on(plan, 0).is_empty() {
        return Err(format!("`{text}`: no rule of {} reads the canary's values of it", plan.rollout));
    }
    Ok(out)
}

/// The slices that are meant.
fn slices(plan: &Plan, meant: &str, text: &str) -> Result<Meant, String> {
    if plan.slices.is_empty() {
        return Err(format!("`{text}`: {} has no slices: leave `in …` out", plan.rollout));
    }
    let meant = Meant::parse(meant).map_err(|e| format!("`{text}`: {e}"))?;
    match meant.unknown(&plan.slices).first() {
        None => Ok(meant),
        Some(name) => {
            let has: Vec<&str> = plan.slices.iter().map(|d| d.name.as_str()).collect();
            Err(format!("`{text}`: {} has no slices by `{name}`; it has {}", plan.rollout, has.join(", ")))
        }
    }
}

/// The metric that is meant.
fn metric<'p>(plan: &'p Plan, name: &str, text: &str) -> Result<&'p Metric, String> {
    plan.metrics.iter().find(|m| m.name == name).ok_or_else(|| {
        let names: Vec<&str> = plan.metrics.iter().map(|m| m.name.as_str()).collect();
        let near = names.iter().map(|n| (strsim::damerau_levenshtein(n, name), *n)).min().filter(|(d, _)| *d <= 2);
        let help =
            near.map_or_else(|| format!("it reads {}", names.join(", ")), |(_, n)| format!("did you mean `{n}`?"));
        format!("`{text}`: {} reads no metric `{name}`: {help}", plan.rollout)
    })
}

/// Whether so much can be added to a metric.
fn right_unit(metric: &Metric, by: Quantity, text: &str) -> Result<(), String> {
    let counter = metric.kind == "counter";
    let fits = if counter { by.kind == Kind::Rate } else { by.kind.is(metric.unit) };
    if fits {
        return Ok(());
    }
    let want = match metric.unit {
        _ if counter => "counts events: add so many a second, as in `+5/s`",
        Unit::Ratio => "is a ratio: add percentage points, as in `+1pp`",
        Unit::Duration => "is a duration: add one, as in `+300ms`",
        Unit::Rate => "is a rate: add one, as in `+5/s`",
        Unit::Bytes => "is a number of bytes: add some, as in `+10MiB`",
        Unit::Number | Unit::Count => "is a bare number: add one, as in `+3`",
        Unit::Bool => "is true or false: nothing can be added to it; it can be `missing` or `stale`",
    };
    Err(format!("`{text}`: {} {want}", metric.name))
}

/// What is done to one input.
#[derive(Debug, Clone, PartialEq)]
enum Hurt {
    /// Added to the value, as the source counts it.
    Add(f64),
    /// So many more a second.
    Rate(f64),
    /// A share of the whole goes bad besides.
    Bad { total: InputId, share: f64 },
    /// Every event moves up by so much, as the source counts it.
    Shift(f64),
    /// There is no such series.
    Gone,
    /// No new samples.
    Stale,
    /// The source fails.
    Failed(String),
}

/// A fault on one input, at times of the clock.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Injected {
    pub(super) input: InputId,
    from: Time,
    to: Time,
    hurt: Hurt,
    /// It is measured for everybody together: it hurts as far as the canary is exposed.
    together: bool,
    /// What was answered last before the samples stopped coming.
    frozen: Option<Answer>,
    slices: Option<Meant>,
}

impl Injection {
    /// What it does to the inputs of a plan, for a run that begins at `start`.
    pub(super) fn on(&self, plan: &Plan, start: Time) -> Vec<Injected> {
        let (from, to) = (start.saturating_add(self.from), self.to.map_or(Time::MAX, |t| start.saturating_add(t)));
        let made = |i: usize, input: &Input, hurt: Hurt| Injected {
            input: InputId::at(i),
            from,
            to,
            hurt,
            together: !input.separable,
            frozen: None,
            slices: self.slices.clone(),
        };
        let named = |name: &str| plan.metrics.iter().find(|m| m.name == name);
        let all = plan.inputs.iter().enumerate();
        match &self.what {
            Fault::Runner => Vec::new(),
            Fault::Source(source) => all
                .filter(|(_, x)| x.source == *source && x.population != Population::Before)
                .map(|(i, x)| made(i, x, Hurt::Failed(format!("injected: {}", self.text))))
                .collect(),
            Fault::Missing { metric } | Fault::Stale { metric } | Fault::Worse { metric, .. } => {
                let Some(m) = named(metric) else { return Vec::new() };
                let mine = |i: &InputId| {
                    m.inputs.contains(i) || plan.inputs.get(i.index()).is_some_and(|x| x.metric == *metric)
                };
                all.filter(|(i, x)| x.population == Population::Canary && mine(&InputId::at(*i)))
                    .filter_map(|(i, x)| {
                        let hurt = match &self.what {
                            Fault::Missing { .. } => Hurt::Gone,
                            Fault::Stale { .. } => Hurt::Stale,
                            Fault::Worse { by, .. } => worse(plan, m, InputId::at(i), x, *by)?,
                            Fault::Source(_) | Fault::Runner => return None,
                        };
                        Some(made(i, x, hurt))
                    })
                    .collect()
            }
        }
    }

    /// How far it reaches, in words; nothing for what is not added to values.
    pub(super) fn told(&self, plan: &Plan) -> Option<String> {
        let Fault::Worse { metric, .. } = &self.what else { return None };
        let on = self.on(plan, 0);
        let together = on.iter().filter(|i| i.together).count();
        let how = if together == 0 {
            format!("{metric} is measured for the canary alone: it gets the whole of it, at any exposure")
        } else if together == on.len() {
            format!("{metric} is measured for everybody together: it gets it times the canary's share of the traffic")
        } else {
            format!(
                "where {metric} is measured for the canary alone it gets the whole of it, else times its share of the traffic"
            )
        };
        Some(format!("injected `{}`: {how}", self.text))
    }
}

/// How a metric's input gets worse; none where it stays as it is.
fn worse(plan: &Plan, metric: &Metric, id: InputId, input: &Input, by: f64) -> Option<Hurt> {
    let raw = if input.scale == 0.0 { by } else { by / input.scale };
    match &input.ask {
        Ask::Gauge(_) | Ask::PromQl { .. } => Some(Hurt::Add(raw)),
        Ask::Buckets(..) => Some(Hurt::Shift(raw)),
        Ask::Increase(..) if metric.unit == Unit::Ratio => plan.program.nodes.iter().find_map(|n| match *n {
            Node::Events { bad, total } if bad == id && metric.inputs.contains(&total) => {
                Some(Hurt::Bad { total, share: by })
            }
            _ => None,
        }),
        Ask::Increase(..) => Some(Hurt::Rate(raw)),
    }
}

impl Injected {
    /// Whether it is on a slice.
    pub(super) fn is_on(&self, dims: &[Slice], values: &[String]) -> bool {
        self.slices.as_ref().is_none_or(|meant| meant.is(dims, values))
    }

    /// Hurts what was answered at a check; `last` is when an input that counts from check to check was answered before.
    pub(super) fn apply(&mut self, plan: &Plan, answers: &mut [Answer], at: Time, last: Time, exposure: f64) {
        let Some(input) = plan.inputs.get(self.input.index()) else { return };
        let window = match input.ask {
            Ask::Increase(_, Window::Last(d)) | Ask::Buckets(_, Window::Last(d)) => d,
            Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast) => at - last,
            Ask::Gauge(_) | Ask::PromQl { .. } => input.reach,
        };
        let inside = (self.from..self.to).contains(&at);
        let part = part_of(at, window, self.from, self.to);
        let exposed = if self.together { exposure } else { 1.0 };
        let much = part * exposed;
        let total = match self.hurt {
            Hurt::Bad { total, .. } => answers.get(total.index()).and_then(number),
            _ => None,
        };
        let Some(answer) = answers.get_mut(self.input.index()) else { return };
        match &self.hurt {
            Hurt::Gone if inside => *answer = Answer::missing(Missing::Empty { others: None }),
            Hurt::Failed(message) if inside => *answer = Answer::failed(message.clone()),
            Hurt::Stale if inside => {
                let frozen = self.frozen.get_or_insert_with(|| {
                    // where a source does not tell the age of its samples, these are as old as the fault
                    let then = answer.sampled_at.map_or(self.from, |t| t.min(self.from));
                    Answer { sampled_at: Some(then), ..answer.clone() }
                });
                answer.clone_from(frozen);
            }
            Hurt::Gone | Hurt::Failed(_) | Hurt::Stale => {}
            Hurt::Add(by) => {
                if let Ok(Reading::Value(v) | Reading::Increase(v)) = &mut answer.value {
                    *v += by * much;
                }
            }
            Hurt::Rate(by) => {
                if let Ok(Reading::Value(v) | Reading::Increase(v)) = &mut answer.value {
                    *v = (*v + by * much * crate::engine::eval::seconds(window)).max(0.0);
                }
            }
            Hurt::Bad { share, .. } => {
                let Some(total) = total.filter(|_| much > 0.0) else { return };
                let more = |v: f64| (v + total * share * much).clamp(0.0, total.max(0.0));
                match &mut answer.value {
                    Ok(Reading::Value(v) | Reading::Increase(v)) => *v = more(*v),
                    // a counter of bad ones that does not exist has counted none; now there are some
                    Err(Missing::Empty { .. }) => {
                        *answer = Answer { value: Ok(Reading::Increase(more(0.0))), sampled_at: Some(at), series: 1 };
                    }
                    _ => {}
                }
            }
            Hurt::Shift(by) => {
                if let (Ok(Reading::Buckets(b)), true) = (&mut answer.value, much > 0.0) {
                    // of everybody's events the canary's share moves, by the whole
                    shift(b, *by, much);
                }
            }
        }
    }
}

fn number(a: &Answer) -> Option<f64> {
    match &a.value {
        Ok(Reading::Value(v) | Reading::Increase(v)) => Some(*v),
        _ => None,
    }
}

/// How much of the window before a check lies within a fault.
fn part_of(at: Time, window: Millis, from: Time, to: Time) -> f64 {
    if window <= 0 {
        return if (from..to).contains(&at) { 1.0 } else { 0.0 };
    }
    let overlap = (at.min(to) - (at - window).max(from)).max(0);
    crate::engine::eval::seconds(overlap) / crate::engine::eval::seconds(window)
}

/// Moves a share of a histogram's events up by so much. Where events lie within a bucket is taken as even, as quantiles do; of those
/// in the last one nothing is known, they stay there.
fn shift(buckets: &mut [Bucket], by: f64, share: f64) {
    let before: Vec<Bucket> = buckets.to_vec();
    for b in buckets {
        if let Some(le) = b.le {
            b.count = b.count * (1.0 - share) + below(&before, le - by) * share;
        }
    }
}

/// How many events lie at or below a bound.
fn below(buckets: &[Bucket], bound: f64) -> f64 {
    let (mut low, mut count) = (0.0_f64, 0.0);
    for b in buckets {
        let Some(le) = b.le else { return count };
        if bound < le {
            let part = if bound > low && le > low { (bound - low) / (le - low) } else { 0.0 };
            return count + (b.count - count) * part;
        }
        (low, count) = (le.max(0.0), b.count);
    }
    count
}

/// When a fault is on, in words: `from 20m to 40m`.
#[must_use]
pub fn stretch(from: Millis, to: Option<Millis>) -> String {
    match to {
        Some(to) => format!("from {} to {}", show::duration(from), show::duration(to)),
        None => format!("from {}", show::duration(from)),
    }
}
