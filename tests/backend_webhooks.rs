//! Slack, Discord and Teams: what arrives at a sink, held against the public documentation of each form, with texts that nobody
//! would write; what is made of every answer; and nothing of the URL anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::backend::discord::Discord;
use canary::backend::slack::Slack;
use canary::backend::teams::Teams;
use canary::backend::{BackendError, Fact, Notice, Notifier, Secret};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::http::{Pages, Reply, Request};
use support::webhooks::{check, discord, length, slack, strings, teams};

const TOKEN: &str = "hushhush-token-0123456789";
const FORMS: [&str; 3] = ["slack", "discord", "teams"];

/// A sink that answers the same to everything and keeps what came.
fn sink(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Pages, Arc<Mutex<Vec<Request>>>) {
    let got: Arc<Mutex<Vec<Request>>> = Arc::default();
    let keep = Arc::clone(&got);
    let pages = Pages::serve(move |r| {
        keep.lock().unwrap().push(r.clone());
        reply()
    });
    (pages, got)
}

fn channel(form: &str, base: &str) -> Box<dyn Notifier> {
    let url = Secret::new(format!("{base}/services/{TOKEN}?thread_id=7&sig={TOKEN}"));
    match form {
        "slack" => Box::new(Slack::new(&url).unwrap()),
        "discord" => Box::new(Discord::new(&url).unwrap()),
        "teams" => Box::new(Teams::new(&url).unwrap()),
        other => panic!("{other}"),
    }
}

fn success(form: &str) -> Reply {
    match form {
        "slack" => Reply::text("ok"),
        "discord" => Reply::json(200, "{\"id\": \"1\"}"),
        _ => Reply::Full(202, Vec::new(), String::new()),
    }
}

fn fact(name: &str, value: &str) -> Fact {
    Fact { name: name.into(), value: value.into() }
}

fn notice() -> Notice {
    Notice {
        rollout: "checkout".into(),
        environment: "production".into(),
        run: "20261121-0915-k3f9".into(),
        number: 3,
        at: 1_795_252_805_000,
        happening: "rollback".into(),
        title: "checkout on production: rolling back: guard errors breached".into(),
        text: "checkout on production: guard errors breached".into(),
        facts: vec![
            fact("guard errors", "breached: value 2.4%, limit 1%, bad since 2026-11-21 09:18:05 UTC"),
            fact("exposure", "checkout = 0% (asked for 2026-11-21 09:20:05 UTC, not read back yet)"),
            fact("now", "everything is being taken back"),
            fact("look", "canary why 20261121-0915-k3f9"),
            fact("owner", "shop team"),
        ],
        links: vec![
            ("runbook".into(), "https://wiki.example.com/checkout?a=1&b=2".into()),
            ("notes".into(), "docs/runbooks/checkout.md".into()),
        ],
        late: None,
    }
}

/// Sends a notice and returns what arrived.
async fn arrives(form: &str, notice: &Notice) -> (Request, Value) {
    let name = form.to_owned();
    let (pages, got) = sink(move || success(&name));
    channel(form, &pages.url()).notify(notice).await.unwrap();
    let got = got.lock().unwrap();
    assert_eq!(got.len(), 1);
    (got[0].clone(), serde_json::from_str(&got[0].body).unwrap())
}

#[tokio::test]
async fn each_form_arrives_whole() {
    for form in FORMS {
        let (request, body) = arrives(form, &notice()).await;
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("content-type"), "application/json");
        check(form, &body);
        let all = strings(&body).join("\n").replace(['\\', '\u{200b}'], "");
        for part in [
            "rolling back: guard errors breached",
            "breached: value 2.4%, limit 1%, bad since 2026-11-21 09:18:05 UTC",
            "checkout = 0% (asked for 2026-11-21 09:20:05 UTC, not read back yet)",
            "everything is being taken back",
            "canary why 20261121-0915-k3f9",
            "shop team",
            "docs/runbooks/checkout.md",
            "checkout · production · run 20261121-0915-k3f9 · notice 3 · rollback · 2026-11-21 09:20:05 UTC",
        ] {
            assert!(all.contains(part), "{form}: no `{part}` in {body:#}");
        }
        let link = if form == "slack" { "a=1&amp;b=2" } else { "a=1&b=2" };
        assert!(all.contains(&format!("https://wiki.example.com/checkout?{link}")), "{form}: {body:#}");
        assert!(!body.to_string().contains(TOKEN));
    }
}

#[tokio::test]
async fn discord_is_asked_to_wait_and_allowed_to_call_nobody() {
    let (request, body) = arrives("discord", &notice()).await;
    assert_eq!(request.path, format!("/services/{TOKEN}?thread_id=7&sig={TOKEN}&wait=true"));
    assert_eq!(body["allowed_mentions"], json!({"parse": []}));
    assert_eq!(body["embeds"][0]["color"], 0x00d9_3025);
    assert_eq!(body["embeds"][0]["timestamp"], "2026-11-21T09:20:05Z");
    let (_, body) = arrives("discord", &Notice { happening: "promote".into(), ..notice() }).await;
    assert_eq!(body["embeds"][0]["color"], 0x0018_8038);
}

