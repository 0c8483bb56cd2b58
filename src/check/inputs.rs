//! The questions of a plan: one entry for each metric, ask and population, however often it is read.

use super::expr::Lower;
use super::metrics::Source;
use super::promql;
use crate::plan::binding::SCRAPE;
use crate::plan::{Ask, Input, InputId, Millis, Population, Selector, Window};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::{BTreeMap, HashMap};

/// Least window that is taken where none is named.
const LEAST_WINDOW: Millis = 60_000;
/// A window, or the age of a sample, is this many scrapes long where nothing else is said: one lost scrape is no gap.
const SCRAPES: Millis = 4;

/// The inputs so far, and what they need of the environment.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) list: Vec<Input>,
    /// Places in the list by metric, population and ask.
    known: HashMap<String, InputId>,
    /// Source ports that are read, with the place of one use.
    pub(super) sources: BTreeMap<String, Span>,
    /// A query with `${where}`, if there is one.
    pub(super) separable: Option<Span>,
}

impl Inputs {
    /// Those of a plan that is done.
    pub(super) fn of(list: &[Input]) -> Self {
        let known = list.iter().enumerate().map(|(i, input)| (key(input), InputId::at(i))).collect();
        Self { list: list.to_vec(), known, ..Self::default() }
    }
}

/// Inputs with one key are one.
fn key(input: &Input) -> String {
    format!("{} {:?} {:?}", input.metric, input.population, input.ask)
}

/// What is asked of a source.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// A gauge's value; the window is for `${window}`.
    Value(Millis),
    Increase(Window),
    Buckets(Window),
}

impl<'a> Lower<'_, 'a> {
    /// The window where none is named.
    pub(super) fn usual_window(&self, source: &Source<'a>) -> Millis {
        LEAST_WINDOW.max(self.scrape(source).saturating_mul(SCRAPES))
    }

    fn scrape(&self, source: &Source<'a>) -> Millis {
        self.env.and_then(|e| e.scrape(&source.port.node)).unwrap_or(SCRAPE)
    }

    /// The input that asks `source` for the numbers of metric `name` of the present population. `at` is the use.
    pub(super) fn input(&mut self, name: &str, source: &Source<'a>, how: How, at: Span) -> Option<InputId> {
        let separable = source.separable();
        if self.population == Population::Stable && !separable {
            self.cx.push(
                Diagnostic::error(
                    "E0313",
                    format!("`stable` cannot be told apart in `{name}`"),
                    self.pronoun.unwrap_or(at),
                    "the same numbers as the canary's",
                )
                .also(source.raw, "this query has no `${where}`")
                .help(
                    "put `${where}` between the braces of each selector; the environment's `variants` say what it is",
                ),
            );
            return None;
        }
        let window = match how {
            How::Value(w) | How::Increase(Window::Last(w)) | How::Buckets(Window::Last(w)) => w,
            How::Increase(Window::SinceLast) | How::Buckets(Window::SinceLast) => 0,
        };
        // both were found sound when the metric was elaborated
        let filled = self.cx.fill(&source.template, window.max(1), &self.by()).ok()?;
        let (selectors, reach) = match how {
            // a `${window}` changes how far back it reaches
            How::Value(_) if source.windowed() => {
                let asked = promql::inspect(&promql::parse(&filled.text).ok()?);
                (asked.selectors, asked.reach)
            }
            How::Value(_) => (source.asked.selectors.clone(), source.asked.reach),
            How::Increase(_) | How::Buckets(_) => (Vec::new(), window),
        };
        let query = filled.text.trim().replace(promql::WHERE, "${where}");
        let ask = match how {
            How::Increase(w) => Ask::Increase(Selector(query), w),
            How::Buckets(w) => Ask::Buckets(Selector(query), w),
            How::Value(_) if source.asked.bare => Ask::Gauge(Selector(query)),
            How::Value(_) => Ask::PromQl { query, selectors },
        };
        let port = &source.port.node;
        if let (Ask::PromQl { .. }, Some(backend)) = (&ask, self.env.and_then(|e| e.page_only(port))) {
            self.cx.push(
                Diagnostic::error(
                    "E0508",
                    format!("only a PromQL source can answer the query of `{name}`"),
                    source.raw,
                    format!("here `{port}` is bound to `{backend}`, which reads bare selectors"),
                )
                .help("declare counters and histograms by bare selectors, or bind the source to `prometheus`"),
            );
            return None;
        }
        self.inputs.sources.entry(port.clone()).or_insert(source.port.span);
        if separable {
            self.inputs.separable.get_or_insert(source.raw);
        }
        let input = Input {
            metric: name.to_owned(),
            source: port.clone(),
            population: self.population,
            separable,
            sibling: None,
            reach,
            ask,
            max_age: source.max_age.unwrap_or_else(|| self.scrape(source).saturating_mul(SCRAPES)),
            lag: source.lag,
            by: self.slices.iter().map(|s| s.label.clone()).collect(),
            window: (matches!(how, How::Value(_)) && source.windowed()).then_some(window),
            scale: source.scale,
            auxiliary: self.auxiliary,
        };
        let id = self.intern(input.clone());
        if separable && self.population == Population::Canary {
            // who else answers? tells a dark canary from a blind source
            let sibling = self.intern(Input { population: Population::Stable, auxiliary: true, ..input });
            if let Some(i) = self.inputs.list.get_mut(id.index()) {
                i.sibling = Some(sibling);
            }
        }
        Some(id)
    }

    /// The labels of the slices, as they stand behind `by`.
    fn by(&self) -> String {
        self.slices.iter().map(|s| s.label.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn intern(&mut self, input: Input) -> InputId {
        let key = key(&input);
        if let Some(id) = self.inputs.known.get(&key) {
            if let Some(i) = self.inputs.list.get_mut(id.index()) {
                i.auxiliary &= input.auxiliary;
            }
            return *id;
        }
        let id = InputId::at(self.inputs.list.len());
        self.inputs.known.insert(key, id);
        self.inputs.list.push(input);
        id
    }
}
