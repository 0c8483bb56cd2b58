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
    let (_, denied) = check(&["--format", "junit", "--deny", "warnings"]);
    assert!(parse(&denied)[1][1][0].as_str().unwrap().contains("W0602"));
}
