//! What others kept, asked the policy's questions: the expected answers are worked out by hand.

use super::super::{Lack, fits, notes};
use super::*;
use crate::plan::{Answer, Ask, Bucket, Metric, Missing, Reading, Selector, Slice, SliceValues, Unit, Window};
use crate::{check, syntax};

fn checkout() -> Plan {
    let mut map = syntax::source::SourceMap::default();
    let texts = [
        include_str!("../../../../policies/checkout.canary"),
        include_str!("../../../../policies/environments/production.canary"),
    ];
    let files: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| {
            let id = map.add(format!("{i}.canary"), String::from(*text));
            syntax::parse(id, text).0
        })
        .collect();
    check::compile(&files, &map, None, Some("production"), &[]).0.unwrap().0
}

fn input(metric: &str, population: Population, ask: Ask) -> Input {
    Input {
        metric: metric.into(),
        source: "prometheus".into(),
        population,
        separable: true,
        sibling: None,
        by: Vec::new(),
        ask,
        max_age: 60_000,
        lag: 0,
        window: None,
        scale: 1.0,
        reach: 0,
        auxiliary: false,
    }
}

fn sel() -> Selector {
    Selector("x".into())
}

fn gauge(metric: &str) -> Input {
    input(metric, Population::Canary, Ask::Gauge(sel()))
}

fn plan(inputs: Vec<Input>, units: &[(&str, Unit)]) -> Plan {
    let mut plan = checkout();
    plan.inputs = inputs;
    let one = |(name, unit): &(&str, Unit)| Metric {
        name: String::from(*name),
        kind: String::new(),
        unit: *unit,
        value: None,
        inputs: Vec::new(),
    };
    plan.metrics = units.iter().map(one).collect();
    plan
}

fn from_csv(text: &str, plan: &Plan) -> Result<Imported, ImportError> {
    import(csv(text)?, "data.csv", plan, 15_000, &Mapping::default())
}

fn answers(r: &Recording, input: &Input, slice: &[&str]) -> Vec<Result<Reading, Missing>> {
    let slice: Vec<String> = slice.iter().map(|s| String::from(*s)).collect();
    let s = r.find(&Key::of(input, &slice)).unwrap_or_else(|| panic!("no {}", input.metric));
    (0..s.times.len()).map(|i| s.answer(i).unwrap().value).collect()
}

const EMPTY: Result<Reading, Missing> = Err(Missing::Empty { others: None });

#[test]
fn a_gauge_holds_until_it_is_too_old() {
    let input = gauge("ready");
    let p = plan(vec![input.clone()], &[("ready", Unit::Number)]);
    let text = "time,metric,value,other\n1970-01-01T00:00:16Z,ready,1,\n120,unread,7,\n";
    assert_eq!(from_csv(text, &p).unwrap().unused, ["unread"]);
    let text = "time;metric;value\n0;ready;1\n16;ready;2\n\n100.5;ready;NaN\n120;ready;stale\n135;ready;4\n";
    let got = from_csv(text, &p).unwrap().recording;
    let value = |v| Ok(Reading::Value(v));
    // 76 s after its sample the second value is too old
    let want = [
        value(1.0),
        value(1.0),
        value(2.0),
        value(2.0),
        value(2.0),
        value(2.0),
        EMPTY,
        Err(Missing::NotANumber),
        EMPTY,
        value(4.0),
    ];
    assert_eq!(answers(&got, &input, &[]), want);
    let first = got.series[0].answer(1).unwrap();
    assert_eq!(first, Answer { value: value(1.0), sampled_at: Some(0), series: 1 });
    assert_eq!((got.about.from, got.about.to, got.about.step), (0, 135_000, 15_000));
    // two series where one is asked for
    let text = "time,metric,value,pod\n0,ready,1,a\n0,ready,1,b\n";
    let got = from_csv(text, &p).unwrap().recording;
    assert_eq!(answers(&got, &input, &[]), [Err(Missing::Ambiguous { series: 2 })]);
}

