//! Modules: where they are read from, what they bring, and what is said when they are wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check::modules::{Modules, NoFiles, library};
use canary::syntax::docs::docs;
use canary::syntax::source::SourceMap;
use canary::{check, syntax};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const CANARY: &str = env!("CARGO_BIN_EXE_canary");

/// A repository with files in it.
struct Repo {
    folder: tempfile::TempDir,
}

struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Repo {
    fn new(files: &[(&str, &str)]) -> Self {
        let repo = Self::without_git(files);
        std::fs::create_dir(repo.folder.path().join("repo/.git")).unwrap();
        repo
    }

    fn without_git(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("repo")).unwrap();
        let repo = Self { folder };
        for (path, text) in files {
            repo.write(path, text);
        }
        repo
    }

    /// Writes a file; the path is seen from the repository.
    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("repo")
    }

    fn canary(&self, args: &[&str]) -> Done {
        let done = Command::new(CANARY).args(args).current_dir(self.root()).output().unwrap();
        Done {
            code: done.status.code().unwrap(),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }

    /// The findings of `canary check` as codes, main places and messages.
    fn found(&self, path: &str) -> Vec<String> {
        let done = self.canary(&["check", "--format", "json", path]);
        let v: Value = serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {}{}", done.out, done.err));
        let place = |d: &Value| format!("{}:{}", d["labels"][0]["file"].as_str().unwrap(), d["labels"][0]["line"]);
        v["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| format!("{} {} {}", d["code"].as_str().unwrap(), place(d), d["message"].as_str().unwrap()))
            .collect()
    }

    fn human(&self, path: &str) -> String {
        self.canary(&["check", path]).out
    }
}

/// A policy whose guard reads something.
fn policy(head: &str, guards: &str) -> String {
    format!(
        "edition 2026\n{head}\ntraffic shop\nchannel oncall\nrollout shop {{\n{guards}\n  phase all {{ traffic shop = 5%   hold 10m }}\n  \
         on rollback, pause, blind: notify oncall\n}}\n"
    )
}

const TEAM: &str = "edition 2026\nparam job: string\nparam most: ratio = 1% at most 2%\n\
    metric failed: counter = prometheus(`x_total{job=\"${job}\", code=\"500\"}`)\n\
    metric served: counter = prometheus(`x_total{job=\"${job}\"}`)\n\
    metric errors: events = events(bad: failed, total: served)\nlet fine = errors < most\n";

const NOTHING: [&str; 0] = [];

#[test]
fn a_module_brings_its_names_and_its_params_are_bound() {
    let p = policy("use \"./lib/team.canary\"(job: \"a\\\"b\") as team", "  guard errors: team.fine else rollback");
    let repo = Repo::new(&[("p.canary", &p), ("lib/team.canary", TEAM)]);
    assert_eq!(repo.found("p.canary"), NOTHING);
    let plan = repo.canary(&["plan", "p.canary", "--env", "lab"]);
    assert_eq!(plan.code, 0, "{}", plan.err);
    // the string cannot leave its quotes
    assert!(plan.out.contains(r#"x_total{job="a\"b"}"#), "{}", plan.out);
    assert!(plan.out.contains("team.served") && plan.out.contains("team.most = 1%"), "{}", plan.out);
}

#[test]
fn one_module_twice_is_two_sets_of_names() {
    let p = policy(
        "param rate: ratio = 0.5% at most 1%\nuse \"team.canary\"(job: \"a\", most: rate) as a\nuse \"team.canary\"(job: \"b\") as b",
        "  guard a: a.fine else rollback\n  guard b: b.errors <= a.most else rollback",
    );
    let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
    assert_eq!(repo.found("p.canary"), NOTHING);
    let plan = repo.canary(&["plan", "p.canary", "--env", "lab", "--set", "rate=0.7%"]);
    assert!(plan.out.contains("job=\"a\"") && plan.out.contains("job=\"b\""), "{}{}", plan.out, plan.err);
    assert!(plan.out.contains("0.7%"), "{}", plan.out);
    // what a `use` binds is not set from outside
    let set = repo.canary(&["plan", "p.canary", "--env", "lab", "--set", "a.most=2%"]);
    assert!(set.code != 0 && set.err.contains("a param of a module is bound by its `use`"), "{}", set.err);
}

#[test]
fn a_string_may_be_set_without_quotes() {
    let p = policy(
        "param job: string = \"x\"\nuse \"team.canary\"(job: job) as team",
        "  guard errors: team.fine else rollback",
    );
    let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
    for (set, want) in [("job=shop", "job=\"shop\""), ("job=\"quoted\"", "job=\"quoted\"")] {
        let plan = repo.canary(&["plan", "p.canary", "--env", "lab", "--set", set]);
        assert!(plan.out.contains(want), "{set}: {}{}", plan.out, plan.err);
    }
}

#[test]
fn arguments_are_checked_where_they_stand() {
    for (args, want) in [
        ("", "E0212 p.canary:2 `team.canary` needs `job`"),
        ("(\"a\")", "E0212 p.canary:2 a param of a module is bound by its name"),
        ("(jop: \"a\")", "E0212 p.canary:2 `team.canary` has no param `jop`"),
        ("(job: \"a\", job: \"b\")", "E0212 p.canary:2 `job` is given twice"),
        ("(job: 3)", "E0301 p.canary:2 param `team.job` takes a string, and `3` is a number without unit"),
        ("(job: \"a\", most: 1)", "E0302 p.canary:2 param `team.most` takes a ratio, and `1` is a number without unit"),
        ("(job: \"a\", most: 3%)", "E0307 p.canary:2 the value given is out of bounds: `team.most` must be at most 2%"),
        ("(job: other)", "E0201 p.canary:2 unknown name `other`"),
    ] {
        let p = policy(&format!("use \"team.canary\"{args} as team"), "  guard errors: team.fine else rollback");
        let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
        assert_eq!(repo.found("p.canary"), [want], "{args}");
    }
    let p = policy("use \"team.canary\"(jop: \"a\", most: 3%) as team", "  guard errors: team.fine else rollback");
    let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
    let text = repo.human("p.canary");
    assert!(text.contains("did you mean `job`?") && text.contains("team.canary:3:"), "{text}");
}

#[test]
fn an_unknown_name_is_looked_for_in_the_module() {
    let p = policy(
        "use \"team.canary\"(job: \"a\") as team",
        "  guard a: team.erors < 1% else rollback\n  guard b: errors < 1% else rollback\n  guard c: team < 1 else rollback\n  \
         guard e: team.errors < 1% else rollback",
    );
    let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
    assert_eq!(
        repo.found("p.canary"),
        [
            "E0201 p.canary:6 module `team` has no `erors`",
            "E0201 p.canary:7 unknown name `errors`",
            "E0204 p.canary:8 `team` is a module, and has no value"
        ]
    );
    assert_eq!(repo.human("p.canary").matches("did you mean `team.errors`?").count(), 2);
}

#[test]
fn a_module_sees_nothing_of_who_imports_it() {
    // `most` is the policy's, and the module's own text must not find it
    let module = "edition 2026\nmetric errors: ratio = prometheus(`e{k=\"${most}\"}`)\nlet fine = errors < most\n";
    let p = policy(
        "param most: ratio = 1% at most 2%\nuse \"m.canary\" as mod",
        "  guard a: mod.fine and mod.errors < most else rollback",
    );
    let repo = Repo::new(&[("p.canary", &p), ("m.canary", module)]);
    assert_eq!(
        repo.found("p.canary"),
        ["E0312 m.canary:2 unknown `${most}` in a query", "E0201 m.canary:3 unknown name `mod.most`"]
    );
    assert_eq!(repo.human("p.canary").matches("p.canary:3:1: imported here").count(), 2);
}

#[test]
fn what_a_module_imports_is_its_own() {
    let outer = "edition 2026\nuse \"inner.canary\" as inner\nmetric slow: ratio = inner.slow\n";
    let inner = "edition 2026\nmetric slow: ratio = prometheus(`slow`)\n";
    let p = policy("use \"outer.canary\" as outer", "  guard a: outer.slow < 1% else rollback");
    let repo = Repo::new(&[("p.canary", &p), ("outer.canary", outer), ("inner.canary", inner)]);
    assert_eq!(repo.found("p.canary"), NOTHING);
    repo.write("p.canary", &policy("use \"outer.canary\" as outer", "  guard a: outer.inner.slow < 1% else rollback"));
    assert_eq!(repo.found("p.canary"), ["E0201 p.canary:6 module `outer` has no `inner`"]);
}

#[test]
fn rollouts_environments_and_tests_stay_at_home() {
    let other = policy("metric errors: ratio = prometheus(`e`)", "  guard a: errors < 1% else rollback");
    let p = policy("use \"other.canary\" as other", "  guard a: other.errors < 1% else rollback");
    let repo = Repo::new(&[("p.canary", &p), ("other.canary", &other)]);
    assert_eq!(repo.found("p.canary"), NOTHING);
    let plan = repo.canary(&["plan", "p.canary", "--env", "lab"]);
    assert!(plan.err.contains("reads bare selectors") || plan.code == 0, "{}", plan.err);
}

#[test]
fn nothing_is_read_outside_of_the_repository() {
    let repo = Repo::new(&[]);
    std::fs::write(repo.folder.path().join("secret.canary"), "edition 2026\nthe secret\n").unwrap();
    std::os::unix::fs::symlink(repo.folder.path().join("secret.canary"), repo.root().join("link.canary")).unwrap();
    std::os::unix::fs::symlink(repo.folder.path(), repo.root().join("up")).unwrap();
    let absolute = repo.folder.path().join("secret.canary").display().to_string();
    for (path, want) in [
        ("../secret.canary", "leads out of this repository"),
        ("lib/../../secret.canary", "leads out of this repository"),
        ("../../../../../../../../../../../../etc/passwd", "leads out of this repository"),
        (absolute.as_str(), "is an absolute path"),
        ("link.canary", "is a link that leads out of this repository"),
        ("up/secret.canary", "is a link that leads out of this repository"),
    ] {
        repo.write("p.canary", &policy(&format!("use \"{path}\" as mod"), "  guard a: mod.errors < 1% else rollback"));
        let found = repo.found("p.canary");
        assert!(
            found.len() == 1 && found[0].starts_with("E0211 p.canary:2") && found[0].contains(want),
            "{path}: {found:?}"
        );
        assert!(!repo.human("p.canary").contains("the secret"));
    }
    // a link that stays inside is a file like any other
    repo.write("team.canary", TEAM);
    std::os::unix::fs::symlink(repo.root().join("team.canary"), repo.root().join("alias.canary")).unwrap();
    repo.write("p.canary", &policy("use \"alias.canary\"(job: \"a\") as mod", "  guard a: mod.fine else rollback"));
    assert_eq!(repo.found("p.canary"), NOTHING);
    // without a repository: the policy's folder, for its modules' modules as well
    let repo = Repo::without_git(&[("team.canary", TEAM)]);
    repo.write("lib/a.canary", "edition 2026\nuse \"../team.canary\"(job: \"a\") as t\nlet fine = t.fine\n");
    repo.write("p.canary", &policy("use \"lib/a.canary\" as a", "  guard a: a.fine else rollback"));
    assert_eq!(repo.found("p.canary"), NOTHING);
    std::fs::write(repo.folder.path().join("out.canary"), TEAM).unwrap();
    repo.write("lib/a.canary", "edition 2026\nuse \"../../out.canary\"(job: \"a\") as t\nlet fine = t.fine\n");
    let found = repo.found("p.canary");
    assert!(found.len() == 1 && found[0].contains("the folder of this policy, which is in no repository"), "{found:?}");
}

#[test]
fn a_missing_module_makes_one_finding() {
    for (module, want, help) in [
        ("\"teem.canary\"", "cannot read module `teem.canary`", "did you mean `team.canary`?"),
        ("\"lib\"", "`lib` is a folder", "the path is seen from the folder of this file"),
        ("\"notes.txt\"", "does not end in `.canary`", "the path is seen"),
        ("std.htp", "no module `std.htp`", "did you mean `std.http`?"),
        ("team", "no module `team`", "a file is named in quotes"),
    ] {
        let p = policy(
            &format!("use {module}(job: \"a\") as team"),
            "  guard a: team.errors < 1% else rollback\n  guard b: team.x else hold",
        );
        let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM), ("lib/x.canary", TEAM), ("notes.txt", "")]);
        let found = repo.found("p.canary");
        assert!(
            found.len() == 1 && found[0].starts_with("E0210 p.canary:2") && found[0].contains(want),
            "{module}: {found:?}"
        );
        assert!(repo.human("p.canary").contains(help), "{module}: {}", repo.human("p.canary"));
    }
}

