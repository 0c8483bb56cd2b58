//! What git says of the repository that holds a policy. Asked once, before anything is changed, within [`TIME`]: whatever stands
//! in the way is a `why` and no error.
//!
//! The repository is not trusted: its configuration could name programs. No hook, file system monitor, pager, credential
//! helper or transport is run, no lock is taken, nothing is fetched, no bare repository is looked into by chance, and where the
//! repository's own configuration names content filters, the work tree is not compared (comparing would run them). A
//! repository of another user is refused by git itself, unless the user has called it safe.

use crate::backend::http::one_line;
use crate::report::provenance::Git;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long git may take for all answers together.
pub const TIME: Duration = Duration::from_secs(2);

/// What can run a program or reach another machine, switched off; command-line configuration wins over the repository's.
const SAFE: [&str; 18] = [
    "--no-pager",
    "--literal-pathspecs",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.sshCommand=false",
    "-c",
    "credential.helper=",
    "-c",
    "protocol.allow=never",
    "-c",
    "safe.bareRepository=explicit",
    "-c",
    "submodule.recurse=false",
    "-c",
    "maintenance.auto=false",
];

/// Variables of git's that are the caller's own configuration. All others would point it at another repository (a hook's
/// `GIT_DIR`) or make it talk.
const KEPT: [&str; 7] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
];

/// Asks git. The first file is the policy; it says which repository.
pub async fn look(files: &[PathBuf]) -> Git {
    let mut found = Git::default();
    let asked = fill(&mut found, files, "git", Instant::now() + TIME).await;
    if let Err(why) = asked {
        found.why = Some(why);
    }
    found
}

/// Fills in what can be found out; what was found before something failed stays.
async fn fill(out: &mut Git, files: &[PathBuf], program: &str, until: Instant) -> Result<(), String> {
    // a policy that is reached through a link is held by the repository that it leads to
    let real: Vec<PathBuf> = files
        .iter()
        .map(|f| std::fs::canonicalize(f).map_err(|e| format!("{}: {e}", f.display())))
        .collect::<Result<_, _>>()?;
    let folder = real.first().and_then(|f| f.parent()).ok_or("no policy file")?;
    let git = Asked { program, folder, until };
    let root = git.ask(&["rev-parse", "--show-toplevel"]).await?;
    let root = root.text().map_err(|e| e.unwrap_or_else(|| String::from("it has no work tree")))?;
    let branch = git.ask(&["symbolic-ref", "--quiet", "HEAD"]).await?;
    if let Ok(name) = branch.text() {
        out.branch = Some(name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned());
        out.branch_from = Some(String::from("git"));
    }
    let commit = git.ask(&["rev-parse", "--quiet", "--verify", "HEAD^{commit}"]).await?;
    out.commit = Some(commit.text().map_err(|e| e.unwrap_or_else(|| String::from("it has no commit yet")))?);
    for scope in ["--local", "--worktree"] {
        let list = ["config", scope, "--includes", "--name-only", "--get-regexp", r"^filter\."];
        if let Ok(names) = git.ask(&list).await?.text() {
            return Err(format!(
                "the repository's own configuration names content filters ({}), which are not run: whether its files are \
                 as in the commit is not known",
                one_line(names.lines().next().unwrap_or(""))
            ));
        }
    }
    let root = Path::new(&root);
    let outside = real.iter().any(|f| !f.starts_with(root));
    out.policy_dirty = Some(
        outside || {
            let paths: Vec<&OsStr> = real.iter().map(|f| f.as_os_str()).collect();
            // a file that git ignores is not in the commit, and `status` says nothing of it
            let known = git.ask_of(&["ls-files", "-z"], &paths).await?;
            let changed = git.ask_of(&["status", "--porcelain", "-z", "--untracked-files=all"], &paths).await?;
            known.all()?.iter().filter(|b| **b == 0).count() != paths.len() || !changed.all()?.is_empty()
        },
    );
    // what is inside a submodule is another repository's; that it stands at another commit is ours
    let status = ["status", "--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"];
    out.dirty = Some(!git.ask(&status).await?.all()?.is_empty());
    Ok(())
}

