//! Values of a backend's arguments: texts, variables, secrets by name.

use super::Cx;
use super::scope::Decl;
use super::signatures::{ArgSignature, ArgType, Role, Signature};
use super::types::{Ty, Value};
use crate::plan::{Arg, Secret};
use crate::syntax::ast::{self, Expr, ExprKind};
use crate::syntax::diagnostic::Diagnostic;

impl<'a> Cx<'a> {
    /// The value of one argument.
    pub(super) fn argument(&self, of: &Signature, sig: &ArgSignature, e: &'a Expr) -> Option<Arg> {
        let what = format!("`{}`", sig.name);
        match sig.ty {
            ArgType::Duration => Some(Arg::Duration(self.duration(e, &what, 1)?)),
            ArgType::Words => {
                let ExprKind::List(items) = &e.kind else {
                    return self.wrong_argument(of, sig, e);
                };
                if items.is_empty() {
                    self.push(
                        Diagnostic::error("E0512", format!("{what} is an empty list"), e.span, "")
                            .help(format!("write `{}`", of.written())),
                    );
                    return None;
                }
                let items: Vec<_> = items.iter().map(|i| self.word(of, sig, i)).collect();
                items.into_iter().collect::<Option<Vec<_>>>().map(Arg::List)
            }
            ArgType::JsonPath => match &e.kind {
                ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "json") => {
                    match args.as_slice() {
                        [ast::Arg { name: None, value: Expr { kind: ExprKind::Text(path), .. } }] => {
                            Some(Arg::Text(path.clone()))
                        }
                        _ => self.wrong_argument(of, sig, e),
                    }
                }
                _ => self.wrong_argument(of, sig, e),
            },
            ArgType::Text | ArgType::Secret => self.text(of, sig, e),
        }
    }

    /// One text of a list. No secret in a command's, for argument lists are shown to everybody on the machine.
    fn word(&self, of: &Signature, sig: &ArgSignature, e: &'a Expr) -> Option<Arg> {
        let text = self.text(of, sig, e)?;
        if of.backend == "command" && matches!(text, Arg::Secret(_)) {
            self.push(
                Diagnostic::error(
                    "E0513",
                    format!("a secret in the argument list `{}` of `{}`", sig.name, of.backend),
                    e.span,
                    "whoever lists the processes, or reads what to type by hand, has it",
                )
                .help("commands inherit the environment: let the command read the variable itself"),
            );
            return None;
        }
        Some(text)
    }

    /// `"text"`, `env("X")`, `secret("X")`.
    fn text(&self, of: &Signature, sig: &ArgSignature, e: &'a Expr) -> Option<Arg> {
        let secret = sig.ty == ArgType::Secret;
        match &e.kind {
            ExprKind::Hole => None,
            ExprKind::Paren(x) => self.text(of, sig, x),
            ExprKind::Text(_) if secret => {
                let name = format!("{}_{}", of.backend, sig.name).to_uppercase();
                self.push(
                    Diagnostic::error(
                        "E0505",
                        format!("`{}` of `{}` is a secret, given in plain text", sig.name, of.backend),
                        e.span,
                        "whoever reads this file has it",
                    )
                    .help(format!(
                        "write `secret(\"{name}\")`, and take this one out of use: it stands in the history of the file"
                    ))
                    .fix(e.span, format!("secret(\"{name}\")")),
                );
                None
            }
            ExprKind::Text(t) if self.stranger(t, of, e).is_some() => None,
            ExprKind::Text(t) => {
                if let Some(user) = login_in(t) {
                    self.push(
                        Diagnostic::error(
                            "E0505",
                            format!("this address holds the password of `{user}`"),
                            e.span,
                            "a secret in plain text",
                        )
                        .help("give the whole address as `secret(\"NAME\")`, or use `user:` and `password:` where there are such"),
                    );
                    return None;
                }
                Some(Arg::Text(t.clone()))
            }
            ExprKind::Call { callee, args } => {
                let [ast::Arg { name: None, value: Expr { kind: ExprKind::Text(variable), span } }] = args.as_slice()
                else {
                    return self.wrong_argument(of, sig, e);
                };
                let word = callee.first().map_or("", |n| n.node.as_str());
                if callee.len() != 1 || !matches!(word, "env" | "secret") {
                    return self.wrong_argument(of, sig, e);
                }
                if !is_variable(variable) {
                    self.push(
                        Diagnostic::error(
                            "E0512",
                            format!("`{word}` takes the name of a variable"),
                            *span,
                            "not such a name",
                        )
                        .help(format!("for example `{word}(\"PROMETHEUS_URL\")`")),
                    );
                    return None;
                }
                match word {
                    "env" if secret => {
                        self.push(
                            Diagnostic::error(
                                "E0505",
                                format!("`{}` of `{}` is a secret, and `env` is shown in plans", sig.name, of.backend),
                                e.span,
                                "",
                            )
                            .help("`secret` reads the same variable and never shows it")
                            .fix(e.span, format!("secret(\"{variable}\")")),
                        );
                        None
                    }
                    "env" => Some(Arg::Env(variable.clone())),
                    _ => Some(Arg::Secret(Secret(variable.clone()))),
                }
            }
            ExprKind::Name(_) if self.is_const(e) && !secret => match self.constant(e, &format!("`{}`", sig.name))? {
                Value::Text(t) => Some(Arg::Text(t)),
                other => {
                    self.wants(e, &other, Ty::Text, &format!("`{}`", sig.name));
                    None
                }
            },
            _ => self.wrong_argument(of, sig, e),
        }
    }

    fn wrong_argument(&self, of: &Signature, sig: &ArgSignature, e: &Expr) -> Option<Arg> {
        if !matches!(e.kind, ExprKind::Hole) {
            let strings = match sig.ty {
                ArgType::Words if of.backend == "command" => "; a text is `\"…\"` or `env(\"NAME\")`",
                ArgType::Text | ArgType::Words => "; a text is `\"…\"`, `env(\"NAME\")` or `secret(\"NAME\")`",
                _ => "",
            };
            self.push(
                Diagnostic::error(
                    "E0512",
                    format!("`{}` of `{}` takes something else", sig.name, of.backend),
                    e.span,
                    format!("expected `{}`", sig.ty.example()),
                )
                .help(format!("write `{}`{strings}", of.written())),
            );
        }
        None
    }
}

