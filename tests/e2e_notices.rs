//! People are told: the real binary, a sink for Slack, Discord and Teams, a flag in a file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use support::canary::{Done, Live};
use support::eventually;
use support::http::{Pages, Reply, Request};
use support::page::{Flagged, Work, flag};
use support::webhooks::{check, strings};

const RUN: [&str; 4] = ["run", "checkout.canary", "--env", "notices"];
const RESUME: [&str; 5] = ["run", "checkout.canary", "--env", "notices", "--resume"];
const LONG: Duration = Duration::from_secs(45);
const TOKEN: &str = "hushhush-token-0123456789";

/// What the sink does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Takes,
    /// Answers 500 and quotes the URL.
    Fails,
    /// Answers once it is in another mood.
    Hangs,
}

/// A sink at which all three channels arrive; it keeps what it has taken.
struct Sink {
    pages: Pages,
    mood: Arc<(Mutex<Mood>, Condvar)>,
    /// Form and body of what has come, answered or not, and of what was taken.
    came: Arc<Mutex<Vec<(String, Value)>>>,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Sink {
    fn start(mood: Mood) -> Self {
        Self::judging(mood, |mood, _| mood)
    }

    /// With another mood for some messages.
    fn judging(mood: Mood, of: impl Fn(Mood, &Value) -> Mood + Send + Sync + 'static) -> Self {
        let mood = Arc::new((Mutex::new(mood), Condvar::new()));
        let (came, taken): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>) = Default::default();
        let (m, c, t) = (Arc::clone(&mood), Arc::clone(&came), Arc::clone(&taken));
        let pages = Pages::serve(move |r: &Request| {
            let form = r.path.trim_start_matches('/').split('/').next().unwrap().to_owned();
            let body: Value = serde_json::from_str(&r.body).unwrap();
            c.lock().unwrap().push((form.clone(), body.clone()));
            let (lock, changed) = &*m;
            let mut now = lock.lock().unwrap();
            while of(*now, &body) == Mood::Hangs {
                now = changed.wait(now).unwrap();
            }
            if of(*now, &body) == Mood::Fails {
                return Reply::Full(500, Vec::new(), format!("cannot do {}", r.path));
            }
            t.lock().unwrap().push((form, body));
            Reply::Full(200, Vec::new(), String::from("ok"))
        });
        Self { pages, mood, came, taken }
    }

    fn set(&self, to: Mood) {
        *self.mood.0.lock().unwrap() = to;
        self.mood.1.notify_all();
    }

    fn url(&self, form: &str) -> String {
        format!("{}/{form}/{TOKEN}?sig={TOKEN}", self.pages.url())
    }

    /// What has been taken in one form, as text without escapes.
    fn texts(&self, form: &str) -> Vec<String> {
        texts(&self.taken.lock().unwrap(), form)
    }

    fn came(&self, form: &str) -> Vec<String> {
        texts(&self.came.lock().unwrap(), form)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // nobody is left waiting
        self.set(Mood::Fails);
    }
}

fn texts(of: &[(String, Value)], form: &str) -> Vec<String> {
    let one = |(_, body): &(String, Value)| strings(body).join("\n").replace(['\\', '\u{200b}'], "");
    of.iter().filter(|(f, _)| f == form).map(one).collect()
}

