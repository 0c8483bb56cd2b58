//! What a policy compiles to: questions, windows, pronouns, accumulators, settings; and the plan's hash.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check;
use canary::plan::{
    Arg, Ask, Bindings, Compare, Consequence, Node, NodeId, Plan, Population, PortKind, Secret, Selector, Setting,
    Temporal, Tolerance, Window,
};
use canary::syntax::{self, diagnostic::Diagnostic, source::SourceMap};

const PRODUCTION: &str = r#"
environment production {
  prometheus = prometheus(url: env("PROMETHEUS_URL"), bearer: secret("TOKEN"), scrape: 30s)
  checkout   = haproxy(socket: "/run/h.sock", backend: "be", canary: "v2", stable: "v1")
  variants checkout { canary = `version="v2"`   stable = `version="v1"` }
}
"#;

fn compile(text: &str, env: &str, sets: &[(&str, &str)]) -> (Option<(Plan, Bindings)>, Vec<Diagnostic>) {
    let mut map = SourceMap::default();
    let id = map.add("p.canary", text);
    let (file, mut found) = syntax::parse(id, text);
    let sets: Vec<_> = sets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let (made, more) = check::compile(&[file], &map, None, Some(env), &sets);
    found.extend(more);
    (made, found)
}

fn policy(decls: &str, body: &str) -> String {
    format!(
        r#"edition 2026
metric failed: counter = prometheus(`http_requests_total{{code=~"5..", ${{where}}}}`)
metric served: counter = prometheus(`http_requests_total{{${{where}}}}`)
metric errors: events = events(bad: failed, total: served)
metric latency: histogram = prometheus(`http_request_duration_milliseconds_bucket{{${{where}}}}`, unit: 1ms, window: 2m)
{decls}
traffic checkout
rollout checkout {{
{body}
}}
{PRODUCTION}"#
    )
}

const PHASE: &str = "  phase taste { traffic checkout = 5%   hold 10m }";

fn plan_of(decls: &str, body: &str) -> Plan {
    plan_in("production", decls, body)
}

