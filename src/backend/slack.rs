//! Slack's incoming webhooks, and what understands their form (Mattermost, Rocket.Chat): `slack(url: secret("SLACK_URL"))`.
//!
//! A message is `{"text", "blocks"}`: a title, the lines in sections of at most 3,000 characters, and a line that says which
//! run it is about (Slack's Block Kit reference; `&`, `<` and `>` are escaped as its formatting guide asks, which also keeps
//! `<!channel>` in a metric's text from calling everybody). The URL is itself the credential: it never appears in an error.

use super::secret::Secret;
use super::{BackendError, Notice, Notifier};
use async_trait::async_trait;
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most characters in one block's text.
const BLOCK: usize = 3_000;
/// The most blocks of lines; Slack takes 50 in all.
const BLOCKS: usize = 10;
/// How much of an answer is read: Slack's own are one or two words.
const ANSWER: usize = 1_024;

/// A webhook that takes Slack's form.
#[derive(Debug, Clone)]
pub struct Slack {
    url: Secret,
    /// The part of the URL that may be shown.
    host: String,
    client: reqwest::Client,
}

impl Slack {
    /// A channel behind a webhook URL.
    ///
    /// # Errors
    /// A text that is not an `http` or `https` URL; the text is not shown.
    pub fn new(url: Secret) -> Result<Self, BackendError> {
        let parsed = Url::parse(url.expose().trim()).ok();
        let shown = parsed
            .filter(|u| matches!(u.scheme(), "http" | "https"))
            .and_then(|u| Some((u.host_str()?.to_owned(), u.port())));
        let Some((host, port)) = shown else {
            return Err(BackendError::permanent("slack: the webhook's URL is not an http(s) URL")
                .help("it looks like https://hooks.slack.com/services/…"));
        };
        Ok(Self {
            url: Secret::new(url.expose().trim()),
            host: port.map_or_else(|| host.clone(), |p| format!("{host}:{p}")),
            client: client()?,
        })
    }

    fn judge(&self, status: StatusCode, wait: Option<&str>, body: &str) -> Result<(), BackendError> {
        if status.is_success() {
            return Ok(());
        }
        // an answer may quote what it was asked
        let said = match Url::parse(self.url.expose()) {
            Ok(url) if url.path().len() > 1 => body.replace(url.path(), "***"),
            _ => body.to_owned(),
        };
        let said = said.replace(self.url.expose(), "***");
        let words: String = said.lines().next().unwrap_or("").chars().take(200).collect();
        let words = match words.trim() {
            "" => String::new(),
            w => format!(": {w}"),
        };
        let at = format!("slack: {} answers {}{words}", self.host, status.as_u16());
        Err(match status.as_u16() {
            429 => {
                let seconds = wait.and_then(|w| w.trim().parse::<u64>().ok());
                let after = seconds.map(|s| format!(" (asks to wait {s}s)")).unwrap_or_default();
                BackendError::transient(format!("{at}{after}"))
            }
            408 | 500..=599 => BackendError::transient(at),
            403 | 404 | 410 => BackendError::permanent(at)
                .help("the webhook was revoked, or its channel is archived or gone: make a new one and set the secret"),
            300..=399 => BackendError::permanent(at)
                .help("a redirect is not followed with a secret in the URL: set the secret to the final URL"),
            _ => BackendError::permanent(at),
        })
    }
}

#[async_trait]
impl Notifier for Slack {
    async fn notify(&self, notice: &Notice) -> Result<(), BackendError> {
        let sent = self.client.post(self.url.expose()).json(&payload(notice)).send().await;
        let mut answer = sent.map_err(|e| self.unreachable(e))?;
        let status = answer.status();
        let wait = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while body.len() < ANSWER {
            match answer.chunk().await {
                Ok(Some(more)) => body.extend_from_slice(&more),
                // the status has said all that counts
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(ANSWER);
        self.judge(status, wait.as_deref(), &String::from_utf8_lossy(&body))
    }

    fn describe(&self) -> String {
        format!("slack webhook at {}", self.host)
    }
}

impl Slack {
    fn unreachable(&self, e: reqwest::Error) -> BackendError {
        let host = &self.host;
        if e.is_timeout() {
            return BackendError::transient(format!("slack: no answer from {host} within {}s", PATIENCE.as_secs()));
        }
        let e = e.without_url();
        // the innermost cause is the one that a person can act on: `Connection refused`, `invalid peer certificate`
        let mut cause: &dyn std::error::Error = &e;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        BackendError::transient(format!("slack: cannot reach {host}: {cause}"))
    }
}

fn client() -> Result<reqwest::Client, BackendError> {
    // fails only when a provider has been installed before, which is as good
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("canary/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| BackendError::permanent(format!("slack: no HTTP client: {}", e.without_url())))
}

fn payload(notice: &Notice) -> Value {
    let title = sections(&notice.title.replace(['\r', '\n'], " "), BLOCK - 2, 1).concat();
    let mut blocks = vec![section(&format!("*{title}*"))];
    blocks.extend(sections(&notice.text, BLOCK, BLOCKS).iter().map(|s| section(s)));
    let about = format!("{} · run {} · {}", notice.rollout, notice.run, notice.happening);
    blocks.push(json!({
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": sections(&about, BLOCK, 1).concat()}],
    }));
    json!({"text": title, "blocks": blocks})
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
        let line_length: usize = units().map(|u| u.chars().count()).sum();
        if length > 0 && length + line_length > size {
            out.push(std::mem::take(&mut current));
            length = 0;
        }
        for unit in units() {
            let n = unit.chars().count();
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
            if last.chars().count() >= size {
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
