//! Slack's incoming webhooks, and what understands their form (Mattermost, Rocket.Chat): `slack(url: secret("CANARY_WEBHOOK_URL"))`.
//!
//! A message is `{"text", "blocks"}`: a title, the lines in sections of at most 3,000 characters, facts as fields (at most 10 a
//! section, 2,000 characters each), and a line that says which notice of which run it is (Block Kit reference,
//! docs.slack.dev/reference/block-kit/blocks). `&`, `<` and `>` are escaped as Slack's formatting guide asks, which also keeps
//! `<!channel>` in a metric's text from calling everybody. A rate limit is 429 with `Retry-After` in seconds
//! (docs.slack.dev/apis/web-api/rate-limits).

use super::notice::{self, Fact};
use super::secret::Secret;
use super::webhook::{self, Webhook};
use super::{BackendError, Notice, Notifier};
use async_trait::async_trait;
use serde_json::{Value, json};

/// The most characters in one block's text.
const BLOCK: usize = 3_000;
/// The most blocks of lines; Slack takes 50 in all.
const BLOCKS: usize = 10;
/// The most characters of one field, and how many fields a section takes.
const FIELD: usize = 2_000;
const FIELDS: usize = 10;
/// The most facts: three sections of them.
const FACTS: usize = 30;
const GONE: &str = "the webhook was revoked, or its channel is archived or gone: make a new one and set the secret";

/// A webhook that takes Slack's form.
#[derive(Debug, Clone)]
pub struct Slack {
    hook: Webhook,
}

impl Slack {
    /// A channel behind a webhook URL.
    ///
    /// # Errors
    /// A text that is not an `http` or `https` URL; the text is not shown.
    pub fn new(url: &Secret) -> Result<Self, BackendError> {
        let url = webhook::parse("slack", url, "https://hooks.slack.com/services/…")?;
        Ok(Self { hook: Webhook::new("slack", &url)? })
    }
}

#[async_trait]
impl Notifier for Slack {
    async fn notify(&self, notice: &Notice) -> Result<(), BackendError> {
        self.hook.post(&payload(notice), GONE).await
    }

    fn describe(&self) -> String {
        self.hook.describe()
    }
}

fn payload(notice: &Notice) -> Value {
    let notice = &notice.clone().bounded();
    let title = sections(&notice::one_line(&notice.title), BLOCK - 2, 1).concat();
    let mut blocks = vec![section(&format!("*{title}*"))];
    blocks.extend(sections(&notice.told(), BLOCK, BLOCKS).iter().map(|s| section(s)));
    let (web, facts) = notice.split_links();
    let facts = notice::at_most(&facts, FACTS);
    for some in facts.chunks(FIELDS) {
        blocks.push(json!({"type": "section", "fields": some.iter().map(field).collect::<Vec<_>>()}));
    }
    let links: Vec<String> = web.iter().map(|(kind, url)| format!("<{}|{}>", escape(url), escape(kind))).collect();
    // a link cannot be cut; two of the longest fit with their escapes
    blocks.extend(
        links.chunks(2).take(BLOCKS).map(|l| l.join(" · ")).filter(|l| notice::length(l) <= BLOCK).map(|l| section(&l)),
    );
    blocks.push(json!({
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": sections(&notice.context(), BLOCK, 1).concat()}],
    }));
    json!({"text": title, "blocks": blocks})
}

fn field(fact: &Fact) -> Value {
    let name = sections(&notice::one_line(&fact.name), 200, 1).concat();
    let value = sections(&notice::one_line(&fact.value), FIELD - 300, 1).concat();
    json!({"type": "mrkdwn", "text": format!("*{name}*\n{value}")})
}

fn escape(text: &str) -> String {
    text.chars().map(escaped).collect()
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

/// A text, escaped, in parts of at most `size` characters, cut at line ends where there are any; with more than `most` parts the
/// last one ends with `…`.
fn sections(text: &str, size: usize, most: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut length = 0;
    for line in text.trim_end().split_inclusive('\n') {
        let units = || line.chars().map(escaped);
        let line_length: usize = units().map(|u| notice::length(&u)).sum();
        if length > 0 && length + line_length > size {
            out.push(std::mem::take(&mut current));
            length = 0;
        }
        for unit in units() {
            let n = notice::length(&unit);
            if length + n > size {
                out.push(std::mem::take(&mut current));
                length = 0;
            }
            current.push_str(&unit);
            length += n;
        }
    }
    out.push(current);
    out.retain(|s| !s.trim().is_empty());
    if out.len() > most {
        out.truncate(most);
        if let Some(last) = out.last_mut() {
            // room for the sign, without cutting an escape in two
            if notice::length(last) >= size {
                let at = match last.rfind('&') {
                    Some(at) if last.get(at..).is_some_and(|t| t.ends_with(';') && t.len() <= 5) => at,
                    _ => last.char_indices().next_back().map_or(0, |(i, _)| i),
                };
                last.truncate(at);
            }
            last.push('…');
        }
    }
    out
}

fn escaped(c: char) -> String {
    match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        c => c.to_string(),
    }
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