/// How git is asked.
struct Asked<'a> {
    program: &'a str,
    folder: &'a Path,
    until: Instant,
}

impl Asked<'_> {
    async fn ask(&self, args: &[&str]) -> Result<Answer, String> {
        self.ask_of(args, &[]).await
    }

    async fn ask_of(&self, args: &[&str], paths: &[&OsStr]) -> Result<Answer, String> {
        let mut c = tokio::process::Command::new(self.program);
        c.arg("-C").arg(self.folder).args(SAFE).args(args);
        if !paths.is_empty() {
            c.arg("--").args(paths);
        }
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let kept =
                KEPT.contains(&&*text) || ["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"].iter().any(|p| text.starts_with(p));
            if text.starts_with("GIT_") && !kept {
                c.env_remove(&name);
            }
        }
        c.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("GIT_NO_LAZY_FETCH", "1");
        c.env("GIT_ALLOW_PROTOCOL", "none").env("LC_ALL", "C");
        c.stdin(Stdio::null()).kill_on_drop(true);
        match timeout_at(self.until, c.output()).await {
            Ok(Ok(output)) => Ok(Answer(output)),
            Ok(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => Err(String::from("git is not installed")),
            Ok(Err(e)) => Err(format!("git cannot be started: {e}")),
            Err(_) => Err(format!("git did not answer within {}s", TIME.as_secs())),
        }
    }
}

struct Answer(Output);

impl Answer {
    /// One line; else what git said against it, if anything.
    fn text(&self) -> Result<String, Option<String>> {
        let text = String::from_utf8_lossy(&self.0.stdout).trim_end_matches('\n').to_owned();
        if self.0.status.success() && !text.is_empty() {
            return Ok(text);
        }
        Err(self.complaint())
    }

    /// All of it, which may be nothing.
    fn all(&self) -> Result<&[u8], String> {
        if self.0.status.success() {
            return Ok(&self.0.stdout);
        }
        Err(self.complaint().unwrap_or_else(|| format!("git ended with {}", self.0.status)))
    }

    fn complaint(&self) -> Option<String> {
        let said = String::from_utf8_lossy(&self.0.stderr);
        let first =
            said.lines().find(|l| l.starts_with("fatal:") || l.starts_with("error:")).or(said.lines().next())?;
        let first = one_line(first.trim_start_matches("fatal:").trim_start_matches("error:"));
        (!first.is_empty()).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Self {
            let r = Self(tempfile::tempdir().expect("a folder"));
            r.git(&["init", "-q", "-b", "main", "."]);
            r
        }

        fn git(&self, args: &[&str]) -> String {
            let mut c = Command::new("git");
            c.arg("-C").arg(self.0.path()).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(args);
            c.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
            let done = c.output().expect("git");
            assert!(done.status.success(), "{args:?}: {done:?}");
            String::from_utf8_lossy(&done.stdout).trim().to_owned()
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        }

        fn commit(&self) -> String {
            self.git(&["add", "-A"]);
            self.git(&["commit", "-q", "-m", "x"]);
            self.git(&["rev-parse", "HEAD"])
        }
    }

