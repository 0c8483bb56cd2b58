//! The hash chain of a run's journal, and its verification.
//!
//! - header hash = SHA-256 of the canonical JSON of `{bindings_hash, bindings_sha256, environment, id, plan_hash, plan_sha256,
//!   policy_path, provenance_sha256, rollout, started, title}`, where the `…_sha256` are those of the stored texts;
//! - event hash = SHA-256 of the previous hash (its 64 hexadecimal digits; the header hash for the first event) followed by the
//!   canonical JSON of `{at, body, kind, run, seq}`; events are numbered from 1;
//! - seal = SHA-256 of the hash of the newest event when the run ended, followed by the canonical JSON of `{finished, run,
//!   seq, verdict}`.
//!
//! The chain finds what was altered, removed, inserted or reordered. Whoever can write the file can also compute a whole new
//! chain; to prove that nobody did, keep the head's hash elsewhere (a notification, signed evidence) and compare.

use super::{Documents, Fault, NewRun, RunId, Store, StoreError};
use crate::plan::hash::{canonical, sha256_hex};
use rusqlite::{OptionalExtension, Transaction};
use serde_json::json;
use std::fmt;

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The newest event's number; 0 when there is none.
    pub seq: u64,
    /// Its hash; the header's when there is none.
    pub hash: String,
}

/// Where a journal is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainError {
    /// The first event that does not fit; 0 for the run's header and for how it ended.
    pub seq: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            0 => f.write_str(&self.what),
            seq => write!(f, "event {seq}: {}", self.what),
        }
    }
}

impl std::error::Error for ChainError {}

/// Why a chain could not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyError {
    /// The journal is not what was written.
    Chain(ChainError),
    /// The journal could not be read.
    Store(StoreError),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(e) => e.fmt(f),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for VerifyError {}

impl From<StoreError> for VerifyError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

pub(super) fn header_hash(id: &RunId, run: &NewRun) -> String {
    let Documents { plan_json, bindings_json, provenance_json } = &run.documents;
    let header = json!({
        "id": id.as_str(),
        "rollout": run.rollout,
        "title": run.title,
        "environment": run.environment,
        "policy_path": run.policy_path,
        "plan_hash": run.plan_hash,
        "plan_sha256": sha256_hex(plan_json.as_bytes()),
        "bindings_hash": run.bindings_hash,
        "bindings_sha256": sha256_hex(bindings_json.as_bytes()),
        "provenance_sha256": sha256_hex(provenance_json.as_bytes()),
        "started": run.started,
    });
    sha256_hex(canonical(&header).as_bytes())
}