#[tokio::test]
async fn teams_gets_an_adaptive_card() {
    let (request, body) = arrives("teams", &notice()).await;
    assert_eq!(request.path, format!("/services/{TOKEN}?thread_id=7&sig={TOKEN}"));
    let card = &body["attachments"][0]["content"];
    let set = card["body"].as_array().unwrap().iter().find(|e| e["type"] == "FactSet").unwrap();
    assert_eq!(set["facts"][0]["title"], "guard errors");
    assert_eq!(card["body"][0]["inlines"][0]["color"], "Attention");
    assert_eq!(card["actions"][0]["url"], "https://wiki.example.com/checkout?a=1&b=2");
}

#[tokio::test]
async fn a_late_one_says_so_first() {
    for form in FORMS {
        let (_, body) = arrives(form, &Notice { late: Some(7_384_900), ..notice() }).await;
        check(form, &body);
        let all = strings(&body).join("\n").replace('\\', "");
        assert!(all.contains("told late: this happened 2h3m4s ago, at 2026-11-21 09:20:05 UTC"), "{form}: {body:#}");
    }
}

/// Texts that break limits, call people, format, or leave their string.
fn hostile() -> Vec<String> {
    let mut out: Vec<String> = [
        "",
        " \n\t ",
        "@everyone @here <!channel> <!here> <@U0123> <@&42> <#C1|x> <at>Eve</at>",
        "```\nrm -rf\n``` `x` **b** __u__ ~~s~~ ||spoiler|| > quote\n# head\n- list\n1. one",
        "[click](https://evil.example) <https://evil.example|bank>",
        "{{DATE(2026-11-21T09:15:00Z,SHORT)}} ${title} @{triggerBody()}",
        "\u{0}\u{1}\u{7}\u{8}\u{b}\u{1b}[31mred\u{7f}\u{9b}",
        "\u{202e}desrever\u{2066}x\u{200f}",
        "\\\\\\ \\n \\u0041 \"quotes\" 'single' &amp; &lt;!channel&gt;",
        "line one\r\nline two\rline three\u{2028}line four",
        "👩‍👩‍👧‍👦 🚀 e\u{301} \u{fffd} \u{1f3f4}\u{e0067}",
    ]
    .iter()
    .map(|s| (*s).to_owned())
    .collect();
    for unit in ["x", "`", "&", "<!channel> ", "\\", "🚀", "*_", "\n", "a\nb ", "@everyone", "é", "{{"] {
        out.push(unit.repeat(10_000));
    }
    out
}

#[tokio::test]
async fn no_text_breaks_slacks_form() {
    no_text_breaks("slack").await;
}

#[tokio::test]
async fn no_text_breaks_discords_form() {
    no_text_breaks("discord").await;
}

#[tokio::test]
async fn no_text_breaks_teams_form() {
    no_text_breaks("teams").await;
}

async fn no_text_breaks(form: &str) {
    {
        let name = form.to_owned();
        let (pages, got) = sink(move || success(&name));
        let to = channel(form, &pages.url());
        let mut sent = 0;
        for text in hostile() {
            let all = Notice {
                rollout: text.clone(),
                title: text.clone(),
                text: text.clone(),
                facts: (0..30).map(|i| fact(&format!("{text}{i}"), &text)).collect(),
                links: (0..9)
                    .flat_map(|_| [(text.clone(), format!("https://x/{text}")), (text.clone(), text.clone())])
                    .collect(),
                ..notice()
            };
            let long_links = (0..20).map(|i| (text.clone(), format!("https://x/{}{i}", "y".repeat(1_500)))).collect();
            for n in [
                Notice { title: text.clone(), ..notice() },
                Notice { text: text.clone(), facts: Vec::new(), links: Vec::new(), ..notice() },
                Notice { facts: vec![fact(&text, &text), fact("exposure", "checkout = 5%")], ..notice() },
                Notice { happening: text.clone(), environment: text.clone(), run: text.clone(), ..notice() },
                Notice { links: long_links, ..notice() },
                all,
            ] {
                to.notify(&n).await.unwrap();
                sent += 1;
            }
        }
        let got = got.lock().unwrap();
        assert_eq!(got.len(), sent);
        for r in got.iter() {
            check(form, &serde_json::from_str(&r.body).unwrap());
        }
    }
}

#[tokio::test]
async fn what_matters_is_there_beside_a_guard_without_end() {
    let mut n = notice();
    n.facts[0].value = "z".repeat(10_000);
    n.text = "t".repeat(50_000);
    for form in FORMS {
        let (_, body) = arrives(form, &n).await;
        check(form, &body);
        let all = strings(&body).join("\n").replace('\\', "");
        for part in ["rolling back", "zzz", "…", "everything is being taken back", "canary why 2026", "notice 3"] {
            assert!(all.contains(part), "{form}: no `{part}` in {body:#}");
        }
    }
    n.facts = (0..200).map(|i| fact(&format!("guard g{i}"), "ok: value 1, limit 2")).collect();
    for form in FORMS {
        let (_, body) = arrives(form, &n).await;
        check(form, &body);
        let text = body.to_string();
        assert!(text.contains("guard g0") && text.contains("more lines"), "{form}: what is left out is said: {text}");
    }
}

