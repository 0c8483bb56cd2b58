//! One wrong line of a block costs one finding, on that line, and nothing of its neighbours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::syntax::source::FileId;
use serde_json::Value;

/// A block, where its lines stand in the tree, a right line, and wrong ones.
struct Block {
    head: &'static str,
    at: &'static str,
    right: &'static str,
    wrong: &'static [&'static str],
}

const BLOCKS: &[Block] = &[
    Block {
        head: "probe p every 30s",
        at: "/items/0/probe/steps",
        right: "step login = get(\"/login\", status: 200)",
        wrong: &[
            "login = post(\"/login\")",
            "step login post(\"/login\")",
            "step a = 5",
            "stp b = get(\"/b\")",
            "hold 5m",
        ],
    },
    Block {
        head: "signoff m4",
        at: "/items/0/signoff/body",
        right: "by \"quality\"",
        wrong: &[
            "artifact signoffs/m4.json",
            "artefact \"signoffs/m4.json\"",
            "require x >",
            "by quality",
            "expires in 14d",
            "expires",
            "owner \"x\"",
        ],
    },
    Block {
        head: "slo target",
        at: "/items/0/slo/objectives",
        right: "objective errors <= 0.1% over 30d",
        wrong: &[
            "objective errors <= 0.1%",
            "objective errors <= 0.1% in 30d",
            "target 99%",
            "objektive a < 1% over 30d",
        ],
    },
    Block {
        head: "score health",
        at: "/items/0/score/parts",
        right: "part errors = errors bad 2% good 0.1% weight 3",
        wrong: &[
            "part errors = errors good 0.1% bad 2%",
            "part errors = errors bad 2%",
            "part errors = errors bad 2% good 0.1% weighs 3",
            "part = errors bad 2% good 0.1%",
            "errors = errors bad 2% good 0.1%",
        ],
    },
    Block {
        head: "environment production",
        at: "/items/0/environment/entries",
        right: "people ops = [\"a\"]",
        wrong: &[
            "labels { tenant: \"x\" }",
            "labels tenant = \"x\"",
            "people engineering \"user-1\"",
            "people quality = \"a\"",
        ],
    },
    Block {
        head: "rollout r",
        at: "/items/0/rollout/body",
        right: "drift pause",
        wrong: &[
            "release \"main\"",
            "release canary \"main\" stable r05",
            "advance now in office",
            "advance if now in office",
            "cooldown 24h",
            "start slices severity",
            "start slices by severity limit 200",
            "drift \"pause\"",
            "route checkout header \"X\" \"1\"",
            "route checkout = header",
            "after search promoted",
            "after search within 7d",
            "guard a: x < tolerate 5m else rollback",
            "given errors = 2%",
            "expect rollback",
        ],
    },
    Block {
        head: "rollout r { phase a",
        at: "/items/0/rollout/body/0/phase/body",
        right: "mirror x = 20%",
        wrong: &[
            "ramp x 5% to 50% by 5% every 10m",
            "ramp x from 5% to 50% every 10m",
            "ramp x = 5%",
            "mirror x 20%",
            "hold for 5m",
            "hold until 500",
            "hold until 500 events within 6h",
            "irreversible",
            "irreversible because",
        ],
    },
    Block {
        head: "test \"what it shows\" for r",
        at: "/items/0/test/body",
        right: "given errors = 2% of 100/s from 3m",
        wrong: &[
            "assume health",
            "starts 2026-10-25T00:30Z",
            "given errors 2%",
            "given errors == 2%",
            "given errors =",
            "given errors = from 3m",
            "given errors ramp 70% to 90%",
            "given pool ramps 70% 90%",
            "given rolled back 3h",
            "given pool = 2% at 5m",
            "source prometheus failed",
            "source prometheus lacks from 5m",
            "source fails",
            "runner stops 3m",
            "action smoke hangs at 3m",
            "operator approves engineering at 20m",
            "operator pauses",
            "operator kills at 3m",
            "port checkout drifts 20% at 10m",
            "port checkout drifts to 20%",
            "expect rollback on slow",
            "expect rollback because slow at 17m",
            "expect rollbacks at 17m",
            "expect promote",
            "expect guard slow failing at 12m",
            "expect phase at 15m",
            "expect checkout = 50%",
            "expect",
            "expects rollback",
            "expect ran smoke 3",
            "expect killed at 2d",
            "at 20m: approve \"x\"",
            "rollback at 5m",
            "pause at 3m",
            "notify oncall",
            "when x: run a",
            "hold 5m",
        ],
    },
];

