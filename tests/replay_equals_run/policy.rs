//! A policy by chance: of everything that decides, something.

use super::dice::Dice;
use std::fmt::Write;

/// What a policy runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The built-in lab, traffic and all.
    Lab,
    /// The lab's metrics, flags in a file, a page and actions of the test's own.
    LabFlags,
    /// A real HAProxy and a real Prometheus, flags in a file, a page and actions of the test's own.
    Servers,
}

impl Ground {
    pub fn traffic(self) -> bool {
        self != Self::LabFlags
    }

    /// Whether the test has a metrics page, a flag file and actions of its own.
    pub fn own(self) -> bool {
        self != Self::Lab
    }

    pub fn environment(self) -> &'static str {
        if self == Self::Lab { "lab" } else { "here" }
    }
}

/// A policy, its environment in it.
pub struct Policy {
    pub text: String,
    /// It has a kill switch.
    pub switch: bool,
    /// It waits for an approval.
    pub approval: bool,
    /// Little goes wrong, so that it may come to its end.
    pub calm: bool,
    /// The lab's faults.
    pub fault: Option<String>,
}

/// One out of texts.
fn pick(dice: &mut Dice, of: &[&str]) -> String {
    dice.one(of).to_owned()
}

const METRICS: &str = r#"metric failed:  counter   = prometheus(`http_requests_total{code=~"5..", ${where}}`)
metric served:  counter   = prometheus(`http_requests_total{${where}}`)
metric all:     counter   = prometheus(`http_requests_total`)
metric latency: histogram = prometheus(`http_request_duration_seconds_bucket{${where}}`, unit: 1s, window: 4s)
"#;

/// Of the test's own page: a share, a count that may be no number, a counter that may begin anew.
const PAGE: &str = "metric harm:  ratio   = page(`harm`, max_age: 1s)
metric depth: count   = page(`depth`, max_age: 1s)
metric lost:  counter = page(`lost_total`, max_age: 1s)
";

/// What only PromQL can ask: without traffic it is 0/0; the same metric over two windows.
const PROMQL: &str = r#"metric share: ratio = prometheus(`sum(rate(http_requests_total{code=~"5..", ${where}}[4s])) / sum(rate(http_requests_total{${where}}[4s]))`)
metric busy:  rate  = prometheus(`sum(rate(http_requests_total{${where}}[${window}]))`, window: 4s)
"#;

pub fn policy(dice: &mut Dice, ground: Ground) -> Policy {
    let mut text = String::from("edition 2026\n\n");
    text.push_str(METRICS);
    let window = pick(dice, &["2s", "3s", "4s"]);
    let _ = writeln!(text, "metric errors: events = events(bad: failed, total: served, window: {window})");
    if ground.own() {
        text.push_str(PAGE);
    }
    if ground == Ground::Servers {
        text.push_str(PROMQL);
    }
    if ground.traffic() {
        text.push_str("traffic checkout\n");
    }
    text.push_str("flag search: bool\nflag workers: count in [0, 1, 2]\nflag part: ratio in [0%, 5%, 50%, 100%]\n");
    text.push_str("flags m4: [catalog, \"strict-golden\"]\n");
    let undo = pick(dice, &["none", "tidy"]);
    let _ = writeln!(text, "action smoke timeout 2s, undo {undo}\naction tidy timeout 2s, undo none");
    let switch = dice.percent(60);
    if switch {
        let what = if ground.traffic() {
            "traffic checkout = 0%, flag search = off"
        } else {
            "flag part = 0%, flag search = off"
        };
        let run = if dice.percent(50) { "  run tidy" } else { "" };
        let _ = writeln!(text, "killswitch stop {{ {what}{run} }}");
    }
    let approval = dice.percent(30);
    rollout(dice, ground, switch, approval, &mut text);
    if ground.own() {
        environment(ground, &mut text);
    }
    let calm = dice.percent(40);
    Policy { text, switch, approval, calm, fault: fault(dice, ground).filter(|_| !calm) }
}

fn fault(dice: &mut Dice, ground: Ground) -> Option<String> {
    if ground == Ground::Servers || dice.percent(25) {
        return None;
    }
    let at = if ground == Ground::Lab {
        pick(dice, &["at 50%", "after 3s", "after 6s"])
    } else {
        pick(dice, &["at 50%", "at 5%"])
    };
    let what = pick(dice, &["slow=400ms", "errors=20%", "errors=4%", "crash", "hang"]);
    Some(format!("{what} {at}"))
}

