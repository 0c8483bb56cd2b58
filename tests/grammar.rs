//! `docs/grammar.md` says what `grammar/canary.pest` says: this test writes it, and fails where the two part.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use pest_meta::ast::{Expr, Rule, RuleType};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

const INTRO: &str = "\
# The grammar

Written by `CANARY_WRITE_GRAMMAR=1 cargo test --test grammar` from `grammar/canary.pest`, which is the only definition of the
syntax; a test keeps the two in step. What the words mean stands in [language.md](language.md).

| sign | meaning |
|---|---|
| `a = b c` | `a` is a `b`, then a `c`; between them blanks, line breaks and comments may stand, and mean nothing |
| `b·c` | nothing stands between the two: the `(` of a call touches its name |
| `a := b c` | a token: nothing stands between its parts, and no letter, digit or `_` follows it |
| `b \\| c`, `b?`, `b*`, `b+` | one of the two, at most one, any number, at least one |
| `\"word\"` | the word itself |

A comment is `#` up to the end of its line. Keywords are reserved only where `reserved` lists them: elsewhere they are names. Left out
are the rules by which wrong texts are understood (`junk_*`, `bad_*`), and the look-aheads that find a statement's end.
";

struct Grammar {
    rules: Vec<Rule>,
    /// Rules by name.
    index: BTreeMap<String, usize>,
    /// Rules whose parts touch.
    tokens: BTreeSet<String>,
}

/// A piece of a right side, and how tightly it holds together.
struct Piece {
    text: String,
    /// 0: alternatives, 1: several parts, 2: one.
    tight: u8,
}

impl Grammar {
    fn read(text: &str) -> Self {
        let pairs = pest_meta::parser::parse(pest_meta::parser::Rule::grammar_rules, text).unwrap();
        let rules = pest_meta::parser::consume_rules(pairs).unwrap();
        let index: BTreeMap<_, _> = rules.iter().enumerate().map(|(i, r)| (r.name.clone(), i)).collect();
        let mut tokens: BTreeSet<String> =
            rules.iter().filter(|r| r.ty == RuleType::Atomic).map(|r| r.name.clone()).collect();
        loop {
            let inner: Vec<String> = rules
                .iter()
                .filter(|r| tokens.contains(&r.name))
                .flat_map(|r| idents(&r.expr))
                .filter(|n| index.get(n).is_some_and(|i| rules[*i].ty == RuleType::Silent) && !tokens.contains(n))
                .collect();
            if inner.is_empty() {
                break;
            }
            tokens.extend(inner);
        }
        Self { rules, index, tokens }
    }

    fn rule(&self, name: &str) -> Option<&Rule> {
        self.index.get(name).map(|i| &self.rules[*i])
    }

    /// A keyword or mark is shown as it is written.
    fn literal(&self, name: &str) -> Option<String> {
        const MARKS: [&str; 7] =
            ["colon", "equals", "comma", "open_brace", "close_brace", "close_paren", "close_bracket"];
        let rule = self.rule(name).filter(|_| name.starts_with("kw_") || MARKS.contains(&name) || name == "neg")?;
        strings(&rule.expr).into_iter().next()
    }

    /// Whether something begins (or ends) with blanks that mean nothing.
    fn blank(&self, e: &Expr, last: bool) -> bool {
        match e {
            Expr::Ident(n) => {
                n == "ws" || self.rule(n).is_some_and(|r| r.name.ends_with("_body") && self.blank(&r.expr, last))
            }
            Expr::Seq(a, b) => self.blank(if last { b } else { a }, last),
            Expr::Opt(x) | Expr::Rep(x) | Expr::RepOnce(x) => self.blank(x, last),
            Expr::Choice(a, b) => self.blank(a, last) && self.blank(b, last),
            _ => false,
        }
    }

    fn show(&self, e: &Expr, token: bool) -> Option<Piece> {
        let atom = |text: String| Some(Piece { text, tight: 2 });
        match e {
            Expr::Str(s) => atom(quoted(s)),
            Expr::Ident(n) if n == "ANY" => atom("any character".into()),
            Expr::Ident(n) => match self.literal(n) {
                Some(s) => atom(quoted(&s)),
                None if left_out(n) => None,
                None => atom(readable(n)),
            },
            Expr::Opt(x) | Expr::Rep(x) | Expr::RepOnce(x) => {
                let sign = match e {
                    Expr::Opt(_) => '?',
                    Expr::Rep(_) => '*',
                    _ => '+',
                };
                let p = self.show(x, token)?;
                atom(if p.tight == 2 { format!("{}{sign}", p.text) } else { format!("({}){sign}", p.text) })
            }
            Expr::Choice(..) => {
                let shown: Vec<Piece> = choices(e).into_iter().filter_map(|c| self.show(c, token)).collect();
                match shown.len() {
                    0 => None,
                    1 => shown.into_iter().next(),
                    _ => {
                        let texts: Vec<String> = shown.into_iter().map(|p| p.text).collect();
                        Some(Piece { text: texts.join(" | "), tight: 0 })
                    }
                }
            }
            Expr::Seq(..) => self.show_sequence(e, token),
            // look-aheads
            _ => None,
        }
    }

