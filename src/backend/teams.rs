//! Microsoft Teams' Workflows webhooks (the trigger "When a Teams webhook request is received"):
//! `teams(url: secret("CANARY_WEBHOOK_URL"))`.
//!
//! The body is `{"type": "message", "attachments": […]}` with one adaptive card; the flow answers 202 (learn.microsoft.com:
//! Create incoming webhooks with Workflows; Microsoft Teams connector, "Microsoft Teams Webhook"). A message may have about
//! 28 KB ("Known issues and limitations" of that connector), which counts what Teams makes of it too: this adapter stays well
//! below. The older Office 365 connectors (`MessageCard` to `outlook.office.com` or `webhook.office.com`) are retired.
//!
//! The card says that it is of version 1.2. Teams shows versions up to 1.5 and a client shows a notice instead of a card of a
//! version that it does not know, so the lowest version that has everything used here is the safest: `RichTextBlock` is of 1.2
//! (adaptivecards.io/explorer), `FactSet` and `Action.OpenUrl` of 1.0. Text stands in `RichTextBlock`s, whose runs know no
//! markdown; facts do know some (learn.microsoft.com: Text formatting in cards) and are escaped.

use super::notice::{self, Fact};
use super::secret::Secret;
use super::webhook::{self, Webhook};
use super::{BackendError, Notice, Notifier};
use async_trait::async_trait;
use reqwest::Url;
use serde_json::{Value, json};

/// The most bytes of a message as it is sent: Teams takes about 28 KB of what it makes of it.
const SIZE: usize = 20_000;
/// What is tried until a message fits: characters of the text, of each fact, and how many facts.
const FITS: [(usize, usize, usize); 5] =
    [(8_000, 1_000, 40), (3_000, 500, 40), (1_500, 200, 40), (700, 100, 30), (300, 50, 20)];
/// Buttons that Teams shows without a menu.
const LINKS: usize = 5;
const GONE: &str = "the workflow was deleted or switched off, or its owner has left: make a new one (Workflows, \"When a Teams \
                    webhook request is received\") and set the secret";

/// A Workflows webhook of a Teams channel or chat.
#[derive(Debug, Clone)]
pub struct Teams {
    hook: Webhook,
}

impl Teams {
    /// A channel behind a webhook URL.
    ///
    /// # Errors
    /// A text that is not an `http` or `https` URL, or the URL of a retired connector; it is not shown.
    pub fn new(url: &Secret) -> Result<Self, BackendError> {
        let url = webhook::parse("teams", url, "https://….powerplatform.com/…/workflows/…")?;
        if is_connector(&url) {
            return Err(BackendError::permanent("teams: the webhook's URL is that of an Office 365 connector, which are retired")
                .help("in Teams, add the workflow \"When a Teams webhook request is received\" to the channel and use its URL"));
        }
        Ok(Self { hook: Webhook::new("teams", &url)? })
    }
}

fn is_connector(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("");
    matches!(host, "outlook.office.com" | "outlook.office365.com" | "webhook.office.com")
        || host.ends_with(".webhook.office.com")
        || url.path().contains("/IncomingWebhook/")
}

#[async_trait]
impl Notifier for Teams {
    async fn notify(&self, notice: &Notice) -> Result<(), BackendError> {
        self.hook.post(&payload(notice), GONE).await
    }

    fn describe(&self) -> String {
        self.hook.describe()
    }
}

fn payload(notice: &Notice) -> Value {
    let notice = &notice.clone().bounded();
    let mut out = Value::Null;
    for (text, fact, facts) in FITS {
        out = message(notice, text, fact, facts);
        if out.to_string().len() <= SIZE {
            break;
        }
    }
    out
}