/// The numbers of notices, in the order in which they came.
fn numbers(texts: &[String]) -> Vec<u64> {
    texts.iter().map(|t| t.split("· notice ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()).collect()
}

fn good(_: f64) -> f64 {
    0.001
}

/// The gauge turns bad when the flag stands at 50 %.
fn bad_at_half(flag: f64) -> f64 {
    if flag >= 0.5 { 0.2 } else { 0.001 }
}

/// The policy `notices.canary`, its channels at the sink.
fn told(sink: &Sink, harm: fn(f64) -> f64) -> Flagged {
    let f = Flagged::new(harm);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/e2e");
    std::fs::copy(from.join("notices.canary"), f.work.path("checkout.canary")).unwrap();
    std::fs::copy(from.join("environments/notices.canary"), f.work.path("environments/notices.canary")).unwrap();
    let Flagged { work, page, file } = f;
    let work = work
        .with("CANARY_WEBHOOK_URL", sink.url("slack"))
        .with("DISCORD_WEBHOOK_URL", sink.url("discord"))
        .with("TEAMS_WEBHOOK_URL", sink.url("teams"));
    Flagged { work, page, file }
}

/// The token stands in no output and in no file of the user's folder.
#[track_caller]
fn no_secret(work: &Work, done: &[&Done]) {
    for d in done {
        assert!(!d.out.contains(TOKEN) && !d.err.contains(TOKEN), "{d:?}");
    }
    for (path, bytes) in work.contents() {
        assert!(!bytes.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes()), "in {}", path.display());
    }
}

fn undelivered(work: &Work) -> Vec<Value> {
    let done = work.canary(&["status", "--format", "json"]).exits(0);
    let all: Value = serde_json::from_str(&done.out).unwrap();
    all["undelivered"].as_array().unwrap().clone()
}

#[test]
fn a_promotion_is_told_in_every_form() {
    let sink = Sink::start(Mood::Takes);
    let f = told(&sink, good);
    let done = f
        .work
        .canary(&RUN)
        .exits(0)
        .shows("told slack webhook at 127.0.0.1:")
        .shows("told discord")
        .shows("told teams");
    for form in ["slack", "discord", "teams"] {
        let texts = sink.texts(form);
        assert_eq!(numbers(&texts), [1, 2], "{form}: {texts:#?}");
        assert!(texts[0].contains("checkout on notices: phase taste passed, next is half"), "{form}: {}", texts[0]);
        for part in [
            "checkout on notices: promoted",
            "checkout = 50% (read back ",
            "promoted: it stays as it is set",
            "guard harm",
            "ok: value 0.1%, limit 1%, since ",
            "shop team",
            "https://wiki.example.com/checkout",
            "canary why 20",
            "· done ·",
        ] {
            assert!(texts[1].contains(part), "{form}: no `{part}` in {}", texts[1]);
        }
        sink.taken.lock().unwrap().iter().filter(|(f, _)| f == form).for_each(|(f, body)| check(f, body));
    }
    assert!(undelivered(&f.work).is_empty());
    no_secret(&f.work, &[&done]);
}

#[test]
fn a_rollback_is_told_with_what_caused_it_and_what_was_done() {
    let sink = Sink::start(Mood::Takes);
    let f = told(&sink, bad_at_half);
    let done = f.work.canary(&RUN).exits(1);
    for form in ["slack", "discord", "teams"] {
        let texts = sink.texts(form);
        assert_eq!(numbers(&texts), [1, 2, 3], "{form}: passed, rolling back, rolled back: {texts:#?}");
        for part in [
            "checkout on notices: rolling back: guard harm breached",
            "breached: value 20%, limit 1%, bad since 20",
            "checkout = 0% (asked for ",
            "not read back yet",
            "everything is being taken back",
            "· rollback ·",
        ] {
            assert!(texts[1].contains(part), "{form}: no `{part}` in {}", texts[1]);
        }
        for part in ["checkout = 0% (read back ", "everything was taken back and read back; the run is over"] {
            assert!(texts[2].contains(part), "{form}: no `{part}` in {}", texts[2]);
        }
        sink.taken.lock().unwrap().iter().filter(|(f, _)| f == form).for_each(|(f, body)| check(f, body));
    }
    no_secret(&f.work, &[&done]);
}

#[test]
fn a_sink_that_is_down_and_up_again_gets_all_of_it_in_order() {
    let sink = Sink::start(Mood::Fails);
    let f = told(&sink, bad_at_half);
    let mut live = f.work.start(&RUN);
    live.until("is not delivered to slack webhook", LONG);
    live.until("rolled back", LONG);
    assert!(sink.texts("slack").is_empty());
    sink.set(Mood::Takes);
    let done = live.end(LONG).exits(1);
    for form in ["slack", "discord", "teams"] {
        assert_eq!(numbers(&sink.texts(form)), [1, 2, 3], "{form}\n{}", done.out);
    }
    assert!(undelivered(&f.work).is_empty());
    // the sink had quoted the URL at each try
    no_secret(&f.work, &[&done]);
}

/// A run that has rolled back, killed before anybody was told of it. Its sink has not answered yet.
fn killed_before_telling() -> (Sink, Flagged) {
    let sink = Sink::judging(Mood::Hangs, |mood, body| {
        let of_rollback = strings(body).join(" ").contains("olling back");
        if of_rollback || mood == Mood::Fails { mood } else { Mood::Takes }
    });
    let f = told(&sink, bad_at_half);
    let mut live = f.work.start(&RUN);
    live.until("read back checkout = 0%", LONG);
    eventually("it is being told", || sink.came("slack").iter().any(|t| t.contains("rolling back")));
    live.until("rolled back", LONG);
    eventually("the verdict is in the store", || f.work.canary(&["status"]).out.contains("nothing is running"));
    live.signal(Signal::KILL);
    assert_eq!(live.end(LONG).status.signal(), Some(9));
    (sink, f)
}

#[test]
fn what_a_killed_run_has_not_told_is_delivered_by_resume() {
    let (sink, f) = killed_before_telling();
    let open = undelivered(&f.work);
    assert_eq!(open.len(), 6, "rolling back and rolled back, three channels: {open:#?}");
    assert!(open.iter().all(|n| n["given_up"].is_null() && n["happening"] != "promote"));
    f.work.canary(&["status"]).exits(0).shows("not told").shows("oncall").shows("rolling back: guard harm breached");
    sink.set(Mood::Takes);
    let before = sink.texts("slack").len();
    let done = f
        .work
        .canary(&RESUME)
        .exits(3)
        .says("6 notices were left undelivered: delivering them now")
        .says("no unfinished run to resume");
    for form in ["slack", "discord", "teams"] {
        let mut after = sink.texts(form);
        // what the killed process had asked for may be answered now as well: at least once
        after.retain(|t| t.contains("rolling back") || t.contains("rolled back"));
        let got = numbers(&after);
        assert!(got.ends_with(&[2, 3]), "{form}: {got:?}, before: {before}\n{}", done.err);
    }
    assert!(undelivered(&f.work).is_empty());
    no_secret(&f.work, &[&done]);
}

#[test]
fn what_a_killed_run_has_not_told_is_delivered_by_the_next_run() {
    let (sink, f) = killed_before_telling();
    sink.set(Mood::Takes);
    let first = undelivered(&f.work)[0]["run"].as_str().unwrap().to_owned();
    let done = f.work.canary(&RUN).exits(1).shows("6 notices were left undelivered: delivering them now");
    let texts = sink.texts("teams");
    let of_first = texts.iter().filter(|t| t.contains(&format!("run {first} · notice 3"))).count();
    assert!(of_first >= 1, "{texts:#?}");
    // the later run's own come behind
    let last = texts.iter().rposition(|t| t.contains(&first)).unwrap();
    assert!(texts[last + 1..].iter().any(|t| t.contains("rolled back")), "{texts:#?}");
    assert!(undelivered(&f.work).is_empty());
    no_secret(&f.work, &[&done]);
}

#[test]
fn abort_of_a_run_that_is_over_still_tells() {
    let (sink, f) = killed_before_telling();
    // without its secret a channel keeps what it has
    let Flagged { work, page: _page, file: _ } = f;
    let work = work.with("TEAMS_WEBHOOK_URL", "");
    sink.set(Mood::Takes);
    work.canary(&["abort", "checkout"]).exits(3).says("is over").says("is kept: team is not connected");
    let left = undelivered(&work);
    assert_eq!(left.iter().map(|n| n["channel"].as_str().unwrap()).collect::<Vec<_>>(), ["team", "team"]);
    let work = work.with("TEAMS_WEBHOOK_URL", sink.url("teams"));
    work.canary(&["abort", "checkout"]).exits(3).says("2 notices were left undelivered");
    assert!(undelivered(&work).is_empty());
}

#[test]
fn killed_between_delivery_and_mark_it_comes_twice_under_one_number() {
    let sink = Sink::start(Mood::Takes);
    let f = told(&sink, good);
    let mut command = f.work.command(&RUN);
    command.env("CANARY_FAULT", "delivered:1");
    let killed = Live::of(command).end(LONG);
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    let before: usize = ["slack", "discord", "teams"].iter().map(|form| sink.texts(form).len()).sum();
    assert!(before >= 1);
    f.work.canary(&RESUME).exits(0);
    let mut twice = 0;
    for form in ["slack", "discord", "teams"] {
        let got = numbers(&sink.texts(form));
        assert!(got == [1, 2] || got == [1, 1, 2], "{form}: {got:?}");
        twice += got.len() - 2;
    }
    assert!(twice >= 1, "at least once may be twice");
    assert!(undelivered(&f.work).is_empty());
}

#[test]
fn a_sink_that_hangs_stands_in_front_of_nothing() {
    // it hangs from the first notice on, while the flag stands at 50 %
    let sink = Sink::start(Mood::Hangs);
    let f = told(&sink, bad_at_half);
    let mut live = f.work.start(&RUN);
    eventually("the first notice hangs", || !sink.came("slack").is_empty());
    live.until("read back checkout = 0%", LONG);
    // every answer is still owed: neither the raise nor the rollback has waited for one
    assert_eq!(f.flag(), 0.0);
    assert!(sink.texts("slack").is_empty() && sink.texts("discord").is_empty() && sink.texts("teams").is_empty());
    let came = numbers(&sink.came("slack"));
    assert!(came.iter().all(|n| *n == 1), "nor has a second notice overtaken the first: {came:?}");
    let events = f.work.history();
    // between the decision and the read-back lies no check
    let kinds: Vec<&str> = events.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    let decided = kinds.iter().position(|k| *k == "rollback").unwrap();
    assert_eq!(kinds[decided + 1], "verified", "{kinds:?}");
    sink.set(Mood::Takes);
    live.end(LONG).exits(1);
    let taken = numbers(&sink.texts("slack"));
    assert!([1, 2, 3].iter().all(|n| taken.contains(n)), "{taken:?}");
}

#[test]
fn a_sink_that_fails_for_ever_holds_up_nothing_and_what_is_left_is_kept() {
    let sink = Sink::start(Mood::Fails);
    let f = told(&sink, bad_at_half);
    let mut live = f.work.start(&RUN);
    live.until("read back checkout = 0%", LONG);
    assert!(sink.texts("slack").is_empty());
    let done = live.end(LONG).exits(1).shows("not delivered before the end").shows("it is kept, the next `canary run`");
    let left = undelivered(&f.work);
    assert_eq!(left.len(), 9);
    assert!(
        left.iter().any(|n| n["error"].as_str().is_some_and(|e| e.contains("answers 500: cannot do ***"))),
        "{left:#?}"
    );
    let status = f.work.canary(&["status"]).exits(0).shows("not told");
    no_secret(&f.work, &[&done, &status]);
}

#[test]
fn a_webhook_that_is_gone_is_said_loudly_and_kept_with_why() {
    let pages = Pages::serve(|r| Reply::Full(404, Vec::new(), format!("no {}", r.path)));
    let sink = Sink::start(Mood::Takes);
    let Flagged { work, page: _page, file: _ } = told(&sink, good);
    let work = work.with("CANARY_WEBHOOK_URL", format!("{}/slack/{TOKEN}", pages.url()));
    let report = [&RUN[..], &["--report", "report.json"]].concat();
    let done = work.canary(&report).exits(0).shows("NOT TOLD").shows("make a new one and set the secret");
    assert_eq!(numbers(&sink.texts("discord")), [1, 2], "the others are told");
    let left = undelivered(&work);
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|n| n["channel"] == "oncall" && n["given_up"].is_string()));
    let more: Vec<Done> = [&["status"][..], &["history", "checkout", "--format", "json"], &["why", "checkout"]]
        .iter()
        .map(|args| work.canary(args).exits(0))
        .collect();
    no_secret(&work, &[&done, &more[0], &more[1], &more[2]]);
}

