use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn notice() -> Notice {
    Notice {
        rollout: "checkout".into(),
        environment: "prod".into(),
        run: "r-1".into(),
        number: 7,
        at: 1_795_252_500_000,
        happening: "rollback".into(),
        title: "checkout rolled back: errors < 1% & <!channel>".into(),
        text: "errors 2.4%\nslow ok\n".into(),
        facts: vec![Fact { name: "exposure".into(), value: "checkout = 0%, <@U1>".into() }],
        links: vec![("runbook".into(), "https://wiki/x?a=1&b=2".into())],
        late: None,
    }
}

/// Answers one request and gives back its head and body.
async fn answer_once(listener: TcpListener, response: String) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut got = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        got.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = head
                .lines()
                .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap();
            if body.len() >= length {
                stream.write_all(response.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                return (head.to_owned(), serde_json::from_str(body).unwrap());
            }
        }
        assert!(n > 0, "the request ended early: {text}");
    }
}

async fn deliver(response: &str) -> (Result<(), BackendError>, String, Value) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/services/T0/B0/hushhush");
    let slack = Slack::new(&Secret::new(url)).unwrap();
    let server = tokio::spawn(answer_once(listener, response.to_owned()));
    let result = slack.notify(&notice()).await;
    let (head, body) = server.await.unwrap();
    (result, head, body)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test]
async fn a_notice_arrives_in_slacks_form() {
    let (result, head, body) = deliver(&http("200 OK", "", "ok")).await;
    assert_eq!(result, Ok(()));
    assert!(head.starts_with("POST /services/T0/B0/hushhush HTTP/1.1"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"));
    assert_eq!(
        body,
        json!({
            "text": "checkout rolled back: errors &lt; 1% &amp; &lt;!channel&gt;",
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn",
                    "text": "*checkout rolled back: errors &lt; 1% &amp; &lt;!channel&gt;*"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "errors 2.4%\nslow ok"}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*exposure*\ncheckout = 0%, &lt;@U1&gt;"}]},
                {"type": "section", "text": {"type": "mrkdwn", "text": "<https://wiki/x?a=1&amp;b=2|runbook>"}},
                {"type": "context", "elements": [{"type": "mrkdwn",
                    "text": "checkout · prod · run r-1 · notice 7 · rollback · 2026-11-21 09:15:00 UTC"}]},
            ]
        })
    );
}

#[tokio::test]
async fn answers_are_judged() {
    for (status, headers, body, transient, want) in [
        ("400 Bad Request", "", "invalid_payload", false, "answers 400: invalid_payload"),
        ("403 Forbidden", "", "action_prohibited", false, "answers 403: action_prohibited"),
        ("404 Not Found", "", "no_service", false, "answers 404: no_service"),
        ("404 Not Found", "", "no /services/T0/B0/hushhush here", false, "answers 404: no *** here"),
        ("302 Found", "location: http://127.0.0.1:1/\r\n", "", false, "answers 302"),
        ("429 Too Many Requests", "retry-after: 30\r\n", "", true, "answers 429 (asks to wait 30s)"),
        ("503 Service Unavailable", "", "down\nfor long", true, "answers 503: down for long"),
    ] {
        let (result, _, _) = deliver(&http(status, headers, body)).await;
        let e = result.unwrap_err();
        assert_eq!(e.transient, transient, "{e}");
        assert!(e.message.ends_with(want), "{e}");
        assert!(!format!("{e:?}").contains("hushhush"), "{e:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_transient_and_shows_no_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let slack = Slack::new(&Secret::new(format!("http://127.0.0.1:{port}/hushhush"))).unwrap();
    let e = slack.notify(&notice()).await.unwrap_err();
    assert!(e.transient, "{e}");
    assert!(e.message.contains(&format!("cannot reach 127.0.0.1:{port}: ")), "{e}");
    assert!(!format!("{e:?} {slack:?} {}", slack.describe()).contains("hushhush"));
}

#[test]
fn what_is_not_a_url_is_refused_without_being_shown() {
    for bad in ["", "hushhush", "ftp://hushhush/", "https://"] {
        let e = Slack::new(&Secret::new(bad)).unwrap_err();
        assert!(!format!("{e:?}").contains("hushhush") && e.help.is_some());
    }
    let slack = Slack::new(&Secret::new(" https://hooks.slack.com/services/hushhush\n")).unwrap();
    assert_eq!(slack.describe(), "slack webhook at hooks.slack.com");
}

#[test]
fn long_texts_are_cut_at_lines_and_counted_in_characters() {
    assert!(sections("", 10, 3).is_empty());
    assert_eq!(sections("aaaa\nbbbb\ncc", 10, 3), ["aaaa\nbbbb\n", "cc"]);
    assert_eq!(sections("äöüßäöüß", 4, 3), ["äöüß", "äöüß"]);
    // an escape is never cut in two
    assert_eq!(sections("ab<<", 6, 3), ["ab&lt;", "&lt;"]);
    assert_eq!(sections("aa\nbb\ncc", 3, 2), ["aa\n", "bb…"]);
    assert_eq!(sections("<<<", 4, 1), ["…"]);
    let many = "x".repeat(100_000);
    let parts = sections(&many, BLOCK, BLOCKS);
    assert_eq!(parts.len(), BLOCKS);
    assert!(parts.iter().all(|p| p.chars().count() <= BLOCK));
    let mut n = notice();
    n.title = "&".repeat(5_000);
    let p = payload(&n);
    assert!(p["blocks"][0]["text"]["text"].as_str().unwrap().chars().count() <= BLOCK);
}
