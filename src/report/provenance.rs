//! Where a run came from: which texts, of which commit, started by whom, where, with what.

use crate::plan::Time;
use crate::plan::hash::sha256_hex;
use serde::{Deserialize, Serialize};

/// Where a run came from. Kept in the store with the run. What an older version did not keep reads as empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// This tool's version.
    pub version: String,
    /// Who started it: the name of the effective user.
    pub user: String,
    /// The effective user's number.
    pub uid: Option<u32>,
    /// Who called `sudo`, where it was used.
    pub sudo_user: Option<String>,
    /// On which machine.
    pub host: String,
    /// The runner's process id.
    pub pid: u32,
    /// The command line, without secrets.
    pub arguments: Vec<String>,
    /// What has to be said again to go on with the plan: `--rollout NAME`, `--set NAME=VALUE`, as given.
    pub again: Vec<String>,
    /// The job of a CI system in which it was started.
    pub ci_job: Option<String>,
    /// The policy files, as given.
    pub files: Vec<String>,
    /// The same files with what was in them.
    pub sources: Vec<SourceFile>,
    /// The commit.
    pub git: Git,
    /// The stretch over which the baseline was read: shown beside its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Window>,
}

/// A policy or environment file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path, as given.
    pub path: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// What git says of the repository that holds the policy file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Git {
    /// The commit's full name.
    pub commit: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// Who says so: `git`, or the variable of a CI system where git is on no branch.
    pub branch_from: Option<String>,
    /// Whether anything in the work tree is not as in the commit; files that git does not know count.
    pub dirty: Option<bool>,
    /// Whether the policy's own files are not as in the commit.
    pub policy_dirty: Option<bool>,
    /// Why one of these is not known.
    pub why: Option<String>,
}

/// A stretch of time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
}

/// One hash for what was run on what: SHA-256 over both hashes in hex, each followed by a newline.
#[must_use]
pub fn config_hash(plan_hash: &str, bindings_hash: &str) -> String {
    sha256_hex(format!("{plan_hash}\n{bindings_hash}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_kept_is_still_read() {
        let old = r#"{"version":"0.1.0","user":"eva","host":"h","pid":7,"files":["a.canary"]}"#;
        let read: Provenance = serde_json::from_str(old).expect("provenance");
        assert_eq!((read.user.as_str(), read.pid, read.git), ("eva", 7, Git::default()));
        assert_eq!(serde_json::from_str::<Provenance>("{}").expect("nothing kept"), Provenance::default());
    }

    #[test]
    fn the_config_hash_can_be_made_in_a_shell() {
        // printf '%s\n%s\n' aa bb | sha256sum
        assert_eq!(config_hash("aa", "bb"), "329d670e59ead1543a2d36865895972560bc434204c5f4a0c8219005dd312719");
        assert_ne!(config_hash("aa", "bb"), config_hash("a", "abb"));
    }
}
