//! Params: a typed constant with bounds, which the command line may set.

use super::Cx;
use super::scope::{Decl, home};
use super::suggest;
use super::types::{self, Ty, Value};
use crate::syntax;
use crate::syntax::ast::{self, Expr, Item};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{FileId, Span};

/// Evaluates every param, so that all problems are reported together, and finds `--set`s that set nothing.
pub(super) fn check(cx: &Cx<'_>) {
    let mut names = cx.scope().of_kind(|d| matches!(d, Decl::Param(_)));
    for name in &names {
        let _ = cx.param(name);
    }
    // those of modules are bound where they are imported
    let (inside, own): (Vec<&str>, Vec<&str>) = names.iter().partition(|n| !home(n).is_empty());
    names = own;
    for (i, (name, value)) in cx.sets.iter().enumerate() {
        let span = cx.files.first().map_or_else(Span::default, |f| f.span.head());
        if inside.contains(&name.as_str()) {
            let text = format!("`--set {name}={value}`: a param of a module is bound by its `use`");
            let help = "declare a param in the policy, give that to the module, and set it";
            cx.push(Diagnostic::error("E0317", text, span, "").help(help));
        } else if !names.contains(&name.as_str()) {
            cx.push(
                Diagnostic::error("E0317", format!("`--set {name}={value}`: no param `{name}`"), span, "")
                    .help(suggest::help(name, &names, "the params of this policy", "this policy has no params")),
            );
        } else if cx.sets.iter().take(i).any(|(n, _)| n == name) {
            cx.push(
                Diagnostic::error("E0317", format!("`--set {name}` is given twice"), span, "").help("keep one of them"),
            );
        }
    }
}

impl<'a> Cx<'a> {
    /// The value of a param that is in force; `None` when it is poisoned.
    pub(super) fn param(&self, name: &str) -> Option<Value> {
        if let Some(v) = self.params.borrow().get(name) {
            return v.clone();
        }
        let Some(Decl::Param(p)) = self.scope().names.get(name) else {
            return None;
        };
        let p: &'a ast::Param = p;
        let value = match self.guarded(&p.name.node, || self.evaluate(p)) {
            Some(v) => v,
            None => {
                self.cycle(&p.name.node, p.name.span);
                None
            }
        };
        self.params.borrow_mut().insert(&p.name.node, value.clone());
        value
    }

    fn evaluate(&self, p: &'a ast::Param) -> Option<Value> {
        let Some(ty) = Ty::declared(&p.ty.node) else {
            self.push(
                Diagnostic::error(
                    "E0315",
                    format!("unknown type `{}`", p.ty.node),
                    p.ty.span,
                    "not the type of a param",
                )
                .help(suggest::help(&p.ty.node, &Ty::WORDS, "types", "")),
            );
            return None;
        };
        let what = format!("param `{}`", p.name.node);
        let given = self.sets.iter().find(|(n, _)| *n == p.name.node);
        if ty == Ty::Text
            && let Some(bound) = p.at_least.as_ref().or(p.at_most.as_ref())
        {
            self.push(
                Diagnostic::error("E0301", format!("{what} is a string, and strings have no order"), bound.span, "")
                    .help("leave the bound out"),
            );
            return None;
        }
        let default = if p.is_required() {
            self.wants_value(p, ty, given.is_some());
            None
        } else {
            self.typed_for(p, ty, &what)
        };
        let low = self.bound(p.at_least.as_ref(), ty, &what);
        let high = self.bound(p.at_most.as_ref(), ty, &what);
        let how = if is_argument(p) { "the value given" } else { "the default" };
        let default = default.filter(|v| self.within(p, v, low.as_ref(), high.as_ref(), p.default.span, how));
        let Some((_, text)) = given else {
            return default;
        };
        let set = self.parse_set(p, text, ty)?;
        let how = format!("`--set {}={text}`", p.name.node);
        self.within(p, &set, low.as_ref(), high.as_ref(), p.name.span, &how).then_some(set)
    }

    /// A param without default in a policy: a file that is only imported leaves the value to who imports it.
    fn wants_value(&self, p: &ast::Param, ty: Ty, given: bool) {
        // where a module's is missing, that was said at its `use`
        if given || !home(&p.name.node).is_empty() || self.scope().rollouts.is_empty() {
            return;
        }
        let name = &p.name.node;
        let bound = p.at_most.as_ref().or(p.at_least.as_ref());
        let example = bound.map_or_else(|| ty.example().to_owned(), |e| self.as_written(e.span));
        self.push(
            Diagnostic::error("E0329", format!("param `{name}` has no value"), p.name.span, "no default")
                .help(format!("give it one: `param {name}: {} = {example}`, or `--set {name}=…`", p.ty.node)),
        );
    }

