//! Completions work in the shell that they are for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::process::Command;

const CANARY: &str = env!("CARGO_BIN_EXE_canary");

fn script(shell: &str) -> String {
    let out = Command::new(CANARY).args(["completions", shell]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap()
}

/// What bash offers for a line whose last word is being typed.
fn offered(line: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canary.bash");
    std::fs::write(&file, script("bash")).unwrap();
    // what bash does at the tab key: it calls the function that `complete` names, with the line in COMP_WORDS
    let code = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        function=$(complete -p canary | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function" canary "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let out = Command::new("bash").args(["--norc", "-c", code, "bash"]).arg(&file).args(line).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered(&["canary", "ki"]), ["kill", "killswitch"]);
    assert!(offered(&["canary", ""]).iter().any(|w| w == "rollback" || w == "run"));
    let options = offered(&["canary", "run", "--"]);
    assert!(options.iter().any(|o| o == "--dry-run") && options.iter().any(|o| o == "--env"), "{options:?}");
    let options = offered(&["canary", "record", "--"]);
    for option in ["--from", "--to", "--step", "--limit", "--env"] {
        assert!(options.iter().any(|o| o == option), "{option}: {options:?}");
    }
    let options = offered(&["canary", "repl", "--"]);
    for option in ["--recording", "--env", "--rollout", "--keep-going"] {
        assert!(options.iter().any(|o| o == option), "{option}: {options:?}");
    }
    assert_eq!(offered(&["canary", "check", "--format", "s"]), ["short", "sarif"]);
    assert_eq!(offered(&["canary", "init", "--template", ""]), ["http", "flag", "script"]);
}

#[test]
fn every_shell_gets_a_script_with_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = script(shell);
        for command in ["check", "fmt", "plan", "run", "record", "sim", "repl", "killswitch", "completions"] {
            assert!(text.contains(command), "{shell}: {command}");
        }
    }
    // zsh and fish read what they are given, where they are installed
    for (shell, check) in [("zsh", "-n"), ("fish", "--no-execute")] {
        if support::installed(shell) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), script(shell)).unwrap();
            let out = Command::new(shell).arg(check).arg(file.path()).output().unwrap();
            assert!(out.status.success(), "{shell}: {out:?}");
        }
    }
}

#[test]
fn an_unknown_shell_is_told_which_there_are() {
    let out = Command::new(CANARY).args(["completions", "tcsh"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(text.contains("bash") && text.contains("zsh"), "{text}");
}
