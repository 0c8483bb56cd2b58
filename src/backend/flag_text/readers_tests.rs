//! Files as other programs read them, before and after our edits: python3's `json`, `tomllib` and `yaml`, and `bash`. The script
//! makes files, asks for edits, and reads what came of them; this half only answers it.

use super::*;
use crate::backend::flag::FlagKind;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

fn answer(asked: &Value) -> Value {
    let said = |name: &str| asked[name].as_str().unwrap().to_owned();
    let format = Format::of_backend(&said("format")).unwrap();
    let (text, key) = (said("text"), format.key(&said("key")).unwrap());
    let found = match format.find(&text, &key) {
        Ok(found) => found,
        Err(why) => return json!({ "error": why }),
    };
    let scalar = found.as_ref().and_then(|f| f.scalar.clone());
    let read = |kind| scalar.as_deref().and_then(|raw| spelling::read(format, kind, raw)).map(|s| s.to_string());
    let edited = |value: Option<&str>| match format.edit(&text, &key, value) {
        Ok(text) => json!({ "text": text }),
        Err(why) => json!({ "error": why }),
    };
    let with = format.edit(&text, &key, asked["value"].as_str());
    let back = with.as_ref().ok().map(|with| format.edit(with, &key, scalar.as_deref()));
    json!({
        "there": found.is_some(),
        "scalar": scalar,
        "bool": read(FlagKind::Bool),
        "count": read(FlagKind::Count),
        "ratio": read(FlagKind::Ratio),
        "with": edited(asked["value"].as_str()),
        "without": edited(None),
        "back": back.map(|b| b.unwrap_or_else(|why| format!("error: {why}"))),
    })
}

#[test]
fn other_readers_read_what_was_meant() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/flag_readers.py");
    // a python3 of the user's own may stand before the system's, for which the package is
    let can = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import yaml, tomllib"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|s| s.success())
    };
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(can) else {
        let why = "python3 with yaml and tomllib is not installed (apt-get install python3-yaml)";
        assert!(std::env::var_os("CANARY_REQUIRE_SERVERS").is_none(), "{why}");
        println!("SKIPPED: {why}");
        return;
    };
    let cases = std::env::var("CANARY_CASES").unwrap_or_else(|_| "300".to_owned());
    let seed = std::env::var("CANARY_SEED").unwrap_or_else(|_| "1".to_owned());
    let mut script = Command::new(python)
        .args([script, &seed, &cases])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = script.stdin.take().unwrap();
    for line in BufReader::new(script.stdout.take().unwrap()).lines() {
        let asked: Value = serde_json::from_str(&line.unwrap()).unwrap();
        writeln!(to, "{}", answer(&asked)).unwrap();
    }
    assert!(script.wait().unwrap().success(), "readers disagree: see above");
}
