//! `${flag}` in what binds a flag, and two flags that are bound to one key.

use super::Cx;
use super::scope::Decl;
use super::signatures::Signature;
use crate::plan::binding::FLAG_NAME;
use crate::plan::{Arg, Port};
use crate::syntax::ast::{self, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Cx<'a> {
    /// Whether `${flag}` stands where it must, and only there: each member of a group needs a place of its own.
    pub(super) fn placeholders(
        &self,
        name: &Name,
        callee: &Name,
        signature: &Signature,
        args: &'a [ast::Arg],
    ) -> Option<()> {
        let of = |wanted: &str| args.iter().find(|a| named(signature, args, a) == wanted);
        let said = |wanted: &str| of(wanted).is_some_and(|a| says_flag(&a.value));
        if let (true, Some(reload)) = (said("reload"), of("reload")) {
            self.push(
                Diagnostic::error(
                    "E0516",
                    format!("`{FLAG_NAME}` in a `reload`, which is done once for all flags of the file"),
                    reload.value.span,
                    "runs after a write, however many flags it set",
                )
                .help("write the command out"),
            );
            return None;
        }
        match self.scope().names.get(name.node.as_str()) {
            Some(Decl::Traffic(_)) => {
                let Some(stray) = args.iter().find(|a| says_flag(&a.value)) else {
                    return Some(());
                };
                self.push(
                    Diagnostic::error(
                        "E0516",
                        format!("`${{flag}}` is the name of a flag, and `{}` is a traffic port", name.node),
                        stray.value.span,
                        "stands for nothing here",
                    )
                    .help("write the value out"),
                );
                None
            }
            Some(Decl::Flags(g)) => {
                let group = &g.name.node;
                if let Some(key) = of("key") {
                    if said("key") || said("path") {
                        return Some(());
                    }
                    let d = Diagnostic::error(
                        "E0516",
                        format!("all flags of group `{group}` would be the same value"),
                        key.value.span,
                        "does not say which flag",
                    );
                    self.push(match &key.value.kind {
                        ExprKind::Text(t) => {
                            let sep = if signature.backend == "env_file" { "_" } else { "/" };
                            let sep = if t.is_empty() || t.ends_with(sep) { "" } else { sep };
                            let mended = format!("{:?}", format!("{t}{sep}{FLAG_NAME}"));
                            d.help(format!("`{FLAG_NAME}` is the name of each flag: `key: {mended}`"))
                                .fix(key.value.span, mended)
                        }
                        _ => d.help(format!("write the key out, with `{FLAG_NAME}` for the name of each flag")),
                    });
                    return None;
                }
                // what is read may be told apart in the command or in what it prints
                let missing: Vec<&str> = if signature.arg("set").is_some() {
                    let read = said("get") || said("read");
                    [("set", said("set")), ("get", read)].into_iter().filter(|(_, s)| !s).map(|(n, _)| n).collect()
                } else if args.iter().any(|a| says_flag(&a.value)) {
                    Vec::new()
                } else {
                    vec![signature.backend]
                };
                if missing.is_empty() {
                    return Some(());
                }
                let span = missing.first().and_then(|n| of(n)).map_or(callee.span, |a| a.value.span);
                self.push(
                    Diagnostic::error(
                        "E0516",
                        format!("all flags of group `{group}` would be the same value"),
                        span,
                        "does not say which flag",
                    )
                    .help(format!(
                        "`{FLAG_NAME}` is the name of each flag, for example `set: [\"flagtool\", \"set\", \"{FLAG_NAME}\", \
                         \"${{value}}\"], get: [\"flagtool\", \"get\", \"{FLAG_NAME}\"]`"
                    )),
                );
                None
            }
            _ => Some(()),
        }
    }

    /// Two ports of a rollout that an environment binds to one key of one file: each would undo the other.
    pub(super) fn same_keys(&self, e: &'a ast::Environment, ports: &[Port]) {
        let bound = self.bindings(e);
        let mut seen: Vec<(String, String, &str, Span)> = Vec::new();
        for port in ports {
            let Some((Some(binding), span)) = bound.get(port.bound_as()) else { continue };
            let binding = binding.for_port(port);
            let Some(Arg::Text(key)) = binding.arg("key") else { continue };
            // one variable is one path, whatever stands in it
            let (path, place) = match binding.arg("path") {
                Some(Arg::Text(path)) => (path.clone(), plain(path)),
                Some(Arg::Env(name)) => (format!("env(\"{name}\")"), format!("$ {name}")),
                _ => continue,
            };
            // a value cannot stand inside a value
            let meets = |other: &str| key.split('/').zip(other.split('/')).all(|(a, b)| a == b);
            match seen.iter().find(|(p, k, ..)| *p == place && meets(k)) {
                Some((_, at, other, first)) => {
                    let (message, help) = if at == key {
                        (
                            format!("`{other}` and `{}` are the same value", port.name),
                            "a rollout cannot set one value as two flags: give each a key of its own, or keep one",
                        )
                    } else {
                        (
                            format!("one of `{other}` and `{}` stands inside the other", port.name),
                            "what holds other keys is no flag: give each a key of its own",
                        )
                    };
                    self.push(
                        Diagnostic::error("E0517", message, *span, format!("key `{key}` of `{path}`"))
                            .also(*first, if at == key { "and this one".to_owned() } else { format!("key `{at}`") })
                            .help(help),
                    );
                }
                None => seen.push((place, key.clone(), port.name.as_str(), *span)),
            }
        }
    }
}

/// The name of an argument; an unnamed one is the first of the signature.
fn named<'n>(signature: &Signature, args: &'n [ast::Arg], arg: &'n ast::Arg) -> &'n str {
    match &arg.name {
        Some(n) => n.node.as_str(),
        None if args.first().is_some_and(|a| std::ptr::eq(a, arg)) => signature.args.first().map_or("", |a| a.name),
        None => "",
    }
}

fn says_flag(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Text(t) => t.contains(FLAG_NAME),
        ExprKind::Paren(x) => says_flag(x),
        ExprKind::List(items) => items.iter().any(says_flag),
        ExprKind::Call { args, .. } => args.iter().any(|a| says_flag(&a.value)),
        _ => false,
    }
}

/// `./a//b.json` as `a/b.json`.
fn plain(path: &str) -> String {
    let parts = std::path::Path::new(path).components().filter(|c| !matches!(c, std::path::Component::CurDir));
    parts.collect::<std::path::PathBuf>().display().to_string()
}
