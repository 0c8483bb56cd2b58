//! Compares the sources' clocks with this machine's before a run begins: a sample's age is judged by two clocks, and a query is
//! asked as of a time that the source must mean, too.

use super::backends::Backends;
use super::clock::now;
use super::fetch::with_help;
use crate::plan::{Millis, Time, show};
use chrono::DateTime;
use std::time::Duration;
use tokio::task::JoinSet;

/// Clocks further apart than this are a refusal: half of what a sample may be old where it is scraped every 15 s.
pub const REFUSED: Millis = 30_000;
/// Clocks further apart than this are worth a warning.
pub const WARNED: Millis = 5_000;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// Clocks that are too far apart.
    pub refused: Vec<String>,
    /// Clocks that are apart, and sources that should say a time and did not.
    pub warnings: Vec<String>,
}

/// Asks every source for its time. One that has no clock to show is left out.
pub async fn compare(backends: &Backends, within: Duration) -> Compared {
    let mut tasks = JoinSet::new();
    for (name, source) in backends.sources.clone() {
        tasks.spawn(async move {
            let before = now();
            let answer = tokio::time::timeout(within, source.clock()).await;
            (name, before, answer, now())
        });
    }
    let mut out = Compared::default();
    while let Some(done) = tasks.join_next().await {
        let Ok((name, before, answer, after)) = done else { continue };
        match answer {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(theirs))) => judge(&name, theirs, before, after, &mut out),
            Ok(Err(e)) => {
                out.warnings.push(format!("source {name}: its clock could not be compared: {}", with_help(&e)));
            }
            Err(_) => out.warnings.push(format!("source {name}: its clock could not be compared: no answer")),
        }
    }
    out.refused.sort();
    out.warnings.sort();
    out
}

/// `theirs` was read at some moment between `before` and `after`: only what lies outside is a difference.
fn judge(name: &str, theirs: Time, before: Time, after: Time, out: &mut Compared) {
    let ours = theirs.clamp(before, after.max(before));
    let apart = (theirs - ours).abs();
    if apart <= WARNED {
        return;
    }
    let what = format!(
        "source {name}: its clock says {}, this machine's says {}: {} apart",
        time(theirs),
        time(ours),
        show::duration(apart / 1000 * 1000)
    );
    if apart > REFUSED {
        out.refused.push(format!(
            "{what}. What is new there would be old here: set both clocks by NTP (`timedatectl`), then start again"
        ));
    } else {
        out.warnings.push(format!("{what}; beyond {} a start is refused", show::duration(REFUSED)));
    }
}

fn time(at: Time) -> String {
    DateTime::from_timestamp_millis(at)
        .map_or_else(|| format!("{at} ms"), |t| t.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(theirs: Time, before: Time, after: Time) -> (usize, usize) {
        let mut out = Compared::default();
        judge("p", theirs, before, after, &mut out);
        (out.refused.len(), out.warnings.len())
    }

    #[test]
    fn only_what_the_exchange_cannot_explain_is_a_difference() {
        assert_eq!(of(1_000_000, 1_000_000, 1_000_010), (0, 0));
        assert_eq!(of(1_000_000 + REFUSED, 1_000_000, 1_000_000 + REFUSED), (0, 0), "a slow answer");
        assert_eq!(of(1_000_000 + WARNED, 1_000_000, 1_000_000), (0, 0));
        assert_eq!(of(1_000_001 + WARNED, 1_000_000, 1_000_000), (0, 1));
        assert_eq!(of(1_000_000 - REFUSED, 1_000_000, 1_000_000), (0, 1));
        assert_eq!(of(999_999 - REFUSED, 1_000_000, 1_000_000), (1, 0));
        // a clock that was set back during the exchange
        assert_eq!(of(1_000_000, 1_000_000, 900_000), (0, 0));
    }

    #[test]
    fn both_times_are_said() {
        let mut out = Compared::default();
        judge("prometheus", 1_795_267_069_000, 1_795_267_000_000, 1_795_267_000_000, &mut out);
        let said = &out.refused[0];
        for part in ["2026-11-21 13:17:49 UTC", "2026-11-21 13:16:40 UTC", "1m9s apart", "NTP"] {
            assert!(said.contains(part), "no `{part}` in {said}");
        }
    }
}
