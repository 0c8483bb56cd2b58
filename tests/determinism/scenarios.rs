//! Runs of the policies that the project ships, in worlds where things go well, go wrong and go missing.

use super::world::{Empty, Failed, Is, Noise, Old, Says, World};
use canary::check;
use canary::engine::Operator;
use canary::plan::{GroupId, Plan, Population, Setting, SwitchId};
use canary::syntax::{self, source::SourceMap};

/// A name, until when it runs, and its world.
pub type Scenario = (&'static str, &'static str, fn() -> World);

fn plan(policy: &str, environment: &str, sets: &[(&str, &str)]) -> Plan {
    let mut map = SourceMap::default();
    let mut files = Vec::new();
    let paths = [format!("policies/{policy}.canary"), format!("policies/environments/{environment}.canary")];
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let id = map.add(path, text.clone());
        files.push(syntax::parse(id, &text).0);
    }
    let sets: Vec<_> = sets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let (made, found) = check::compile(&files, &map, None, Some(environment), &sets);
    made.unwrap_or_else(|| panic!("{found:#?}")).0
}

fn fast(slow: f64) -> Says {
    Says::Buckets(vec![(0.1, 900.0 - slow), (0.3, 1000.0 - slow), (1.0, 1000.0), (f64::INFINITY, 1000.0)])
}

fn checkout() -> World {
    World::of_plan(plan("checkout", "production", &[]))
        .all("failed", Is(1.1))
        .all("served", Is(1000.7))
        .all("all", Is(10_000.0))
        .all("latency", fast(3.3))
}

fn m4() -> World {
    World::of_plan(plan("m4_flags", "staging", &[]))
        .all("error_rate", Is(0.1 + 0.2))
        .all("golden_mismatch", Is(3.0))
        .all("workflows", Is(10.1))
        .all("duration", fast(0.0))
}

fn relay() -> World {
    let zero = ["rls_errors", "cross_tenant", "panics", "alerts"];
    let w = World::of_plan(plan("relay_r1", "relay", &[]))
        .all("first_value", fast(1.7))
        .all("search", fast(-70.0))
        .all("streams_broken", Is(0.3))
        .all("streams", Is(100.1))
        .all("reranks_skipped", Is(0.7))
        .all("reranks", Is(100.3))
        .all("db_pool", Is(0.61))
        .all("rules", Is(3.3));
    zero.into_iter().fold(w, |w, m| w.all(m, Is(0.0)))
}

fn materializers() -> World {
    let sets = [("observe_for", "40m"), ("stable_for", "2h"), ("capacity_for", "3h"), ("full_for", "30m")];
    World::of_plan(plan("materializers", "materializers", &sets))
        .all("success", Is(0.97))
        .all("failed", Is(1.3))
        .all("attempted", Is(77.7))
        .all("async_queue_depth", Is(12.0))
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        ("checkout, all well", "3h", checkout),
        ("checkout, slow from the second phase on", "3h", || checkout().from("latency", "20m", fast(99.9))),
        ("checkout, harm against the stable population", "3h", || {
            checkout().canary("failed", "30m", "3h", Is(7.7)).of_population("failed", Population::Stable, Is(1.0))
        }),
        ("checkout, gaps, stops and a word", "4h", || {
            checkout()
                .during("served", "12m", "15m", Failed)
                .canary("served", "20m", "21m", Empty)
                .stops("25m", "33m", true)
                .stops("50m", "55m", false)
                .operator(Operator::Pause, "1h")
                .operator(Operator::Resume, "1h10m")
                .during("latency", "1h15m", "1h16m", Old(1.0, 300_000))
        }),
        ("checkout, somebody else sets the traffic", "1h", || {
            checkout().drifts("checkout", Setting::Share(0.3), "15m").operator(Operator::Abort, "30m")
        }),
        ("checkout, by chance", "3h", || {
            World::of_plan(plan("checkout", "production", &[])).noise(Noise { seed: 11, bad: 2, missing: 9 })
        }),
        ("m4_flags, all well", "1h", m4),
        ("m4_flags, errors", "1h", || m4().from("error_rate", "3m", Is(0.46))),
        ("m4_flags, nothing is known", "1h", || m4().from("workflows", "2m", Failed)),
        ("m4_flags, a bad start", "1h", || m4().of_population("golden_mismatch", Population::Before, Is(2.0))),
        ("m4_flags, a rollback that is not read back", "1h", || {
            m4().from("error_rate", "3m", Is(0.46)).withholds("3m", "9m")
        }),
        ("relay_r1, approved", "3h", || relay().operator(Operator::Approve(GroupId(0)), "1h5m")),
        ("relay_r1, nobody says yes", "3h", relay),
        ("relay_r1, a row that somebody else may see", "3h", || relay().during("rls_errors", "40m", "41m", Is(1.0))),
        ("materializers, all well", "10h", || materializers().during("async_queue_depth", "1h", "2h", Is(501.0))),
        ("materializers, killed", "10h", || materializers().operator(Operator::Kill(SwitchId(0)), "1h30m")),
        ("materializers, stopped for an hour", "10h", || {
            materializers().stops("1h", "2h", false).during("success", "3h", "4h", Is(0.899_999))
        }),
        ("materializers, by chance", "10h", || {
            let sets = [("observe_for", "40m"), ("stable_for", "2h")];
            World::of_plan(plan("materializers", "materializers", &sets))
                .noise(Noise { seed: 5, bad: 1, missing: 9 })
                .all("attempted", Is(70.7))
        }),
    ]
}
