//! Flags as the lab's service reads them: from where they are kept, over and over, as any service with a flag file does. What
//! the runner asked for plays no part.

use crate::backend::Port;
use crate::plan::Setting;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often the flags are read.
const EVERY: Duration = Duration::from_millis(100);

/// Which share of requests meets what is behind a flag: a count above 0 is met by all of them.
fn share(setting: Setting) -> f64 {
    match setting {
        Setting::Share(s) => s.clamp(0.0, 1.0),
        Setting::Bool(on) => f64::from(u8::from(on)),
        Setting::Count(n) => f64::from(u8::from(n > 0)),
        Setting::Absent => 0.0,
    }
}

/// The flags that are to be read, from when on they are known.
pub(crate) type Wanted = mpsc::UnboundedReceiver<Vec<Arc<dyn Port>>>;

/// Reads flags for ever. The most exposed one counts: `now` is its share, `peak` the highest so far.
pub(crate) async fn follow(mut wanted: Wanted, now: watch::Sender<f64>, peak: watch::Sender<f64>) {
    let Some(mut flags) = wanted.recv().await else { return };
    loop {
        if let Ok(newer) = wanted.try_recv() {
            flags = newer;
        }
        if let Some(share) = exposed(&flags).await {
            now.send_if_modified(|n| std::mem::replace(n, share).total_cmp(&share).is_ne());
            peak.send_if_modified(|p| {
                let higher = share > *p;
                *p = p.max(share);
                higher
            });
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Nothing while one of them cannot be read: a service goes on with what it has.
async fn exposed(flags: &[Arc<dyn Port>]) -> Option<f64> {
    let mut most: f64 = 0.0;
    for flag in flags {
        most = most.max(share(flag.read().await.ok()?));
    }
    Some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_met_by_a_share_of_requests() {
        let shares =
            [Setting::Bool(true), Setting::Bool(false), Setting::Share(0.1), Setting::Count(3), Setting::Absent]
                .map(share);
        assert_eq!(shares, [1.0, 0.0, 0.1, 1.0, 0.0]);
    }
}