impl Cx<'_> {
    /// A placeholder that stands for nothing here; it is reported.
    fn stranger(&self, text: &str, of: &Signature, e: &Expr) -> Option<()> {
        let sends = of.backend == "command" || of.backend == "http";
        for part in text.split("${").skip(1) {
            let name = part.split('}').next().unwrap_or("");
            let closed = part.contains('}');
            let alone = self.scope().rollouts.is_empty();
            let is = |n: &str, pick: fn(&Decl<'_>) -> bool| {
                self.scope().names.get(n).is_some_and(pick) || (alone && !n.is_empty()) || self.others.contains(n)
            };
            let known = match name.split_once('.') {
                _ if !closed => false,
                Some((port, "percent" | "variant")) if sends => {
                    is(port, |d| matches!(d, Decl::Traffic(_) | Decl::Flag(_)))
                }
                Some(_) => false,
                None => match name {
                    "percent" | "value" => true,
                    "flag" => of.roles.contains(&Role::Flag),
                    dim => is(dim, |d| matches!(d, Decl::Slice(_))),
                },
            };
            if known {
                continue;
            }
            let dims = self.scope().of_kind(|d| matches!(d, Decl::Slice(_)));
            let mut words: Vec<&str> = dims;
            if of.roles.contains(&Role::Flag) {
                words.push("flag");
            }
            let help = match super::suggest::nearest(name, words.iter().copied()) {
                Some(near) => format!("did you mean `${{{near}}}`?"),
                None if sends => String::from(
                    "`${PORT.percent}`, `${PORT.variant}` and the names of slices are filled in; in the `set:` of a command `${percent}` and `${value}`",
                ),
                None => String::from("the names of slices are filled in, and `${flag}` in what binds a flag"),
            };
            self.push(Diagnostic::error("E0521", format!("nothing fills `${{{name}}}` here"), e.span, "").help(help));
            return Some(());
        }
        None
    }
}

/// The user of a `scheme://user:password@host` address.
fn login_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (login, _) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    (!password.is_empty()).then_some(user)
}

fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_seen() {
        assert_eq!(login_in("https://bob:hush@prom:9090/x"), Some("bob"));
        assert_eq!(login_in("https://prom:9090/a:b@c"), None);
        assert_eq!(login_in("/run/haproxy.sock"), None);
    }
}
