//! Discord's webhooks: `discord(url: secret("CANARY_WEBHOOK_URL"))`.
//!
//! `POST webhook?wait=true` answers 200 with the message once it is there (without `wait`: 204, before it is). The message has
//! the title as its content, which is what a phone shows, and one embed. Limits (discord.com/developers/docs: Execute Webhook,
//! Embed Limits): content 2,000 characters, title 256, description 4,096, 25 fields with name 256 and value 1,024, footer 2,048,
//! title, description, fields and footer together 6,000. A rate limit is 429 with `retry_after` in seconds, a float, in the
//! body, and a header `Retry-After` (Rate Limits).
//!
//! Nothing in a text can call anybody: `allowed_mentions` allows none. Markdown in it is escaped.

use super::notice::{self, Fact};
use super::secret::Secret;
use super::webhook::{self, Webhook};
use super::{BackendError, Notice, Notifier};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

const CONTENT: usize = 2_000;
const TITLE: usize = 256;
const DESCRIPTION: usize = 4_096;
const FIELDS: usize = 25;
const NAME: usize = 256;
const VALUE: usize = 1_024;
const FOOTER: usize = 2_048;
/// Title, description, names, values and footer together.
const TOTAL: usize = 6_000;
const GONE: &str = "the webhook was deleted, or its channel was: make a new one (channel settings, Integrations, Webhooks) and \
                    set the secret";

/// A webhook of a Discord channel.
#[derive(Debug, Clone)]
pub struct Discord {
    hook: Webhook,
}

impl Discord {
    /// A channel behind a webhook URL.
    ///
    /// # Errors
    /// A text that is not an `http` or `https` URL, or one with which Discord takes another service's form; it is not shown.
    pub fn new(url: &Secret) -> Result<Self, BackendError> {
        let mut url = webhook::parse("discord", url, "https://discord.com/api/webhooks/…")?;
        let path = url.path().trim_end_matches('/');
        if path.ends_with("/slack") || path.ends_with("/github") {
            return Err(BackendError::permanent("discord: the webhook's URL ends with another service's form")
                .help("leave out `/slack` or `/github` at its end"));
        }
        let others: Vec<(String, String)> =
            url.query_pairs().filter(|(k, _)| k != "wait").map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        url.query_pairs_mut().clear().extend_pairs(others).append_pair("wait", "true");
        Ok(Self { hook: Webhook::new("discord", &url)? })
    }
}

#[async_trait]
impl Notifier for Discord {
    async fn notify(&self, notice: &Notice) -> Result<(), BackendError> {
        self.hook.post(&payload(notice), GONE).await
    }

    fn describe(&self) -> String {
        self.hook.describe()
    }
}

fn payload(notice: &Notice) -> Value {
    let notice = &notice.clone().bounded();
    let mut room = TOTAL;
    let title = format!("{} on {}: {}", notice.rollout, notice.environment, notice.happening);
    let title = take(&escape(&notice::one_line(&title)), TITLE, &mut room);
    // no markdown in a footer
    let footer = take(&defused(&notice.context()), FOOTER.min(500), &mut room);
    let (web, facts) = notice.split_links();
    let links: Vec<String> = web.iter().map(|(kind, url)| format!("{}: <{url}>", escape(kind))).collect();
    let links = whole(&links);
    room = room.saturating_sub(notice::length(&links));
    // facts are what has to be seen; the text gets what they leave
    let mut fields = Vec::new();
    let facts = notice::at_most(&facts, FIELDS);
    for (i, fact) in facts.iter().enumerate() {
        let left = facts.len() - i;
        // each gets its share of what is there, so that a long one does not crowd out those behind it
        let share = (room / left).max(room.min(400));
        if room < 40 {
            break;
        }
        let name = take(&escape(&notice::one_line(&fact.name)), NAME.min(share / 4), &mut room);
        let value = take(&escape(&notice::one_line(&fact.value)), VALUE.min(share * 3 / 4), &mut room);
        fields.push(json!({"name": shown(name), "value": shown(value), "inline": is_short(fact)}));
    }
    let text = escape(notice.told().trim_end());
    let mut description = take(&text, DESCRIPTION - VALUE - 1, &mut room);
    if !links.is_empty() {
        description = if description.is_empty() { links } else { format!("{description}\n{links}") };
    }
    json!({
        "content": notice::cut(&format!("**{}**", escape(&notice::cut(&notice::one_line(&notice.title), 900))), CONTENT),
        "embeds": [{
            "title": title,
            "description": description,
            "color": color(&notice.happening),
            "fields": fields,
            "footer": {"text": footer},
            "timestamp": DateTime::from_timestamp_millis(notice.at).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true),
        }],
        "allowed_mentions": {"parse": []},
    })
}

/// As many links as fit, whole ones: half a link is none.
fn whole(links: &[String]) -> String {
    let mut out = String::new();
    for (i, link) in links.iter().enumerate() {
        if notice::length(&out) + notice::length(link) > VALUE - 40 {
            return format!("{out}{} more links\n", links.len() - i).trim_end().to_owned();
        }
        out.push_str(link);
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// Discord shows short fields beside one another.
fn is_short(fact: &Fact) -> bool {
    fact.value.chars().count() <= 30
}

/// Neither name nor value of a field may be empty.
fn shown(text: String) -> String {
    if text.trim().is_empty() { String::from("–") } else { text }
}

/// At most `most` characters of a text, and of what is left in all. A backslash is not left without what it escapes.
fn take(text: &str, most: usize, room: &mut usize) -> String {
    // one for the sign that `shown` puts where there is nothing
    let mut out = notice::cut(text, most.min(room.saturating_sub(1)));
    let before = out.trim_end_matches('…');
    let slashes = before.len() - before.trim_end_matches('\\').len();
    if out.ends_with('…') && slashes % 2 == 1 {
        out.remove(before.len() - 1);
    }
    *room = room.saturating_sub(notice::length(&out).max(1));
    out
}

/// Discord's markdown, escaped: what a metric or a guard is called formats nothing and looks like no mention.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|<>#[]()-+".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    defused(&out)
}

/// An `@` is parted from what follows it: `allowed_mentions` keeps it from calling anybody, this from looking as if it did.
fn defused(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

/// Red for what takes back, amber for what waits for a person or is not known, green for what goes on, grey for the rest.
fn color(happening: &str) -> u32 {
    match happening {
        "rollback" | "breach" | "kill" => 0x00d9_3025,
        "pause" | "blind" => 0x00f2_9900,
        "promote" => 0x0018_8038,
        _ => 0x005f_6368,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_asks_to_wait_and_keeps_its_thread() {
        let url = |text: &str| format!("{:?}", Discord::new(&Secret::new(text)));
        assert!(url("https://discord.com/api/webhooks/1/abcdefghij").contains("webhook at discord.com"));
        assert!(url("https://discord.com/api/webhooks/1/abcdefghij/slack").contains("leave out"));
        assert!(!url("https://discord.com/api/webhooks/1/abcdefghij/slack").contains("abcdefghij"));
        assert!(url("abcdefghij").contains("not an http(s) URL") && !url("abcdefghij").contains("abcdefghij"));
    }

    #[test]
    fn markdown_is_escaped_and_nobody_is_called() {
        assert_eq!(escape("a_b *c* `d` <@1> @everyone"), "a\\_b \\*c\\* \\`d\\` \\<@\u{200b}1\\> @\u{200b}everyone");
        let mut room = 100;
        assert_eq!(take(&escape("ab**"), 4, &mut room), "ab…", "no backslash is left alone");
        assert_eq!(room, 97);
    }
}