    fn show_sequence(&self, e: &Expr, token: bool) -> Option<Piece> {
        // each with what stands before it
        let mut parts: Vec<(&str, Piece)> = Vec::new();
        let (mut blank, mut but) = (false, None);
        for part in sequence(e) {
            if let Expr::NegPred(x) = part {
                but = self.show(x, token);
                continue;
            }
            let shown = self.show(part, token);
            let but = but.take();
            let Some(mut p) = shown else {
                blank |= self.blank(part, true);
                continue;
            };
            if let (Some(but), Expr::Ident(_)) = (but, part)
                && p.text == "any character"
            {
                p.text = match but.tight {
                    0 => format!("{} but ({})", p.text, but.text),
                    _ => format!("{} but {}", p.text, but.text),
                };
                p.tight = 1;
            }
            let touches = !(token || blank || self.blank(part, false));
            parts.push((if touches { "·" } else { " " }, p));
            blank = self.blank(part, true);
        }
        if parts.len() < 2 {
            return parts.pop().map(|(_, p)| p);
        }
        let mut text = String::new();
        for (i, (before, p)) in parts.iter().enumerate() {
            if i > 0 {
                text.push_str(before);
            }
            text.push_str(&if p.tight == 0 { format!("({})", p.text) } else { p.text.clone() });
        }
        Some(Piece { text, tight: 1 })
    }

    /// `name = …`, broken where it is long.
    fn line(&self, rule: &Rule) -> String {
        let token = self.tokens.contains(&rule.name);
        let head = format!("{} {} ", readable(&rule.name), if token { ":=" } else { "=" });
        let Some(p) = self.show(&rule.expr, token) else { return String::new() };
        let reserved =
            sequence(&rule.expr).iter().any(|e| matches!(e, Expr::NegPred(x) if **x == Expr::Ident("reserved".into())));
        let p = Piece { text: p.text + if reserved { ", but none that is reserved" } else { "" }, ..p };
        let whole = format!("{head}{}", p.text);
        if whole.chars().count() <= 110 {
            return whole;
        }
        let choice = matches!(rule.expr, Expr::Choice(..));
        let words: Vec<String> = if choice {
            choices(&rule.expr).into_iter().filter_map(|c| self.show(c, token)).map(|p| p.text).collect()
        } else {
            p.text.split(' ').map(str::to_owned).collect()
        };
        let (between, mut out, mut width) = (if choice { " | " } else { " " }, head.clone(), head.chars().count());
        for (i, w) in words.iter().enumerate() {
            let n = w.chars().count() + between.len();
            if i > 0 && width + n > 110 {
                out.push_str(if choice { "\n  | " } else { "\n    " });
                width = 4;
            } else if i > 0 {
                out.push_str(between);
            }
            out.push_str(w);
            width += n;
        }
        out
    }
}

fn sequence(e: &Expr) -> Vec<&Expr> {
    match e {
        Expr::Seq(a, b) => [sequence(a), sequence(b)].concat(),
        e => vec![e],
    }
}

fn choices(e: &Expr) -> Vec<&Expr> {
    match e {
        Expr::Choice(a, b) => [choices(a), choices(b)].concat(),
        e => vec![e],
    }
}

fn idents(e: &Expr) -> Vec<String> {
    e.iter_top_down()
        .filter_map(|e| match e {
            Expr::Ident(n) => Some(n),
            _ => None,
        })
        .collect()
}

fn strings(e: &Expr) -> Vec<String> {
    e.iter_top_down()
        .filter_map(|e| match e {
            Expr::Str(s) => Some(s),
            _ => None,
        })
        .collect()
}

fn quoted(s: &str) -> String {
    match s {
        "\"" => String::from("'\"'"),
        "\\" => String::from("'\\'"),
        "\n" => String::from("line break"),
        s => format!("\"{s}\""),
    }
}

