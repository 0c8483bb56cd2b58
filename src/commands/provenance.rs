//! Finds out where a run comes from, before anything is changed.

use super::git;
use super::load::Compiled;
use crate::backend::Secret;
use crate::report::provenance::{Git, Provenance};
use crate::store::{host, user};
use std::path::PathBuf;
use std::process::Stdio;

/// Where a CI system says its job's page is.
const JOB_URLS: [&str; 7] = [
    "CI_JOB_URL",
    "BUILDKITE_BUILD_URL",
    "CIRCLE_BUILD_URL",
    "TRAVIS_JOB_WEB_URL",
    "DRONE_BUILD_LINK",
    "CI_PIPELINE_URL",
    "BUILD_URL",
];

/// Where a CI system, which often checks out a commit and no branch, says which branch it was: of a proposed change, the branch
/// that is proposed.
const BRANCHES: [&str; 9] = [
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_BRANCH",
    "BUILDKITE_BRANCH",
    "CIRCLE_BRANCH",
    "TRAVIS_BRANCH",
    "DRONE_BRANCH",
    "BRANCH_NAME",
];

/// Everything that is known of where this process's run comes from. Never an error; takes two seconds at most.
pub async fn collect(compiled: &Compiled) -> Provenance {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
    let (mut git, effective) = tokio::join!(git::look(&compiled.files), effective_user());
    name_branch(&mut git, &var);
    let secrets = super::credentials::secrets(&compiled.bindings);
    let known = at_once(&compiled.files);
    Provenance {
        user: effective.unwrap_or_else(|| known.user.clone()),
        sudo_user: var("SUDO_USER"),
        arguments: std::env::args_os().map(|a| shown(&a.to_string_lossy(), &secrets)).collect(),
        ci_job: job(&var).map(|url| shown(&url, &secrets)),
        sources: compiled.sources.clone(),
        git,
        ..known
    }
}

/// What is known without asking another program, of a run of these files.
pub fn at_once(files: &[PathBuf]) -> Provenance {
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        user: user(),
        uid: Some(rustix::process::geteuid().as_raw()),
        host: host(),
        pid: std::process::id(),
        files: files.iter().map(|f| f.display().to_string()).collect(),
        ..Provenance::default()
    }
}

/// An argument without the secrets that this run reads, and without credentials inside a URL.
fn shown(text: &str, secrets: &[Secret]) -> String {
    let text = secrets.iter().fold(text.to_owned(), |t, s| s.redact(&t));
    let Some(start) = text.find("://").map(|i| i + 3) else { return text };
    let (head, rest) = text.split_at(start);
    let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{head}***@{host}{tail}"),
        None => text,
    }
}

fn name_branch(git: &mut Git, var: &dyn Fn(&str) -> Option<String>) {
    if git.branch.is_some() {
        return;
    }
    let tag = var("GITHUB_REF_TYPE").is_some_and(|t| t == "tag");
    let found = BRANCHES.iter().filter(|n| !(tag && **n == "GITHUB_REF_NAME")).find_map(|n| Some((*n, var(n)?)));
    if let Some((name, branch)) = found {
        git.branch = Some(branch);
        git.branch_from = Some(name.to_owned());
    }
}

fn job(var: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let github = || {
        let (server, repository, run) = (var("GITHUB_SERVER_URL")?, var("GITHUB_REPOSITORY")?, var("GITHUB_RUN_ID")?);
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    };
    let azure = || {
        let (server, project, build) =
            (var("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI")?, var("SYSTEM_TEAMPROJECT")?, var("BUILD_BUILDID")?);
        Some(format!("{}/{project}/_build/results?buildId={build}", server.trim_end_matches('/')))
    };
    github().or_else(|| JOB_URLS.iter().find_map(|n| var(n))).or_else(azure)
}

/// The effective user's name, as the system's own directory of users has it: `USER` is only what somebody exported.
async fn effective_user() -> Option<String> {
    let mut c = tokio::process::Command::new("id");
    c.arg("-un").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(git::TIME, c.output()).await.ok()?.ok()?;
    let name = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    (done.status.success() && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(list: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| list.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn an_argument_shows_no_secret() {
        let secrets = [Secret::new("hunter22"), Secret::new("x")];
        assert_eq!(shown("--set=a=hunter22", &secrets), "--set=a=***");
        assert_eq!(shown("https://me:pw@host:9/p?a@b", &secrets), "https://***@host:9/p?a@b");
        assert_eq!(shown("https://host/p@q", &secrets), "https://host/p@q");
        assert_eq!(shown("max=1%", &secrets), "max=1%");
    }

    #[test]
    fn a_ci_system_names_what_git_does_not() {
        let mut git = Git::default();
        name_branch(&mut git, &of(&[("GITHUB_REF_NAME", "7/merge"), ("GITHUB_HEAD_REF", "topic")]));
        assert_eq!((git.branch.as_deref(), git.branch_from.as_deref()), (Some("topic"), Some("GITHUB_HEAD_REF")));
        name_branch(&mut git, &of(&[("CI_COMMIT_BRANCH", "other")]));
        assert_eq!(git.branch.as_deref(), Some("topic"), "what is known stays");
        let mut git = Git::default();
        name_branch(&mut git, &of(&[("GITHUB_REF_NAME", "v1"), ("GITHUB_REF_TYPE", "tag")]));
        assert_eq!(git, Git::default());
    }

    #[test]
    fn a_job_has_its_page() {
        let github =
            [("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")];
        assert_eq!(job(&of(&github)).as_deref(), Some("https://github.com/a/b/actions/runs/7"));
        assert_eq!(job(&of(&[("CI_JOB_URL", "https://g/1")])).as_deref(), Some("https://g/1"));
        let azure = [
            ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "https://dev/o/"),
            ("SYSTEM_TEAMPROJECT", "p"),
            ("BUILD_BUILDID", "9"),
        ];
        assert_eq!(job(&of(&azure)).as_deref(), Some("https://dev/o/p/_build/results?buildId=9"));
        assert_eq!(job(&of(&[])), None);
    }
}
