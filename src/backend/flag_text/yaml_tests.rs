use super::super::Format;
use super::*;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn set(text: &str, at: &str, value: &str) -> String {
    Format::Yaml.edit(text, &key(at), Some(value)).unwrap()
}

fn gone(text: &str, at: &str) -> String {
    Format::Yaml.edit(text, &key(at), None).unwrap()
}

fn error(text: &str, at: &str) -> String {
    let e = find(text, &key(at)).map(|f| format!("{f:?}")).unwrap_err();
    assert_eq!(Format::Yaml.edit(text, &key(at), Some("true")).unwrap_err(), e);
    e
}

#[test]
fn a_value_is_replaced_and_nothing_else() {
    let text = "# flags\r\nfeatures:   # all\r\n  ä: 'x'\r\n  on: False  # why\r\n  list: [a, {b: 1}]\r\nother: >\r\n  text: yes\r\n";
    assert_eq!(find(text, &key("features/on")).unwrap().unwrap().scalar.as_deref(), Some("False"));
    assert_eq!(set(text, "features/on", "True"), text.replace("False", "True"));
    assert_eq!(set("{a: {b: 1.50, c: no}}", "a/c", "yes"), "{a: {b: 1.50, c: yes}}");
}

/// Each text, the key to add, and the text with it; and the way back to the byte.
#[test]
fn a_key_is_added_in_the_layout_of_its_neighbours_and_taken_away_without_a_trace() {
    for (text, at, want) in [
        ("", "a", "a: 1\n"),
        ("# only\n", "a", "# only\na: 1\n"),
        ("# only", "a", "# only\na: 1"),
        ("---\n", "a", "---\na: 1\n"),
        ("x: 1\n", "a", "x: 1\na: 1\n"),
        ("x: 1", "a", "x: 1\na: 1"),
        ("x: 1  # one\n# end\n", "a", "x: 1  # one\na: 1\n# end\n"),
        ("---\nx: 1\n...\n", "a", "---\nx: 1\na: 1\n...\n"),
        ("x:\r\n  y: 1\r\nz: 2\r\n", "x/a", "x:\r\n  y: 1\r\n  a: 1\r\nz: 2\r\n"),
        ("x:\n    y:\n        z: 1\n", "x/a", "x:\n    y:\n        z: 1\n    a: 1\n"),
        ("x:\n  y: |\n    text\n    more\nz: 1\n", "x/a", "x:\n  y: |\n    text\n    more\n  a: 1\nz: 1\n"),
        ("x:\n  - 1\n  - 2\n", "a", "x:\n  - 1\n  - 2\na: 1\n"),
        ("x:\n- 1\n- y: 2\n", "a/b", "x:\n- 1\n- y: 2\na: { b: 1 }\n"),
        ("flags:\n", "flags/a", "flags:\n  a: 1\n"),
        ("flags: # none yet\nz: 1\n", "flags/a", "flags: # none yet\n  a: 1\nz: 1\n"),
        ("flags:\n", "flags/a/b", "flags:\n  a: { b: 1 }\n"),
        ("x: 1\n", "a/b/c", "x: 1\na: { b: { c: 1 } }\n"),
        ("{}\n", "a", "{a: 1}\n"),
        ("{}\n", "a/b", "{a: { b: 1 }}\n"),
        ("{ }\n", "a", "{a: 1 }\n"),
        ("x: {}\n", "x/a", "x: {a: 1}\n"),
        ("x: {y: 1}\n", "x/a", "x: {y: 1, a: 1}\n"),
        ("x: {y: 1,}\n", "x/a", "x: {y: 1, a: 1,}\n"),
        ("{\n  \"x\": 1,\n  \"y\": [1, 2]\n}\n", "a", "{\n  \"x\": 1,\n  \"y\": [1, 2], a: 1\n}\n"),
        ("x: 1\n", "on", "x: 1\n\"on\": 1\n"),
        ("x: 1\n", "a b~1c", "x: 1\n\"a b/c\": 1\n"),
        ("x: 1\n", "a\u{2028}ü", "x: 1\n\"a\\u2028ü\": 1\n"),
    ] {
        assert_eq!(set(text, at, "1"), want, "{text:?}");
        assert_eq!(gone(want, at), text, "{want:?}");
        assert_eq!(gone(text, at), text, "what is not there cannot go");
    }
}