fn message(notice: &Notice, text: usize, fact: usize, facts: usize) -> Value {
    let title = notice::cut(&notice::one_line(&notice.title), text.min(500));
    let (web, mut all) = notice.split_links();
    all.extend(web.iter().skip(LINKS).map(|(kind, url)| Fact { name: kind.clone(), value: (*url).to_owned() }));
    let mut body = vec![block(&title, json!({"size": "Large", "weight": "Bolder", "color": color(&notice.happening)}))];
    for line in notice::cut(notice.told().trim_end(), text).lines().filter(|l| !l.trim().is_empty()).take(facts) {
        body.push(block(line, json!({})));
    }
    let set: Vec<Value> = notice::at_most(&all, facts).iter().map(|f| shown(f, fact)).collect();
    if !set.is_empty() {
        body.push(json!({"type": "FactSet", "facts": set}));
    }
    body.push(block(
        &notice::cut(&notice::one_line(&notice.context()), 400),
        json!({"size": "Small", "isSubtle": true}),
    ));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "fallbackText": plain(&title),
        "msteams": {"width": "Full"},
        "body": body,
    });
    let open = |(kind, url): &(String, &str)| json!({"type": "Action.OpenUrl", "title": plain(kind), "url": url});
    let actions: Vec<Value> = web.iter().take(LINKS).map(open).collect();
    if let (false, Some(card)) = (actions.is_empty(), card.as_object_mut()) {
        card.insert(String::from("actions"), Value::Array(actions));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

/// A paragraph without markdown.
fn block(text: &str, look: Value) -> Value {
    let mut run = json!({"type": "TextRun", "text": plain(text)});
    if let (Some(run), Value::Object(look)) = (run.as_object_mut(), look) {
        run.extend(look);
    }
    json!({"type": "RichTextBlock", "inlines": [run]})
}

fn shown(fact: &Fact, most: usize) -> Value {
    let name = escape(&notice::cut(&notice::one_line(&fact.name), most.min(100)));
    let value = escape(&notice::cut(&notice::one_line(&fact.value), most));
    json!({"title": name, "value": value})
}

/// `{{DATE(…)}}` is a function to a card's renderer, wherever it stands.
fn plain(text: &str) -> String {
    // twice: of three in a row the first pass parts but the first two
    text.replace("{{", "{\u{200b}{").replace("{{", "{\u{200b}{")
}

/// A fact's text: bold, italics, lists and links are what Teams knows there.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        // a dash begins a list only where the text begins
        if "\\*_~`[]()<>#|".contains(c) || (i == 0 && "-+".contains(c)) {
            out.push('\\');
        }
        out.push(c);
        // `1.` at the beginning would become a list
        if i < 9 && c.is_ascii_digit() && text.chars().take(i + 1).all(|d| d.is_ascii_digit()) {
            let next = text.chars().nth(i + 1);
            if matches!(next, Some('.')) && text.chars().nth(i + 2).is_some_and(char::is_whitespace) {
                out.push('\\');
            }
        }
    }
    plain(&out)
}

/// A text's colour, by name: the client knows how it is drawn.
fn color(happening: &str) -> &'static str {
    match happening {
        "rollback" | "breach" | "kill" => "Attention",
        "pause" | "blind" => "Warning",
        "promote" => "Good",
        _ => "Default",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_connector_is_refused_with_a_way_out() {
        for old in [
            "https://outlook.office.com/webhook/hushhush0/IncomingWebhook/a/b",
            "https://outlook.office365.com/webhook/hushhush0",
            "https://contoso.webhook.office.com/webhookb2/hushhush0@x/IncomingWebhook/a/b",
        ] {
            let e = Teams::new(&Secret::new(old)).unwrap_err();
            assert!(e.message.contains("retired") && !e.transient, "{e}");
            assert!(e.help.as_ref().is_some_and(|h| h.contains("When a Teams webhook request is received")), "{e:?}");
            assert!(!format!("{e:?}").contains("hushhush0"), "{e:?}");
        }
        for new in [
            "https://prod-12.westeurope.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?sig=hushhush0",
            "https://default0a.0b.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/a?sig=hushhush0",
        ] {
            assert!(!format!("{:?}", Teams::new(&Secret::new(new)).unwrap()).contains("hushhush0"));
        }
    }

    #[test]
    fn what_a_card_would_format_is_escaped() {
        assert_eq!(escape("a_b *c* [d](e) `f`"), "a\\_b \\*c\\* \\[d\\]\\(e\\) \\`f\\`");
        assert_eq!(escape("- x - y"), "\\- x - y");
        assert_eq!(escape("12. x 3. y"), "12\\. x 3. y");
        assert_eq!(escape("1.5%"), "1.5%");
        assert_eq!(plain("{{DATE(2026-11-21T09:15:00Z,SHORT)}}"), "{\u{200b}{DATE(2026-11-21T09:15:00Z,SHORT)}}");
    }
}