#[test]
fn counters_become_increases_across_resets_births_and_gaps() {
    let over = input("served", Population::Canary, Ask::Increase(sel(), Window::Last(60_000)));
    let since = input("served", Population::Canary, Ask::Increase(sel(), Window::SinceLast));
    let p = plan(vec![over.clone(), since.clone()], &[("served", Unit::Count)]);
    let mut text = String::from("time,metric,pod,value\n");
    // a reset at 45 s; its target is silent from 75 s to 165 s
    for (t, v) in [(0, 0), (15, 10), (30, 20), (45, 5), (60, 15), (75, 15), (165, 20), (180, 21)] {
        text.push_str(&format!("{t},served,a,{v}\n"));
    }
    // one that was not there when the data began: all of its first reading is growth
    text.push_str("315,served,b,7\n");
    let got = from_csv(&text, &p).unwrap().recording;
    let by = |v: f64| Ok(Reading::Increase(v));
    let unknown = Err(Missing::NotAsked);
    let all = answers(&got, &over, &[]);
    assert_eq!(all[..4], [unknown.clone(), unknown.clone(), unknown.clone(), unknown]);
    // growth by 0 15 30 45 60 75 s: 0 10 20 25 35 35
    assert_eq!(all[4..8], [by(35.0), by(25.0), by(15.0), by(10.0)]);
    assert_eq!(all[8..13], [by(0.0), EMPTY, EMPTY, by(5.0), by(6.0)]);
    assert_eq!(all[21], by(7.0));
    let all = answers(&got, &since, &[]);
    assert_eq!(all[..6], [by(0.0), by(10.0), by(10.0), by(5.0), by(10.0), by(0.0)]);
    // nothing of it while it is silent and older than the metric may be; then all that was not counted
    assert_eq!(all[9..13], [by(0.0), EMPTY, by(5.0), by(1.0)]);
}

#[test]
fn buckets_are_summed_by_bound() {
    let input = input("latency", Population::Canary, Ask::Buckets(sel(), Window::SinceLast));
    let p = plan(vec![input.clone()], &[("latency", Unit::Duration)]);
    let text = "time,metric,pod,le,value\n0,latency,a,100,5\n15,latency,a,100,6\n0,latency,a,+Inf,5\n15,latency,a,+Inf,8\n\
                0,latency,b,100,0\n15,latency,b,100,2\n";
    let got = from_csv(text, &p).unwrap().recording;
    let want = vec![Bucket { le: Some(100.0), count: 3.0 }, Bucket { le: None, count: 3.0 }];
    assert_eq!(answers(&got, &input, &[])[1], Ok(Reading::Buckets(want)));
    // the unit is of the bounds
    let text = "time,metric,le,value,unit\n0,latency,100,5,ms\n15,latency,100,6,ms\n";
    let got = from_csv(text, &p).unwrap().recording;
    assert_eq!(answers(&got, &input, &[])[1], Ok(Reading::Buckets(vec![Bucket { le: Some(0.1), count: 1.0 }])));
    let e = from_csv("time,metric,value\n0,latency,5\n", &p).unwrap_err().to_string();
    assert_eq!(
        e,
        "line 2: `latency` is of a histogram, and says no bound; give it the label `le` (in CSV the column `le`) with a \
                   number or `+Inf`"
    );
}

#[test]
fn populations_and_slices_are_told_apart() {
    let mut split = gauge("ready");
    split.by = vec!["tenant_id".into()];
    let stable = input("ready", Population::Stable, Ask::Gauge(sel()));
    let before = input("ready", Population::Before, Ask::Gauge(sel()));
    let mut p = plan(vec![split.clone(), stable.clone(), before.clone()], &[("ready", Unit::Number)]);
    p.slices =
        vec![Slice { name: "tenant".into(), label: "tenant_id".into(), values: SliceValues::Of("ready".into()) }];
    let text = "time,metric,population,slice_tenant,tenant_id,value\n0,ready,,acme,,1\n0,ready,canary,,byte,2\n0,ready,stable,,,3\n";
    let got = from_csv(text, &p).unwrap().recording;
    assert_eq!(got.about.slices, ["tenant"]);
    assert_eq!(answers(&got, &split, &["acme"]), [Ok(Reading::Value(1.0))]);
    assert_eq!(answers(&got, &split, &["byte"]), [Ok(Reading::Value(2.0))]);
    assert_eq!(answers(&got, &stable, &[]), [Ok(Reading::Value(3.0))]);
    // before the change everybody is stable
    assert_eq!(answers(&got, &before, &[]), [Ok(Reading::Value(3.0))]);
    assert_eq!(fits(&got, &p), Ok(()));
    let bytes = super::super::encode(&got).unwrap();
    assert_eq!(super::super::decode(&bytes, "").unwrap(), got);
    let e = from_csv("time,metric,value\n0,ready,1\n", &p).unwrap_err().to_string();
    assert!(e.contains("does not say of which slice it is") && e.contains("the column `slice_tenant`"), "{e}");
    let e = from_csv("time,metric,population,value\n0,ready,all,1\n", &p).unwrap_err().to_string();
    assert_eq!(e, "line 2: `all` is no population; there are `canary`, `stable` and `before`");
}