async fn answered(form: &str, reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<(), BackendError> {
    let (pages, _) = sink(reply);
    channel(form, &pages.url()).notify(&notice()).await
}

#[tokio::test]
async fn every_answer_is_judged_without_repeating_the_url() {
    let quoting = format!("no such hook: /services/{TOKEN}?sig={TOKEN} (hook {TOKEN})");
    for form in FORMS {
        for status in [200, 202, 204] {
            assert_eq!(answered(form, move || Reply::Full(status, Vec::new(), String::new())).await, Ok(()), "{form}");
        }
        // a long answer to something that went well is no failure
        assert_eq!(answered(form, || Reply::text(&"x".repeat(100_000))).await, Ok(()));
        for (status, transient, help) in [
            (400, false, ""),
            (401, false, "make a new one"),
            (403, false, "make a new one"),
            (404, false, "make a new one"),
            (410, false, "make a new one"),
            (413, false, ""),
            (301, false, "final URL"),
            (408, true, ""),
            (429, true, ""),
            (500, true, ""),
            (503, true, ""),
        ] {
            let body = quoting.clone();
            let to = vec![("Location", format!("http://127.0.0.1:1/{TOKEN}"))];
            let e = answered(form, move || Reply::Full(status, to.clone(), body.clone())).await.unwrap_err();
            assert_eq!((e.transient, e.retry_after), (transient, None), "{form}: {e}");
            assert!(
                e.message.starts_with(form) && e.message.contains(&format!("answers {status}: no such hook: ***")),
                "{e}"
            );
            assert!(help.is_empty() || e.help.as_ref().unwrap().contains(help), "{e:?}");
            assert!(!format!("{e:?}").contains("hushhush"), "{e:?}");
        }
        // a token that stands where an answer is cut
        let long = format!("{}{TOKEN}", format!("{TOKEN} ").repeat(3_000));
        let e = answered(form, move || Reply::typed(500, "text/html", &long)).await.unwrap_err();
        assert!(!format!("{e:?}").contains("hush"), "{e:?}");
    }
}

#[tokio::test]
async fn the_wait_that_is_asked_for_comes_with_the_error() {
    let header = |v: &str| vec![("Retry-After", v.to_owned())];
    for form in FORMS {
        for (status, value, want) in [
            (429, "30", Some(Duration::from_secs(30))),
            (503, "120", Some(Duration::from_secs(120))),
            (429, "soon", None),
            (429, "Sat, 21 Nov 2020 09:15:00 GMT", Some(Duration::ZERO)),
        ] {
            let h = header(value);
            let e = answered(form, move || Reply::Full(status, h.clone(), String::new())).await.unwrap_err();
            assert_eq!((e.transient, e.retry_after), (true, want), "{form} {value}: {e}");
        }
    }
    let body = "{\"message\": \"You are being rate limited.\", \"retry_after\": 64.57, \"global\": false}";
    let e = answered("discord", move || Reply::Full(429, header("64"), body.into())).await.unwrap_err();
    assert_eq!(e.retry_after, Some(Duration::from_millis(64_570)));
    let e = answered("discord", move || Reply::json(429, body)).await.unwrap_err();
    assert_eq!(e.retry_after, Some(Duration::from_millis(64_570)));
    assert!(e.message.contains("asks to wait 64570ms"), "{e}");
}

#[tokio::test]
async fn nobody_there_may_pass_and_shows_no_secret() {
    for form in FORMS {
        let base = format!("http://127.0.0.1:{}", support::free_port());
        let to = channel(form, &base);
        let e = to.notify(&notice()).await.unwrap_err();
        assert!(e.transient && e.message.contains("cannot reach 127.0.0.1:"), "{e}");
        assert!(!format!("{e:?} {}", to.describe()).contains("hushhush"));
        // hung up in the middle of an answer that had said all that counts
        assert_eq!(answered(form, || Reply::CutOff(String::from("ok"))).await, Ok(()));
    }
}

#[test]
fn the_forms_are_checked_by_tests_that_can_fail() {
    let refuses = |form: fn(&Value), body: Value| {
        assert!(std::panic::catch_unwind(|| form(&body)).is_err(), "{body:#}");
    };
    refuses(
        slack,
        json!({"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(3_001)}}]}),
    );
    refuses(slack, json!({"text": "<!channel>", "blocks": []}));
    refuses(discord, json!({"content": "x", "embeds": [], "allowed_mentions": {"parse": ["everyone"]}}));
    refuses(discord, json!({"content": "@everyone", "embeds": [], "allowed_mentions": {"parse": []}}));
    refuses(teams, json!({"@type": "MessageCard", "text": "x"}));
    assert_eq!(length("🚀"), 2);
}
