//! What can be set, and one setting: `traffic checkout = 5%`, `flag search = on`, `flag m4 = on` for a group. A setting of the
//! language becomes one setting of a port each: a group of three flags is three ports.

use super::Cx;
use super::groups::member_port;
use super::rollout::Builder;
use super::scope::Decl;
use super::types::{Ty, Value};
use crate::plan::{Port, PortId, PortKind, Setting};
use crate::syntax::ast::{self, Expr, ExprKind, Name, SetKeyword};
use crate::syntax::diagnostic::Diagnostic;

impl<'a> Cx<'a> {
    /// What can be set on a flag.
    pub(super) fn flag_kind(&self, f: &'a ast::Flag) -> Option<PortKind> {
        let ty = match f.ty.node.as_str() {
            "bool" => Ty::Bool,
            "count" => Ty::Count,
            "ratio" => Ty::Ratio,
            other => {
                self.push(
                    Diagnostic::error("E0315", format!("a flag cannot be of type `{other}`"), f.ty.span, "")
                        .help("it takes `bool`, `count` or `ratio`; a percentage is `ratio in [0%, 1%, 10%]`"),
                );
                return None;
            }
        };
        let list = match &f.values {
            None => &[],
            Some(e) => self.value_list(e)?,
        };
        if let (Some(e), true) = (&f.values, list.is_empty()) {
            let message = format!("flag `{}` has no value to be set to", f.name.node);
            self.push(Diagnostic::error("E0403", message, e.span, "").help("list its values, or leave `in` out"));
            return None;
        }
        let what = format!("flag `{}`", f.name.node);
        match ty {
            Ty::Bool => {
                if let Some(e) = &f.values {
                    self.push(
                        Diagnostic::error("E0403", "a bool flag has two values", e.span, "").help("leave the list out"),
                    );
                }
                Some(PortKind::BoolFlag)
            }
            ty => self.listed_kind(list, ty, &what),
        }
    }