#[test]
fn a_wrong_unit_is_told_with_both() {
    let p = plan(vec![gauge("errors"), gauge("slow")], &[("errors", Unit::Ratio), ("slow", Unit::Duration)]);
    let of = |text: &str| from_csv(text, &p).map(|i| i.recording);
    let told = |text: &str| of(text).unwrap_err().to_string();
    let e = told("time,metric,value\n0,errors,0.5\n15,errors,45\n");
    assert!(e.contains("`errors` is 45 at 1970-01-01 00:00:15 UTC") && e.contains("that would be 4500%"), "{e}");
    assert!(e.contains("if the numbers are percents"), "{e}");
    let percent = [
        of("time,metric,value,unit\n0,errors,45,%\n"),
        of("time,metric,value\n0,errors,45%\n"),
        of("time,metric,value\n0,errors,0.45\n"),
    ];
    for got in percent {
        assert_eq!(answers(&got.unwrap(), &gauge("errors"), &[]), [Ok(Reading::Value(0.45))]);
    }
    assert_eq!(
        answers(&of("time,metric,value\n0,slow,350ms\n").unwrap(), &gauge("slow"), &[]),
        [Ok(Reading::Value(0.35))]
    );
    let e = told("time,metric,value,unit\n0,slow,45,%\n");
    assert!(e.contains("`slow` is in `%`, which is a ratio, and the metric `slow` is declared as duration"), "{e}");
    assert!(told("time,metric,value,unit\n0,slow,45,parsec\n").contains("`parsec` is no unit; there are ns, us"));
    assert!(
        told("time,metric,value,unit\n0,slow,45s,ms\n").contains("the column `unit` says `ms`, and the value `45s`")
    );
    assert!(
        told("time,metric,value\n0,slow,45s\n1,slow,45ms\n").contains("the unit of `slow` is `ms` here and `s` before")
    );
    assert!(told("time,metric,value\n0,slow,-1\n").contains("`slow` is -1 at"));
    let mapping = Mapping(vec![Rule::parse("slow = wait_milliseconds").unwrap()]);
    let raws = csv("time,metric,value\n0,wait_milliseconds,45\n").unwrap();
    let e = import(raws, "x", &p, 15_000, &mapping).unwrap_err().to_string();
    assert!(
        e.contains(
            "`wait_milliseconds` is in milliseconds by its name, and the metric `slow` takes its numbers in units of 1s"
        ),
        "{e}"
    );
    // a metric that is declared in that unit takes them as they are
    let mut ms = gauge("slow");
    ms.scale = 0.001;
    let p = plan(vec![ms.clone()], &[("slow", Unit::Duration)]);
    let raws = csv("time,metric,value\n0,wait_milliseconds,45\n").unwrap();
    let got = import(raws, "x", &p, 15_000, &mapping).unwrap().recording;
    assert_eq!(answers(&got, &ms, &[]), [Ok(Reading::Value(45.0))]);
    let counter = input("served", Population::Canary, Ask::Increase(sel(), Window::SinceLast));
    let p = plan(vec![counter], &[("served", Unit::Count)]);
    assert!(from_csv("time,metric,value\n0,served,-4\n", &p).unwrap_err().to_string().contains("a counter, and is -4"));
    assert!(
        from_csv("time,metric,value\n0,served,4ms\n", &p).unwrap_err().to_string().contains("is declared as count")
    );
}