#[test]
fn under_a_locked_store_it_is_taken_back_and_told_and_kept_behind_it() {
    let sink = Sink::start(Mood::Takes);
    let f = told(&sink, bad_at_half);
    let mut live = f.work.start(&[&RUN[..], &["--set", "watch=20s"]].concat());
    live.until("guard harm ok", LONG);
    // a person's abort would need the store; the gauge is bad at half, so it is set there by somebody else: drift pauses
    let lock = rusqlite::Connection::open(f.work.path(".canary/store.db")).unwrap();
    lock.execute_batch("begin immediate").unwrap();
    std::fs::write(&f.file, "{\n  \"checkout\": 50\n}\n").unwrap();
    eventually("taken back under the lock", || flag(&f.file) == 0.0);
    eventually("told under the lock", || sink.texts("slack").iter().any(|t| t.contains("rolling back")));
    lock.execute_batch("rollback").unwrap();
    let done = live.end(LONG).exits(1).shows("notices are sent, and cannot be kept until then");
    f.work.verify();
    assert!(undelivered(&f.work).is_empty(), "{}", done.out);
    let slack = numbers(&sink.texts("slack"));
    assert!(slack.is_sorted_by(|a, b| a < b), "each once, in order: {slack:?}");
    // they are in the store all the same, delivered
    let store = rusqlite::Connection::open(f.work.path(".canary/store.db")).unwrap();
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(
        count("SELECT count(*) FROM notices WHERE delivered IS NOT NULL"),
        i64::try_from(slack.len() * 3).unwrap()
    );
    assert_eq!(count("SELECT count(*) FROM notices"), i64::try_from(slack.len() * 3).unwrap());
}