/// `body` is canonical JSON; what is hashed is then canonical too, without parsing the body again.
pub(super) fn event_hash(prev: &str, run: &RunId, seq: u64, at: i64, kind: &str, body: &str) -> String {
    let (kind, run) = (canonical(&json!(kind)), canonical(&json!(run.as_str())));
    sha256_hex(format!(r#"{prev}{{"at":{at},"body":{body},"kind":{kind},"run":{run},"seq":{seq}}}"#).as_bytes())
}

pub(super) fn seal(run: &RunId, head: &Head, verdict: &str, finished: i64) -> String {
    let end = json!({
        "run": run.as_str(), "seq": head.seq, "verdict": verdict, "finished": finished,
    });
    sha256_hex(format!("{}{}", head.hash, canonical(&end)).as_bytes())
}

impl Store {
    /// Recomputes a run's chain from its header to its head and returns the head: its hash stands for everything before it.
    /// The state's snapshot and observations are not part of the chain.
    ///
    /// # Errors
    /// [`VerifyError::Chain`] names the first event that does not fit.
    pub fn verify(&self, run: &RunId) -> Result<Head, VerifyError> {
        let found = self.read(|tx| walk(tx, run))?;
        found.map_err(VerifyError::Chain)
    }
}

fn bad<T>(seq: u64, what: impl Into<String>) -> Result<Result<T, ChainError>, Fault> {
    Ok(Err(ChainError { seq, what: what.into() }))
}

fn walk(tx: &Transaction<'_>, id: &RunId) -> Result<Result<Head, ChainError>, Fault> {
    let run = super::run::read(tx, id)?;
    let Some(documents) = super::run::read_documents(tx, id)? else {
        return bad(0, "the run's documents were removed");
    };
    let header = NewRun {
        rollout: run.rollout,
        title: run.title,
        environment: run.environment,
        policy_path: run.policy_path,
        plan_hash: run.plan_hash,
        bindings_hash: run.bindings_hash,
        documents,
        started: run.started,
    };
    let mut at = Head { seq: 0, hash: header_hash(id, &header) };
    if at.hash != run.header_hash {
        return bad(
            0,
            "the run's header was altered (rollout, title, environment, policy path, start, plan, bindings or provenance)",
        );
    }
    let mut sealed_at = None;
    if run.finished_seq == Some(0) {
        sealed_at = Some(at.clone());
    }
    let mut stmt =
        tx.prepare_cached("SELECT seq, at, kind, body, prev_hash, hash FROM events WHERE run = ?1 ORDER BY seq")?;
    let mut rows = stmt.query([id.as_str()])?;
    while let Some(row) = rows.next()? {
        let (stored, time): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (kind, body): (String, String) = (row.get(2)?, row.get(3)?);
        let (prev, hash): (String, String) = (row.get(4)?, row.get(5)?);
        let want = at.seq + 1;
        let Some(seq) = u64::try_from(stored).ok().filter(|seq| *seq >= want) else {
            return bad(want, format!("an event with the number {stored} was inserted before it"));
        };
        if seq != want {
            return bad(want, "it was removed");
        }
        if event_hash(&prev, id, seq, time, &kind, &body) != hash {
            return bad(seq, "it was altered, or moved here from another place");
        }
        if prev != at.hash {
            let before = match at.seq {
                0 => "the run's header".to_owned(),
                seq => format!("event {seq}"),
            };
            return bad(
                seq,
                format!("it does not follow {before}: something was altered, inserted, removed or reordered"),
            );
        }
        at = Head { seq, hash };
        if run.finished_seq == Some(seq) {
            sealed_at = Some(at.clone());
        }
    }
    let Some((head, _)) = super::journal::head(tx, id)? else {
        return bad(at.seq, "the journal's head was removed");
    };
    if head.seq > at.seq {
        return bad(at.seq + 1, format!("it and what follows, up to event {}, was removed", head.seq));
    }
    if head.seq < at.seq {
        return bad(head.seq + 1, "it was added outside of the journal");
    }
    if head != at {
        return bad(at.seq, "the journal's head names another hash");
    }
    if let (Some(verdict), Some(finished)) = (&run.verdict, run.finished) {
        let fits = sealed_at.is_some_and(|end| run.seal.as_deref() == Some(seal(id, &end, verdict, finished).as_str()));
        if !fits {
            return bad(0, "how the run ended (verdict, time) was altered");
        }
    } else if run.verdict.is_some() || run.finished.is_some() || run.seal.is_some() {
        return bad(0, "how the run ended (verdict, time) was altered");
    }
    Ok(Ok(at))
}

/// The hash that the first event refers to.
pub(super) fn stored_header_hash(tx: &Transaction<'_>, id: &RunId) -> Result<Option<String>, Fault> {
    Ok(tx.query_row("SELECT header_hash FROM runs WHERE id = ?1", [id.as_str()], |row| row.get(0)).optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_is_canonical_json() {
        let (run, prev) = (RunId::from("r \"1\""), "ab".repeat(32));
        let body = json!({"z": 1.5, "a": ["ü", null]});
        let whole = json!({"run": run.as_str(), "seq": 7, "at": -3, "kind": "a\nb", "body": body});
        assert_eq!(
            event_hash(&prev, &run, 7, -3, "a\nb", &canonical(&body)),
            sha256_hex(format!("{prev}{}", canonical(&whole)).as_bytes())
        );
    }
}