#[test]
fn two_keys_of_one_made_mapping_can_go_in_any_order() {
    let one = set("x: 1\n", "a/b", "true");
    let two = set(&one, "a/c", "true");
    assert_eq!(two, "x: 1\na: { b: true, c: true }\n");
    assert_eq!(gone(&gone(&two, "a/c"), "a/b"), "x: 1\n");
    assert_eq!(gone(&gone(&two, "a/b"), "a/c"), "x: 1\n");
}

#[test]
fn what_others_added_behind_our_key_stays() {
    assert_eq!(gone("x: 1\na: 1  # ours\n# theirs\ny: 2\n", "a"), "x: 1\n# theirs\ny: 2\n");
    assert_eq!(gone("{x: 1, a: 1, y: 2}", "a"), "{x: 1, y: 2}");
    assert_eq!(gone("{a: 1, y: 2}", "a"), "{y: 2}");
}

#[test]
fn what_cannot_be_edited_is_told_with_its_place() {
    for (text, at, why) in [
        ("a: 1\na: 2\n", "a", "2:1: the key \"a\" stands here a second time (first at 1:1)"),
        ("a: &x true\nb: *x\n", "a", "1:4: an anchor, which other places may repeat stands on the way to a"),
        ("x: &x {a: 1}\n", "x/a", "an anchor"),
        ("x: &x true\na: *x\n", "a", "2:4: an alias stands on the way to a"),
        ("d: &d {q: 1}\nx:\n  <<: *d\n", "x/q", "3:3: a merge key may bring \"q\" from elsewhere"),
        ("a: !!bool true\n", "a", "a tag stands on the way"),
        ("a: 1\n---\nb: 2\n", "a", "a second document begins here"),
        ("a: [1]\n", "a/b", "1:4: a mapping was expected, here is a list"),
        ("a: text\n", "a/b", "here is `text`"),
        ("- a\n", "a", "1:1: a mapping was expected, here is a list"),
        ("a: b: c\n", "a", "1:"),
        ("a: \"open\n", "a", ":"),
        ("\u{feff}a: 1\n", "a", "1:1: begins with a byte order mark"),
    ] {
        let e = error(text, at);
        assert!(e.contains(why), "{text:?}: {e}");
    }
}

#[test]
fn what_others_wrote_keeps_its_meaning() {
    // a line break behind the last line of a block would become a part of its text
    let e = Format::Yaml.edit("x: |\n  last", &key("a"), Some("1")).unwrap_err();
    assert_eq!(e, "2:3: a block of text ends the file without a line break: end its last line");
    assert_eq!(set("x: |\n  last\n", "a", "1"), "x: |\n  last\na: 1\n");
    // what is said of another key is not taken away with ours
    assert_eq!(gone("{\n  x: 1, # c\n  a: 2\n}\n", "a"), "{\n  x: 1 # c\n  \n}\n");
    assert_eq!(gone("{\n  x: 1 # c, d\n  , a: 2\n}\n", "a"), "{\n  x: 1 # c, d\n   \n}\n");
    assert_eq!(gone("{\n  x: 1, # c\n  a: 2, y: 3\n}\n", "a"), "{\n  x: 1 # c\n  , y: 3\n}\n");
}

#[test]
fn other_types_are_named() {
    for (text, what) in [
        ("a: \"true\"\n", "the text \"true\""),
        ("a:\n", "nothing"),
        ("a: [1]\n", "a list"),
        ("a: {b: 1}\n", "a mapping"),
        ("a: |\n  true\n", "a block of text"),
    ] {
        let found = find(text, &key("a")).unwrap().unwrap();
        assert_eq!(found.scalar, None, "{text:?}");
        assert!(found.what.starts_with(what), "{found:?}");
    }
    // what is plain is for the spelling to judge
    assert_eq!(find("a: maybe\n", &key("a")).unwrap().unwrap().scalar.as_deref(), Some("maybe"));
}

#[test]
fn hostile_texts_end_in_an_error_and_soon() {
    for deep in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(50_000), "? ".repeat(50_000)] {
        assert!(parse(&deep).is_err());
    }
    let long = format!("x: {}\na: false\n", "y".repeat(8 << 20));
    assert_eq!(set(&long, "a", "true").len(), long.len() - 1);
}
