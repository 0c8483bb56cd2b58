//! Environments.

use super::{Builder, P};
use crate::syntax::ast::{EnvEntry, Environment};
use crate::syntax::grammar::Rule;
use crate::syntax::recover::Context;

impl Builder<'_> {
    pub fn environment(&mut self, p: P<'_>) -> Option<Environment> {
        let span = self.span(&p);
        let (mut name, mut entries) = (None, Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::env_block => entries = self.env_body(q),
                _ => {}
            }
        }
        Some(Environment { name: name?, entries, span })
    }

    /// The entries of an `env_body`, or of a pair that holds one.
    pub fn env_body(&mut self, p: P<'_>) -> Vec<EnvEntry> {
        p.into_inner()
            .flat_map(|q| match q.as_rule() {
                Rule::env_body => self.env_body(q),
                Rule::junk_env => {
                    let range = self.range(&q);
                    self.recover(range, Context::Environment)
                }
                _ => self.env_entry(q).into_iter().collect(),
            })
            .collect()
    }

    /// One line; nothing for pairs that are none.
    pub fn env_entry(&mut self, p: P<'_>) -> Option<EnvEntry> {
        let span = self.span(&p);
        match p.as_rule() {
            Rule::bind => {
                let (mut name, mut value) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::said => name = Some(self.name(&q)),
                        Rule::value => value = Some(self.value(q)),
                        _ => {}
                    }
                }
                Some(EnvEntry::Bind { name: name?, value: value?, span })
            }
            Rule::variants => {
                let (mut port, mut entries) = (None, Vec::new());
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::said => port = Some(self.name(&q)),
                        Rule::variant => {
                            let (mut population, mut matchers) = (None, None);
                            for r in q.into_inner() {
                                match r.as_rule() {
                                    Rule::name => population = Some(self.name(&r)),
                                    Rule::raw => matchers = Some(self.raw(&r)),
                                    Rule::text => matchers = Some(self.text(&r)),
                                    _ => {}
                                }
                            }
                            entries.extend(population.zip(matchers));
                        }
                        _ => {}
                    }
                }
                Some(EnvEntry::Variants { port: port?, entries, span })
            }
            Rule::labels => Some(EnvEntry::Labels { entries: self.labels(p), span }),
            Rule::people => {
                let (mut group, mut people) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::name => group = Some(self.name(&q)),
                        Rule::list => people = Some(self.list(q)),
                        _ => {}
                    }
                }
                Some(EnvEntry::People { group: group?, people: people?, span })
            }
            _ => None,
        }
    }
}