    #[tokio::test]
    async fn commit_branch_and_what_is_not_committed() {
        let r = Repository::new();
        let policy = r.write("p [x].canary", "a");
        let files = [policy.clone()];
        let none = look(&files).await;
        assert_eq!((none.commit, none.why.as_deref()), (None, Some("it has no commit yet")));
        let commit = r.commit();
        let clean = Git {
            commit: Some(commit.clone()),
            branch: Some("main".into()),
            branch_from: Some("git".into()),
            dirty: Some(false),
            policy_dirty: Some(false),
            why: None,
        };
        assert_eq!(look(&files).await, clean);
        // a new file beside it
        r.write("new", "");
        assert_eq!(look(&files).await, Git { dirty: Some(true), ..clean.clone() });
        std::fs::remove_file(r.0.path().join("new")).expect("removed");
        // the policy itself, changed and unknown
        r.write("p [x].canary", "b");
        assert_eq!(look(&files).await, Git { dirty: Some(true), policy_dirty: Some(true), ..clean.clone() });
        r.write("p [x].canary", "a");
        let unknown = r.write("env.canary", "");
        let both = [policy.clone(), unknown];
        assert_eq!(look(&both).await.policy_dirty, Some(true));
        // ignored by git is not in the commit either
        r.write(".gitignore", "env.canary\n");
        let commit = r.commit();
        let ignored = look(&both).await;
        assert_eq!((ignored.dirty, ignored.policy_dirty), (Some(false), Some(true)));
        // a file of another folder is in no commit of this repository
        let elsewhere = tempfile::NamedTempFile::new().expect("a file");
        let outside = look(&[policy.clone(), elsewhere.path().to_path_buf()]).await;
        assert_eq!((outside.dirty, outside.policy_dirty), (Some(false), Some(true)));
        // on no branch
        r.git(&["checkout", "-q", "--detach"]);
        let detached = look(&files).await;
        assert_eq!((detached.commit, detached.branch, detached.branch_from), (Some(commit), None, None));
        // through a link from elsewhere
        let link = tempfile::tempdir().expect("a folder");
        let through = link.path().join("p.canary");
        std::os::unix::fs::symlink(&policy, &through).expect("a link");
        assert_eq!(look(&[through]).await.policy_dirty, Some(false));
    }

    #[tokio::test]
    async fn no_repository_and_no_git() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("p.canary");
        std::fs::write(&file, "").expect("written");
        let why = look(std::slice::from_ref(&file)).await.why.expect("why");
        assert!(why.starts_with("not a git repository"), "{why}");
        let mut out = Git::default();
        let until = Instant::now() + TIME;
        let without = fill(&mut out, std::slice::from_ref(&file), "no-such-git-anywhere", until).await;
        assert_eq!(without, Err(String::from("git is not installed")));
        assert!(look(&[folder.path().join("gone.canary")]).await.why.is_some());
    }

    #[tokio::test]
    async fn a_git_that_hangs_is_not_waited_for() {
        let r = Repository::new();
        let policy = r.write("p.canary", "a");
        let slow = r.write("slow.sh", "#!/bin/sh\nexec sleep 60\n");
        std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let until = Instant::now() + Duration::from_millis(50);
        let hung = fill(&mut Git::default(), &[policy], &slow.display().to_string(), until).await;
        assert_eq!(hung, Err(String::from("git did not answer within 2s")));
    }

    #[tokio::test]
    async fn nothing_that_a_repository_names_is_run() {
        let r = Repository::new();
        let policy = r.write("p.canary", "a");
        let seen = r.0.path().join(".git/ran");
        let evil = r.write("evil.sh", &format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", seen.display()));
        std::fs::set_permissions(&evil, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let commit = r.commit();
        let evil = evil.display().to_string();
        for name in
            ["core.fsmonitor", "core.pager", "core.sshCommand", "core.editor", "diff.external", "credential.helper"]
        {
            r.git(&["config", name, &evil]);
        }
        let hook = r.0.path().join(".git/hooks");
        std::fs::create_dir_all(&hook).expect("a folder");
        for name in ["post-index-change", "fsmonitor-watchman"] {
            std::fs::copy(&evil, hook.join(name)).expect("a hook");
        }
        // same length, another time: git must look into the file
        r.write("p.canary", "b");
        let got = look(std::slice::from_ref(&policy)).await;
        assert_eq!((got.policy_dirty, got.why), (Some(true), None));
        assert!(!seen.exists(), "{:?}", std::fs::read_to_string(&seen));

        r.write(".git/info/attributes", "* filter=x\n");
        r.git(&["config", "filter.x.clean", &evil]);
        let got = look(&[policy]).await;
        assert_eq!((got.commit, got.dirty, got.policy_dirty), (Some(commit), None, None));
        assert!(got.why.is_some_and(|w| w.contains("filter.x.clean")));
        assert!(!seen.exists(), "{:?}", std::fs::read_to_string(&seen));
        // it would have run: the test can fail
        let _ = Command::new("git").arg("-C").arg(r.0.path()).arg("status").output();
        assert!(seen.exists());
    }
}
