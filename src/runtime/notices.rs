//! Delivers notices beside the run: retried while that may help, never in front of anything.

use crate::backend::{Notice, Notifier};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const CALL: Duration = Duration::from_secs(10);

/// Delivers a notice, and says that it did or that it gave up.
pub async fn deliver(channel: Arc<dyn Notifier>, notice: Notice, tell: mpsc::Sender<String>) {
    let mut pause = FIRST_PAUSE;
    let mut last = String::new();
    for attempt in 1..=TRIES {
        match tokio::time::timeout(CALL, channel.notify(&notice)).await {
            Ok(Ok(())) => {
                let _ = tell.send(format!("told {}: {}", channel.describe(), notice.title)).await;
                return;
            }
            Ok(Err(e)) => {
                last = e.to_string();
                if !e.transient {
                    break;
                }
                if attempt == 1 {
                    let again =
                        format!("notice `{}` is not delivered to {} yet: {last}", notice.title, channel.describe());
                    let _ = tell.send(again).await;
                }
            }
            Err(_) => last = format!("no answer within {}s", CALL.as_secs()),
        }
        if attempt < TRIES {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    let _ = tell.send(format!("notice `{}` was not delivered to {}: {last}", notice.title, channel.describe())).await;
}