/// What a kill tells is told before its run is in the store: it bears that run's name and place all the same, and once delivered it
/// is not delivered again.
#[test]
fn a_kill_without_a_run_under_way_tells_where_and_of_which_run_and_only_once() {
    let sink = Sink::start(Mood::Takes);
    let f = told(&sink, good);
    let policy = f.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    let text = text.replace("rollout checkout \"", "killswitch stop { flag checkout = 0% }\n\nrollout checkout \"");
    std::fs::write(&policy, text.replace("pause, done: notify", "kill: notify")).unwrap();
    f.work
        .canary(&["kill", "stop", "checkout.canary", "--env", "notices"])
        .exits(0)
        .shows("`canary reset stop --env notices --why WHY`");
    let history = f.work.canary(&["history", "--format", "json"]).exits(0);
    let history: Value = serde_json::from_str(&history.out).unwrap();
    let run = history["runs"][0]["run"].as_str().unwrap();
    for form in ["slack", "discord", "teams"] {
        let texts = sink.texts(form);
        assert_eq!(numbers(&texts), [1, 2], "{form}: {texts:#?}");
        for text in &texts {
            assert!(text.contains("checkout on notices: "), "{form}: {text}");
            assert!(text.contains(&format!("canary why {run}")), "{form}: {text}");
        }
    }
    assert_eq!(undelivered(&f.work), Vec::<Value>::new(), "delivered is delivered");
}
