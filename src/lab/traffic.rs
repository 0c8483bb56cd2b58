//! The lab's proxy as a traffic port: set and read back over its control port, as any load balancer is.

use super::http::Caller;
use super::split::Weights;
use crate::backend::{BackendError, Port};
use crate::plan::Setting;
use async_trait::async_trait;
use hyper::Method;
use std::time::Duration;

/// How long one call to the control port may take; the engine's own deadline may be shorter.
const CALL: Duration = Duration::from_secs(5);

/// Sets the canary's share on a lab's proxy.
#[derive(Debug, Clone)]
pub struct LabTraffic {
    url: String,
    caller: Caller,
}

impl LabTraffic {
    /// The port behind a control URL: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn new(control_url: &str) -> Self {
        Self { url: format!("{}/weights", control_url.trim_end_matches('/')), caller: Caller::new(CALL) }
    }

    async fn weights(&self, method: Method, body: Option<String>) -> Result<Weights, BackendError> {
        let (status, text) = self
            .caller
            .call(method, &self.url, body)
            .await
            .map_err(|error| error.help("is the lab running? `canary lab up` starts one"))?;
        let answered = |why: &str| BackendError {
            message: format!("lab: {} answered {status}: {why}", self.url),
            help: None,
            transient: status.is_server_error(),
            retry_after: None,
        };
        if !status.is_success() {
            return Err(answered(text.trim()));
        }
        let weights: Weights = serde_json::from_str(&text).map_err(|error| answered(&error.to_string()))?;
        match weights.objection() {
            Some(why) => Err(answered(&why)),
            None => Ok(weights),
        }
    }
}

/// The body that sets a setting, or why it cannot be set.
fn body(to: Setting) -> Result<(Weights, String), BackendError> {
    let weights = match to {
        Setting::Share(share) => Weights::of_share(share),
        Setting::Bool(_) | Setting::Count(_) | Setting::Absent => None,
    };
    let weights = weights.ok_or_else(|| {
        BackendError::permanent(format!("lab: traffic cannot be set to `{to}`"))
            .help("a traffic port takes a share from 0% to 100%")
    })?;
    let Weights { canary, stable } = weights;
    Ok((weights, format!(r#"{{"canary":{canary},"stable":{stable}}}"#)))
}

#[async_trait]
impl Port for LabTraffic {
    async fn read(&self) -> Result<Setting, BackendError> {
        let weights = self.weights(Method::GET, None).await?;
        Ok(Setting::Share(weights.share()))
    }

    async fn set(&self, to: Setting) -> Result<(), BackendError> {
        let (wanted, body) = body(to)?;
        let now = self.weights(Method::PUT, Some(body)).await?;
        if now == wanted {
            Ok(())
        } else {
            // Somebody else set it in between: the caller's own reading back decides.
            Err(BackendError::transient(format!(
                "lab: {} was asked for {to} and answered {}",
                self.url,
                Setting::Share(now.share())
            )))
        }
    }

    fn by_hand(&self, to: Setting) -> String {
        match body(to) {
            Ok((_, body)) => format!("curl -fsS -X PUT -d '{body}' {}", self.url),
            Err(error) => format!("# {error}"),
        }
    }

    fn describe(&self) -> String {
        format!("lab proxy at {}", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_is_a_line_to_paste() {
        let port = LabTraffic::new("http://127.0.0.1:9/");
        assert_eq!(
            port.by_hand(Setting::Share(0.05)),
            r#"curl -fsS -X PUT -d '{"canary":5,"stable":95}' http://127.0.0.1:9/weights"#
        );
        assert!(port.by_hand(Setting::Bool(true)).starts_with("# "));
        assert_eq!(port.describe(), "lab proxy at http://127.0.0.1:9/weights");
    }

    #[test]
    fn only_shares_can_be_set() {
        for wrong in
            [Setting::Share(1.2), Setting::Share(f64::NAN), Setting::Bool(true), Setting::Count(1), Setting::Absent]
        {
            let error = body(wrong).unwrap_err();
            assert!(!error.transient && error.help.is_some(), "{error}");
        }
    }
}
