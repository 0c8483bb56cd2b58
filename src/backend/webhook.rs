//! What the webhooks of Slack, Discord and Teams share: one POST of JSON, bounded in time, never redirected, and an answer in
//! words that hold nothing of the URL. The URL is the credential: who has it can post.

use super::http::{self, Endpoint, Redirects};
use super::secret::Secret;
use super::{BackendError, notice};
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// How long a delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer is read, in bytes: what says why is short.
const ANSWER: usize = 16 * 1024;
/// The shortest part of a URL that is taken for a secret of its own: `services` may be said, a token may not.
const PART: usize = 9;

/// A webhook's URL and the client that posts to it.
#[derive(Clone)]
pub(super) struct Webhook {
    /// `slack`, `discord`, `teams`
    name: &'static str,
    endpoint: Endpoint,
    /// The part of the URL that may be shown.
    host: String,
    /// What must not be shown, the longest first.
    parts: Vec<Secret>,
    client: reqwest::Client,
}

// an endpoint shows its path, which here is the secret
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

/// A URL as a webhook needs it, for an adapter to look at before it makes a [`Webhook`].
///
/// # Errors
/// A text that is not an `http` or `https` URL; the text is not shown.
pub(super) fn parse(name: &str, url: &Secret, example: &str) -> Result<Url, BackendError> {
    let parsed = Url::parse(url.expose().trim()).ok();
    parsed.filter(|u| matches!(u.scheme(), "http" | "https") && u.host_str().is_some()).ok_or_else(|| {
        BackendError::permanent(format!("{name}: the webhook's URL is not an http(s) URL"))
            .help(format!("it looks like {example}"))
    })
}

impl Webhook {
    /// A webhook behind a URL that [`parse`] has read.
    pub(super) fn new(name: &'static str, url: &Url) -> Result<Self, BackendError> {
        let endpoint = Endpoint::parse(&Secret::new(url.as_str()))?;
        let client = http::client(&endpoint, PATIENCE, Redirects::Refuse)?;
        let host = url.host_str().unwrap_or("");
        let host = url.port().map_or_else(|| host.to_owned(), |p| format!("{host}:{p}"));
        Ok(Self { name, host, parts: parts(url), endpoint, client })
    }

    /// `slack webhook at hooks.slack.com`
    pub(super) fn describe(&self) -> String {
        format!("{} webhook at {}", self.name, self.host)
    }

    /// Posts once. `gone` is what a person can do when the webhook is no longer there.
    pub(super) async fn post(&self, body: &Value, gone: &str) -> Result<(), BackendError> {
        let request = self.endpoint.auth().apply(self.client.post(self.endpoint.url().clone())).json(body);
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let header = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(wait_of);
        let text = read(answer).await;
        // both are given by Discord; the longer one is safe
        let wait = header.max(wait_in(&text));
        Err(self.judge(status, wait, &text, gone))
    }

    fn judge(&self, status: StatusCode, wait: Option<Duration>, text: &str, gone: &str) -> BackendError {
        let words = notice::cut(&http::one_line(&self.redact(text)), 200);
        let words = if words.is_empty() { words } else { format!(": {words}") };
        let at = format!("{}: {} answers {}{words}", self.name, self.host, status.as_u16());
        let mut e = match status.as_u16() {
            408 | 425 | 429 | 500..=599 => match wait {
                Some(w) => BackendError::transient(format!("{at} (asks to wait {})", http::seconds(w))),
                None => BackendError::transient(at),
            },
            401 | 403 | 404 | 410 => BackendError::permanent(at).help(gone),
            300..=399 => BackendError::permanent(at)
                .help("a redirect is not followed with a secret in the URL: set the secret to the final URL"),
            _ => BackendError::permanent(at),
        };
        e.retry_after = wait;
        e
    }

    fn unreachable(&self, e: &reqwest::Error) -> BackendError {
        let why = self.redact(&http::said(e, PATIENCE));
        BackendError::transient(format!("{}: cannot reach {}: {why}", self.name, self.host))
    }