fn plan_in(env: &str, decls: &str, body: &str) -> Plan {
    let (made, found) = compile(&policy(decls, body), env, &[]);
    let errors: Vec<_> = found.iter().filter(|d| d.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    made.unwrap().0
}

fn guard(decls: &str, condition: &str) -> Plan {
    plan_of(decls, &format!("  guard g: {condition} else rollback\n{PHASE}"))
}

fn node(plan: &Plan, id: NodeId) -> &Node {
    &plan.program.nodes[id.index()]
}

/// The two sides of the guard's comparison.
fn sides(plan: &Plan) -> (Node, Node) {
    let Node::Compare { left, right, .. } = node(plan, plan.guards[0].healthy) else {
        panic!("not a comparison: {:?}", plan.program);
    };
    (node(plan, *left).clone(), node(plan, *right).clone())
}

#[test]
fn a_window_is_that_of_the_call_or_the_metric_or_four_scrapes() {
    let window = |cond: &str| {
        let plan = guard("", cond);
        let input = &plan.inputs[plan.guards[0].inputs[0].index()];
        match input.ask {
            Ask::Increase(_, Window::Last(w)) | Ask::Buckets(_, Window::Last(w)) => {
                assert_eq!(input.reach, w);
                w
            }
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(window("errors < 1%"), 120_000, "4 scrapes of 30s");
    assert_eq!(window("errors(10m) < 1%"), 600_000);
    assert_eq!(window("share(latency < 300ms) > 95%"), 120_000);
    assert_eq!(window("p95(latency, 5m) < 300ms"), 300_000);
    assert_eq!(window("increase(failed, 7m) == 0"), 420_000);
}

#[test]
fn what_tells_a_dark_canary_from_a_blind_source_is_asked_beside_it() {
    let plan = guard("", "p95(latency) < 1s");
    let canary = &plan.inputs[0];
    assert_eq!(canary.population, Population::Canary);
    assert!(canary.separable && !canary.auxiliary);
    let sibling = &plan.inputs[canary.sibling.unwrap().index()];
    assert_eq!(sibling.population, Population::Stable);
    assert_eq!(sibling.ask, canary.ask);
    assert!(sibling.auxiliary);
    assert_eq!(plan.guards[0].inputs.len(), 1, "it is not waited for");
    // read by a guard, it is no longer only that
    let plan = guard("", "p95(latency) <= stable + 100ms");
    let sibling = &plan.inputs[plan.inputs[0].sibling.unwrap().index()];
    assert!(!sibling.auxiliary);
    assert_eq!(plan.guards[0].inputs.len(), 2);
    // nothing to tell apart
    let plan = guard("metric pool: ratio = prometheus(`pool`)", "pool < 80%");
    assert!(!plan.inputs[0].separable && plan.inputs[0].sibling.is_none());
}

#[test]
fn a_question_is_asked_once_however_often_it_is_read() {
    let plan =
        plan_of("", &format!("  guard a: errors < 1% else rollback\n  guard b: errors < 2% for 5m else hold\n{PHASE}"));
    assert_eq!(plan.inputs.len(), 4, "bad and total, canary and stable: {:#?}", plan.inputs);
}

#[test]
fn a_pronoun_is_the_metric_of_the_other_side() {
    let plan = guard("", "errors <= greater(stable * 150%, 0.5%)");
    let (left, right) = sides(&plan);
    let Node::Events { bad, .. } = left else { panic!("{left:?}") };
    assert_eq!(plan.inputs[bad.index()].population, Population::Canary);
    let Node::Greater(product, floor) = right else { panic!("{right:?}") };
    assert_eq!(*node(&plan, floor), Node::Const(0.005));
    let Node::Mul(stable, factor) = *node(&plan, product) else { panic!() };
    assert_eq!(*node(&plan, factor), Node::Const(1.5));
    let Node::Events { bad, total } = *node(&plan, stable) else { panic!() };
    assert_eq!(plan.inputs[bad.index()].population, Population::Stable);
    assert_eq!(plan.inputs[total.index()].metric, "served");
}

#[test]
fn a_pronoun_may_hide_in_a_let_and_stand_on_the_left() {
    let direct = guard("", "share(latency < 300ms) >= stable - 2pp");
    let named = guard("let floor = stable - 2pp", "share(latency < 300ms) >= floor");
    assert_eq!(direct.program, named.program);
    let plan = guard("", "stable + 100ms >= p95(latency)");
    let (_, right) = sides(&plan);
    let Node::Quantile { buckets, q } = right else { panic!("{right:?}") };
    assert_eq!(plan.inputs[buckets.index()].population, Population::Canary);
    assert!((q - 0.95).abs() < 1e-12);
}

#[test]
fn before_is_one_window_as_long_as_the_baseline() {
    let body = |cond: &str| format!("  baseline 10m\n  guard g: {cond} else rollback\n{PHASE}");
    let before = |plan: &Plan| {
        let all: Vec<_> = plan.inputs.iter().filter(|i| i.population == Population::Before).cloned().collect();
        assert!(plan.guards[0].inputs.iter().all(|i| plan.inputs[i.index()].population != Population::Before));
        all
    };
    let plan = plan_of("", &body("errors <= before * 150%"));
    assert_eq!(plan.baseline, Some(600_000));
    let found = before(&plan);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|i| matches!(i.ask, Ask::Increase(_, Window::Last(600_000)))));

    let plan = plan_of("", &body("increase(failed, 2m) <= before"));
    let (_, right) = sides(&plan);
    let Node::Increase(input, factor) = right else { panic!("{right:?}") };
    assert!(matches!(plan.inputs[input.index()].ask, Ask::Increase(_, Window::Last(600_000))));
    assert!((factor - 0.2).abs() < 1e-12, "2m of 10m");

    let plan = plan_of("metric pool: ratio = prometheus(`max(pool{${where}})`)", &body("pool <= before + 5pp"));
    let found = before(&plan);
    assert_eq!(found[0].ask, plan.inputs[0].ask, "a gauge is asked as it is");
    // nobody reads it: no baseline is waited for
    assert_eq!(plan_of("", &body("errors < 1%")).baseline, None);
}

#[test]
fn increments_count_since_the_guard_or_since_the_phase() {
    let plan = plan_of(
        "",
        "  guard a: increase(failed) == 0 else rollback
  guard b: increase(failed, since phase) < 5 else hold
  phase taste { traffic checkout = 5%   promote when increase(served) > 100 }",
    );
    let slots: Vec<_> = plan
        .program
        .nodes
        .iter()
        .filter_map(|n| match n {
            Node::Accumulated { input, slot, since_phase } => {
                assert!(matches!(plan.inputs[input.index()].ask, Ask::Increase(_, Window::SinceLast)));
                Some((*slot, *since_phase))
            }
            _ => None,
        })
        .collect();
    // phases are lowered first
    assert_eq!(slots, [(0, true), (1, false), (2, true)]);
    assert_eq!(plan.program.accumulators, 3);
}

#[test]
fn all_four_temporal_forms() {
    for (form, want) in [
        ("for 5m", Temporal::For(300_000)),
        ("for 3 checks", Temporal::Checks(3)),
        ("for 3 of 5 checks", Temporal::KOfN(3, 5)),
        ("for 80% of 10m", Temporal::ShareOf(800_000, 600_000)),
    ] {
        let plan = plan_of("", &format!("  guard g: errors < 1% {form} else hold\n{PHASE}"));
        let Node::For { op, slot, .. } = *node(&plan, plan.guards[0].healthy) else { panic!("{form}") };
        assert_eq!((op, slot), (want, 0));
        assert_eq!(plan.program.monitors, 1);
    }
}

#[test]
fn a_minimum_sample_goes_to_the_comparisons_that_count_events() {
    let plan = plan_of(
        "metric pool: ratio = prometheus(`pool`)",
        &format!("  guard g: errors < 1% and pool < 80% at least 300 events else rollback\n{PHASE}"),
    );
    let found: Vec<_> = plan
        .program
        .nodes
        .iter()
        .filter_map(|n| match n {
            Node::Compare { at_least, op, .. } => Some((*at_least, *op)),
            _ => None,
        })
        .collect();
    assert_eq!(found, [(Some(300), Compare::Lt), (None, Compare::Lt)]);
}

#[test]
fn operands_stand_before_what_reads_them() {
    let plan = guard(
        "metric pool: ratio = prometheus(`pool`)",
        "not (errors <= stable + 1pp and default(pool, 0%) < 80%) or missing(pool) or phase.elapsed < 5m",
    );
    for (i, n) in plan.program.nodes.iter().enumerate() {
        let text = serde_json::to_value(n).unwrap();
        let operands: Vec<u64> = match n {
            Node::Add(..) | Node::Default(..) | Node::And(..) | Node::Or(..) => text
                .as_object()
                .unwrap()
                .values()
                .flat_map(|v| v.as_array().unwrap().clone())
                .map(|v| v.as_u64().unwrap())
                .collect(),
            Node::Compare { left, right, .. } => vec![u64::from(left.0), u64::from(right.0)],
            Node::Not(a) | Node::Missing(a) => vec![u64::from(a.0)],
            _ => vec![],
        };
        assert!(operands.iter().all(|o| *o < i as u64), "{n:?} at {i}");
    }
}

#[test]
fn a_query_is_filled_and_its_reach_is_known() {
    let decls = r#"param job: string = "a\"b"
param most: ratio = 80%
param back: duration = 10m
metric pool: ratio = prometheus(`max by (${by}) (max_over_time(pool{job="${job}", ${where}}[${window}])) / ${most} + 0 * sum(rate(x[5m] offset ${back}))`, window: 3m, max_age: 2m, lag: 20s)"#;
    let plan = guard(decls, "pool < 80%");
    let input = &plan.inputs[0];
    let Ask::PromQl { query, selectors } = &input.ask else { panic!("{:?}", input.ask) };
    assert_eq!(
        query,
        r#"max by () (max_over_time(pool{job="a\"b", ${where}}[3m])) / 0.8 + 0 * sum(rate(x[5m] offset 10m))"#
    );
    assert_eq!(selectors.len(), 2);
    assert_eq!((input.reach, input.max_age, input.lag), (900_000, 120_000, 20_000));
    // a dollar is written twice
    let plan = guard(r#"metric pool: ratio = prometheus(`pool{path=~"a.*$$"}`)"#, "pool < 80%");
    assert_eq!(plan.inputs[0].ask, Ask::Gauge(Selector(String::from(r#"pool{path=~"a.*$"}"#))));
}

#[test]
fn units_are_factors_to_base_units() {
    let scale = |decl: &str, cond: &str| guard(decl, cond).inputs[0].scale;
    for (decl, cond, want) in [
        ("metric x: duration = prometheus(`x`, unit: 1ms)", "x < 1s", 0.001),
        ("metric x: duration = prometheus(`x`) * 1ms", "x < 1s", 0.001),
        ("metric x: duration = prometheus(`x`)", "x < 1s", 1.0),
        ("metric x: ratio = prometheus(`x`, unit: 1%)", "x < 50%", 0.01),
        ("metric x: bytes = prometheus(`x`, unit: 1KiB)", "x < 1MiB", 1024.0),
    ] {
        assert!((scale(decl, cond) - want).abs() < 1e-12, "{decl}");
    }
    let plan = guard("", "share(latency < 300ms) >= 95%");
    let (left, _) = sides(&plan);
    let Node::Share { buckets, below } = left else { panic!("{left:?}") };
    assert!((below - 0.3).abs() < 1e-12);
    assert!((plan.inputs[buckets.index()].scale - 0.001).abs() < 1e-12);
}

#[test]
fn a_metric_over_metrics_is_instantiated_where_it_is_used() {
    let decls = "metric used: bytes = prometheus(`used{${where}}`)
metric size: bytes = prometheus(`size{${where}}`)
metric full: ratio = used / size";
    let plan = guard(decls, "full <= stable + 5pp");
    let (left, right) = sides(&plan);
    assert!(matches!(left, Node::Div(..)));
    let Node::Add(stable, _) = right else { panic!() };
    let Node::Div(a, _) = *node(&plan, stable) else { panic!() };
    let Node::Gauge(input) = *node(&plan, a) else { panic!() };
    assert_eq!(plan.inputs[input.index()].population, Population::Stable);
    let names: Vec<_> = plan.metrics.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["full", "used", "size"]);
    assert!(plan.metrics[0].value.is_some() && !plan.metrics[0].inputs.is_empty());
}

#[test]
fn phases_set_flags_first_and_roll_back_where_they_are_told() {
    let plan = plan_in(
        "lab",
        "flag cache: bool\nflag level: count in [0, 1, 2]\naction smoke timeout 90s, undo clean\naction clean undo none\nchannel oncall",
        "  settle 30s
  no data tolerate 3 checks else hold
  guard g: errors < 1% from half tolerate 2 checks else rollback to taste
  phase taste { traffic checkout = 5%, flag cache = on   run smoke else pause   hold 10m }
  phase half { traffic checkout = 50%, flag level = 2   hold 1h30m }
  on breach, rollback: notify oncall
  every 5m: snapshot
  at 30m, 15m: snapshot
  when errors > 5%: run clean limit 4 per 1h",
    );
    assert_eq!(plan.settle, Some(30_000));
    let taste: Vec<_> = plan.phases[0].settings.iter().map(|(p, s)| (plan.port_name(*p), *s)).collect();
    assert_eq!(taste, [("cache", Setting::Bool(true)), ("checkout", Setting::Share(0.05))]);
    assert_eq!(plan.settings_at(canary::plan::PhaseId(1)).len(), 3);
    let g = &plan.guards[0];
    assert_eq!(g.otherwise, Consequence::Rollback(Some(canary::plan::PhaseId(0))));
    assert_eq!((g.from.0, g.tolerate), (1, Tolerance::Checks(2)));
    assert_eq!(plan.no_data.otherwise, Consequence::Hold);
    let undo = plan.actions[0].undo.unwrap();
    assert_eq!(plan.action_name(undo), "clean");
    assert_eq!(plan.actions[0].timeout, 90_000);
    assert_eq!(plan.reactions.len(), 4);
}

#[test]
fn the_lab_binds_everything() {
    let text = policy(
        "flag cache: bool\naction smoke timeout 60s, undo none\nchannel oncall",
        "  guard g: errors < 1% else rollback
  phase taste { traffic checkout = 5%, flag cache = on   run smoke   hold 10m }
  on breach: notify oncall",
    );
    let (made, found) = compile(&text, "lab", &[]);
    assert!(found.iter().all(|d| !d.is_error()), "{found:#?}");
    let (plan, b) = made.unwrap();
    let backends: Vec<_> = b.bindings.iter().map(|(n, b)| (n.as_str(), b.backend.as_str())).collect();
    assert_eq!(
        backends,
        [
            ("cache", "lab_flag"),
            ("checkout", "lab_traffic"),
            ("oncall", "lab_channel"),
            ("prometheus", "lab_scrape"),
            ("smoke", "lab_action"),
        ]
    );
    assert_eq!(b.bindings["cache"].args["key"], Arg::Text(String::from("cache")));
    assert_eq!(b.variants["canary"], "version=\"v2\"");
    // the lab is scraped once a second
    assert_eq!(plan.inputs[0].max_age, 4_000);
    assert_eq!(plan.inputs[0].reach, 60_000);
}

#[test]
fn bindings_hold_names_of_secrets() {
    let (made, _) = compile(&policy("", &format!("  guard g: errors < 1% else rollback\n{PHASE}")), "production", &[]);
    let (_, b) = made.unwrap();
    let prometheus = &b.bindings["prometheus"];
    assert_eq!(prometheus.args["url"], Arg::Env(String::from("PROMETHEUS_URL")));
    assert_eq!(prometheus.args["bearer"], Arg::Secret(Secret(String::from("TOKEN"))));
    assert_eq!(prometheus.args["scrape"], Arg::Duration(30_000));
    assert!(prometheus.place.starts_with("p.canary:"));
    let needed = canary::plan::render::credentials(&b);
    let names: Vec<_> = needed.iter().map(|c| (c.name.as_str(), c.secret)).collect();
    assert_eq!(names, [("PROMETHEUS_URL", false), ("TOKEN", true)]);
}

fn two_params() -> String {
    policy(
        "param most: ratio = 1% at most 5%\nparam wait: duration = 1m",
        &format!("  guard g: errors < most tolerate wait else rollback\n{PHASE}"),
    )
}

fn hashes(text: &str, sets: &[(&str, &str)]) -> (String, String) {
    let (made, found) = compile(text, "production", sets);
    let (plan, bindings) = made.unwrap_or_else(|| panic!("{found:#?}"));
    (plan.hash, bindings.hash)
}

#[test]
fn the_hash_is_of_what_is_said_not_of_how_it_is_written() {
    let text = two_params();
    let base = hashes(&text, &[("most", "2%"), ("wait", "2m")]);
    assert_eq!(base.0.len(), 64);
    assert_eq!(base, hashes(&text, &[("wait", "120s"), ("most", "2%")]), "order of sets");
    let commented = text
        .replace("edition 2026", "# a comment\nedition 2026 # another")
        .replace("errors < most", "errors   <   most # why\n   ");
    assert_eq!(base, hashes(&commented, &[("most", "2%"), ("wait", "2m")]), "comments and blanks");
    let (plan, bindings) = hashes(&text, &[("most", "3%"), ("wait", "2m")]);
    assert_ne!(plan, base.0, "a limit is content");
    assert_eq!(bindings, base.1);
    let moved = text.replace("/run/h.sock", "/run/other.sock");
    let (plan, bindings) = hashes(&moved, &[("most", "2%"), ("wait", "2m")]);
    assert_eq!(plan, base.0, "the plan does not say where");
    assert_ne!(bindings, base.1);
}

/// What is set for one run is not what the policy's own tests speak of.
#[test]
fn tests_do_not_stand_in_the_way_of_a_run_with_other_params() {
    let text = policy(
        "param every: duration = 15s",
        "  check every every\n  guard g: errors < 1% else rollback\n  phase a { traffic checkout = 5%   hold 10m }\n",
    ) + "test \"a\" for r { assume healthy   given errors = 2% from 5m   expect rollback at 5m because g }\n";
    let name = text.split("rollout ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let text = text.replace(" for r {", &format!(" for {name} {{"));
    for sets in [&[][..], &[("every", "7s")], &[("every", "1d")]] {
        let (made, found) = compile(&text, "production", sets);
        assert!(made.is_some(), "{sets:?}: {found:#?}");
    }
}

#[test]
fn a_plan_survives_json() {
    let (made, _) = compile(&two_params(), "production", &[]);
    let (plan, bindings) = made.unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    let text = serde_json::to_string(&bindings).unwrap();
    assert_eq!(serde_json::from_str::<Bindings>(&text).unwrap(), bindings);
    // the hash is that of the plan with an empty one
    let bare = Plan { hash: String::new(), ..plan.clone() };
    let json = serde_json::to_value(&bare).unwrap();
    let again = canary::plan::hash::sha256_hex(canary::plan::hash::canonical(&json).as_bytes());
    assert_eq!(again, plan.hash);
}

#[test]
fn nothing_compiles_of_a_text_that_was_not_understood() {
    for broken in [
        "  guard g: errors < else rollback",
        "  guard g: errors < 1% tolerate else rollback",
        "  check every\n  guard g: errors < 1% else rollback",
        "  gaurd g: errors < 1% else rollback",
        "  guard g: errors < 1% else rollback\n  settle 5min",
    ] {
        let (made, found) = compile(&policy("", &format!("{broken}\n{PHASE}")), "production", &[]);
        assert!(made.is_none(), "{broken}");
        assert!(found.iter().any(Diagnostic::is_error), "{broken}");
    }
}

const GROUPS: &str = r#"edition 2026
metric pool: ratio = prometheus(`pool{${where}}`)
flags m4: ["failure_catalog", strict_golden]
flags pct: [indexer, mailer] in [0, 1%, 100%]
flags counts: ["a-b"] in [0, 1, 2]
flag search: bool
rollout r {
  guard g: pool < 80% else rollback
  phase one { flag m4 = on, flag search = on   hold 1m }
  phase two { flag pct = 1%, flag counts = 2   hold 1m }
}
environment production {
  prometheus = scrape(urls: ["http://127.0.0.1:9/metrics"])
  m4     = json_file(path: "${flag}.json", key: "features/${flag}")
  pct    = command(set: ["f", "${flag}=${value}"], get: ["f"], read: json("$.${flag}"))
  counts = json_file(path: "flags.json", key: "${flag}")
  search = json_file(path: "flags.json", key: "x/${flag}")
  variants m4 { canary = `version="v2"`   stable = `version="v1"` }
}
"#;

#[test]
fn a_group_becomes_a_port_a_member_and_one_setting_a_member() {
    for env in ["production", "lab"] {
        let (made, found) = compile(GROUPS, env, &[]);
        assert_eq!(found, []);
        let (plan, bindings) = made.unwrap();
        let ports: Vec<_> = plan.ports.iter().map(|p| (p.name.as_str(), p.group.as_deref(), p.kind.clone())).collect();
        let percent = PortKind::RatioFlag(vec![0.0, 0.01, 1.0]);
        assert_eq!(
            ports,
            [
                ("m4.failure_catalog", Some("m4"), PortKind::BoolFlag),
                ("m4.strict_golden", Some("m4"), PortKind::BoolFlag),
                ("search", None, PortKind::BoolFlag),
                ("pct.indexer", Some("pct"), percent.clone()),
                ("pct.mailer", Some("pct"), percent),
                ("counts.a-b", Some("counts"), PortKind::CountFlag(vec![0, 1, 2])),
            ]
        );
        let set = |i: usize| -> Vec<_> { plan.phases[i].settings.iter().map(|(p, s)| (p.0, *s)).collect() };
        assert_eq!(set(0), [(0, Setting::Bool(true)), (1, Setting::Bool(true)), (2, Setting::Bool(true))]);
        assert_eq!(set(1), [(3, Setting::Share(0.01)), (4, Setting::Share(0.01)), (5, Setting::Count(2))]);
        // the environment binds the group, once
        let bound: Vec<&str> = bindings.bindings.keys().map(String::as_str).collect();
        assert_eq!(bound, ["counts", "m4", "pct", "prometheus", "search"]);
        assert_eq!(bindings.variants["canary"], r#"version="v2""#);
        let text = canary::plan::render::text(&plan, &bindings);
        assert!(text.contains("set m4 (2 flags) = on\n"), "{text}");
        assert!(text.contains("set counts.a-b = 2\n"), "{text}");
        assert!(text.contains("flag pct (2 flags) to what was read before the first change\n"), "{text}");
    }
}

#[test]
fn the_name_of_each_flag_stands_in_its_binding() {
    let key = |env: &str, port: usize, name: &str| {
        let (plan, bindings) = compile(GROUPS, env, &[]).0.unwrap();
        let port = &plan.ports[port];
        bindings.bindings[port.bound_as()].for_port(port).arg(name).unwrap().clone()
    };
    let text = |t: &str| Arg::Text(t.to_owned());
    assert_eq!(key("production", 1, "key"), text("features/strict_golden"));
    assert_eq!(key("production", 1, "path"), text("strict_golden.json"));
    assert_eq!(key("production", 2, "key"), text("x/search"));
    assert_eq!(key("production", 4, "read"), text("$.mailer"));
    assert_eq!(key("production", 4, "set"), Arg::List(vec![text("f"), text("mailer=${value}")]));
    assert_eq!(key("lab", 0, "key"), text("m4.failure_catalog"));
    assert_eq!(key("lab", 2, "key"), text("search"));
}

#[test]
fn a_plan_without_groups_is_the_same_as_before_there_were_groups() {
    let json = serde_json::to_value(&plan_of("", PHASE).ports).unwrap();
    assert_eq!(json, serde_json::json!([{ "name": "checkout", "kind": "traffic" }]));
}

const SWITCHED: &str = "flag async: bool\naction stop_workers timeout 10s, undo start_workers\naction start_workers timeout 10s, undo none\n";
const SWITCHED_ENV: &str = "
  async         = json_file(path: \"f.json\", key: \"async\")
  stop_workers  = command([\"./stop\"])
  start_workers = command([\"./start\"])
";

/// Rollouts `checkout` and `other` beside a switch.
fn switched(switch: &str, guard: &str, other: &str) -> String {
    format!(
        r#"edition 2026
metric pool: ratio = prometheus(`max(pool)`)
{SWITCHED}traffic checkout
{switch}
rollout checkout {{
  guard g: pool < 80% else rollback{guard}
{PHASE}
}}
{other}
environment production {{
  prometheus = prometheus(url: env("URL"), scrape: 30s)
  checkout   = haproxy(socket: "/run/h.sock", backend: "be", canary: "v2", stable: "v1")
{SWITCHED_ENV}}}
"#
    )
}

fn of_rollout(text: &str, rollout: &str) -> (Plan, Bindings) {
    let mut map = SourceMap::default();
    let id = map.add("p.canary", text);
    let (file, mut found) = syntax::parse(id, text);
    let (made, more) = check::compile(&[file], &map, Some(rollout), Some("production"), &[]);
    found.extend(more);
    assert!(found.iter().all(|d| !d.is_error()), "{found:#?}");
    made.unwrap()
}

const OTHER: &str = "rollout other {\n  guard g: pool < 80% else hold\n  phase p { flag async = on   hold 10m }\n}\n";

#[test]
fn a_switch_stands_in_the_plans_that_it_concerns() {
    let names = |text: &str, rollout: &str| -> Vec<String> {
        of_rollout(text, rollout).0.switches.into_iter().map(|s| s.name).collect()
    };
    let switch = "killswitch stop { run stop_workers }";
    // the only rollout; two of them, and nothing leads to it; a guard names it
    assert_eq!(names(&switched(switch, "", ""), "checkout"), ["stop"]);
    assert_eq!(names(&switched(switch, "", OTHER), "checkout"), [""; 0]);
    assert_eq!(names(&switched(switch, ", kill stop", OTHER), "checkout"), ["stop"]);
    assert_eq!(names(&switched(switch, ", kill stop", OTHER), "other"), [""; 0]);
    // a port that the rollout sets
    let switch = "killswitch stop { flag async = off }";
    assert_eq!(names(&switched(switch, "", OTHER), "other"), ["stop"]);
    assert_eq!(names(&switched(switch, "", OTHER), "checkout"), [""; 0]);
}

#[test]
fn a_switch_is_lowered_traffic_first_and_binds_what_it_needs() {
    let switch = "killswitch stop { flag async = off, traffic checkout = 0%   run stop_workers }";
    let (plan, bindings) = of_rollout(&switched(switch, ", kill stop", ""), "checkout");
    let s = &plan.switches[0];
    let set: Vec<_> = s.settings.iter().map(|(p, v)| (plan.port_name(*p), *v)).collect();
    assert_eq!(set, [("checkout", Setting::Share(0.0)), ("async", Setting::Bool(false))]);
    assert_eq!(s.actions.iter().map(|a| plan.action_name(*a)).collect::<Vec<_>>(), ["stop_workers"]);
    assert_eq!(plan.guards[0].kill, plan.switch("stop"));
    for name in ["async", "stop_workers"] {
        assert!(bindings.bindings.contains_key(name), "{name} must be bound");
    }
    let text = canary::plan::render::text(&plan, &bindings);
    for part in [
        "else rollback, kill stop",
        "thrown by hand, or by guard g",
        "set async = off",
        "run stop_workers (never undone)",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(
        text.contains("traffic checkout to what was read") && !text.contains("flag async to what was read"),
        "{text}"
    );
    // an environment that does not bind them is refused
    let without =
        switched(switch, "", "").replace("  async         = json_file(path: \"f.json\", key: \"async\")\n", "");
    let (made, found) = compile(&without, "production", &[]);
    assert!(made.is_none() && found.iter().any(|d| d.code == "E0506" && d.message.contains("async")), "{found:#?}");
}

#[test]
fn a_plan_without_switches_has_the_hash_that_it_had() {
    let json = serde_json::to_value(guard("", "errors < 1%")).unwrap();
    assert!(json.get("switches").is_none(), "{json:#}");
    assert!(json["guards"][0].get("healthy").is_some() && json["guards"][0].get("kill").is_none(), "{json:#}");
}

#[test]
fn a_switch_takes_a_whole_group_away() {
    let text =
        GROUPS.replace("flag search: bool\n", "flag search: bool\nkillswitch stop { flag m4 = off, flag pct = 0% }\n");
    let (made, found) = compile(&text, "production", &[]);
    assert_eq!(found, []);
    let (plan, _) = made.unwrap();
    let set: Vec<_> = plan.switches[0].settings.iter().map(|(p, v)| (plan.port_name(*p), *v)).collect();
    assert_eq!(
        set,
        [
            ("pct.mailer", Setting::Share(0.0)),
            ("pct.indexer", Setting::Share(0.0)),
            ("m4.strict_golden", Setting::Bool(false)),
            ("m4.failure_catalog", Setting::Bool(false)),
        ]
    );
}
