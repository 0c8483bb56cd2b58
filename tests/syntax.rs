//! The front end on whole texts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::syntax::source::{FileId, SourceMap};
use canary::syntax::{codes, render};
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

const TOP: &[&str] = &[
    "edition 2026",
    "param max: ratio = 1%",
    "param max: ratio = 1% at least 0% at most 2% \"doc\"",
    "let x = errors + 1",
    "let x = (a and b) for 80% of 10m",
    "metric a: ratio = prometheus(`up`, max_age: 1m)",
    "metric a: ratio = b",
    "metric a: count = x[tenant: \"acme\"]",
    "traffic checkout",
    "traffic checkout about 40/s per tenant, severity",
    "flag a: bool",
    "flag a: count in [0, 1, 2] per tenant",
    "action smoke",
    "action smoke timeout 60s",
    "action smoke timeout 60s, undo none",
    "action smoke undo other",
    "channel oncall",
    "channel oncall, live",
    "environment e { a = b(c: 1) }",
    "rollout r { }",
    "rollout r \"title\" per tenant { phase a { hold 5m } }",
    "use std.http(service: \"x\") as http",
    "use std.http as http",
    "use \"./team.canary\" as team",
    "use \"./team.canary\"(max: 2%) as team",
    "slice severity in [\"low\", \"high\"]",
    "slice severity in []",
    "slice tenant of agreement",
    "slice tenant of http.errors",
    "slice tenant of agreement label \"tenant_id\"",
    "flags all: [a, b]",
    "flags all: []",
    "flags all: [\"a-b\", c] in [0%, 10%] per tenant, severity",
    "probe p every 30s timeout 10s { step a = get(\"/\", status: 200) }",
    "probe p every 30s { }",
    "load burst = burst(get: \"/q\", requests: 100)",
    "killswitch k { flag a = off run stop }",
    "killswitch k per tenant { traffic b = 0%, flag a = off }",
    "window office = mon..fri 09:00..17:00 zone \"Europe/Berlin\"",
    "window weekend = sat, sun 00:00..12:00, 13:00..24:00 zone \"Europe/Berlin\"",
    "signoff m4 { artifact \"a.json\" }",
    "slo target { objective errors <= 0.1% over 30d }",
    "score health { part a = b bad 2% good 0.1% }",
    "test \"t\" for r { expect rollback }",
    "test \"t\" for r with max = 2% { expect rollback }",
    "test \"t\" for r with max = 2%, min = n { }",
];

const ROLLOUT: &[&str] = &[
    "owner \"team\"",
    "link adr \"docs/1.md\"",
    "check every 15s",
    "settle 30s",
    "baseline 5m",
    "require x >= 100",
    "require signed_off(m4) \"why\"",
    "no data tolerate 10m else pause",
    "no data tolerate 4 checks else rollback",
    "no data else hold",
    "guard a: x < 5% else rollback",
    "guard a: x < 5% at least 300 events from p until q tolerate 2 checks never waived else rollback to p, kill k",
    "guard a: x <= stable + 0.5pp confidence 99% or undecided else tell",
    "guard a: (x < 5%) for 3 of 5 checks tolerate 5m else hold",
    "phase a { hold 5m }",
    "phase a \"why\" { }",
    "on breach: notify oncall",
    "on breach, rollback: run a",
    "on done: snapshot",
    "every 5m: notify live, slack",
    "at 15m, 30m: snapshot",
    "when x > 500: run a limit 4 per 1h",
    "when x: notify live",
    "release canary \"main\"",
    "release canary \"main\" stable \"r0.5\"",
    "release canary \"main\" proven by http.release",
    "release canary \"main\" stable \"r0.5\" proven by shadow",
    "advance when now in office and not (now in freeze)",
    "advance when now not in freeze",
    "cooldown 24h after rollback",
    "start slices by severity",
    "start slices by severity limit 200 per 1h",
    "drift pause",
    "route checkout = header \"X-Canary\" \"1\"",
    "route checkout = cookie \"canary\"",
    "after search promoted within 7d",
];

const PHASE: &[&str] = &[
    "traffic x = 5%",
    "flag y = on",
    "traffic x = 10%, flag y = 1",
    "run smoke",
    "run smoke else pause",
    "hold 30m",
    "hold watch",
    "promote when x",
    "promote when (a >= 98% and b == 0) for 7d",
    "promote when a within 30m else rollback to p",
    "ramp x from 5% to 50% by 5% every 10m",
    "mirror x = 20%",
    "hold forever",
    "hold until 500 events",
    "hold until n events of http.errors",
    "hold until 500 events within 6h else rollback to p",
    "hold until 500 events of errors within 6h else pause",
    "irreversible \"why\"",
];

const SWITCH: &[&str] =
    &["traffic x = 0%", "flag y = off", "traffic x = 0%, flag y = 0", "run stop", "run stop else pause"];

const ENVIRONMENT: &[&str] = &[
    "prometheus = prometheus(url: env(\"URL\"), bearer: secret(\"T\"))",
    "smoke = command([\"./smoke.sh\", \"--strict\"])",
    "store = lab",
    "confidence = x(a: 1)",
    "labels = y(b: 2)",
    "variants checkout { canary = `version=\"v2\"`   all = `` }",
    "labels { tenant = \"tenant_id\" }",
    "labels { tenant = \"tenant_id\"   severity = \"sev\" }",
    "labels { }",
    "people engineering = [\"user-1\", \"user-2\"]",
];

const PROBE: &[&str] = &[
    "step login = post(\"/login\", json: `{\"user\": \"probe\"}`, status: 200, capture: token(\"$.token\"))",
    "step basket = get(\"/basket\", bearer: token, within: 800ms)",
    "step step = step(step)",
];