#[test]
fn csv_that_cannot_be_read_is_told_with_its_line() {
    let p = plan(vec![gauge("ready")], &[]);
    for (text, want) in [
        ("", "there is no column `time`"),
        ("when,metric,value\n", "line 1: there is no column `time`, only `when`, `metric`, `value`"),
        ("time,metric,value,value\n", "the column `value` stands twice"),
        ("time,metric,value\n0,ready\n", "line 2: 2 fields, and the first line names 3"),
        ("time,metric,value\n0,ready,1\nyesterday,ready,1\n", "line 3: `yesterday` is no time"),
        ("time,metric,value\n0,ready,one\n", "line 2: `one` is no number"),
        ("time,metric,value\n0,ready,1\n0,ready,2\n", "line 2: `ready` has two samples for 1970-01-01 00:00:00 UTC"),
        (
            "time,metric,value\n0,other,1\n",
            "no series is of a metric that the policy reads: it has `other`; the policy reads `ready`",
        ),
        ("time,metric,value\n", "it has no samples at all"),
        ("time,metric,value\n0,ready,1\n2026-11-21T09:00:00Z,ready,1\n", "are too many answers"),
    ] {
        let e = from_csv(text, &p).unwrap_err().to_string();
        assert!(e.contains(want), "{text:?}: {e}");
    }
    // times in milliseconds, and out of order
    let got = from_csv("time,metric,value\n1795251315000,ready,2\n1795251300,ready,1\n", &p).unwrap().recording;
    assert_eq!(answers(&got, &gauge("ready"), &[]), [Ok(Reading::Value(1.0)), Ok(Reading::Value(2.0))]);
    let e = import(Vec::new(), "x", &p, 0, &Mapping::default()).unwrap_err().to_string();
    assert!(e.contains("the step is not longer than nothing"), "{e}");
}