    /// The default, or what a `use` gives in its place.
    fn typed_for(&self, p: &'a ast::Param, ty: Ty, what: &str) -> Option<Value> {
        if !is_argument(p) {
            return self.typed(&p.default, ty, what);
        }
        let v = self.constant(&p.default, what)?;
        let fitting = accept(&v, ty);
        if fitting.is_none() {
            let mut d = self.not_of_type(&p.default, &v, ty, what);
            d = d.also(p.name.span, format!("declared as {} here", ty.a()));
            self.push(d);
        }
        fitting
    }

    fn bound(&self, e: Option<&'a Expr>, ty: Ty, what: &str) -> Option<(Value, Span)> {
        let e = e?;
        Some((self.typed(e, ty, &format!("the bound of {what}"))?, e.span))
    }

    fn typed(&self, e: &'a Expr, ty: Ty, what: &str) -> Option<Value> {
        let v = self.constant(e, what)?;
        match accept(&v, ty) {
            Some(v) => Some(v),
            None => {
                self.wants(e, &v, ty, what);
                None
            }
        }
    }

    fn within(
        &self,
        p: &ast::Param,
        v: &Value,
        low: Option<&(Value, Span)>,
        high: Option<&(Value, Span)>,
        at: Span,
        how: &str,
    ) -> bool {
        let outside =
            [(low, "at least", false), (high, "at most", true)].into_iter().find_map(|(bound, words, above)| {
                let (b, span) = bound?;
                let (Value::Num(x, _), Value::Num(y, _)) = (v, b) else {
                    return None;
                };
                (if above { x > y } else { x < y }).then_some((words, b, *span))
            });
        let Some((words, b, span)) = outside else {
            return true;
        };
        self.push(
            Diagnostic::error(
                "E0307",
                format!("{how} is out of bounds: `{}` must be {words} {}", p.name.node, b.show()),
                at,
                v.show(),
            )
            .also(span, "the bound")
            .help("choose a value within the bounds, or have the bound reviewed"),
        );
        false
    }

    /// A value given on the command line, read by the parser of expressions.
    fn parse_set(&self, p: &ast::Param, text: &str, ty: Ty) -> Option<Value> {
        if ty == Ty::Text && !text.starts_with('"') {
            // a shell takes the quotes away
            return Some(Value::Text(text.to_owned()));
        }
        // a text of its own, outside the map: its places mean nothing, so only the words are kept
        let (file, found) = syntax::parse(FileId(u32::MAX), &format!("let value = {text}\n"));
        let bad = |message: String| {
            Diagnostic::error("E0317", message, p.name.span, "the param").help(format!(
                "for example `--set {}={}`",
                p.name.node,
                ty.example()
            ))
        };
        let how = format!("`--set {}={text}`", p.name.node);
        if let Some(first) = found.iter().find(|d| d.is_error()) {
            self.push(bad(format!("{how}: {}", first.message)));
            return None;
        }
        let value = match file.items.as_slice() {
            [Item::Let(l)] => plain(&l.value),
            _ => None,
        };
        let Some(value) = value else {
            self.push(bad(format!("{how}: not a literal")));
            return None;
        };
        let Some(v) = accept(&value, ty) else {
            self.push(bad(format!("{how}: `{}` is {}, and this is {}", p.name.node, ty.a(), value.a())));
            return None;
        };
        Some(v)
    }
}

/// Whether the value of a param stands in the `use` of its module, not at the param itself.
fn is_argument(p: &ast::Param) -> bool {
    let (own, value) = (p.span, p.default.span);
    let stands_there = own.file == value.file && own.start <= value.start && value.end <= own.end;
    !home(&p.name.node).is_empty() && !stands_there
}

/// A literal, possibly negative or a list: what a command line can say.
fn plain(e: &Expr) -> Option<Value> {
    match &e.kind {
        ast::ExprKind::Literal(l) => Some(super::consts::literal(*l)),
        ast::ExprKind::Text(t) => Some(Value::Text(t.clone())),
        ast::ExprKind::Paren(x) => plain(x),
        ast::ExprKind::Neg(x) => match plain(x)? {
            Value::Num(v, ty) => Some(Value::Num(-v, ty)),
            _ => None,
        },
        _ => None,
    }
}

/// The value as one of a declared type.
fn accept(v: &Value, ty: Ty) -> Option<Value> {
    match v {
        Value::Num(n, have) if types::fits(*have, v.is_zero(), ty) => {
            (ty != Ty::Count || n.fract() == 0.0).then_some(Value::Num(*n, ty))
        }
        Value::Bool(_) if ty == Ty::Bool => Some(v.clone()),
        Value::Text(_) if ty == Ty::Text => Some(v.clone()),
        _ => None,
    }
}
