//! The front end on whole texts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod forms;

use canary::syntax::source::{FileId, SourceMap};
use canary::syntax::{codes, render};
use forms::{CONTEXTS, Forms};
use proptest::prelude::*;
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn every_example_of_the_language_parses() {
    let mut seen = 0;
    for entry in std::fs::read_dir("tests/fixtures/syntax").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (tree, diagnostics) = canary::syntax::parse(FileId(0), &text);
        assert!(diagnostics.is_empty(), "{}: {diagnostics:#?}", path.display());
        assert!(!tree.items.is_empty());
        seen += 1;
    }
    assert_eq!(seen, 11);
}

/// Source and report of each wrong text, to be read alone.
#[test]
fn wrong_texts_are_explained() {
    let mut names: Vec<_> = std::fs::read_dir("tests/fixtures/wrong").unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 30);
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut sources = SourceMap::default();
        let id = sources.add(format!("{name}.canary"), text.as_str());
        let (_, found) = canary::syntax::parse(id, &text);
        assert!(!found.is_empty(), "{name}");
        if name.starts_with("three") {
            assert!(found.len() >= 3, "{name}: {found:#?}");
        }
        for d in &found {
            assert!(codes::find(&d.code).is_some(), "{name}: {}", d.code);
            assert!(!d.message.starts_with("unexpected"), "{name}: {}", d.message);
            assert!(d.help.is_some(), "{name}: `{}` offers no way out", d.message);
        }
        let report = render::human(&sources, &found, render::Style::default());
        insta::with_settings!({snapshot_path => "snapshots/wrong", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, format!("{text}\n{}\n\n{report}", "─".repeat(100)));
        });
    }
}

/// A tree without places.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 3 && map.contains_key("file") && map.contains_key("start") => Value::Null,
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, plain(v))).collect()),
        Value::Array(list) => Value::Array(list.into_iter().map(plain).collect()),
        other => other,
    }
}

/// The statements of a context, alone, as trees without places.
fn statements(head: &str, pointer: &str, inner: &str) -> Vec<Value> {
    let text = format!("{head}{inner}{}", " }".repeat(head.matches('{').count()));
    let (tree, found) = canary::syntax::parse(FileId(0), &text);
    assert!(found.is_empty(), "{text}\n{found:#?}");
    let value = plain(serde_json::to_value(tree).unwrap());
    value.pointer(pointer).unwrap().as_array().unwrap().clone()
}

