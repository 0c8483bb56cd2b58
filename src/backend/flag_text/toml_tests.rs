use super::super::Format;
use super::*;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn set(text: &str, at: &str, value: &str) -> String {
    Format::Toml.edit(text, &key(at), Some(value)).unwrap()
}

fn gone(text: &str, at: &str) -> String {
    Format::Toml.edit(text, &key(at), None).unwrap()
}

#[test]
fn a_value_is_replaced_and_nothing_else() {
    let text = "# flags\r\n[features]   # all\r\n  on = false  # why\r\n  n = 1_0\r\n[a.b]\r\nc = [1, # x\r\n 2]\r\n";
    assert_eq!(set(text, "features/on", "true"), text.replace("false", "true"));
    assert_eq!(set(text, "features/n", "7"), text.replace("1_0", "7"));
    assert_eq!(set("x = { y = 1.50 , z = 2 }\n", "x/y", "7"), "x = { y = 7 , z = 2 }\n");
    assert_eq!(set("a.b.c = 1\n", "a/b/c", "7"), "a.b.c = 7\n");
}

/// Each text, the key to add, and the text with it; and the way back to the byte.
#[test]
fn a_key_is_added_in_the_layout_of_its_neighbours_and_taken_away_without_a_trace() {
    for (text, at, want) in [
        ("", "a", "a = 1\n"),
        ("# only", "a", "# only\na = 1"),
        ("x = 1\n", "a", "x = 1\na = 1\n"),
        ("x = 1", "a/b", "x = 1\na.b = 1"),
        ("x = 1 # one\n\n[t]\ny = 2\n", "a", "x = 1 # one\na = 1\n\n[t]\ny = 2\n"),
        ("x = 1\r\n[t]\r\n  y = 2\r\n\r\n[u]\r\n", "t/a", "x = 1\r\n[t]\r\n  y = 2\r\n  a = 1\r\n\r\n[u]\r\n"),
        ("[t]\n[t.u]\nx = 1\n", "t/a", "[t]\na = 1\n[t.u]\nx = 1\n"),
        ("[t]\n[t.u]\nx = 1\n", "t/u/a", "[t]\n[t.u]\nx = 1\na = 1\n"),
        ("[t]", "t/a", "[t]\na = 1"),
        ("# file\n\n# about t\n[t]\nx = 1\n", "a", "# file\n\na = 1\n# about t\n[t]\nx = 1\n"),
        ("  [t]\n  x = 1\n", "a", "a = 1\n  [t]\n  x = 1\n"),
        ("a.b = 1\nz = 2\n", "a/c", "a.b = 1\nz = 2\na.c = 1\n"),
        ("[t.u]\nx = 1\n", "t/v/w", "t.v.w = 1\n[t.u]\nx = 1\n"),
        ("x = {}\n", "x/a", "x = {a = 1}\n"),
        ("x = { y = 1 }\n", "x/a/b", "x = { y = 1, a.b = 1 }\n"),
        ("x = [\n  1,\n  2,\n]\n", "a", "x = [\n  1,\n  2,\n]\na = 1\n"),
        ("x = \"\"\"\n[t]\n\"\"\"\n", "a", "x = \"\"\"\n[t]\n\"\"\"\na = 1\n"),
        ("x = 1\n", "a b~1c", "x = 1\n\"a b/c\" = 1\n"),
        ("[[l]]\nx = 1\n", "a", "a = 1\n[[l]]\nx = 1\n"),
    ] {
        assert_eq!(set(text, at, "1"), want, "{text:?}");
        assert_eq!(gone(want, at), text, "{want:?}");
        assert_eq!(gone(text, at), text, "what is not there cannot go");
    }
}

#[test]
fn what_others_added_behind_our_key_stays() {
    assert_eq!(gone("x = 1\na = 1 # ours\n# theirs\ny = 2\n", "a"), "x = 1\n# theirs\ny = 2\n");
    assert_eq!(gone("x = { a = 1, y = 2 }\n", "x/a"), "x = { y = 2 }\n");
    assert_eq!(gone("x = { y = 1, a = 1, z = 2 }\n", "x/a"), "x = { y = 1, z = 2 }\n");
}

#[test]
fn what_cannot_be_edited_is_told_with_its_place() {
    for (text, at, why) in [
        ("a = 1\na = 2\n", "a", "2:1: duplicate key"),
        ("[[a]]\nb = 1\n", "a/b", "\"a\" was expected to be a table, here is a list"),
        ("a = 1\n", "a/b", "1:5: \"a\" was expected to be a table, here is the number 1"),
        ("a = \n", "a", "1:"),
        ("\u{feff}a = 1\n", "a", "1:1: begins with a byte order mark"),
    ] {
        let e = find(text, &key(at)).map(|f| format!("{f:?}")).unwrap_err();
        assert!(e.contains(why), "{text:?}: {e}");
    }
}

#[test]
fn other_types_are_named() {
    for (text, what) in [
        ("a = \"true\"\n", "the string \"true\""),
        ("a = [1]\n", "a list"),
        ("[a]\n", "a table"),
        ("a = 2026-11-21\n", "the time 2026-11-21"),
    ] {
        let found = find(text, &key("a")).unwrap().unwrap();
        assert_eq!((found.scalar, found.what.as_str()), (None, what), "{text:?}");
    }
}

#[test]
fn hostile_texts_end_in_an_error_and_soon() {
    for deep in [format!("a = {}", "[".repeat(100_000)), format!("a = {}", "{b=".repeat(100_000)), "[a".repeat(50_000)]
    {
        assert!(parse(&deep).is_err());
    }
    let long = format!("x = \"{}\"\na = false\n", "y".repeat(8 << 20));
    assert_eq!(set(&long, "a", "true").len(), long.len() - 1);
}