fn environment(ground: Ground, text: &mut String) {
    let metrics = if ground == Ground::LabFlags {
        "  prometheus = lab()\n"
    } else {
        "  prometheus = prometheus(url: env(\"PROMETHEUS_URL\"), scrape: 1s)\n  \
         checkout = haproxy(socket: env(\"HAPROXY_SOCKET\"), backend: \"be_checkout\", canary: \"v2\", stable: \"v1\")\n"
    };
    // behind flags it is the one service that has the faults
    let (port, canary) = if ground.traffic() { ("checkout", "v2") } else { ("part", "v1|v2") };
    let _ = write!(
        text,
        r#"
environment here {{
{metrics}  page = scrape(urls: [env("METRICS_URL")], every: 100ms)
  search  = json_file(path: "flags.json", key: "search")
  workers = json_file(path: "flags.json", key: "workers")
  part    = json_file(path: "flags.json", key: "part")
  m4      = json_file(path: "other.json", key: "m4/${{flag}}")
  smoke   = command(["./smoke"])
  tidy    = command(["./tidy"])
  variants {port} {{ canary = `version=~"{canary}"`   stable = `version="v1"` }}
  people engineering = ["tester"]
  store = sqlite(path: ".canary/store.db")
}}
"#
    );
}

/// Guards, of which some are taken: whether each needs the page, or PromQL.
const GUARDS: [(&str, &str); 27] = [
    ("", "errors < 5%  at least 5 events"),
    ("", "errors <= stable + 5pp  at least 5 events"),
    ("", "errors <= greater(before * 150%, 4%)  at least 5 events"),
    ("", "errors(3s) < 8%  at least 3 events"),
    ("", "share(latency < 100ms) >= 90%  at least 5 events"),
    ("", "p95(latency) <= before + 200ms"),
    ("", "p99(latency, 3s) < 900ms"),
    ("", "quantile(latency, 0.5) <= stable + 300ms"),
    ("", "increase(failed) < 20"),
    ("", "increase(failed, since phase) < 30"),
    ("", "increase(failed, 3s) < 25"),
    ("", "not ((errors > 4%) for 2 checks)"),
    ("", "not ((errors > 6%) for 2 of 4 checks)"),
    ("", "errors < 50% and share(latency < 2s) >= 10%"),
    ("own", "harm <= 5%"),
    ("own", "default(harm, 0%) <= 2%"),
    ("own", "not missing(harm) or depth < 100"),
    ("own", "avg(harm, 2s) <= 6%"),
    ("own", "max(depth, 1s) < 50 and min(depth, 2s) < 45"),
    ("own", "quantile(depth, 0.9, 2s) < 60"),
    ("own", "delta(depth, 2s) < 40 or stddev(depth, 2s) < 5"),
    ("own", "increase(lost) == 0"),
    ("own", "rate(lost, 2s) < 5/s"),
    ("own", "harm <= before + 2pp"),
    ("promql", "share < 10%"),
    ("promql", "busy(4s) >= 0/s or busy(9s) >= 0/s"),
    ("promql", "busy(9s) <= 1000/s and busy(4s) <= before + 900/s"),
];

