use super::super::Format;
use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

fn key(text: &str) -> Key {
    Format::Env.key(text).unwrap()
}

fn set(text: &str, at: &str, value: &str) -> String {
    Format::Env.edit(text, &key(at), Some(value)).unwrap()
}

fn gone(text: &str, at: &str) -> String {
    Format::Env.edit(text, &key(at), None).unwrap()
}

#[test]
fn a_value_is_replaced_and_nothing_else() {
    let text = "# flags\r\nexport A=false # why\r\nB=\"x\r\nA=1\"\r\n\r\n  C='no'\r\n";
    assert_eq!(set(text, "A", "true"), text.replace("false", "true"));
    assert_eq!(set(text, "C", "'yes'"), text.replace("'no'", "'yes'"));
    assert_eq!(set("A=5", "A", "50"), "A=50");
    assert_eq!(set("A=\nB=1\n", "A", "50"), "A=50\nB=1\n");
}

#[test]
fn a_variable_is_added_at_the_end_and_taken_away_without_a_trace() {
    for (text, want) in [
        ("", "A=1\n"),
        ("B=2\n", "B=2\nA=1\n"),
        ("B=2", "B=2\nA=1"),
        ("B=2\r\n# end\r\n", "B=2\r\n# end\r\nA=1\r\n"),
        ("export B=2\n", "export B=2\nexport A=1\n"),
        ("B=\"two\nlines\"\n", "B=\"two\nlines\"\nA=1\n"),
        ("B=joined\\\nA=2\n", "B=joined\\\nA=2\nA=1\n"),
    ] {
        assert_eq!(set(text, "A", "1"), want, "{text:?}");
        assert_eq!(gone(want, "A"), text, "{want:?}");
        assert_eq!(gone(text, "A"), text);
    }
}

#[test]
fn what_readers_understand_differently_is_refused() {
    for (text, why) in [
        ("A=1\nB=2\nA=2\n", "3:1: A is set here a second time (first at 1:1)"),
        ("A = 1\n", "1:2: A has blanks before `=`"),
        ("A= 1\n", "1:2: A has blanks behind `=`"),
        ("A=\"1\"2\n", "1:2: A has text behind its closing quote"),
        ("\u{feff}A=1\n", "1:1: begins with a byte order mark"),
        ("export B=1 A=1\n", "1:12: A stands behind something else on its line"),
        ("B=1 A=1 # c\nA=1\n", "1:5: A stands behind something else on its line"),
        ("declare A=1\n", "1:9: A stands behind something else on its line"),
        ("B=it's\nA=1\nC=don't\n", "2:1: A stands behind a quote that is open at the end of line 1"),
        ("B=\"x\"'y\nA=1'\n", "2:1: A stands behind a quote that is open at the end of line 1"),
    ] {
        let e = find(text, &key("A")).map(|f| format!("{f:?}")).unwrap_err();
        assert!(e.starts_with(why), "{text:?}: {e}");
        assert!(Format::Env.edit(text, &key("A"), Some("1")).is_err());
    }
    // in quotes and comments, and behind an apostrophe that nothing closes, it is no assignment
    for text in ["B='x A=1'\nA=1\n", "# x A=1\nA=1\n", "B=1 # A=1\nA=1\n", "B=1 # it's\nA=1\n# it's\n", "B=it's\nA=1\n"]
    {
        assert_eq!(
            set(text, "A", "5"),
            format!("{}A=5\n{}", &text[..text.rfind("A=1\n").unwrap()], {
                let (_, tail) = text.split_once("\nA=1\n").unwrap();
                tail
            }),
            "{text:?}"
        );
    }
    // others' variables are their own matter
    assert_eq!(set("B = 1\nB=2\nA=1\n", "A", "2"), "B = 1\nB=2\nA=2\n");
    for bad in ["", "1A", "A-B", "a/b", "A B", "Ä"] {
        assert!(Format::Env.key(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_stands_there_is_named() {
    let found = |text: &str| find(text, &key("A")).unwrap().unwrap();
    assert_eq!((found("A=\n").scalar, found("A=\n").what.as_str()), (None, "nothing"));
    assert_eq!(found("A=#c\n").scalar, None);
    assert_eq!(found("A='two\nlines'\n").scalar, None);
    assert_eq!(found("A=a#b # c\n").scalar.as_deref(), Some("a#b"));
    assert_eq!(found("\n  A=10%\n").place, "2:5");
    assert_eq!(find("#A=1\nXA=1\nA\n", &key("A")).unwrap(), None);
}

/// What a shell takes from a file.
fn by_shell(text: &str, name: &str) -> Option<String> {
    let mut shell = Command::new("bash")
        .args(["-c", "set -a; . /dev/stdin; printf '%s.' \"${!NAME-unset}\""])
        .env_clear()
        .env("NAME", name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = shell.wait_with_output().unwrap();
    let value = String::from_utf8(out.stdout).unwrap();
    Some(value.strip_suffix('.')?.to_owned())
}

#[test]
fn a_shell_reads_what_was_written() {
    for text in [
        "A=false # why\nB=1\n",
        "export A=false\n",
        "A='false'\n",
        "B=\"a\nA=9\nb\"\nA=\"false\"\n",
        "B='it'\nA=\"false\" # c\nC=\"\\\"\nA=1\"\n",
        "B=joined\\\nA=7\nA=false\n",
        "B=C:\\\\\nA=false\n",
        "B=1 # C:\\\nA=false\n",
        "B=it\\'s\nA=false\n",
        "B=1\n",
        "",
    ] {
        let like = find(text, &key("A")).unwrap().and_then(|f| f.scalar).unwrap_or_default();
        let value = if like.is_empty() { "true".to_owned() } else { like.replace("false", "true") };
        let after = set(text, "A", &value);
        assert_eq!(by_shell(&after, "A").as_deref(), Some("true"), "{after}");
        assert_eq!(by_shell(&after, "B"), by_shell(text, "B"), "{after}");
        assert_eq!(by_shell(&after, "C"), by_shell(text, "C"), "{after}");
    }
}
