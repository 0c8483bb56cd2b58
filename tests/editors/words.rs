//! The words of the language, read off `grammar/canary.pest`: what editors colour can then not fall behind what is parsed.

use pest_meta::ast::{Expr, Rule};
use pest_meta::parser;
use std::collections::{BTreeMap, BTreeSet};

/// Words by what they are for.
#[derive(Debug, Default)]
pub struct Words {
    /// Words that begin a declaration: `metric`, `rollout`.
    pub items: BTreeSet<String>,
    /// Words that begin a statement in some block: `guard`, `phase`, `hold`.
    pub statements: BTreeSet<String>,
    /// All other keywords: `tolerate`, `within`.
    pub tails: BTreeSet<String>,
    /// What may follow `else`: `pause`, `rollback`.
    pub consequences: BTreeSet<String>,
    /// Operators that are words: `and`, `in`.
    pub operators: BTreeSet<String>,
    /// `true`, `off`.
    pub constants: BTreeSet<String>,
    /// Keywords behind which a name stands: `guard`, `run`.
    pub named: BTreeSet<String>,
    /// Units of literals that stand right behind a number, the longest first: `ms`, `%`, `/s`.
    pub units: Vec<String>,
}

impl Words {
    /// Every keyword, of whatever kind.
    pub fn keywords(&self) -> BTreeSet<String> {
        [&self.items, &self.statements, &self.tails].into_iter().flatten().cloned().collect()
    }

    /// Reads the grammar.
    pub fn of(grammar: &str) -> Self {
        let pairs = parser::parse(parser::Rule::grammar_rules, grammar).unwrap();
        let rules: Vec<Rule> = parser::consume_rules(pairs).unwrap();
        let g = Grammar(rules.into_iter().map(|r| (r.name, r.expr)).collect());
        let mut w = Self { items: g.heads(&["item"]), ..Self::default() };
        let bodies: Vec<&str> = g.0.keys().map(String::as_str).filter(|n| n.ends_with("_body")).collect();
        w.statements = g.heads(&bodies);
        w.consequences = g.strings("consequence_word");
        w.constants = g.strings("bool");
        w.operators = g.strings("infix").into_iter().filter(|s| s.bytes().all(|b| b.is_ascii_alphabetic())).collect();
        w.operators.insert(g.keyword("kw_not"));
        w.operators.insert(g.keyword("kw_for"));
        let reserved: BTreeSet<String> = w.operators.iter().chain(&w.constants).cloned().collect();
        let all: BTreeSet<String> = g.0.keys().filter(|n| n.starts_with("kw_")).map(|n| g.keyword(n)).collect();
        w.tails = all
            .into_iter()
            .filter(|k| !reserved.contains(k) && !w.items.contains(k) && !w.statements.contains(k))
            .collect();
        for expr in g.0.values() {
            let mut flat = Vec::new();
            flatten(expr, &mut flat);
            w.named.extend(g.before_a_name(&flat));
        }
        // `on` is a value, too: editors tell the two apart by what follows
        w.named.retain(|k| !reserved.contains(k));
        w.statements.retain(|k| !reserved.contains(k));
        let units = ["unit", "ratio", "points", "rate", "bytes", "duration"].map(|r| g.strings(r));
        let mut units: BTreeSet<String> = units.into_iter().flatten().filter(|u| !u.is_empty()).collect();
        let per: Vec<String> = g.strings("rate").into_iter().filter(|u| u != "/").map(|u| format!("/{u}")).collect();
        units.remove("/");
        units.extend(per);
        w.units = units.into_iter().collect();
        w.units.sort_by_key(|u| (std::cmp::Reverse(u.len()), u.clone()));
        w
    }
}

struct Grammar(BTreeMap<String, Expr>);

impl Grammar {
    /// The word of a `kw_` rule.
    fn keyword(&self, rule: &str) -> String {
        self.strings(rule).into_iter().next().unwrap_or_else(|| panic!("{rule} has no word"))
    }

    /// All texts of a rule but those that it only looks at, with those of the rules of literals in it.
    fn strings(&self, rule: &str) -> BTreeSet<String> {
        fn go(g: &Grammar, e: &Expr, out: &mut BTreeSet<String>) {
            match e {
                Expr::Str(s) => _ = out.insert(s.clone()),
                Expr::Ident(n) if n.ends_with("unit") => go(g, &g.0[n], out),
                Expr::Seq(a, b) | Expr::Choice(a, b) => {
                    go(g, a, out);
                    go(g, b, out);
                }
                Expr::Opt(a) | Expr::Rep(a) | Expr::RepOnce(a) => go(g, a, out),
                _ => {}
            }
        }
        let mut out = BTreeSet::new();
        go(self, self.0.get(rule).unwrap_or_else(|| panic!("the grammar has no rule `{rule}`")), &mut out);
        out
    }

    /// The keywords that one of these rules can begin with.
    fn heads(&self, rules: &[&str]) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for r in rules {
            self.first(&self.0[*r], &mut out);
        }
        assert!(!out.is_empty(), "no keyword begins {rules:?}");
        out
    }

    /// Adds the keywords that an expression can begin with; whether it can be empty.
    fn first(&self, e: &Expr, out: &mut BTreeSet<String>) -> bool {
        match e {
            Expr::Ident(n) if n.starts_with("kw_") => {
                out.insert(self.keyword(n));
                false
            }
            Expr::Ident(n) => self.0.get(n).is_some_and(|e| self.first(e, out)),
            Expr::Seq(a, b) => self.first(a, out) && self.first(b, out),
            Expr::Choice(a, b) => {
                let a = self.first(a, out);
                self.first(b, out) || a
            }
            Expr::Opt(a) | Expr::Rep(a) => {
                self.first(a, out);
                true
            }
            Expr::RepOnce(a) => self.first(a, out),
            // the brace of a block stands before its body, not in it
            Expr::PosPred(_) | Expr::NegPred(_) => true,
            _ => false,
        }
    }

    /// The keywords of a sequence right behind which a name stands.
    fn before_a_name(&self, flat: &[&Expr]) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for three in flat.windows(3) {
            if let [before, Expr::Ident(ws), Expr::Ident(name)] = three
                && ws == "ws"
                && ["name", "names", "said", "said_names", "path", "binding"].contains(&name.as_str())
            {
                self.first(before, &mut out);
            }
        }
        out
    }
}

/// A sequence's parts in a row, those of optional and repeated parts among them.
fn flatten<'e>(e: &'e Expr, out: &mut Vec<&'e Expr>) {
    match e {
        Expr::Seq(a, b) => {
            flatten(a, out);
            flatten(b, out);
        }
        Expr::Choice(a, b) if matches!((&**a, &**b), (Expr::Ident(x), Expr::Ident(y)) if x.starts_with("kw_") && y.starts_with("kw_")) =>
        {
            out.push(e);
        }
        Expr::Choice(a, b) => {
            flatten(a, out);
            flatten(b, out);
        }
        Expr::Opt(a) | Expr::Rep(a) | Expr::RepOnce(a) => flatten(a, out),
        _ => out.push(e),
    }
}