/// A rule's name without what keeps it apart from Rust's words.
fn readable(name: &str) -> String {
    match name {
        "wc" => String::from("letter_digit_or_underscore"),
        "ASCII_DIGIT" => String::from("0..9"),
        "ASCII_ALPHA" => String::from("letter"),
        "inline" => String::from("blank"),
        n => n.trim_end_matches('_').to_owned(),
    }
}

/// Rules of blanks, of the ends of statements and of wrong texts.
fn left_out(name: &str) -> bool {
    const NAMES: [&str; 9] =
        ["ws", "inline", "comment", "SOI", "EOI", "goes_on", "spaced_unit", "foreign_unit", "clock_slip"];
    let wrong = ["junk_", "bad_", "kw_"].iter().any(|p| name.starts_with(p));
    let ends = ["_end", "_start", "_only"].iter().any(|p| name.ends_with(p));
    NAMES.contains(&name) || wrong || ends
}

/// The page.
fn page(source: &str) -> String {
    let grammar = Grammar::read(source);
    let mut out = String::from(INTRO);
    let (mut comment, mut open) = (String::new(), false);
    let close = |out: &mut String, open: &mut bool| {
        if std::mem::take(open) {
            out.push_str("```\n");
        }
    };
    let mut headed = false;
    for line in source.lines() {
        if let Some(heading) = line.strip_prefix("// ---") {
            close(&mut out, &mut open);
            comment.clear();
            let title = heading.trim_matches(['-', ' ']);
            headed = !matches!(title, "blanks" | "junk");
            if headed {
                let mut letters = title.chars();
                let first = letters.next().map(|c| c.to_ascii_uppercase()).into_iter().collect::<String>();
                write!(out, "\n## {first}{}\n\n", letters.as_str()).unwrap();
            }
            continue;
        }
        if let Some(text) = line.strip_prefix("// ") {
            writeln!(comment, "{text}").unwrap();
            continue;
        }
        if line.trim().is_empty() {
            comment.clear();
            continue;
        }
        let name = line.split(' ').next().unwrap();
        let Some(rule) = grammar.rule(name).filter(|_| headed && !line.starts_with([' ', '}'])) else { continue };
        let said = std::mem::take(&mut comment);
        if left_out(name) || grammar.literal(name).is_some() || matches!(name, "digit" | "wc") {
            continue;
        }
        if !said.is_empty() {
            close(&mut out, &mut open);
            if !out.ends_with("\n\n") {
                out.push('\n');
            }
            writeln!(out, "{said}").unwrap();
        }
        if !std::mem::replace(&mut open, true) {
            if !out.ends_with("\n\n") {
                out.push('\n');
            }
            out.push_str("```text\n");
        }
        writeln!(out, "{}", grammar.line(rule)).unwrap();
    }
    close(&mut out, &mut open);
    out
}

fn paths() -> (String, std::path::PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    (std::fs::read_to_string(root.join("grammar/canary.pest")).unwrap(), root.join("docs/grammar.md"))
}

#[test]
fn the_page_says_what_the_grammar_says() {
    let (source, path) = paths();
    let wanted = page(&source);
    if std::env::var_os("CANARY_WRITE_GRAMMAR").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(is == wanted, "docs/grammar.md is not in step: run `CANARY_WRITE_GRAMMAR=1 cargo test --test grammar`");
}

/// Every rule that a right side of the page names is on the page, and no rule is there twice.
#[test]
fn the_page_has_no_loose_ends() {
    let (source, _) = paths();
    let page = page(&source);
    let grammar = Grammar::read(&source);
    let mut defined = BTreeSet::new();
    let mut code = false;
    let mut used = BTreeSet::new();
    for line in page.lines() {
        if line.starts_with("```") {
            code = !code;
            continue;
        }
        if !code {
            continue;
        }
        let right = match line.split_once(" = ").or_else(|| line.split_once(" := ")) {
            Some((name, right)) if !name.contains([' ', '"']) => {
                assert!(defined.insert(name.to_owned()), "`{name}` is there twice");
                right
            }
            _ => line,
        };
        let bare: String = right.split('"').step_by(2).collect();
        for word in bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            used.insert(word.to_owned());
        }
    }
    assert!(defined.len() > 150, "{}", defined.len());
    let names: BTreeSet<String> = grammar.rules.iter().map(|r| readable(&r.name)).collect();
    let known = ["digit", "comment", "letter_digit_or_underscore"];
    let missing: Vec<_> =
        used.iter().filter(|w| names.contains(*w) && !defined.contains(*w) && !known.contains(&w.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
