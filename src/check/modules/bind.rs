//! The arguments of a `use`: values for the module's params.

use crate::check::suggest;
use crate::syntax::ast::{Expr, Item, Param, Use};
use crate::syntax::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// The values by the names of the params; what does not fit is reported.
pub(super) fn arguments(
    u: &Use,
    module: &str,
    items: &[Item],
    report: &mut dyn FnMut(Diagnostic),
) -> BTreeMap<String, Expr> {
    let params: BTreeMap<&str, &Param> = items
        .iter()
        .filter_map(|i| match i {
            Item::Param(p) => Some((p.name.node.as_str(), p)),
            _ => None,
        })
        .collect();
    let names: Vec<&str> = params.keys().copied().collect();
    let mut out: BTreeMap<String, Expr> = BTreeMap::new();
    let mut whole = true;
    for arg in &u.args {
        let Some(name) = &arg.name else {
            whole = false;
            let d =
                Diagnostic::error("E0212", "a param of a module is bound by its name", arg.value.span, "which param?");
            let example = names.first().map_or("NAME", |n| n);
            report(d.help(format!("write `{example}: …`; {}", listed(module, &names))));
            continue;
        };
        if !params.contains_key(name.node.as_str()) {
            whole = false;
            let d = Diagnostic::error(
                "E0212",
                format!("`{module}` has no param `{}`", name.node),
                name.span,
                "not one of its params",
            );
            let none = format!("`{module}` has no params: leave the parentheses out");
            report(d.help(suggest::help(&name.node, &names, "its params are", &none)));
            continue;
        }
        if let Some(first) = out.get(&name.node) {
            let d = Diagnostic::error("E0212", format!("`{}` is given twice", name.node), name.span, "again here");
            report(d.also(first.span, "first given here").help("keep one of the two"));
            continue;
        }
        out.insert(name.node.clone(), arg.value.clone());
    }
    // a misspelt name is not reported a second time as a missing one
    let missing: Vec<&&Param> =
        params.values().filter(|p| p.is_required() && !out.contains_key(&p.name.node)).collect();
    if let (Some(first), true) = (missing.first(), whole) {
        let words: Vec<&str> = missing.iter().map(|p| p.name.node.as_str()).collect();
        let mut d = Diagnostic::error(
            "E0212",
            format!("`{module}` needs {}", suggest::list(&words)),
            super::place(&u.module),
            "a param without a default",
        )
        .help(format!("write `use {}({}: …) as {}`", written(u), first.name.node, tail(&u.alias.node)));
        for p in &missing {
            d = d.also(p.name.span, "the param");
        }
        report(d);
    }
    out
}

/// Puts the values in the place of the params' defaults.
pub(super) fn put(items: &mut [Item], prefix: &str, mut bound: BTreeMap<String, Expr>) {
    for item in items {
        if let Item::Param(p) = item
            && let Some(name) = p.name.node.strip_prefix(prefix)
            && let Some(value) = bound.remove(name)
        {
            p.default = value;
        }
    }
}

fn listed(module: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return format!("`{module}` has no params");
    }
    format!("its params are {}", suggest::list(names))
}

fn written(u: &Use) -> String {
    match &u.module {
        crate::syntax::ast::Module::File(p) => format!("\"{}\"", p.node),
        crate::syntax::ast::Module::Library(_) => super::shown(&u.module),
    }
}

fn tail(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
