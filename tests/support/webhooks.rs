//! What a message to Slack, Discord or Teams may look like: written from the public documentation of each, apart from the code
//! that makes them. A message that is not so fails the test.
//!
//! Slack: docs.slack.dev/reference/block-kit/blocks (section, context) and /messaging/formatting-message-text (escaping).
//! Discord: discord.com/developers/docs/resources/webhook (Execute Webhook), /resources/message (Embed Object, Embed Limits,
//! Allowed Mentions). Teams: learn.microsoft.com, connector Microsoft Teams ("Microsoft Teams Webhook", message size), and
//! adaptivecards.io/explorer for version 1.2 (AdaptiveCard, RichTextBlock, TextRun, FactSet, Action.OpenUrl).

use serde_json::Value;

/// Checks a message against the form of that name.
#[track_caller]
pub fn check(form: &str, body: &Value) {
    match form {
        "slack" => slack(body),
        "discord" => discord(body),
        "teams" => teams(body),
        other => panic!("{other}"),
    }
}

/// A length in the strictest way of counting: UTF-16.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// All strings in a value, keys left out.
pub fn strings(v: &Value) -> Vec<String> {
    match v {
        Value::String(s) => vec![s.clone()],
        Value::Array(a) => a.iter().flat_map(strings).collect(),
        Value::Object(o) => o.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[track_caller]
fn only(v: &Value, may: &[&str]) {
    for key in v.as_object().unwrap_or_else(|| panic!("no object: {v}")).keys() {
        assert!(may.contains(&key.as_str()), "{key} is not of this form: {v}");
    }
}

#[track_caller]
fn text(v: &Value, from: usize, to: usize) -> String {
    let s = v.as_str().unwrap_or_else(|| panic!("no text: {v}"));
    assert!((from..=to).contains(&length(s)), "{} characters, {from} to {to} are allowed: {s}", length(s));
    s.to_owned()
}

#[track_caller]
fn no_controls(body: &Value) {
    for s in strings(body) {
        assert!(!s.chars().any(|c| c.is_control() && c != '\n'), "{s:?}");
        assert!(!s.contains(['\u{202e}', '\u{2066}', '\u{200f}']), "{s:?}");
    }
}

#[track_caller]
pub fn slack(body: &Value) {
    only(body, &["text", "blocks"]);
    no_controls(body);
    text(&body["text"], 0, 4_000);
    let blocks = body["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    for b in blocks {
        match b["type"].as_str().unwrap() {
            "section" => {
                only(b, &["type", "text", "fields"]);
                assert!(b["text"].is_object() || b["fields"].is_array(), "{b}");
                if b["text"].is_object() {
                    slack_text(&b["text"], 3_000);
                }
                if let Some(fields) = b["fields"].as_array() {
                    assert!((1..=10).contains(&fields.len()));
                    fields.iter().for_each(|f| slack_text(f, 2_000));
                }
            }
            "context" => {
                only(b, &["type", "elements"]);
                let elements = b["elements"].as_array().unwrap();
                assert!((1..=10).contains(&elements.len()));
                elements.iter().for_each(|e| slack_text(e, 3_000));
            }
            other => panic!("{other}"),
        }
    }
    for s in strings(body) {
        for (i, _) in s.match_indices('<') {
            assert!(s[i..].starts_with("<http"), "only a link may begin so: {}", &s[i..]);
        }
        for (i, _) in s.match_indices('&') {
            assert!(["&amp;", "&lt;", "&gt;"].iter().any(|e| s[i..].starts_with(e)), "half an escape: {}", &s[i..]);
        }
    }
}

#[track_caller]
fn slack_text(v: &Value, most: usize) {
    only(v, &["type", "text"]);
    assert_eq!(v["type"], "mrkdwn");
    text(&v["text"], 1, most);
}

#[track_caller]
pub fn discord(body: &Value) {
    only(body, &["content", "embeds", "allowed_mentions"]);
    no_controls(body);
    assert_eq!(body["allowed_mentions"], serde_json::json!({"parse": []}));
    text(&body["content"], 1, 2_000);
    let embeds = body["embeds"].as_array().unwrap();
    assert!((1..=10).contains(&embeds.len()));
    let mut total = 0;
    let mut count = |s: String| total += length(&s);
    for e in embeds {
        only(e, &["title", "description", "color", "fields", "footer", "timestamp"]);
        count(text(&e["title"], 0, 256));
        count(text(&e["description"], 0, 4_096));
        assert!(e["color"].as_u64().unwrap() <= 0x00ff_ffff);
        chrono::DateTime::parse_from_rfc3339(e["timestamp"].as_str().unwrap()).unwrap();
        only(&e["footer"], &["text"]);
        count(text(&e["footer"]["text"], 0, 2_048));
        let fields = e["fields"].as_array().unwrap();
        assert!(fields.len() <= 25);
        for f in fields {
            only(f, &["name", "value", "inline"]);
            assert!(f["inline"].is_boolean());
            count(text(&f["name"], 1, 256));
            count(text(&f["value"], 1, 1_024));
            assert!(!f["name"].as_str().unwrap().trim().is_empty() && !f["value"].as_str().unwrap().trim().is_empty());
        }
    }
    assert!(total <= 6_000, "{total} in all");
    for s in strings(body) {
        assert!(!s.contains("@everyone") && !s.contains("@here"), "{s}");
        // neither markdown nor mentions stand in a footer
        if body["embeds"][0]["footer"]["text"] == s {
            continue;
        }
        for (i, c) in s.char_indices().filter(|(_, c)| "`<".contains(*c)) {
            let slashes = s[..i].len() - s[..i].trim_end_matches('\\').len();
            assert!(slashes % 2 == 1 || s[i..].starts_with("<http"), "{c} that formats: {}", &s[i..]);
        }
    }
}

#[track_caller]
pub fn teams(body: &Value) {
    only(body, &["type", "attachments"]);
    no_controls(body);
    assert_eq!(body["type"], "message");
    // about 28 KB of what Teams makes of it
    assert!(body.to_string().len() <= 20_000, "{} bytes", body.to_string().len());
    let attachments = body["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    only(&attachments[0], &["contentType", "contentUrl", "content"]);
    assert_eq!(attachments[0]["contentType"], "application/vnd.microsoft.card.adaptive");
    assert!(attachments[0].as_object().unwrap().contains_key("contentUrl") && attachments[0]["contentUrl"].is_null());
    let card = &attachments[0]["content"];
    only(card, &["$schema", "type", "version", "fallbackText", "msteams", "body", "actions"]);
    assert_eq!(card["$schema"], "http://adaptivecards.io/schemas/adaptive-card.json");
    assert_eq!(card["type"], "AdaptiveCard");
    assert_eq!(card["version"], "1.2");
    assert_eq!(card["msteams"], serde_json::json!({"width": "Full"}));
    text(&card["fallbackText"], 0, 1_000);
    let elements = card["body"].as_array().unwrap();
    assert!(elements.len() >= 2);
    for e in elements {
        match e["type"].as_str().unwrap() {
            "RichTextBlock" => {
                only(e, &["type", "inlines"]);
                for run in e["inlines"].as_array().unwrap() {
                    only(run, &["type", "text", "size", "weight", "color", "isSubtle"]);
                    assert_eq!(run["type"], "TextRun");
                    text(&run["text"], 0, 8_000);
                    let one_of = |key: &str, of: &[&str]| {
                        assert!(run[key].is_null() || of.iter().any(|o| run[key] == *o), "{run}");
                    };
                    one_of("size", &["Default", "Small", "Medium", "Large", "ExtraLarge"]);
                    one_of("weight", &["Default", "Lighter", "Bolder"]);
                    one_of("color", &["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]);
                }
            }
            "FactSet" => {
                only(e, &["type", "facts"]);
                let facts = e["facts"].as_array().unwrap();
                assert!(!facts.is_empty());
                for f in facts {
                    only(f, &["title", "value"]);
                    for s in [f["title"].as_str().unwrap(), f["value"].as_str().unwrap()] {
                        let mut slashes = 0;
                        for c in s.chars() {
                            assert!(!"*_[`".contains(c) || slashes % 2 == 1, "a sign that formats: {s}");
                            slashes = if c == '\\' { slashes + 1 } else { 0 };
                        }
                    }
                }
            }
            other => panic!("{other}"),
        }
    }
    for a in card["actions"].as_array().unwrap_or(&Vec::new()) {
        only(a, &["type", "title", "url"]);
        assert_eq!(a["type"], "Action.OpenUrl");
        assert!(a["url"].as_str().unwrap().starts_with("http"));
    }
    for s in strings(body) {
        assert!(!s.contains("{{"), "a function of the card: {s}");
    }
}