#[test]
fn circles_show_their_chain() {
    let using = |other: &str| format!("edition 2026\nuse \"{other}\" as next\nlet fine = next.fine\n");
    let p = policy("use \"a.canary\" as a", "  guard a: a.fine else rollback");
    let repo = Repo::new(&[("p.canary", &p), ("a.canary", &using("b.canary")), ("b.canary", &using("./a.canary"))]);
    let found = repo.found("p.canary");
    assert_eq!(found, ["E0209 b.canary:2 modules import each other in a circle"]);
    let text = repo.human("p.canary");
    assert!(text.contains("`a.canary` → `b.canary` → `a.canary`"), "{text}");
    assert!(text.contains("a.canary:2:1: imported here") && text.contains("p.canary:2:1: imported here"), "{text}");
    repo.write("a.canary", &using("a.canary"));
    assert_eq!(repo.found("a.canary"), ["E0209 a.canary:2 a module imports itself"]);
}

#[test]
fn a_diamond_is_no_circle() {
    let side = "edition 2026\nuse \"base.canary\"(job: \"a\") as base\nlet fine = base.fine\n";
    let p = policy("use \"l.canary\" as l\nuse \"r.canary\" as r", "  guard a: l.fine and r.fine else rollback");
    let repo = Repo::new(&[("p.canary", &p), ("l.canary", side), ("r.canary", side), ("base.canary", TEAM)]);
    assert_eq!(repo.found("p.canary"), NOTHING);
}

