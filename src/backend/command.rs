//! Actions that are commands: `smoke = command(["./smoke.sh", "--strict"])`.
//!
//! An argument list, never a shell line. The command runs in a process group of its own with its standard input closed, with
//! the variables of this process and those given with the run (`CANARY_ROLLOUT`, `CANARY_RUN`, `CANARY_PHASE`). At its
//! timeout the group gets SIGTERM, and SIGKILL two seconds later; whatever the command left running is ended, too.

use super::process::{self, Spec};
use super::{ActionOutcome, BackendError, Runner, Secret};
use async_trait::async_trait;
use std::path::PathBuf;
use std::time::Duration;

/// A command.
#[derive(Debug, Clone)]
pub struct CommandRunner {
    argv: Vec<String>,
    cwd: PathBuf,
    hidden: Vec<Secret>,
}

impl CommandRunner {
    /// `argv` is the program and its arguments; `cwd` the folder in which it runs (that of the environment file), from which a
    /// relative program with a `/` is looked up.
    pub fn new(argv: Vec<String>, cwd: impl Into<PathBuf>) -> Self {
        Self { argv, cwd: cwd.into(), hidden: Vec::new() }
    }

    /// Blots these out of what the command prints, which is kept in the journal: commands inherit the environment, and a script
    /// with `set -x` repeats what it reads there.
    #[must_use]
    pub fn hiding(mut self, secrets: Vec<Secret>) -> Self {
        self.hidden = secrets;
        self
    }
}

#[async_trait]
impl Runner for CommandRunner {
    async fn run(&self, timeout: Duration, vars: &[(String, String)]) -> ActionOutcome {
        let ended = process::run(&Spec { argv: &self.argv, cwd: &self.cwd, vars, timeout, merged: true }).await;
        let output = self.hidden.iter().fold(ended.out.text(), |text, secret| secret.redact(&text));
        ActionOutcome { ok: ended.how.ok(), how: ended.how.to_string(), output }
    }

    fn ready(&self) -> Result<(), BackendError> {
        process::startable(&self.argv, &self.cwd).map_err(|why| BackendError::permanent(format!("cannot start {why}")))
    }

    fn describe(&self) -> String {
        process::pasted(&self.argv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn says_why_it_cannot_start() {
        let here = std::env::temp_dir();
        let run = |argv: &[&str]| {
            let argv = argv.iter().map(|a| (*a).to_owned()).collect();
            let runner = CommandRunner::new(argv, &here);
            async move { runner.run(Duration::from_secs(5), &[]).await }
        };
        let none = run(&["./no-such-script.sh"]).await;
        assert!(!none.ok);
        assert_eq!(none.how, "cannot start ./no-such-script.sh: No such file or directory");
        assert_eq!(
            run(&["no-such-program-anywhere"]).await.how,
            "cannot start no-such-program-anywhere: No such file or directory"
        );
        assert_eq!(run(&["/"]).await.how, "cannot start /: Permission denied (is it executable?)");
        assert_eq!(run(&[]).await.how, "cannot start nothing: the argument list is empty");
        let nowhere = CommandRunner::new(vec!["true".into()], "/no/such/folder");
        assert_eq!(nowhere.run(Duration::from_secs(5), &[]).await.how, "cannot start true: no folder /no/such/folder");
    }

    #[test]
    fn knows_beforehand_whether_it_can_start() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("here.sh"), "#!/bin/sh\n").unwrap();
        let ready =
            |program: &str| CommandRunner::new(vec![program.to_owned()], folder.path()).ready().map_err(|e| e.message);
        assert_eq!(ready("./here.sh").unwrap_err(), "cannot start ./here.sh: Permission denied (is it executable?)");
        std::fs::set_permissions(folder.path().join("here.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(ready("./here.sh"), Ok(()));
        assert_eq!(ready(&folder.path().join("here.sh").display().to_string()), Ok(()));
        assert_eq!(ready("./gone.sh").unwrap_err(), "cannot start ./gone.sh: No such file or directory");
        assert_eq!(ready("/").unwrap_err(), "cannot start /: it is no file");
        // without a `/` it is looked for on PATH, and not in the folder
        assert_eq!(ready("sh"), Ok(()));
        assert_eq!(ready("here.sh").unwrap_err(), "cannot start here.sh: not found on PATH");
        let nowhere = CommandRunner::new(vec!["sh".into()], "/no/such/folder");
        assert_eq!(nowhere.ready().unwrap_err().message, "cannot start sh: no folder /no/such/folder");
    }

    #[tokio::test]
    async fn what_it_prints_shows_no_secret() {
        let argv = ["sh", "-c", "echo token=hunter22; echo hunter22 >&2"].map(str::to_owned).to_vec();
        let runner = CommandRunner::new(argv, std::env::temp_dir()).hiding(vec![Secret::new("hunter22")]);
        assert_eq!(runner.run(Duration::from_secs(5), &[]).await.output, "token=***\n***\n");
    }

    #[test]
    fn is_described_by_its_arguments() {
        let argv = vec!["./smoke.sh".to_owned(), "a b".to_owned()];
        assert_eq!(CommandRunner::new(argv, ".").describe(), "./smoke.sh 'a b'");
    }
}