const SIGNOFF: &[&str] = &[
    "artifact \"signoffs/m4.json\"",
    "require shadow_runs >= 100 \"shadow run complete\"",
    "require golden == 0",
    "by \"quality\"",
    "expires 14d",
    "expires lifetime",
];

const SLO: &[&str] = &["objective errors <= 0.1% over 30d", "objective http.errors <= limit over period"];

const SCORE: &[&str] = &[
    "part errors = errors bad 2% good 0.1% weight 3",
    "part speed = share(latency < 300ms) bad 90% good 99%",
    "part part = part bad bad good good",
];

const TEST: &[&str] = &[
    "assume healthy",
    "starts at 2026-10-25T00:30Z",
    "given errors = 2%",
    "given errors = 2% of 100/s from 3m to 5m",
    "given errors = 2% of rate",
    "given stable errors = 0.5% of 900/s",
    "given before latency_p95 = 400ms to 5m",
    "given canary errors = missing from 2m",
    "given share(latency < 300ms) = 80% from 12m",
    "given used / all = 80%",
    "given pool ramps 70% to 90%",
    "given pool ramps 70% to 90% to 10m",
    "given pool ramps 70% to high from 5m to 10m",
    "given pool = series(`70 70 _x3 stale 70+2x10`, step: 1m, unit: 1%)",
    "given precision[tenant: \"acme\", severity: \"low\"] = 90% from 2d",
    "given http.errors = missing",
    "given approved(\"engineering\") = true",
    "given rolled back 3h ago",
    "given rolled = 3",
    "source prometheus fails",
    "source prometheus fails from 5m to 9m",
    "source prometheus lacks canary",
    "source prometheus lacks canary from 5m",
    "source prometheus keeps no history",
    "runner stops from 3m to 5m",
    "runner stops",
    "action smoke fails",
    "action smoke hangs from 3m",
    "operator approves \"engineering\" at 20m",
    "operator approves \"engineering\" as \"user-1\" at 20m",
    "operator pauses at 25m",
    "operator resumes at 25m",
    "operator aborts at 25m",
    "operator kills autonomy_off at 25m",
    "port checkout drifts to 20% at 10m",
    "port checkout fails",
    "port checkout fails from 5m to 6m",
    "expect rollback",
    "expect rollback at 17m because slow",
    "expect rollback to half because slow",
    "expect promoted",
    "expect promoted at 1h45m",
    "expect no rollback",
    "expect not promoted",
    "expect paused at 3m",
    "expect refused",
    "expect refused because cooldown",
    "expect phase half at 15m",
    "expect phase half",
    "expect guard slow is failing at 12m",
    "expect guard slow is ok",
    "expect checkout is 50% at 16m",
    "expect autonomy[tenant: \"acme\"] is on",
    "expect not checkout is 50%",
    "expect promoted is 50%",
    "expect guard is 50%",
    "expect no is 50%",
    "expect notified oncall at 17m",
    "expect notified oncall",
    "expect ran smoke",
    "expect ran smoke 3 times",
    "expect ran smoke 3 times at 3m",
    "expect not ran smoke",
    "expect killed autonomy_off",
    "expect killed autonomy_off[tenant: \"acme\"] at 2d",
    "expect snapshot at 15m",
    "expect no snapshot",
];

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
    let contexts = [
        ("", "/items", TOP),
        ("rollout r { ", "/items/0/rollout/body", ROLLOUT),
        ("rollout r { phase p { ", "/items/0/rollout/body/0/phase/body", PHASE),
        ("killswitch k { ", "/items/0/killswitch/body", SWITCH),
        ("environment e { ", "/items/0/environment/entries", ENVIRONMENT),
        ("probe p every 30s { ", "/items/0/probe/steps", PROBE),
        ("signoff m4 { ", "/items/0/signoff/body", SIGNOFF),
        ("slo target { ", "/items/0/slo/objectives", SLO),
        ("score health { ", "/items/0/score/parts", SCORE),
        ("test \"t\" for r { ", "/items/0/test/body", TEST),
    ];
    let forms: usize = contexts.iter().map(|c| c.2.len()).sum();
    assert!(forms >= 150, "{forms}");
    let mut pairs = 0;
    for (head, pointer, forms) in contexts {
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
    assert_eq!(pairs, contexts.iter().map(|c| c.2.len() * c.2.len()).sum::<usize>());
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
    spans(&serde_json::to_value(&tree).unwrap(), &mut all);
    spans(&serde_json::to_value(&found).unwrap(), &mut all);
    for (start, end) in all {
        assert!(text.get(start..end).is_some(), "{start}..{end} in {text:?}");
    }
    let mut sources = SourceMap::default();
    sources.add("p", text);
    let _ = render::human(&sources, &found, render::Style::default());
    let _ = render::json(&sources, &found);
}

fn valid() -> Vec<String> {
    std::fs::read_dir("tests/fixtures/syntax")
        .unwrap()
        .map(|e| std::fs::read_to_string(e.unwrap().path()).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        places_are_sound(&text);
    }

    #[test]
    fn no_text_of_our_own_signs_panics(words in prop::collection::vec(prop::sample::select(vec![
        "guard", "phase", "rollout", "a", ":", "=", "{", "}", "(", ")", "[", "]", "\"", "`", "5m", "5", "%", "not", "and", "for",
        "else", "rollback", "hold", "#", "\n", "in", ",", ".", "<", "environment", "metric", "ö", "“", "//", ";", "!", "at", "least",
        "promote", "when", "on", "confidence", "or", "undecided", "-", "since", "checks", "of",
    ]), 0..60), blank in prop::bool::ANY) {
        places_are_sound(&words.join(if blank { " " } else { "" }));
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
