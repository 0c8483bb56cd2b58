//! What every adapter that speaks HTTP shares: one way to build a client, to read a bounded body, and to say what went wrong
//! without saying a secret.

use super::BackendError;
use super::secret::Secret;
use reqwest::header::{AGE, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use std::time::Duration;

/// The largest body that is read, in bytes: a bigger answer is refused, not cut.
pub const BODY_LIMIT: usize = 32 << 20;

/// How a request proves who it is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: Basic …`: user and password.
    Basic(String, Secret),
}

impl Auth {
    /// Adds the header.
    pub fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Bearer(token) => request.bearer_auth(token.expose()),
            Self::Basic(user, password) => request.basic_auth(user, Some(password.expose())),
        }
    }

    /// A server's words without what it was told in confidence.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Bearer(secret) | Self::Basic(_, secret) => secret.redact(text),
        }
    }
}

/// Whether a client goes where a server sends it. A redirected POST would lose its body or repeat its effect, so only clients
/// that send nothing but GET may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// A redirect is an answer like any other: an error that names the new place.
    Refuse,
    /// At most five, for GET-only clients. Credentials do not go along to another host.
    Follow,
}

/// A URL from an environment, taken apart into what may be shown and what may not.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL without user, password and fragment; its query (which may hold a key) is still there.
    url: Url,
    /// Credentials that stood in the URL.
    auth: Auth,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Endpoint {
    /// Takes a URL apart. Refuses what is not `http://` or `https://`, without repeating a text that may hold a password.
    pub fn parse(text: &Secret) -> Result<Self, BackendError> {
        let mut url = Url::parse(text.expose().trim()).map_err(|e| {
            BackendError::permanent(format!("the URL cannot be read: {e}"))
                .help("write it in full: `http://prometheus:9090`")
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(BackendError::permanent(format!(
                "a URL with `http://` or `https://` is needed, not one with `{}:`",
                url.scheme()
            ))
            .help("write it in full: `http://prometheus:9090`"));
        }
        let auth = match (url.username(), url.password()) {
            ("", None) => Auth::None,
            (user, password) => Auth::Basic(percent_decode(user), Secret::new(percent_decode(password.unwrap_or("")))),
        };
        // neither can fail: the scheme is http(s), the host is there
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Ok(Self { url, auth })
    }

    /// The URL to send to.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The credentials that stood in the URL.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The URL with `path` (no leading slash) below its own path; its query is kept.
    #[must_use]
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }

    /// `scheme://host:port/path`: what may be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// `host:port`, with the scheme's port where none is written.
    #[must_use]
    pub fn host_port(&self) -> String {
        let host = self.url.host_str().unwrap_or("");
        match self.url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (b, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                bytes = ahead;
            }
            _ => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Makes `ring` the process's provider of cryptography. May be called any number of times.
pub fn install_crypto() {
    // an error means that a provider is already there, which is all that is wanted
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for one endpoint. `timeout` bounds each whole exchange, connecting at most half of it. Names no proxy for a
/// loopback address: what runs on this machine is never asked through another one.
pub fn client(endpoint: &Endpoint, timeout: Duration, redirects: Redirects) -> Result<Client, BackendError> {
    install_crypto();
    let mut builder = Client::builder()
        .user_agent(concat!("canary/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .connect_timeout((timeout / 2).max(Duration::from_millis(200)))
        .redirect(match redirects {
            Redirects::Refuse => reqwest::redirect::Policy::none(),
            Redirects::Follow => reqwest::redirect::Policy::limited(5),
        });
    if is_loopback(endpoint.url()) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| BackendError::permanent(format!("no HTTP client can be made: {}", said(&e, timeout))))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Its status.
    pub status: StatusCode,
    /// Its content type in lower case, empty where the server says none.
    pub content_type: String,
    /// Its body, at most [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
    /// Where a redirect leads, without query and credentials.
    pub location: Option<String>,
    /// When the server says that it answered, in milliseconds since 1970: the middle of the second that its `Date` header
    /// names. `None` without one, and for an answer out of a cache, whose date is that of another time.
    pub date: Option<i64>,
    /// How long it asks to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl Exchange {
    /// The body as text; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Whether the body is a web page: a login form, a proxy's error.
    #[must_use]
    pub fn is_html(&self) -> bool {
        let head = self.body.trim_ascii_start();
        self.content_type.starts_with("text/html")
            || starts_with_ignore_case(head, b"<!doctype html")
            || starts_with_ignore_case(head, b"<html")
    }
}

fn starts_with_ignore_case(text: &[u8], head: &[u8]) -> bool {
    text.get(..head.len()).is_some_and(|t| t.eq_ignore_ascii_case(head))
}

/// Sends a request and reads its whole body. `timeout` is the client's, for the message. Errors are one line, without URL.
pub async fn exchange(request: RequestBuilder, timeout: Duration, limit: usize) -> Result<Exchange, BackendError> {
    let failed = |e: reqwest::Error| BackendError::transient(said(&e, timeout));
    let mut response = request.send().await.map_err(failed)?;
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let content_type = header(CONTENT_TYPE).to_ascii_lowercase();
    let location = Some(header(LOCATION))
        .filter(|l| response.status().is_redirection() && !l.is_empty())
        .map(|l| response.url().join(&l).map_or_else(|_| String::from("an unreadable place"), |u| shown(&u)));
    let date = if response.headers().contains_key(AGE) { None } else { http_date(&header(DATE)) };
    let retry_after = super::webhook::wait_of(&header(RETRY_AFTER));
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > limit {
            return Err(BackendError::permanent(format!("the answer is larger than {} MiB", limit >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Exchange { status, content_type, body, location, date, retry_after })
}

/// An HTTP date (RFC 9110 §5.6.7, its preferred form), which is cut to the second: the middle of that second is taken.
fn http_date(text: &str) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis() + 500)
}

/// What went wrong, in one line and without the URL (which may hold a key): the kind of failure, then the system's own words.
pub(super) fn said(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer within {}", seconds(timeout));
    }
    if error.is_redirect() {
        return String::from("it redirects too often");
    }
    // the last source is the system's own word (`Connection refused`); those before it only wrap it. reqwest's own line, which
    // would show the URL, is not used at all
    let mut source = std::error::Error::source(error);
    let mut words = None;
    while let Some(s) = source {
        words = Some(s.to_string());
        source = s.source();
    }
    let what = if error.is_connect() {
        "cannot connect"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else if error.is_builder() {
        "the request cannot be made"
    } else {
        "the exchange failed"
    };
    match words {
        Some(w) => format!("{what}: {}", one_line(&w)),
        None => what.to_owned(),
    }
}

pub(super) fn seconds(d: Duration) -> String {
    if d.subsec_millis() == 0 { format!("{}s", d.as_secs()) } else { format!("{}ms", d.as_millis()) }
}

/// A foreign text as one line of at most 300 characters, without control characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    if out.chars().count() > 300 {
        out = out.chars().take(299).collect();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        let e = Endpoint::parse(&"http://me:p%40ss%zz@127.0.0.1:9090/prom/?key=abc#x".into()).expect("a URL");
        assert_eq!(e.shown(), "http://127.0.0.1:9090/prom");
        assert_eq!(format!("{e:?}"), "http://127.0.0.1:9090/prom");
        assert_eq!(*e.auth(), Auth::Basic("me".into(), "p@ss%zz".into()));
        assert_eq!(e.join("api/v1/query").as_str(), "http://127.0.0.1:9090/prom/api/v1/query?key=abc");
        assert_eq!(format!("{:?}", e.auth()), "Basic(\"me\", ***)", "a password is never shown");
    }

    #[test]
    fn other_schemes_and_broken_urls_are_refused_without_repeating_them() {
        for bad in ["ftp://u:secretpw@h", "secretpw", "http://", "unix:/secretpw"] {
            let e = Endpoint::parse(&bad.into()).expect_err(bad);
            assert!(!e.to_string().contains("secretpw"), "{e}");
        }
    }

    #[test]
    fn loopback_is_known() {
        for (url, yes) in [
            ("http://localhost:1", true),
            ("http://127.0.0.9", true),
            ("http://[::1]:9090", true),
            ("http://example.com", false),
            ("http://10.0.0.1", false),
        ] {
            let e = Endpoint::parse(&url.into()).expect(url);
            assert_eq!(is_loopback(e.url()), yes, "{url}");
        }
    }

    #[test]
    fn dates_of_servers_are_read() {
        assert_eq!(http_date("Sat, 21 Nov 2026 13:17:49 GMT"), Some(1_795_267_069_500));
        assert_eq!(http_date("yesterday"), None);
        assert_eq!(http_date(""), None);
    }

    #[test]
    fn foreign_words_are_one_short_line() {
        assert_eq!(one_line(" a\n\tb\u{7} c "), "a b c");
        assert_eq!(one_line(&"x".repeat(400)).chars().count(), 300);
    }
}
