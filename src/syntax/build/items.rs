//! Top-level items.

use super::{Builder, P};
use crate::syntax::ast::{Action, File, Flag, Flags, Item, Let, Metric, Name, Param, Traffic, Undo};
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::grammar::Rule;
use crate::syntax::recover::Context;
use crate::syntax::source::{Span, Spanned};

impl Builder<'_> {
    /// The whole file.
    pub fn file(&mut self, p: P<'_>, span: Span) -> File {
        let items = p
            .into_inner()
            .flat_map(|q| match q.as_rule() {
                Rule::junk_top => {
                    let range = self.range(&q);
                    self.recover(range, Context::Top)
                }
                _ => self.item(q).into_iter().collect(),
            })
            .collect();
        File { items, span }
    }

    /// One item; nothing for the end of the file.
    pub fn item(&mut self, p: P<'_>) -> Option<Item> {
        match p.as_rule() {
            Rule::edition => Some(self.edition(p)),
            Rule::param => self.param(p).map(Item::Param),
            Rule::let_ => self.let_(p).map(Item::Let),
            Rule::metric => self.metric(p).map(Item::Metric),
            Rule::traffic => self.traffic(p).map(Item::Traffic),
            Rule::flag => self.flag(p).map(Item::Flag),
            Rule::action => self.action(p).map(Item::Action),
            Rule::channel => {
                let names = p.into_inner().find(|q| q.as_rule() == Rule::names)?;
                Some(Item::Channel(self.names(names)))
            }
            Rule::killswitch => self.killswitch(p).map(Item::Killswitch),
            Rule::environment => Some(Item::Environment(self.environment(p)?)),
            Rule::rollout => Some(Item::Rollout(self.rollout(p)?)),
            Rule::use_ => self.use_(p).map(Item::Use),
            Rule::slice => self.slice(p).map(Item::Slice),
            Rule::flags => self.flags(p).map(Item::Flags),
            Rule::probe => self.probe(p).map(Item::Probe),
            Rule::load => self.load(p).map(Item::Load),
            Rule::window => self.window(p).map(Item::Window),
            Rule::signoff => self.signoff(p).map(Item::Signoff),
            Rule::slo => self.slo(p).map(Item::Slo),
            Rule::score => self.score(p).map(Item::Score),
            Rule::test => self.test(p).map(Item::Test),
            _ => None,
        }
    }

    fn edition(&mut self, p: P<'_>) -> Item {
        let span = self.span(&p);
        let number = p.into_inner().find(|q| q.as_rule() == Rule::number);
        let (text, at) = number.map_or_else(|| (String::new(), span), |n| (n.as_str().to_owned(), self.span(&n)));
        let year = text.parse().unwrap_or_else(|_| {
            self.report(
                Diagnostic::error(codes::LITERAL, "an edition is a year", at, "not a year")
                    .help("write `edition 2026`")
                    .fix(at, "2026"),
            );
            0
        });
        Item::Edition(Spanned::new(year, at))
    }

    fn param(&mut self, p: P<'_>) -> Option<Param> {
        let span = self.span(&p);
        let (mut name, mut ty, mut default, mut at_least, mut at_most, mut doc) = (None, None, None, None, None, None);
        for q in p.into_inner() {
            let at = self.span(&q);
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::type_name => ty = Some(self.name(&q)),
                Rule::value => default = Some(self.value(q)),
                Rule::bound_least => {
                    let v = self.value_in(q, at);
                    self.once(&mut at_least, v, at, "at least");
                }
                Rule::bound_most => {
                    let v = self.value_in(q, at);
                    self.once(&mut at_most, v, at, "at most");
                }
                Rule::text => doc = Some(self.text(&q)),
                _ => {}
            }
        }
        let ty: Name = ty?;
        // left out: it must be given
        let default = default.unwrap_or_else(|| Self::hole(ty.span.tail()));
        Some(Param { name: name?, ty, default, at_least, at_most, doc, span })
    }

    /// Puts a tail in its place, or reports the second one.
    pub fn once<T>(&mut self, slot: &mut Option<T>, value: T, at: Span, what: &str) {
        if slot.is_some() {
            self.report(
                Diagnostic::error(codes::TAIL_ORDER, format!("`{what}` is said twice"), at, "said before")
                    .help("keep one of the two")
                    .fix(at, ""),
            );
        } else {
            *slot = Some(value);
        }
    }

    fn let_(&mut self, p: P<'_>) -> Option<Let> {
        let span = self.span(&p);
        let (mut name, mut value) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::value => value = Some(self.value(q)),
                _ => {}
            }
        }
        Some(Let { name: name?, value: value?, span })
    }

    fn metric(&mut self, p: P<'_>) -> Option<Metric> {
        let span = self.span(&p);
        let (mut name, mut kind, mut value) = (None, None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::type_name => kind = Some(self.name(&q)),
                Rule::value => value = Some(self.value(q)),
                _ => {}
            }
        }
        Some(Metric { name: name?, kind: kind?, value: value?, span })
    }

    fn traffic(&mut self, p: P<'_>) -> Option<Traffic> {
        let span = self.span(&p);
        let (mut name, mut about, mut per) = (None, None, Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::about => about = Some(self.value_in(q, span)),
                Rule::per => per = self.names(q),
                _ => {}
            }
        }
        Some(Traffic { name: name?, about, per, span })
    }

    fn flag(&mut self, p: P<'_>) -> Option<Flag> {
        let span = self.span(&p);
        let (mut name, mut ty, mut values, mut per) = (None, None, None, Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::type_name => ty = Some(self.name(&q)),
                Rule::flag_values => {
                    values = super::child(q, Rule::list).map(|l| self.list(l));
                }
                Rule::per => per = self.names(q),
                _ => {}
            }
        }
        Some(Flag { name: name?, ty: ty?, values, per, span })
    }

    fn flags(&mut self, p: P<'_>) -> Option<Flags> {
        let span = self.span(&p);
        let (mut name, mut members, mut values, mut per) = (None, None, None, Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::list => members = Some(self.list(q)),
                Rule::flag_values => {
                    values = super::child(q, Rule::list).map(|l| self.list(l));
                }
                Rule::per => per = self.names(q),
                _ => {}
            }
        }
        Some(Flags { name: name?, members: members?, values, per, span })
    }

    fn action(&mut self, p: P<'_>) -> Option<Action> {
        let span = self.span(&p);
        let (mut name, mut timeout, mut undo): (Option<Name>, _, _) = (None, None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::timeout => timeout = Some(self.value_in(q, span)),
                Rule::undo => {
                    undo = q.into_inner().find_map(|u| match u.as_rule() {
                        Rule::kw_none => Some(Undo::None(self.span(&u))),
                        Rule::said => Some(Undo::Action(self.name(&u))),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        Some(Action { name: name?, timeout, undo, span })
    }
}