    /// The items of `in [0, 1, 2]`.
    pub(super) fn value_list(&self, e: &'a Expr) -> Option<&'a [Expr]> {
        match &e.kind {
            ExprKind::List(items) => Some(items),
            ExprKind::Hole => None,
            _ => {
                self.push(
                    Diagnostic::error("E0403", "a list of values is needed", e.span, "")
                        .help("for example `in [0, 1, 2]`"),
                );
                None
            }
        }
    }

    /// A flag of counts or of ratios out of a list (empty: any).
    pub(super) fn listed_kind(&self, list: &'a [Expr], ty: Ty, what: &str) -> Option<PortKind> {
        if ty == Ty::Count {
            let values: Vec<_> = list.iter().map(|e| self.count(e, what, 0)).collect();
            let values: Option<Vec<_>> = values.into_iter().collect();
            return Some(PortKind::CountFlag(values?.into_iter().map(i64::from).collect()));
        }
        let values: Vec<_> = list.iter().map(|e| self.ratio(e, what, 0.0, 1.0)).collect();
        let values: Option<Vec<_>> = values.into_iter().collect();
        Some(PortKind::RatioFlag(values?))
    }

    /// A value that a port of this kind is to be set to.
    fn port_value(&self, kind: &PortKind, name: &Name, value: &'a Expr) -> Option<Setting> {
        let what = format!("`{}`", name.node);
        let setting = match kind {
            PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(self.ratio(value, &what, 0.0, 1.0)?),
            PortKind::BoolFlag => match self.constant(value, &what)? {
                Value::Bool(b) => Setting::Bool(b),
                other => {
                    self.wants(value, &other, Ty::Bool, &what);
                    return None;
                }
            },
            PortKind::CountFlag(_) => Setting::Count(i64::from(self.count(value, &what, 0)?)),
        };
        let listed: Option<Vec<Setting>> = match kind {
            PortKind::CountFlag(list) if !list.is_empty() => Some(list.iter().map(|n| Setting::Count(*n)).collect()),
            PortKind::RatioFlag(list) if !list.is_empty() => Some(list.iter().map(|r| Setting::Share(*r)).collect()),
            _ => None,
        };
        if let Some(listed) = listed
            && !listed.iter().any(|l| l.same(setting))
        {
            let words: Vec<String> = listed.iter().map(ToString::to_string).collect();
            self.push(
                Diagnostic::error(
                    "E0403",
                    format!("`{}` cannot be {setting}", name.node),
                    value.span,
                    "not one of its values",
                )
                .help(format!("it takes {}", words.join(", "))),
            );
            return None;
        }
        Some(setting)
    }
}

impl<'a> Builder<'_, 'a> {
    /// One `traffic x = 5%` or `flag y = on` as the ports that it sets: one, or each member of a group. What is wrong with it is
    /// reported; ports that are met for the first time join the plan, and what the environment must bind is noted.
    pub(super) fn settings(
        &mut self,
        keyword: SetKeyword,
        name: &'a Name,
        value: &'a Expr,
    ) -> Option<Vec<(PortId, Setting)>> {
        let cx = self.cx;
        let decl = cx.expect_decl(name, "ports", "declare it with `traffic name` or `flag name: bool`", |d| {
            matches!(d, Decl::Traffic(_) | Decl::Flag(_) | Decl::Flags(_))
        })?;
        let (word, other) = match (keyword, &decl) {
            (SetKeyword::Traffic, Decl::Flag(_) | Decl::Flags(_)) => ("traffic", "flag"),
            (SetKeyword::Flag, Decl::Traffic(_)) => ("flag", "traffic"),
            _ => ("", ""),
        };
        if !word.is_empty() {
            let declared = if matches!(decl, Decl::Flags(_)) { "a group of flags" } else { other };
            cx.push(
                Diagnostic::error(
                    "E0403",
                    format!("`{}` is set as {word}, and is declared as {declared}", name.node),
                    name.span,
                    format!("write `{other} {} = …`", name.node),
                )
                .also(decl.span(), "declared here"),
            );
            return None;
        }
        let (kind, members) = match &decl {
            Decl::Flag(f) => (cx.flag_kind(f)?, None),
            Decl::Flags(g) => {
                let (kind, members) = (cx.group_kind(g), cx.members(g));
                (kind?, Some(members?))
            }
            _ => (PortKind::Traffic, None),
        };
        let to = cx.port_value(&kind, name, value)?;
        let per: &'a [Name] = match &decl {
            Decl::Flag(f) => &f.per,
            Decl::Flags(g) => &g.per,
            Decl::Traffic(t) => &t.per,
            _ => &[],
        };
        self.same_dims(per, name, decl.span())?;
        let per: Vec<String> = per.iter().map(|n| n.node.clone()).collect();
        let needed = if matches!(decl, Decl::Traffic(_)) { &mut self.needs.traffic } else { &mut self.needs.flags };
        needed.entry(name.node.clone()).or_insert(name.span);
        Some(match members {
            None => vec![(self.port(Port { name: name.node.clone(), kind, group: None, per }), to)],
            Some(members) => members
                .iter()
                .map(|m| {
                    let group = Some(name.node.clone());
                    let port = Port { name: member_port(&name.node, m), kind: kind.clone(), group, per: per.clone() };
                    (self.port(port), to)
                })
                .collect(),
        })
    }

    /// A traffic port's place in the plan.
    pub(super) fn traffic_port(&mut self, t: &ast::Traffic) -> PortId {
        let per = t.per.iter().map(|n| n.node.clone()).collect();
        self.port(Port { name: t.name.node.clone(), kind: PortKind::Traffic, group: None, per })
    }

    /// A port's place in the plan.
    fn port(&mut self, port: Port) -> PortId {
        match self.ports.iter().position(|p| p.name == port.name) {
            Some(i) => PortId::at(i),
            None => {
                self.ports.push(port);
                PortId::at(self.ports.len() - 1)
            }
        }
    }
}