#[test]
fn chains_and_multitudes_have_an_end() {
    let repo = Repo::new(&[]);
    // a chain
    for i in 0..40 {
        repo.write(
            &format!("m{i}.canary"),
            &format!("edition 2026\nuse \"m{}.canary\" as n\nlet fine = n.fine\n", i + 1),
        );
    }
    repo.write("m40.canary", "edition 2026\nmetric e: ratio = prometheus(`e`)\nlet fine = e < 1%\n");
    repo.write("p.canary", &policy("use \"m0.canary\" as mod", "  guard a: mod.fine else rollback"));
    let found = repo.found("p.canary");
    assert!(found.len() == 1 && found[0].starts_with("E0213 m14.canary:2"), "{found:?}");
    // each level twice: two to the fourteenth
    for i in 0..14 {
        let next = i + 1;
        repo.write(
            &format!("m{i}.canary"),
            &format!(
                "edition 2026\nuse \"m{next}.canary\" as a\nuse \"m{next}.canary\" as b\nlet fine = a.fine and b.fine\n"
            ),
        );
    }
    repo.write("m14.canary", "edition 2026\nmetric e: ratio = prometheus(`e`)\nlet fine = e < 1%\n");
    let found = repo.found("p.canary");
    assert!(found.len() == 1 && found[0].contains("more than 200 modules"), "{found:?}");
}