#[test]
fn any_two_statements_on_one_line_come_back_as_the_same_two() {
    let all: usize = CONTEXTS.iter().map(|c| c.forms.len()).sum();
    assert!(all >= 150, "{all}");
    let mut pairs = 0;
    for Forms { head, pointer, forms } in CONTEXTS {
        let alone: Vec<_> = forms.iter().map(|f| statements(head, pointer, f)).collect();
        for (a, first) in forms.iter().zip(&alone) {
            assert!(!first.is_empty());
            for (b, second) in forms.iter().zip(&alone) {
                let both = statements(head, pointer, &format!("{a} {b}"));
                let expected: Vec<_> = first.iter().chain(second).cloned().collect();
                assert_eq!(both, expected, "{a} {b}");
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, CONTEXTS.iter().map(|c| c.forms.len() * c.forms.len()).sum::<usize>());
}

/// The tree of `let x = …`, without places.
fn expression(text: &str) -> Value {
    statements("", "/items", &format!("let x = {text}"))[0]["let"]["value"]["kind"].clone()
}

fn codes_of(text: &str) -> Vec<String> {
    let (_, found) = canary::syntax::parse(FileId(0), text);
    found.into_iter().map(|d| d.code).collect()
}

#[test]
fn keywords_and_units_have_boundaries() {
    assert_eq!(expression("notready")["name"][0]["node"], "notready");
    assert_eq!(expression("order")["name"][0]["node"], "order");
    assert_eq!(expression("on_call")["name"][0]["node"], "on_call");
    assert_eq!(expression("1500ms")["literal"]["duration"], 1500);
    assert_eq!(expression("1h30m")["literal"]["duration"], 5_400_000);
    assert_eq!(expression("1.5h")["literal"]["duration"], 5_400_000);
    assert_eq!(expression("99.6%")["literal"]["ratio"], 0.996);
    assert_eq!(expression("0.5pp")["literal"]["points"], 0.005);
    assert_eq!(expression("200/s")["literal"]["rate"], 200.0);
    assert_eq!(expression("120/m")["literal"]["rate"], 2.0);
    assert_eq!(expression("10MiB")["literal"]["bytes"], 10_485_760.0);
    assert_eq!(expression("1_000")["literal"]["number"], 1000.0);
    assert_eq!(expression("2026-12-20T09:00Z")["literal"]["time"], 1_797_757_200_000_i64);
    assert_eq!(expression("2026-12-20T10:00:00+01:00")["literal"]["time"], 1_797_757_200_000_i64);
    assert_eq!(expression("off")["literal"]["bool"], false);
    assert_eq!(expression("`a $$ \"b\"`")["raw"], "a $$ \"b\"");
    assert_eq!(expression("\"a \\\"b\\\" \\n\"")["text"], "a \"b\" \n");
}

#[test]
fn words_of_constructs_are_names_elsewhere() {
    for word in ["else_", "events", "checks", "guard", "phase", "hold", "from", "until", "data", "metric", "undecided"]
    {
        assert_eq!(expression(word)["name"][0]["node"], word);
    }
    assert_eq!(expression("phase.elapsed")["name"][1]["node"], "elapsed");
}

#[test]
fn operators_bind_as_they_are_read() {
    let same = |a: &str, b: &str| {
        let strip = |v: Value| {
            fn go(v: Value) -> Value {
                match v {
                    Value::Object(m) if m.len() == 1 && m.contains_key("paren") => go(m["paren"]["kind"].clone()),
                    Value::Object(m) => Value::Object(m.into_iter().map(|(k, v)| (k, go(v))).collect()),
                    Value::Array(l) => Value::Array(l.into_iter().map(go).collect()),
                    v => v,
                }
            }
            go(v)
        };
        assert_eq!(strip(expression(a)), strip(expression(b)), "{a} | {b}");
    };
    same("a or b and c", "a or (b and c)");
    same("not a and b", "(not a) and b");
    same("not a < b", "not (a < b)");
    same("a < b + c * -e", "a < (b + (c * (-e)))");
    same("a - b - c", "(a - b) - c");
    same("a / b * c", "(a / b) * c");
    same("a < b for 5m", "(a < b) for 5m");
    same("a -5", "a - 5");
    same("a not in b", "not (a in b)");
    same("(a < 5 for 3 checks) and b", "((a < 5) for 3 checks) and b");
}

#[test]
fn or_undecided_belongs_to_confidence() {
    let e = expression("a <= stable confidence 99% or undecided");
    assert_eq!(e["confidence"]["or_undecided"], true);
    let e = expression("a <= stable confidence 99% or undecided_x");
    assert_eq!(e["binary"]["op"], "or");
}

#[test]
fn since_phase_is_an_argument() {
    let e = expression("increase(c, since phase)");
    assert_eq!(e["call"]["args"][1]["name"]["node"], "since");
    assert_eq!(e["call"]["args"][1]["value"]["kind"]["name"][0]["node"], "phase");
}

#[test]
fn newlines_mean_nothing() {
    let one = statements("", "/items", "metric a: ratio = x + 1 traffic b");
    let many = statements("", "/items", "metric\n a # c\n :\n ratio\n = x\n + 1\ntraffic\n\tb");
    assert_eq!(one, many);
}

#[test]
fn nesting_is_capped_at_its_opener() {
    let start = Instant::now();
    let text = format!("let x = {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let (_, found) = canary::syntax::parse(FileId(0), &text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code, codes::TOO_DEEP);
    assert_eq!(found[0].span().start, 8 + 64);
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    let text = format!("let x = {}1{}", "(".repeat(64), ")".repeat(64));
    assert!(canary::syntax::parse(FileId(0), &text).1.is_empty());
}

/// Hostile texts of a size: what a quadratic or exponential step would show.
fn hostile(size: usize) -> Vec<(&'static str, String)> {
    let fill = |unit: &str| unit.repeat(size / unit.len());
    vec![
        ("not", format!("let x = {}y", fill("not "))),
        ("minus", format!("let x = {}y", fill("- "))),
        ("plus", format!("let x = y{}", fill(" + y"))),
        ("for", format!("let x = y{}", fill(" for 5m"))),
        ("shallow parens", format!("let x = {}", fill("(y) "))),
        ("calls", format!("let x = {}", fill("f(g(h(1)), "))),
        ("open at the cap", format!("let x = {}{}", "(".repeat(60), fill("y + "))),
        ("words", fill("word ")),
        ("lines", fill("word\n")),
        ("keywords", fill("guard ")),
        ("keyword lines", fill("guard a\n")),
        ("bindings", fill("a: b\n")),
        ("strings", fill("\"")),
        ("open strings", fill("\"a\n")),
        ("backticks", fill("`\nmetric a\n")),
        ("quotes", fill("'")),
        ("comments", fill("/* \n")),
        ("slashes", fill("a://b ")),
        ("semicolons", fill(";")),
        ("closers", fill("}")),
        ("blocks", fill("{}")),
        ("phases", format!("rollout r {{ {} }}", fill("phase a b { x } "))),
        ("broken phases", format!("rollout r {{ {} }}", fill("phase a b { x }\n"))),
        ("guards", format!("rollout r {{ {} }}", fill("guard a: b < c\n"))),
        ("elses", format!("rollout r {{ {} }}", fill("else "))),
        ("digits", format!("let x = {}", fill("1"))),
        ("units", format!("let x = {}", fill("1h"))),
        ("dots", format!("let x = a{}", fill(".a"))),
        ("commas", format!("channel a{}", fill(", a"))),
        ("list", format!("let x = [1{}]", fill(", 1"))),
        ("dollars", fill("$")),
        ("smart quotes", fill("“")),
        ("letters", fill("ö ")),
        ("valid", fill("metric a: ratio = prometheus(`up`)\n")),
        ("given", fill("given ")),
        ("from", format!("test \"t\" for r {{ given a = {} }}", fill("from "))),
        ("lines of a test", format!("test \"t\" for r {{ {} }}", fill("given errors = 2% of 100/s\n"))),
        ("wrong lines of a test", format!("test \"t\" for r {{ {} }}", fill("expect phase at 5m\n"))),
        ("broken tests", fill("test \"t\" { expect x }\n")),
        ("wrong steps", format!("probe p every 5m {{ {} }}", fill("a = get(\"/\")\n"))),
        ("wrong labels", format!("environment e {{ {} }}", fill("labels a = \"b\"\n"))),
        ("days", format!("window it = {}", fill("mon..fri, "))),
    ]
}

#[test]
fn time_grows_with_the_length() {
    // per text: a slow step shows as a ratio far above that of the sizes, whatever the machine
    for ((name, small), (_, large)) in hostile(8_000).into_iter().zip(hostile(48_000)) {
        let time = |text: &str| {
            let start = Instant::now();
            let (_, found) = canary::syntax::parse(FileId(0), text);
            assert!(found.len() <= 101, "{name}: {}", found.len());
            start.elapsed()
        };
        let (a, b) = (time(&small).max(Duration::from_millis(2)), time(&large));
        assert!(b < a * 24 + Duration::from_millis(50), "{name}: {a:?} for 8 kB, {b:?} for 48 kB");
    }
}

#[test]
#[ignore = "a measurement: a megabyte of each hostile text"]
fn a_megabyte_of_anything() {
    for (name, text) in hostile(1_000_000) {
        let start = Instant::now();
        let (_, found) = canary::syntax::parse(FileId(0), &text);
        println!("{name:>16} {:>8.0?} {}", start.elapsed(), found.len());
    }
}

#[test]
fn an_expression_has_a_limit_of_operators() {
    assert_eq!(codes_of(&format!("let x = y{}", " + y".repeat(256))), Vec::<String>::new());
    assert_eq!(codes_of(&format!("let x = y{}", " + y".repeat(257))), [codes::TOO_LONG]);
    assert_eq!(codes_of(&format!("let x = {}y", "not ".repeat(100_000))), [codes::TOO_LONG]);
}

#[test]
fn an_empty_text_is_told() {
    assert_eq!(codes_of(""), [codes::EMPTY]);
    assert_eq!(codes_of("\u{feff}  # nothing\n"), [codes::EMPTY]);
    assert_eq!(codes_of("\u{feff}traffic a"), Vec::<String>::new());
}

/// Every place of a tree or a finding.
fn spans(value: &Value, out: &mut Vec<(usize, usize)>) {
    match value {
        Value::Object(m) => {
            if let (Some(s), Some(e)) = (m.get("start").and_then(Value::as_u64), m.get("end").and_then(Value::as_u64)) {
                out.push((usize::try_from(s).unwrap(), usize::try_from(e).unwrap()));
            }
            m.values().for_each(|v| spans(v, out));
        }
        Value::Array(l) => l.iter().for_each(|v| spans(v, out)),
        _ => {}
    }
}

fn places_are_sound(text: &str) {
    let (tree, found) = canary::syntax::parse(FileId(0), text);
    let mut all = Vec::new();
    let (tree, told) = (serde_json::to_value(&tree).unwrap(), serde_json::to_value(&found).unwrap());
    spans(&tree, &mut all);
    spans(&told, &mut all);
    for (start, end) in all {
        assert!(text.get(start..end).is_some(), "{start}..{end} in {text:?}");
    }
    // beyond a thousand findings no more are looked for
    if found.len() < 100 {
        nothing_is_forgotten(text, &tree, &told);
    }
    let mut sources = SourceMap::default();
    sources.add("p", text);
    let _ = render::human(&sources, &found, render::Style::default());
    let _ = render::json(&sources, &found);
}

/// Every word and sign that the grammar knows, and a few names and literals.
fn words() -> Vec<String> {
    let mut out: Vec<String> = include_str!("../grammar/canary.pest")
        .lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .flat_map(|l| l.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|w| !w.is_empty() && !w.contains('\\'))
        .collect();
    let more = [
        "a",
        "b",
        "x",
        "5m",
        "5",
        "2%",
        "100/s",
        "0.5pp",
        "09:00..17:00",
        "2026-12-20T09:00Z",
        "\"t\"",
        "`q`",
        "\"",
        "#",
        "\n",
        "ö",
        "“",
        "//",
        ";",
        "!",
        "&&",
    ];
    out.extend(more.map(str::to_owned));
    out.sort();
    out.dedup();
    assert!(out.len() > 200, "{}", out.len());
    out
}

/// What of a text no item covers: only blanks, comments, and what a finding points at.
fn nothing_is_forgotten(text: &str, tree: &Value, found: &Value) {
    let mut covered = vec![false; text.len()];
    let mut cover = |from: usize, to: usize| covered[from..to].fill(true);
    for item in tree["items"].as_array().unwrap() {
        let mut all = Vec::new();
        spans(item, &mut all);
        let (mut from, to) = (all.iter().map(|s| s.0).min().unwrap(), all.iter().map(|s| s.1).max().unwrap());
        // these two say where their names stand, not where they begin
        for word in ["edition", "channel"] {
            if item.get(word).is_some() {
                from = text[..from].rfind(word).unwrap();
            }
        }
        cover(from, to);
    }
    let built = covered.clone();
    let mut told = Vec::new();
    spans(found, &mut told);
    for (from, to) in told {
        covered[from..to].fill(true);
    }
    let (mut comment, mut block) = (false, 0);
    for (i, c) in text.char_indices() {
        // told, and read as a comment up to its end, or that of the line
        if text[i..].starts_with("/*") && i >= block && !comment {
            block =
                text[i..].find("*/").map_or_else(|| i + text[i..].find('\n').unwrap_or(text.len() - i), |n| i + n + 2);
        }
        comment = match c {
            '\n' => false,
            '#' => comment || !built[i],
            // told, and read as a comment
            '/' => comment || text[i..].starts_with("//"),
            _ => comment,
        };
        assert!(
            covered[i] || comment || i < block || c.is_whitespace() || c == '\u{feff}',
            "{i} `{c}` is forgotten in {text:?}\n{tree:#}\n{found:#}"
        );
    }
}

fn valid() -> Vec<String> {
    std::fs::read_dir("tests/fixtures/syntax")
        .unwrap()
        .map(|e| std::fs::read_to_string(e.unwrap().path()).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        places_are_sound(&text);
    }

    #[test]
    fn no_text_of_our_own_signs_panics(words in prop::collection::vec(prop::sample::select(words()), 0..60), blank in prop::bool::ANY) {
        places_are_sound(&words.join(if blank { " " } else { "" }));
    }

    /// Right lines, one of them damaged: whatever comes of it, nothing of the text is forgotten.
    #[test]
    fn no_damaged_line_panics(
        place in 0..CONTEXTS.len(),
        lines in prop::collection::vec((0_usize..1000, prop::bool::ANY), 1..6),
        cut in 0_usize..200,
        insert in prop::sample::select(words()),
    ) {
        let Forms { head, forms, .. } = &CONTEXTS[place];
        let mut body = String::new();
        for (which, newline) in lines {
            body.push_str(forms[which % forms.len()]);
            body.push(if newline { '\n' } else { ' ' });
        }
        let at = (0..=cut % body.len()).rev().find(|i| body.is_char_boundary(*i)).unwrap();
        let end = (at..=body.len()).find(|i| *i > at && body.is_char_boundary(*i)).unwrap_or(at);
        body.replace_range(at..end, &insert);
        places_are_sound(&format!("{head}\n{body}{}\n", "}".repeat(head.matches('{').count())));
    }

    #[test]
    fn no_mutated_policy_panics(which in 0_usize..11, at in 0.0_f64..1.0, len in 0_usize..30, insert in "(?s).{0,5}") {
        let text = valid().swap_remove(which);
        let floor = |n: usize| (0..=n.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index of a short text")]
        let from = floor((at * text.len() as f64) as usize);
        let to = floor(from + len);
        places_are_sound(&format!("{}{insert}{}", &text[..from], &text[to.max(from)..]));
    }
}

#[test]
fn every_fix_mends_what_it_is_offered_for() {
    let mut tried = 0;
    for entry in std::fs::read_dir("tests/fixtures/wrong").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, before) = canary::syntax::parse(FileId(0), &text);
        for d in &before {
            let Some(fix) = &d.fix else { continue };
            let mut mended = text.clone();
            mended.replace_range(fix.span.start as usize..fix.span.end as usize, &fix.replacement);
            let (_, after) = canary::syntax::parse(FileId(0), &mended);
            let same = |found: &[canary::syntax::diagnostic::Diagnostic]| {
                found.iter().filter(|o| o.code == d.code && o.message == d.message).count()
            };
            assert!(
                same(&after) < same(&before),
                "{}: `{}` is not mended by `{}` at {}..{}:\n{after:#?}",
                path.display(),
                d.message,
                fix.replacement,
                fix.span.start,
                fix.span.end
            );
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}
