//! What goes wrong, by chance: acts with the time at which each is done.

use super::dice::Dice;
use super::policy::{Ground, Policy};

/// Something that is done to a run or to its world.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A line of the metrics page; none: the series is gone.
    Page(&'static str, Option<&'static str>),
    /// Whether the page answers.
    PageUp(bool),
    /// A file that the actions look for: `fail`, `hang`, `slow`.
    File(&'static str, bool),
    /// Somebody else writes the flag file; none: it is gone.
    Flags(Option<&'static str>),
    /// A fault of a service, in its JSON: of the canary, or of the stable one.
    Service(bool, &'static str),
    /// The canary's service is killed.
    Crash,
    /// Whether Prometheus runs.
    Prometheus(bool),
    /// Whether Prometheus' process is stopped (SIGSTOP).
    PrometheusStopped(bool),
    /// Whether HAProxy's process is stopped.
    ProxyStopped(bool),
    /// Whether HAProxy's socket is where it was.
    Socket(bool),
    /// Somebody else sets the canary's share.
    Drift(u32),
    /// A person's word, or a command of theirs.
    Say(Vec<String>),
    /// kill -9; back after so many ms.
    Kill(u64),
    /// A stop by SIGTERM; back after so many ms.
    Stop(u64),
    /// Whether the runner's process is stopped (SIGSTOP).
    Asleep(bool),
    /// Somebody keeps the store locked for so many ms.
    Lock(u64),
    /// The disk of the recording is full: a small file system, in which it lies, is filled.
    Full,
}

/// Who says why, with everything that a text can hold.
const WHY: [&str; 4] = ["looked at it", "it's \"fine\" – says Zoë", "a\ttab, a \\ and a\nline", "💡"];

/// The acts of a run, sorted by time in ms. A calm one has few: some are to come to their end.
pub fn schedule(dice: &mut Dice, ground: Ground, policy: &Policy) -> Vec<(u64, Act)> {
    let mut out = Vec::new();
    let long = if policy.calm { 14_000 } else { 10_000 };
    for _ in 0..if policy.calm { dice.below(3) } else { 3 + dice.below(6) } {
        let at = u64::try_from(dice.between(200, long)).unwrap();
        let until = at + u64::try_from(dice.between(300, 3_500)).unwrap();
        both(dice, ground, policy, at, until, &mut out);
    }
    // crashes are what this is about
    for _ in 0..if policy.calm { 1 } else { dice.below(4) } {
        let (at, back) = (dice.between(100, long), dice.between(0, 2_500));
        out.push((u64::try_from(at).unwrap(), Act::Kill(u64::try_from(back).unwrap())));
    }
    // who is paused is let go on, sooner or later
    for at in [4_000, 7_500, 10_500] {
        if dice.percent(60) {
            out.push((at + u64::try_from(dice.below(900)).unwrap(), say(dice, &["resume", "checkout"])));
        }
        if policy.approval && dice.percent(80) {
            let words = ["approve", "engineering", "checkout"];
            out.push((at / 2 + u64::try_from(dice.below(900)).unwrap(), say(dice, &words)));
        }
    }
    out.sort_by_key(|(at, _)| *at);
    out
}

fn say(dice: &mut Dice, words: &[&str]) -> Act {
    let mut words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    words.extend([String::from("--why"), dice.one(&WHY).to_owned()]);
    Act::Say(words)
}

/// Something that begins and, most often, ends.
fn both(dice: &mut Dice, ground: Ground, policy: &Policy, at: u64, until: u64, out: &mut Vec<(u64, Act)>) {
    let (from, to) = match dice.below(if ground == Ground::Servers { 22 } else { 14 }) {
        0 => (say(dice, &["pause", "checkout"]), Some(say(dice, &["resume", "checkout"]))),
        1 if dice.percent(35) => (say(dice, &["abort", "checkout"]), None),
        1 | 2 => (Act::Stop(until - at), None),
        3 => (Act::Asleep(true), Some(Act::Asleep(false))),
        4 => (Act::Lock(until - at), None),
        5 if policy.switch && dice.percent(50) => (say(dice, &["kill", "stop"]), Some(say(dice, &["reset", "stop"]))),
        5 => (Act::Kill(until - at), None),
        6 if dice.percent(40) => (Act::Full, None),
        6 => (Act::Kill(0), None),
        _ if ground == Ground::Lab => (Act::Kill(until - at), None),
        7 => {
            let harm = dice.one(&[Some("0.2"), Some("0.031"), Some("NaN"), Some("+Inf"), None]);
            (Act::Page("harm", harm), Some(Act::Page("harm", Some("0.01"))))
        }
        8 => {
            let depth =
                dice.one(&[Some("80"), Some("41.000000000000007"), Some("1e308"), Some("NaN"), Some("-0"), None]);
            (Act::Page("depth", depth), Some(Act::Page("depth", Some("7"))))
        }
        9 => {
            (Act::Page("lost_total", Some("9")), Some(Act::Page("lost_total", dice.one(&[Some("2"), Some("9"), None]))))
        }
        10 => (Act::PageUp(false), Some(Act::PageUp(true))),
        11 => {
            let file = dice.one(&["fail", "hang", "slow"]);
            (Act::File(file, true), Some(Act::File(file, false)))
        }
        12 => {
            let text = dice.one(&[
                Some("{\"search\": true, \"workers\": 2, \"part\": 100}\n"),
                Some("{\"search\": false, \"workers\": 0, \"part\": 0}\n"),
                Some("{\"search\": fal"),
                None,
            ]);
            (
                Act::Flags(text),
                dice.percent(60).then_some(Act::Flags(Some("{\"search\": true, \"workers\": 1, \"part\": 5}\n"))),
            )
        }
        13 => (Act::Flags(Some("{\"search\": true, \"workers\": 1, \"part\": 50}\n")), None),
        14 => (Act::Drift(u32::try_from(dice.below(60)).unwrap()), None),
        15 => (Act::Prometheus(false), Some(Act::Prometheus(true))),
        16 => (Act::PrometheusStopped(true), Some(Act::PrometheusStopped(false))),
        17 => (Act::ProxyStopped(true), Some(Act::ProxyStopped(false))),
        18 => (Act::Socket(false), Some(Act::Socket(true))),
        19 => (Act::Crash, None),
        20 => (Act::Service(true, r#"{"latency_ms": 400}"#), Some(Act::Service(true, r#"{"latency_ms": 0}"#))),
        _ => {
            let (canary, text) = (
                dice.percent(70),
                dice.one(&[r#"{"error_rate": 0.2}"#, r#"{"error_rate": 0.04}"#, r#"{"hang": true}"#]),
            );
            (Act::Service(canary, text), Some(Act::Service(canary, r#"{"error_rate": 0.0, "hang": false}"#)))
        }
    };
    out.push((at, from));
    out.extend(to.map(|to| (until, to)));
}