#[test]
fn an_alias_is_a_name_like_any_other() {
    for (head, want) in [
        (
            "metric team: ratio = prometheus(`e`)\nuse \"team.canary\"(job: \"a\") as team",
            "E0202 p.canary:3 `team` is declared twice",
        ),
        (
            "use \"team.canary\"(job: \"a\") as team\nuse \"team.canary\"(job: \"b\") as team",
            "E0202 p.canary:3 `team` is declared twice",
        ),
        ("use \"team.canary\"(job: \"a\") as stable", "E0203 p.canary:2 `stable` has a meaning in the language"),
    ] {
        let p = policy(head, "  guard a: missing(before) else rollback");
        let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
        let found = repo.found("p.canary");
        assert_eq!(found[0], want, "{found:?}");
    }
}

#[test]
fn an_import_that_nothing_uses_is_said() {
    let p = policy(
        "metric e: ratio = prometheus(`e`)\nuse \"team.canary\"(job: \"a\") as team",
        "  guard a: e < 1% else rollback",
    );
    let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
    assert_eq!(repo.found("p.canary"), ["W0601 p.canary:3 module `team` is not used"]);
}

#[test]
fn a_poisoned_module_is_reported_once() {
    let bad = "edition 2026\nmetric errors: ratio = prometheus(`e`)\nmetric slow: ratoi = prometheus(`s`)\nlet fine = errors < 5\n";
    let one = policy(
        "use \"bad.canary\" as a\nuse \"bad.canary\" as b",
        "  guard a: a.fine and a.slow < 1% else rollback\n  guard b: b.fine and b.slow < 1% else rollback",
    );
    let two = policy("use \"bad.canary\" as c", "  guard a: c.fine else rollback");
    let repo = Repo::new(&[("one.canary", &one), ("two.canary", &two), ("bad.canary", bad)]);
    let want = [
        "E0315 bad.canary:3 unknown kind of metric `ratoi`",
        "E0302 bad.canary:4 cannot compare a ratio and a number without unit",
    ];
    assert_eq!(repo.found("one.canary"), want);
    // the module itself, and two policies that import it
    assert_eq!(repo.found("."), want);
    // a text that is no text at all
    repo.write("bad.canary", "edition 2026\nmetric errors ratio = prometheus(`e`)\n");
    let found = repo.found(".");
    assert!(found.len() == 1 && found[0].starts_with("E0112 bad.canary:2"), "{found:?}");
    std::fs::write(repo.root().join("bad.canary"), b"edition 2026\n\xff\xfe").unwrap();
    let found = repo.found("one.canary");
    assert!(found.len() == 1 && found[0].starts_with("E0101 bad.canary:1"), "{found:?}");
    // a module says its edition
    repo.write(
        "bad.canary",
        "metric errors: ratio = prometheus(`e`)\nmetric slow: ratio = prometheus(`s`)\nlet fine = errors < 5%\n",
    );
    let found = repo.found("one.canary");
    assert!(found.len() == 1 && found[0].starts_with("E0401 bad.canary:1"), "{found:?}");
}