/// What of a block's lines is no junk, without places.
fn lines(text: &str, at: &str) -> Vec<Value> {
    fn plain(value: Value) -> Value {
        match value {
            Value::Object(m) if m.len() == 3 && m.contains_key("file") && m.contains_key("start") => Value::Null,
            Value::Object(m) => Value::Object(m.into_iter().map(|(k, v)| (k, plain(v))).collect()),
            Value::Array(l) => Value::Array(l.into_iter().map(plain).collect()),
            other => other,
        }
    }
    let (tree, _) = canary::syntax::parse(FileId(0), text);
    let tree = plain(serde_json::to_value(tree).unwrap());
    let all = tree.pointer(at).unwrap_or_else(|| panic!("{text}\n{tree:#}")).as_array().unwrap().clone();
    all.into_iter().filter(|l| l.get("junk").is_none() && l["kind"] != "junk").collect()
}

#[test]
fn a_wrong_line_is_one_finding_and_leaves_its_neighbours() {
    let mut tried = 0;
    for Block { head, at, right, wrong } in BLOCKS {
        let close = "}".repeat(1 + head.matches('{').count());
        let alone = lines(&format!("{head} {{\n  {right}\n{close}"), at);
        assert_eq!(alone.len(), 1, "{head}: {alone:#?}");
        for line in *wrong {
            let text = format!("{head} {{\n  {right}\n  {line}\n  {right}\n{close}\n");
            let (_, found) = canary::syntax::parse(FileId(0), &text);
            assert_eq!(found.len(), 1, "{text}\n{found:#?}");
            let d = &found[0];
            let from = format!("{head} {{\n  {right}\n  ").len();
            let to = from + line.len();
            let place = d.span();
            assert!(from <= place.start as usize && place.end as usize <= to, "{text}\n{d:#?}");
            assert!(d.help.is_some(), "`{}` offers no way out", d.message);
            assert!(!d.message.contains("unexpected"), "{}", d.message);
            // a line of which something could be built besides the finding may stand between the two
            let kept = lines(&text, at);
            assert_eq!((kept.first(), kept.last()), (alone.first(), alone.first()), "{text}\n{kept:#?}");
            assert!(matches!(kept.len(), 2 | 3), "{text}\n{kept:#?}");
            tried += 1;
        }
    }
    assert!(tried >= 80, "{tried}");
}

/// A broken head keeps the body: its lines are read, and wrong ones among them told.
#[test]
fn a_block_with_a_broken_head_is_read_inside() {
    for (head, body, at) in [
        ("probe p", "step a = get(\"/\")", "/items/0/probe/steps"),
        ("probe p each 30s", "step a = get(\"/\")", "/items/0/probe/steps"),
        ("signoff m4 \"x\"", "by \"a\"", "/items/0/signoff/body"),
        ("slo target 99%", "objective a < 1% over 30d", "/items/0/slo/objectives"),
        ("scores health", "part a = b bad 1% good 2%", "/items/0/score/parts"),
    ] {
        let text = format!("{head} {{\n  {body}\n  wrong here\n}}\ntraffic a\n");
        let (tree, found) = canary::syntax::parse(FileId(0), &text);
        assert_eq!(found.len(), 2, "{text}\n{found:#?}");
        assert_eq!(tree.items.len(), 2, "{text}");
        assert_eq!(lines(&text, at).len(), 1, "{text}");
    }
    let text = "test for r {\n  expct rollback\n}\n";
    assert_eq!(canary::syntax::parse(FileId(0), text).1.len(), 2);
}