fn rollout(dice: &mut Dice, ground: Ground, switch: bool, approval: bool, text: &mut String) {
    let own = ground.own();
    // on traffic two seconds a check are told apart from a busy machine; flags alone are quick
    let every = if own { pick(dice, &["100ms", "200ms", "500ms"]) } else { pick(dice, &["200ms", "500ms"]) };
    let _ = writeln!(text, "\nrollout checkout \"By chance\" {{\n  check every {every}");
    if dice.percent(30) {
        let _ = writeln!(
            text,
            "  settle {}",
            pick(dice, &["200ms", "500ms"]).replace("200ms", if every == "500ms" { "500ms" } else { "200ms" })
        );
    }
    text.push_str("  baseline 2s\n");
    let (silent, then) = (pick(dice, &["1s", "2s", "4 checks"]), pick(dice, &["hold", "pause", "pause", "rollback"]));
    let _ = writeln!(text, "  no data tolerate {silent} else {then}");
    if dice.percent(60) {
        let _ = writeln!(text, "  drift {}", pick(dice, &["pause", "correct", "tell"]));
    }
    if dice.percent(25) {
        text.push_str("  cooldown 1s after rollback\n");
    }
    if dice.percent(30) {
        text.push_str("  require increase(all, 3s) >= 0 \"somebody counts\"\n");
    }
    if dice.percent(25) {
        let gates: &[&str] =
            if own { &["depth < 60", "errors < 40%", "(depth < 80) for 2 checks"] } else { &["errors < 40%"] };
        let _ = writeln!(text, "  advance when {}", pick(dice, gates));
    }
    let names = ["taste", "some", "half", "full"];
    let phases = 2 + dice.below(3);
    let mut left: Vec<&str> = GUARDS
        .iter()
        .filter(|(needs, _)| match *needs {
            "own" => own,
            "promql" => ground == Ground::Servers,
            _ => true,
        })
        // behind flags nobody is told apart
        .filter(|(_, g)| ground.traffic() || !g.contains("stable"))
        .map(|(_, g)| *g)
        .collect();
    for i in 0..3 + dice.below(5) {
        let guard = left.remove(dice.below(left.len()));
        let (condition, events) = guard.split_once("  ").unwrap_or((guard, ""));
        let from = if dice.percent(20) { "from some" } else { "" };
        let until = if dice.percent(15) { "until half" } else { "" };
        let until = if phases > 2 { until } else { "" };
        let tolerate = pick(dice, &["", "tolerate 500ms", "tolerate 1s", "tolerate 3 checks", "tolerate 2s"]);
        let mut other = vec!["rollback", "rollback", "rollback", "pause", "hold", "tell"];
        if phases > 2 && from.is_empty() {
            other.extend(["rollback to taste"; 2]);
        }
        if switch {
            other.extend(["rollback, kill stop"; 2]);
        }
        let other = pick(dice, &other);
        let _ = writeln!(text, "  guard g{i}: {condition}  {events} {from} {until} {tolerate} else {other}");
    }
    let point = if dice.percent(12) { Some(phases - 1) } else { None };
    for (p, name) in names.iter().enumerate().take(phases) {
        phase(dice, ground, (p, phases), name, point == Some(p), approval, text);
    }
    if dice.percent(50) {
        let _ = writeln!(text, "  at 2s, 5s: snapshot");
    }
    if own && dice.percent(40) {
        text.push_str("  when depth > 35: run tidy limit 2 per 5s\n");
    }
    if dice.percent(30) {
        text.push_str("  on rollback: run tidy\n");
    }
    text.push_str("}\n");
}

fn phase(
    dice: &mut Dice,
    ground: Ground,
    place: (usize, usize),
    name: &str,
    point: bool,
    approval: bool,
    text: &mut String,
) {
    let (p, phases) = place;
    let last = p + 1 == phases;
    let ramp = ground.traffic() && p == 1 && dice.percent(40);
    let mut settings: Vec<String> = Vec::new();
    if ground.traffic() && !ramp {
        settings.push(format!("traffic checkout = {}", ["5%", "20%", "50%", "100%"][p]));
    }
    if !ground.traffic() || dice.percent(40) {
        settings.push(format!("flag part = {}", ["5%", "50%", "50%", "100%"][p]));
    }
    for (flag, chance) in [("flag search = on", 40), ("flag workers = 1", 30), ("flag m4 = on", 30)] {
        if dice.percent(chance) {
            settings.push(flag.to_owned());
        }
    }
    let _ = writeln!(text, "  phase {name} \"{}\" {{", if last { "all of it" } else { "a part" });
    if point {
        text.push_str("    irreversible \"the old one is gone\"\n");
    }
    if !settings.is_empty() {
        let _ = writeln!(text, "    {}", settings.join(", "));
    }
    if ramp {
        let _ = writeln!(text, "    ramp checkout from 10% to 30% by 10% every {}", pick(dice, &["500ms", "1s"]));
    }
    if dice.percent(45) {
        let _ = writeln!(text, "    run smoke {}", pick(dice, &["", "else pause", "else rollback"]));
    }
    let within = ["within 4s else pause", "within 5s else rollback", "within 3s else rollback"];
    match dice.below(4) {
        0 => {
            let _ = writeln!(text, "    hold until {} events of errors {}", dice.between(5, 60), pick(dice, &within));
        }
        _ => {
            let _ = writeln!(text, "    hold {}", pick(dice, &["400ms", "1s", "2s"]));
        }
    }
    if last && !point && dice.percent(15) {
        text.push_str("    hold forever\n");
    } else if approval && p == 0 {
        text.push_str("    promote when approved(\"engineering\")\n");
    } else if dice.percent(35) {
        let goals =
            ["healthy for 600ms", "increase(served, since phase) >= 10", "errors < 30% for 1s", "phase.elapsed >= 1s"];
        let _ = writeln!(text, "    promote when {} {}", pick(dice, &goals), pick(dice, &within));
    }
    text.push_str("  }\n");
}
