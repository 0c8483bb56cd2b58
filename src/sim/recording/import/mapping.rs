//! Which series is which metric: `stable served = requests_total{version="v1"}`.

use super::super::key::word;
use super::{ImportError, Raw, own_population};
use crate::plan::{Input, Plan, Population};
use promql_parser::label::Matcher;
use promql_parser::parser::{Expr, parse};

/// A rule: the series of a selector are those of a metric and population.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The metric of the policy.
    pub metric: String,
    /// Whose numbers.
    pub population: Population,
    name: Option<String>,
    matchers: Vec<Vec<Matcher>>,
}

/// All rules.
#[derive(Debug, Clone, Default)]
pub struct Mapping(pub Vec<Rule>);

const FORM: &str =
    "write `[canary|stable|before] METRIC = SELECTOR`, as in `stable served = requests_total{version=\"v1\"}`";

impl Rule {
    /// Reads a rule; without a population it is the canary's.
    ///
    /// # Errors
    /// The text is no rule.
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let bad = |what: String| ImportError::new(format!("`{text}`: {what}"), FORM);
        let (left, selector) = text.split_once('=').ok_or_else(|| bad(String::from("there is no `=`")))?;
        let (population, metric) = match left.split_whitespace().collect::<Vec<_>>().as_slice() {
            [metric] => (Population::Canary, *metric),
            [p, metric] => {
                let known =
                    [Population::Canary, Population::Stable, Population::Before].into_iter().find(|k| word(*k) == *p);
                (known.ok_or_else(|| bad(format!("`{p}` is no population")))?, *metric)
            }
            _ => return Err(bad(String::from("in front of `=` stand a population and a metric"))),
        };
        let (name, matchers) = selector_of(selector.trim()).map_err(bad)?;
        Ok(Self { metric: String::from(metric), population, name, matchers })
    }

    fn chooses(&self, raw: &Raw) -> bool {
        let fits = |m: &Matcher| {
            let value = if m.name == "__name__" { Some(raw.name.as_str()) } else { raw.label(&m.name) };
            m.is_match(value.unwrap_or(""))
        };
        self.name.as_ref().is_none_or(|n| *n == raw.name) && self.matchers.iter().any(|all| all.iter().all(fits))
    }
}

/// The name and the matchers (any of these lists) of a selector.
pub(super) fn selector_of(text: &str) -> Result<(Option<String>, Vec<Vec<Matcher>>), String> {
    match parse(text) {
        Ok(Expr::VectorSelector(v)) if v.offset.is_none() && v.at.is_none() => {
            let matchers = v.matchers;
            let lists = if matchers.or_matchers.is_empty() { vec![matchers.matchers] } else { matchers.or_matchers };
            Ok((v.name, lists))
        }
        Ok(_) => Err(String::from("more than a name and labels")),
        Err(e) => Err(e),
    }
}

impl Mapping {
    /// Whether every rule is for something that the plan reads.
    ///
    /// # Errors
    /// The first rule that is not.
    pub(super) fn fit(&self, plan: &Plan) -> Result<(), ImportError> {
        let known = |r: &Rule| plan.inputs.iter().any(|i| i.metric == r.metric);
        let Some(rule) = self.0.iter().find(|r| !known(r)) else { return Ok(()) };
        let mut names: Vec<String> = plan.inputs.iter().map(|i| format!("`{}`", i.metric)).collect();
        names.sort();
        names.dedup();
        let what = format!("a rule is for `{}`, which the policy does not read", rule.metric);
        Err(ImportError::new(what, &format!("it reads {}", names.join(", "))))
    }

    /// The places of the series that answer an input.
    pub(super) fn chosen(&self, raws: &[Raw], input: &Input) -> Vec<usize> {
        let found = self.of(raws, &input.metric, input.population);
        if found.is_empty() && input.population == Population::Before {
            return self.of(raws, &input.metric, Population::Stable);
        }
        found
    }

    fn of(&self, raws: &[Raw], metric: &str, population: Population) -> Vec<usize> {
        let rules: Vec<&Rule> = self.0.iter().filter(|r| r.metric == metric && r.population == population).collect();
        let fits = |raw: &Raw| {
            if rules.is_empty() {
                raw.name == metric && own_population(raw) == Some(population)
            } else {
                rules.iter().any(|r| r.chooses(raw))
            }
        };
        raws.iter().enumerate().filter(|(_, r)| fits(r)).map(|(i, _)| i).collect()
    }
}