#[test]
fn a_param_without_a_value_is_a_modules() {
    let p = policy(
        "param job: string\nmetric e: ratio = prometheus(`e{job=\"${job}\"}`)",
        "  guard a: e < 1% else rollback",
    );
    let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
    assert_eq!(repo.found("p.canary"), ["E0320 p.canary:2 param `job` has no value"]);
    // by itself a module is checked as far as it goes
    assert_eq!(repo.found("team.canary"), NOTHING);
    let bounded = "edition 2026\nparam job: string = \"a\" at most \"b\"\n";
    repo.write("b.canary", bounded);
    assert_eq!(repo.found("b.canary"), ["E0301 b.canary:2 param `job` is a string, and strings have no order"]);
}

#[test]
fn the_plan_changes_with_the_module_and_names_its_file() {
    let p = policy("use \"team.canary\"(job: \"a\") as team", "  guard errors: team.fine else rollback");
    let repo = Repo::new(&[("p.canary", &p), ("team.canary", TEAM)]);
    let hash = |repo: &Repo| {
        let plan = repo.canary(&["plan", "p.canary", "--env", "lab", "--format", "json"]);
        let v: Value = serde_json::from_str(&plan.out).unwrap_or_else(|e| panic!("{e}: {}", plan.err));
        v["plan"]["hash"].as_str().or(v["hash"].as_str()).unwrap().to_owned()
    };
    let before = hash(&repo);
    repo.write("team.canary", &format!("{TEAM}# a comment changes nothing that is run\n"));
    assert_eq!(hash(&repo), before);
    repo.write("team.canary", &TEAM.replace("code=\"500\"", "code=\"503\""));
    assert_ne!(hash(&repo), before);
}

/// What a team's policies share, ports among it.
const PORTS: &str = "edition 2026\nchannel oncall\naction smoke timeout 60s, undo clean\naction clean timeout 60s, undo none\n\
    flag cache: bool\nflags pct: [indexer, mailer] in [0%, 50%]\nkillswitch no_cache {\n  flag cache = off\n  run clean\n}\n";

const WITH_PORTS: &str = "edition 2026\nuse \"ports.canary\" as team\nmetric e: ratio = prometheus(`e{${where}}`)\ntraffic shop\n\
    rollout shop {\n  guard e: e < 1%  else rollback, kill team.no_cache\n  phase all {\n    \
    traffic shop = 5%, flag team.cache = on, flag team.pct = 50%\n    run team.smoke\n    hold 10m\n  }\n  \
    on rollback, pause, blind, kill: notify team.oncall\n  when e > 2%: run team.clean\n}\n";

