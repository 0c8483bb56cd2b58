//! `canary check --format sarif|github|junit`: the real binary on wrong policies with awkward texts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use serde_json::{Value, json};
use std::process::Command;

fn check(format: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a b")).unwrap();
    std::fs::write(
        folder.path().join("a b/5%,ä:1.canary"),
        "edition 2026\nlet ä = 5min\nrollout r { check every 5min }\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("good.canary"),
        "edition 2026\nflag f: ratio\n\
         rollout g { phase a { flag f = 50%   hold 5m }\n\
         phase b { flag f = 10%   hold 5m } }\n",
    )
    .unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_canary"))
        .args(["check", "a b/5%,ä:1.canary", "good.canary"])
        .args(format)
        .current_dir(folder.path())
        .output()
        .unwrap();
    (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
}

#[test]
fn sarif() {
    let (code, text) = check(&["--format", "sarif"]);
    assert_eq!(code, 1);
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert!(results.len() >= 3, "{text}");
    for r in results {
        let index = usize::try_from(r["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], r["ruleId"], "{r}");
        assert_ne!(rules[index]["name"], "unknown");
        let region = &r["locations"][0]["physicalLocation"]["region"];
        assert!(region["startLine"].as_u64().unwrap() >= 1);
        assert!(
            (region["endLine"].as_u64(), region["endColumn"].as_u64()) >= (region["startLine"].as_u64(), Some(1)),
            "{r}"
        );
    }
    let slip = results
        .iter()
        .find(|r| r["ruleId"] == "E0110" && r["locations"][0]["physicalLocation"]["region"]["startLine"] == 3);
    let slip = slip.unwrap();
    let place = &slip["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/5%25%2C%C3%A4%3A1.canary");
    assert_eq!(place["region"], json!({ "startLine": 3, "startColumn": 25, "endLine": 3, "endColumn": 29 }));
    assert_eq!(slip["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"], "5m");
    assert_eq!(slip["fixes"][0]["artifactChanges"][0]["replacements"][0]["deletedRegion"], place["region"]);
    assert!(results.iter().any(|r| r["level"] == "warning" && r["ruleId"] == "W0602"), "{text}");
}

/// The official schema, which `serde-sarif` carries in its package.
fn schema() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata");
    let packages = metadata["packages"].as_array().unwrap();
    let manifest = packages.iter().find(|p| p["name"] == "serde-sarif").unwrap()["manifest_path"].as_str().unwrap();
    let file = std::path::Path::new(manifest).with_file_name("src").join("schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(schema["title"], "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema");
    schema
}

/// What the schema says against a log.
fn against_the_schema(log: &Value) -> Option<String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    compiler.add_resource("https://example.org/sarif.json", schema()).unwrap();
    let id = compiler.compile("https://example.org/sarif.json", &mut schemas).unwrap();
    schemas.validate(log, id).err().map(|e| e.to_string())
}

#[test]
fn sarif_is_valid_by_the_official_schema() {
    let mut logs = vec![check(&["--format", "sarif"]).1];
    // every wrong policy of the collection in one log, and one with what a comment lets pass
    for paths in [vec!["tests/check"], vec!["tests/fixtures/wrong"], vec!["policies"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canary"));
        command.arg("check").args(&paths).args(["--format", "sarif"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let out = command.output().unwrap();
        logs.push(String::from_utf8(out.stdout).unwrap());
    }
    let mut results = 0;
    for text in &logs {
        let log: Value = serde_json::from_str(text).unwrap();
        assert_eq!(against_the_schema(&log), None);
        let typed: serde_sarif::sarif::Sarif = serde_json::from_str(text).unwrap();
        results += typed.runs.iter().flat_map(|r| r.results.iter().flatten()).count();
    }
    assert!(results > 200, "{results}");
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let (_, text) = check(&["--format", "sarif"]);
    let log: Value = serde_json::from_str(&text).unwrap();
    for (place, wrong) in [
        ("/version", json!("2.0.0")),
        ("/runs/0/results/0/level", json!("bad")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/tool/driver", json!({})),
    ] {
        let mut log = log.clone();
        *log.pointer_mut(place).unwrap() = wrong;
        assert!(against_the_schema(&log).is_some(), "{place}");
    }
}

/// A comment that lets a warning pass, seen by every format.
#[test]
fn what_a_comment_lets_pass_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let policy = |comment: &str| {
        format!(
            "edition 2026\nflag f: ratio\nrollout g {{\n  phase a {{ flag f = 50%   hold 5m }}\n  {comment}\n  \
             phase b {{ flag f = 10%   hold 5m }}\n}}\n"
        )
    };
    let run = |comment: &str, args: &[&str]| {
        std::fs::write(folder.path().join("p.canary"), policy(comment)).unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_canary"))
            .args(["check", "p.canary"])
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
    };
    let good = "# canary: allow W0602 \"less at night\" until 2999-12-31";
    assert_eq!(run("", &[]).0, 0);
    assert_eq!(run("", &["--deny", "warnings"]).0, 1);
    let (code, text) = run(good, &["--deny", "warnings"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text, "1 file checked, nothing to say\n1 warning let pass by a comment\n");
    let json: Value = serde_json::from_str(&run(good, &["--format", "json"]).1).unwrap();
    assert_eq!(json["diagnostics"], json!([]));
    assert_eq!(json["suppressed"][0]["code"], "W0602");
    assert_eq!(json["suppressed"][0]["place"], "p.canary:6:13");
    assert_eq!(json["suppressed"][0]["comment"], "p.canary:5:3");
    assert_eq!(json["suppressed"][0]["reason"], "less at night");
    assert_eq!(json["suppressed"][0]["until"], "2999-12-31");
    let log: Value = serde_json::from_str(&run(good, &["--format", "sarif"]).1).unwrap();
    assert_eq!(against_the_schema(&log), None);
    let result = &log["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["suppressions"][0]["kind"]), (&json!("W0602"), &json!("inSource")));
    assert_eq!(result["suppressions"][0]["justification"], "less at night");
    // an old one lets nothing pass, and says so
    let (code, text) = run("# canary: allow W0602 \"less at night\" until 2020-02-29", &["--deny", "warnings"]);
    assert_eq!(code, 1);
    assert!(text.contains("W0602 was let pass until 2020-02-29") && text.contains("this phase lowers"), "{text}");
    // the formatter leaves them where they are
    std::fs::write(folder.path().join("p.canary"), policy(good).replace("  ", "     ")).unwrap();
    let fmt = Command::new(env!("CARGO_BIN_EXE_canary")).args(["fmt", "p.canary"]).current_dir(folder.path()).output();
    assert!(fmt.unwrap().status.success());
    let laid_out = std::fs::read_to_string(folder.path().join("p.canary")).unwrap();
    assert!(laid_out.contains(&format!("\n  {good}\n  phase b ")), "{laid_out}");
    // `plan` hears the comments too, and leaves those that are not needed to `check`
    let plan = |comment: &str| {
        std::fs::write(folder.path().join("p.canary"), policy(comment)).unwrap();
        let args = ["plan", "p.canary", "--env", "lab"];
        let out = Command::new(env!("CARGO_BIN_EXE_canary")).args(args).current_dir(folder.path()).output().unwrap();
        (out.status.code().unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    assert!(plan("").1.contains("W0602"));
    assert_eq!(plan(good), (0, String::new()));
    assert_eq!(plan(&format!("{good}\n  # canary: allow W0601 \"x\"")), (0, String::new()));
    assert_eq!(plan("# canary: allow W0602").0, 2);
}

/// By GitHub's page "Workflow commands": properties in a fixed grammar, `%`, line breaks, `:` and `,` escaped.
#[test]
fn github_lines_follow_the_form() {
    let out = Command::new(env!("CARGO_BIN_EXE_canary"))
        .args(["check", "tests/check", "--format", "github"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.lines().count() > 150);
    for line in text.lines() {
        let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (kind, properties) = head.split_once(' ').unwrap();
        assert!(["error", "warning"].contains(&kind), "{line}");
        let named: Vec<(&str, &str)> = properties.split(',').map(|p| p.split_once('=').unwrap()).collect();
        let names: Vec<&str> = named.iter().map(|p| p.0).collect();
        let whole = ["file", "line", "endLine", "col", "endColumn", "title"];
        assert!(names == whole || names == ["file", "line", "endLine", "title"], "{line}");
        for (name, value) in named {
            let number = !matches!(name, "file" | "title");
            assert!(!number || value.parse::<usize>().is_ok_and(|n| n > 0), "{line}");
            assert!(!value.contains(':'), "{line}");
        }
        let escapes =
            message.match_indices('%').all(|(i, _)| ["%25", "%0A", "%0D"].iter().any(|e| message[i..].starts_with(e)));
        assert!(escapes && !message.is_empty(), "{line}");
    }
}

#[test]
fn github() {
    let (code, text) = check(&["--format", "github"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("::error file=a b/5%25%2Cä%3A1.canary,line=3,endLine=3,col=25,endColumn=29,title=E0110::`min` is no unit%0Awrite `5m`\n"),
        "{text}"
    );
    assert!(text.contains("::warning file=good.canary,line=4,"), "{text}");
    assert!(text.lines().all(|l| l.starts_with("::error ") || l.starts_with("::warning ")), "{text}");
}

#[test]
fn junit() {
    // Python's own parser says whether it is XML
    let parse = |text: &str| {
        let script = "import sys,json,xml.etree.ElementTree as E\nr=E.fromstring(sys.stdin.read().encode())\n\
                      print(json.dumps([[c.get('name'),[f.text for f in c.findall('failure')],[o.text for o in c.findall('system-out')]] for c in r.iter('testcase')]))";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut python.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let out = python.wait_with_output().unwrap();
        assert!(out.status.success(), "{text}");
        serde_json::from_slice::<Value>(&out.stdout).unwrap()
    };
    let (code, text) = check(&["--format", "junit"]);
    assert_eq!(code, 1);
    let cases = parse(&text);
    assert_eq!(cases[0][0], "a b/5%,ä:1.canary");
    assert!(
        cases[0][1][0].as_str().unwrap().contains("5%,ä:1.canary:3:25: E0110 `min` is no unit\n  write `5m`"),
        "{cases}"
    );
    assert_eq!((&cases[1][0], &cases[1][1]), (&json!("good.canary"), &json!([])));
    assert!(cases[1][2][0].as_str().unwrap().contains("W0602"), "{cases}");
    // the counts of the suite are those of its cases
    let of = |name: &str| {
        let from = text.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        text[from..].split('"').next().unwrap().parse::<usize>().unwrap()
    };
    let failed = cases.as_array().unwrap().iter().filter(|c| c[1] != json!([])).count();
    assert_eq!((of("tests"), of("failures")), (cases.as_array().unwrap().len(), failed));
    let (_, denied) = check(&["--format", "junit", "--deny", "warnings"]);
    assert!(parse(&denied)[1][1][0].as_str().unwrap().contains("W0602"));
}