#[test]
fn prometheus_answers_and_promtool_series_are_mapped() {
    let stable = input("served", Population::Stable, Ask::Gauge(sel()));
    let canary = gauge("served");
    let p = plan(vec![canary.clone(), stable.clone()], &[("served", Unit::Number)]);
    let rules = ["served = rps{version=\"v2\"}", "stable served = rps{version=~\"v1|v0\"}"];
    let mapping = Mapping(rules.iter().map(|r| Rule::parse(r).unwrap()).collect());
    let json = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"rps","version":"v2"},"values":[[0,"1"],[15,"2.5"],[30,"NaN"]]},
        {"metric":{"__name__":"rps","version":"v1"},"values":[[0,"10"]]},
        {"metric":{"job":"x"},"values":[[0,"10"]]}]}}"#;
    let got = import(prometheus_json(json).unwrap(), "a.json", &p, 15_000, &mapping).unwrap();
    assert_eq!(got.unused, ["value"]);
    let value = |v| Ok(Reading::Value(v));
    assert_eq!(answers(&got.recording, &canary, &[]), [value(1.0), value(2.5), Err(Missing::NotANumber)]);
    assert_eq!(answers(&got.recording, &stable, &[]), [value(10.0), value(10.0), value(10.0)]);
    let yaml = "rule_files: [x.yml]\ntests:\n  - interval: 15s\n    input_series:\n      - series: 'rps{version=\"v2\"}'\n        \
                values: '1+1x2 _ stale 9'\n      - series: rps{version=\"v1\"}\n        values: 7x5\n";
    let got = import(promtool(yaml, 60_000).unwrap(), "t.yml", &p, 15_000, &mapping).unwrap().recording;
    assert_eq!((got.about.from, got.about.to), (60_000, 135_000));
    assert_eq!(answers(&got, &canary, &[]), [value(1.0), value(2.0), value(3.0), EMPTY, EMPTY, value(9.0)]);
    for (text, want) in [
        ("", "nothing in it"),
        ("tests: []", "0 tests in the file"),
        ("tests: [{}, {}]", "2 tests in the file; keep one test"),
        ("tests: [{interval: often}]", "line 1: `often` is no interval"),
        ("tests: [{input_series: [{series: x}]}]", "without `series` and `values`"),
        ("tests:\n- input_series:\n  - {series: 'x{a=~\"b\"}', values: '1'}", "its labels have one value each"),
        ("tests:\n- input_series:\n  - {series: x, values: '1 two'}", "line 3: `two` is no value of a series"),
        ("a: [", "not YAML"),
    ] {
        let e = promtool(text, 0).unwrap_err().to_string();
        assert!(e.contains(want), "{text:?}: {e}");
    }
    for (text, want) in [
        ("{", "answer 1: not an answer of Prometheus"),
        (r#"{"status":"error","error":"too many points"}"#, "the server did not answer: too many points"),
        (r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#, "a `vector`, and a matrix is needed"),
        (r#"{"data":{"resultType":"matrix","result":[{"metric":{},"histograms":[1]}]}}"#, "a native histogram"),
    ] {
        let e = prometheus_json(text).unwrap_err().to_string();
        assert!(e.contains(want), "{text:?}: {e}");
    }
    for (text, want) in [
        ("served", "there is no `=`"),
        ("new served = x", "`new` is no population"),
        ("served = rate(x[5m])", "more than a name and labels"),
        ("a b c = x", "in front of `=`"),
    ] {
        let e = Rule::parse(text).unwrap_err().to_string();
        assert!(e.contains(want), "{text:?}: {e}");
    }
    let other = Mapping(vec![Rule::parse("latency = x").unwrap()]);
    let e = import(Vec::new(), "x", &p, 15_000, &other).unwrap_err().to_string();
    assert!(e.contains("a rule is for `latency`, which the policy does not read; it reads `served`"), "{e}");
}

#[test]
fn what_a_policy_lacks_is_told_with_what_is_nearest() {
    let over = |m, population, ms| input(m, population, Ask::Increase(sel(), Window::Last(ms)));
    let have = plan(vec![over("served", Population::Canary, 120_000), gauge("ready")], &[]);
    let text = "time,metric,value\n0,served,1\n300,served,1\n0,ready,1\n";
    let r = from_csv(text, &have).unwrap().recording;
    assert_eq!(fits(&r, &have), Ok(()));
    let told = |inputs: Vec<Input>, change: fn(&mut Plan)| {
        let mut p = plan(inputs, &[]);
        change(&mut p);
        fits(&r, &p).unwrap_err().iter().map(Lack::to_string).collect::<Vec<_>>().join("\n")
    };
    let metric = told(vec![gauge("load"), gauge("load")], |_| {});
    assert!(
        metric.starts_with("the policy reads the metric `load`, and the recording has `ready`, `served`;"),
        "{metric}"
    );
    assert_eq!(metric.lines().count(), 1);
    let population = told(vec![over("served", Population::Stable, 120_000)], |_| {});
    assert!(population.contains("reads `served` of stable, and the recording has it of `canary`"), "{population}");
    let question = told(vec![over("served", Population::Canary, 300_000)], |_| {});
    assert!(
        question.contains("asks `increase over 5m` of `served` (canary), and the recording has `increase over 2m`"),
        "{question}"
    );
    let step = told(vec![gauge("ready")], |p| p.check_every = 20_000);
    assert!(step.contains("checks every 20s, and the recording has answers every 15s"), "{step}");
    let mut split = gauge("ready");
    split.by = vec!["t".into()];
    let sliced = told(vec![split], |p| {
        p.slices = vec![Slice { name: "t".into(), label: "t".into(), values: SliceValues::Of("x".into()) }]
    });
    assert!(sliced.contains("has slices per `t`, and the recording has none"), "{sliced}");
    assert!(
        sliced.contains("reads `ready` of canary for each slice, and the recording has it for all slices together"),
        "{sliced}"
    );
    // a policy that checks at every second answer fits
    let mut twice = have.clone();
    twice.check_every = 30_000;
    assert_eq!(fits(&r, &twice), Ok(()));
    // what only tells a dark canary from a blind source may be absent; another policy is a note
    let mut aux = over("served", Population::Stable, 120_000);
    aux.auxiliary = true;
    let mut p = plan(vec![gauge("ready"), aux], &[]);
    p.rollout = "other".into();
    assert_eq!(fits(&r, &p), Ok(()));
    let notes = notes(&r, &p);
    assert!(notes[0].contains("the recording is of the rollout `checkout`, the policy's is `other`"), "{notes:?}");
    assert!(notes[1].contains("lacks `served` of stable"), "{notes:?}");
}