const BOUND: &str = "edition 2026\nenvironment production {\n  prometheus = prometheus(url: env(\"P\"), scrape: 15s)\n  \
    shop = haproxy(socket: \"/run/h.sock\", backend: \"be\", canary: \"v2\", stable: \"v1\")\n  team.oncall = slack(url: secret(\"S\"))\n  \
    team.smoke = command([\"./smoke.sh\"])\n  team.clean = command([\"./clean.sh\"])\n  \
    team.cache = json_file(path: \"f.json\", key: \"on/${flag}\")\n  team.pct = json_file(path: \"f.json\", key: \"pct/${flag}\")\n  \
    variants shop { canary = `version=\"v2\"` stable = `version=\"v1\"` }\n}\n";

#[test]
fn ports_of_a_module_are_bound_set_run_and_told() {
    let repo =
        Repo::new(&[("p.canary", WITH_PORTS), ("ports.canary", PORTS), ("environments/production.canary", BOUND)]);
    assert_eq!(repo.found("."), NOTHING);
    let plan = repo.canary(&["plan", "p.canary", "--env", "production"]);
    for part in [
        "set team.cache = on",
        "set team.pct.mailer = 50%",
        "run team.smoke",
        "team.no_cache  thrown by hand, or by guard e",
    ] {
        assert!(plan.out.contains(part), "no `{part}` in\n{}{}", plan.out, plan.err);
    }
    for (from, to, want) in [
        (
            "team.smoke = ",
            "team.smok = ",
            "E0507 environments/production.canary:6 `team.smok` is bound, and not declared",
        ),
        ("team.oncall = ", "oncall = ", "E0506 p.canary:12 environment `production` does not bind `team.oncall`"),
    ] {
        repo.write("environments/production.canary", &BOUND.replace(from, to));
        assert_eq!(repo.found("."), [want]);
    }
    repo.write("environments/production.canary", BOUND);
    repo.write("p.canary", &WITH_PORTS.replace("run team.smoke", "run team.smoek").replace("notify team.", "notify "));
    assert_eq!(
        repo.found("."),
        ["E0201 p.canary:9 unknown name `team.smoek`", "E0201 p.canary:12 unknown name `oncall`"]
    );
    let text = repo.human(".");
    assert!(text.contains("did you mean `team.smoke`?") && text.contains("did you mean `team.oncall`?"), "{text}");
    // `fmt` keeps them
    repo.write("p.canary", WITH_PORTS);
    let formatted = repo.canary(&["fmt", "."]);
    assert_eq!(formatted.code, 0, "{}", formatted.err);
    assert_eq!(repo.found("."), NOTHING);
}