    /// A server's words without the URL or any part of it that could be a token.
    fn redact(&self, text: &str) -> String {
        self.parts.iter().fold(text.to_owned(), |text, part| part.redact(&text))
    }
}

/// Everything in a URL that must not be shown, the longest first: all of it, path and query, each long part, decoded as well.
fn parts(url: &Url) -> Vec<Secret> {
    let mut all = vec![url.as_str().to_owned()];
    let query = url.query().unwrap_or("");
    if url.path().len() > 1 {
        all.push(format!("{}?{query}", url.path()));
        all.push(url.path().to_owned());
    }
    if !query.is_empty() {
        all.push(query.to_owned());
    }
    let pieces = url.path().split('/').chain(query.split(['&', '='])).chain(url.password());
    let decoded = url.query_pairs().map(|(_, v)| v.into_owned());
    all.extend(pieces.map(str::to_owned).chain(decoded).filter(|p| p.len() >= PART));
    all.sort_by_key(|p| std::cmp::Reverse(p.len()));
    all.dedup();
    all.into_iter().map(Secret::new).collect()
}

/// An answer's text. A long one is not repeated: where it was cut, its end could be the beginning of a secret.
async fn read(mut answer: Response) -> String {
    let mut body = Vec::new();
    while body.len() < ANSWER {
        match answer.chunk().await {
            Ok(Some(more)) => body.extend_from_slice(&more),
            // the status has said all that counts
            Ok(None) | Err(_) => break,
        }
    }
    if body.len() >= ANSWER {
        return String::from("(a long answer)");
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
pub(super) fn wait_of(header: &str) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = SystemTime::from(chrono::DateTime::parse_from_rfc2822(header).ok()?);
    Some(at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO))
}

/// `{"retry_after": 0.35}`: seconds, as Discord says it.
fn wait_in(text: &str) -> Option<Duration> {
    let said: Value = serde_json::from_str(text).ok()?;
    Duration::try_from_secs_f64(said.get("retry_after")?.as_f64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_url_is_repeated() {
        let url = "https://prod-12.example.com:443/workflows/0a1b2c3d4e5f/triggers/manual?api-version=1&sig=s%2BcretSigna_ture";
        let hook = Webhook::new("teams", &Url::parse(url).unwrap()).unwrap();
        for said in [
            url.to_owned(),
            "no /workflows/0a1b2c3d4e5f/triggers/manual here".to_owned(),
            "bad sig s%2BcretSigna_ture".to_owned(),
            "bad sig s+cretSigna_ture".to_owned(),
            "workflow 0a1b2c3d4e5f is off".to_owned(),
        ] {
            let e = hook.judge(StatusCode::NOT_FOUND, None, &said, "make a new one");
            let shown = format!("{e} {e:?} {hook:?}");
            assert!(!shown.contains("cretSigna") && !shown.contains("0a1b2c3d4e5f"), "{shown}");
            assert!(
                e.message.contains("***") && e.message.starts_with("teams: prod-12.example.com answers 404"),
                "{e}"
            );
        }
    }

    #[test]
    fn waits_are_read_in_every_form() {
        assert_eq!(wait_of(" 30 "), Some(Duration::from_secs(30)));
        assert_eq!(wait_of("0.5"), Some(Duration::from_millis(500)));
        for bad in ["-1", "soon", "inf", "NaN", "1e400"] {
            assert_eq!(wait_of(bad), None, "{bad}");
        }
        assert_eq!(wait_of("Sat, 21 Nov 2020 09:15:00 GMT"), Some(Duration::ZERO));
        let far = wait_of("Sun, 21 Nov 2320 09:15:00 GMT").unwrap();
        assert!(far > Duration::from_secs(86_400));
        assert_eq!(
            wait_in(r#"{"message": "…", "retry_after": 0.35, "global": false}"#),
            Some(Duration::from_millis(350))
        );
        assert_eq!(wait_in(r#"{"retry_after": -3}"#), None);
        assert_eq!(wait_in("slow down"), None);
    }
}