#[test]
fn a_run_reads_its_modules_and_keeps_which_they_were() {
    let module = "edition 2026\nparam over: duration = 2s at least 1s at most 1h\n\
        metric failed: counter = prometheus(`http_requests_total{code=~\"5..\", ${where}}`)\n\
        metric served: counter = prometheus(`http_requests_total{${where}}`)\n\
        metric errors: events = events(bad: failed, total: served, window: over)\nchannel oncall\n";
    let p = "edition 2026\nuse \"lib/shop.canary\" as shop\ntraffic checkout\nrollout checkout {\n  check every 500ms\n  \
        guard errors: shop.errors < 50%  else rollback\n  phase all { traffic checkout = 50%   hold 1s }\n  \
        on rollback, pause, blind, promote: notify shop.oncall\n}\n";
    let repo = Repo::new(&[("policies/p.canary", p), ("policies/lib/shop.canary", module)]);
    let done = repo.canary(&["run", "policies/p.canary", "--env", "lab", "--report", "report.json"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(repo.root().join("report.json")).unwrap()).unwrap();
    let text = report.to_string();
    assert!(text.contains("shop.errors"), "{text}");
    let sources = report["provenance"]["sources"].as_array().unwrap_or_else(|| panic!("{text}"));
    let paths: Vec<&str> = sources.iter().map(|s| s["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["policies/p.canary", "policies/lib/shop.canary"]);
    assert_eq!(sources[1]["sha256"], canary::plan::hash::sha256_hex(module.as_bytes()));
}

#[test]
fn a_policy_over_the_library_runs_in_the_lab() {
    let p = "edition 2026\nparam service: string = \"shop\"\nuse std.http(service: service, over: 30s) as http\ntraffic checkout\n\
        channel oncall\nrollout checkout {\n  check every 500ms\n  guard errors: http.errors(1s) < 50%  else rollback\n  \
        phase all { traffic checkout = 50%   hold 1s }\n  on rollback, pause, blind: notify oncall\n}\n";
    let repo = Repo::new(&[("p.canary", p)]);
    let done = repo.canary(&["run", "p.canary", "--env", "lab", "--set", "service=\"\""]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
}

fn expanded(
    name: &str,
    text: &str,
) -> (check::Checked, Vec<syntax::diagnostic::Diagnostic>, SourceMap, syntax::ast::File) {
    let mut map = SourceMap::default();
    let id = map.add(name, text);
    let (file, mut found) = syntax::parse(id, text);
    let mut none = NoFiles;
    let mut modules = Modules::new(&mut none);
    let file = modules.expand(&mut map, "", name, file);
    found.extend(modules.finish());
    (check::check_files(std::slice::from_ref(&file), &map), found, map, file)
}

#[test]
fn every_name_of_the_library_is_used_in_a_policy_that_checks() {
    for module in library::NAMES {
        let word = module.strip_prefix("std.").unwrap();
        let path = format!("tests/fixtures/stdlib/{word}.canary");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let (checked, found, map, file) = expanded(&path, &text);
        let all: Vec<_> = found.into_iter().chain(checked.diagnostics).collect();
        assert!(all.is_empty(), "{}", syntax::render::human(&map, &all, syntax::render::Style::default()));
        let (made, found) = check::compile(std::slice::from_ref(&file), &map, None, Some("production"), &[]);
        assert!(
            made.is_some() && found.is_empty(),
            "{}",
            syntax::render::human(&map, &found, syntax::render::Style::default())
        );

        let mut own = SourceMap::default();
        let source = library::text(module).unwrap();
        let id = own.add(module, source);
        let d = docs(&syntax::parse(id, source).0, &own);
        assert!(!d.about.is_empty() && d.about.contains("```canary"), "{module}: no example");
        for p in &d.params {
            assert!(!p.doc.is_empty(), "{module}: `{}` is not documented", p.name);
            assert!(text.contains(&format!("{}: ", p.name)), "{path} does not give `{}`", p.name);
            if p.default.is_some() && matches!(p.ty.as_str(), "duration" | "ratio") {
                assert!(p.at_most.is_some(), "{module}: `{}` loosens and has no bound", p.name);
            }
        }
        for n in &d.declarations {
            assert!(!n.doc.is_empty(), "{module}: `{}` is not documented", n.name);
            let said = format!("{word}.{}", n.name);
            let inside = source.matches(n.name.as_str()).count() > 1;
            let used = text
                .match_indices(&said)
                .any(|(i, _)| !text[i + said.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'));
            assert!(used || (inside && n.kind.as_deref() == Some("counter")), "{path} does not use `{said}`");
        }
    }
}

#[test]
fn the_page_of_the_library_is_what_doc_writes() {
    let done = Command::new(CANARY).arg("doc").output().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stdlib.md");
    let page = std::fs::read_to_string(path).unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap(), page, "`canary doc > docs/stdlib.md` writes it anew");
}

#[test]
fn a_file_of_ones_own_is_documented_too() {
    let repo = Repo::new(&[(
        "lib/team.canary",
        "# What our services have in common.\nedition 2026\n\n# Who is asked.\nparam job: string\n\n# Share of\n# failures.\nmetric errors: ratio = prometheus(`e{job=\"${job}\"}`)\n",
    )]);
    let done = repo.canary(&["doc", "lib/team.canary"]);
    assert_eq!(done.code, 0, "{}", done.err);
    for part in [
        "# lib/team.canary\n\nWhat our services have in common.\n",
        "    use \"lib/team.canary\"(job: …) as team\n",
        "| `job` | string | must be given |  | Who is asked. |\n",
        "| `team.errors` | ratio | Share of failures. |\n",
    ] {
        assert!(done.out.contains(part), "no `{part}` in\n{}", done.out);
    }
    let v: Value = serde_json::from_str(&repo.canary(&["doc", "lib/team.canary", "--format", "json"]).out).unwrap();
    assert_eq!(v["schema"], "canary.doc/1");
    assert_eq!(v["modules"][0]["params"][0]["default"], Value::Null);
    let missing = repo.canary(&["doc", "std.htp"]);
    assert!(missing.code != 0 && missing.err.contains("std.http"), "{}", missing.err);
    repo.write("lib/team.canary", "edition 2026\nmetric\n");
    assert!(repo.canary(&["doc", "lib/team.canary"]).code != 0);
}
