use super::super::Glance;
use super::*;
use proptest::prelude::*;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn set(text: &str, at: &str, value: &str) -> String {
    edit(text, &key(at), Some(value)).unwrap()
}

fn gone(text: &str, at: &str) -> String {
    edit(text, &key(at), None).unwrap()
}

#[test]
fn keys_are_written_as_in_rfc_6901() {
    assert_eq!(key("a/b").0, ["a", "b"]);
    assert_eq!(key("a~1b/~01").0, ["a/b", "~1"]);
    assert_eq!(key("a~1b/~01").to_string(), "a~1b/~01");
    for bad in ["", "/a", "a/", "a//b", "a~2", "a~"] {
        assert!(Key::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_value_is_replaced_and_nothing_else() {
    let text = "// flags\n{\n\t\"a\" : {\"b\":false , /* why */ \"c\": 1.50e0},\r\n  \"d\": [1,2 ,3],\n}\n\n";
    assert_eq!(set(text, "a/b", "true"), text.replace("false", "true"));
    assert_eq!(set(text, "a/c", "7"), text.replace("1.50e0", "7"));
    assert_eq!(set(text, "a/b", "false"), text);
}

/// Each text, the key to add, and the text with it; and the way back to the byte.
#[test]
fn a_key_is_added_in_the_layout_of_its_neighbours_and_taken_away_without_a_trace() {
    for (text, at, want) in [
        ("{}", "a", "{\"a\": 1}"),
        ("{}", "a/b", "{\"a\": { \"b\": 1 }}"),
        ("{ }", "a", "{\"a\": 1 }"),
        ("{  }", "a", "{\"a\": 1  }"),
        ("{\n}\n", "a", "{\n  \"a\": 1\n}\n"),
        ("{\"x\":1}", "a", "{\"x\":1,\"a\":1}"),
        ("{\"x\": 1}", "a", "{\"x\": 1, \"a\": 1}"),
        ("{ \"x\": 1, \"y\": 2 }", "a", "{ \"x\": 1, \"y\": 2, \"a\": 1 }"),
        ("{\n  \"x\": 1\n}", "a", "{\n  \"x\": 1,\n  \"a\": 1\n}"),
        ("{\r\n\t\"x\": 1\r\n}", "a", "{\r\n\t\"x\": 1,\r\n\t\"a\": 1\r\n}"),
        ("{\n  \"x\": 1,\n}", "a", "{\n  \"x\": 1,\n  \"a\": 1,\n}"),
        ("{\n\n\n  \"x\": 1\n\n}", "a", "{\n\n\n  \"x\": 1,\n  \"a\": 1\n\n}"),
        ("{\n  \"x\": 1 // one\n}", "a", "{\n  \"x\": 1, // one\n  \"a\": 1\n}"),
        ("{\n  \"x\": 1, // one\n}", "a", "{\n  \"x\": 1, // one\n  \"a\": 1,\n}"),
        ("{\"x\":1 // one\n}", "a", "{\"x\":1, // one\n\"a\":1\n}"),
        ("{ // none\n}", "a", "{ // none\n  \"a\": 1\n}"),
        ("{ /* none */ }", "a", "{ /* none */\"a\": 1 }"),
        ("{\"a\": {}}", "a/b", "{\"a\": {\"b\": 1}}"),
        ("{\"a\": {}}", "a/b/c", "{\"a\": {\"b\": { \"c\": 1 }}}"),
        ("{\"x\": 1}", "a/b/c", "{\"x\": 1, \"a\": { \"b\": { \"c\": 1 } }}"),
        ("{\n  \"a\": {\n    \"x\": 1\n  }\n}", "a/b", "{\n  \"a\": {\n    \"x\": 1,\n    \"b\": 1\n  }\n}"),
        ("{\n  \"a\": {\n  }\n}", "a/b", "{\n  \"a\": {\n    \"b\": 1\n  }\n}"),
        ("{\"x\": 1}", "q\"~1", "{\"x\": 1, \"q\\\"/\": 1}"),
    ] {
        assert_eq!(set(text, at, "1"), want, "{text}");
        assert_eq!(gone(want, at), text);
        assert_eq!(gone(text, at), text, "what is not there cannot go");
    }
}

#[test]
fn two_keys_of_one_made_object_can_go_in_any_order() {
    let one = set("{\"x\": 1}", "a/b", "true");
    let two = set(&one, "a/c", "true");
    assert_eq!(two, "{\"x\": 1, \"a\": { \"b\": true, \"c\": true }}");
    assert_eq!(gone(&gone(&two, "a/c"), "a/b"), "{\"x\": 1}");
    assert_eq!(gone(&gone(&two, "a/b"), "a/c"), "{\"x\": 1}");
}

#[test]
fn what_others_added_behind_our_key_stays() {
    assert_eq!(gone("{\"x\": 1, \"a\": 1, \"y\": 2}", "a"), "{\"x\": 1, \"y\": 2}");
    assert_eq!(gone("{\"a\": 1, \"y\": 2}", "a"), "{\"y\": 2}");
    assert_eq!(gone("{\n  \"a\": 1, // theirs\n  \"y\": 2\n}", "a"), "{ // theirs\n  \"y\": 2\n}");
    assert_eq!(gone("{\n  \"a\": 1,\n  \"y\": 2\n}", "a"), "{\n  \"y\": 2\n}");
    assert_eq!(gone("{\"a\": 1,}", "a"), "{}");
    assert_eq!(gone("{\"x\": 1, /* one */ \"a\": 1 /* two */}", "a"), "{\"x\": 1 /* one */ /* two */}");
}

#[test]
fn errors_say_where() {
    let err = |text: &str, at: &str| find(text, &key(at)).unwrap_err();
    assert_eq!(err("", "a"), "1:1: an object was expected, the file is empty");
    assert_eq!(err("  // nothing\n", "a"), "1:1: an object was expected, the file is empty");
    assert_eq!(err("[1]", "a"), "1:1: an object was expected, here is a list");
    assert!(err("\u{feff}{}", "a").starts_with("1:1: begins with a byte order mark"));
    assert!(err("{\n  \"a\": tru\n}", "a").starts_with("2:8: "));
    assert!(err("{\"a\": 1", "a").contains("unterminated object"));
    assert!(err("{\"a\": 1} {}", "a").starts_with("1:10: "));
    assert!(err("{'a': 1}", "a").contains("single-quoted"));
    assert_eq!(err("{\"a\": 1,\n \"a\": 2}", "a"), "2:2: the key \"a\" stands here a second time (first at 1:2)");
    assert_eq!(err("{\"a\": \"on\"}", "a/b"), "1:7: \"a\" was expected to be an object, here is the string \"on\"");
    // a key that stands twice elsewhere is not ours to judge
    assert!(find("{\"x\": 1, \"x\": 2, \"a\": 3}", &key("a")).unwrap().is_some());
}

#[test]
fn what_stands_there_is_told() {
    let found = |text: &str| find(text, &key("a")).unwrap().unwrap();
    assert_eq!(found("{\"a\": true}").scalar.as_deref(), Some("true"));
    assert_eq!(found("{\"a\": -1.50}").scalar.as_deref(), Some("-1.50"));
    assert_eq!(found("{\n \"a\": null}").what, "null");
    assert_eq!(found("{\n \"a\": null}").place, "2:7");
    assert_eq!(found("{\"a\": []}").scalar, None);
    assert_eq!(find("{\"b\": 1}", &key("a")).unwrap(), None);
    assert_eq!(find("{\"b\": {}}", &key("b/c/d")).unwrap(), None);
    // escapes in a key are read
    assert!(find("{\"\\u0061\": 1}", &key("a")).unwrap().is_some());
}

/// Texts with every blank, comment and comma where it may stand.
fn documents() -> impl Strategy<Value = String> {
    let blank = prop_oneof![
        Just(""),
        Just(" "),
        Just("  "),
        Just("\n"),
        Just("\r\n\t"),
        Just("\n\n    "),
        Just("/* c, { */"),
        Just("// , }\n"),
    ];
    let leaf = prop_oneof![Just("1".to_owned()), Just("\"x,}\"".to_owned()), Just("[1, {\"k\": 2}]".to_owned())];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let b = blank.clone();
        (proptest::collection::vec((b.clone(), b.clone(), b.clone(), inner, b.clone()), 0..4), any::<bool>(), b)
            .prop_map(|(props, trailing, end)| {
                let n = props.len();
                let mut out = "{".to_owned();
                for (i, (b1, b2, b3, value, b4)) in props.into_iter().enumerate() {
                    let comma = if i + 1 < n || trailing { "," } else { "" };
                    out.push_str(&format!("{b1}\"k{i}\"{b2}:{b3}{value}{b4}{comma}"));
                }
                out + end + "}"
            })
    })
    .prop_filter("an object", |t| t.starts_with('{'))
}

proptest! {
    /// Adding a key that is not there and taking it away is the identity on bytes, and adding changes no other value.
    #[test]
    fn adding_and_removing_leaves_no_trace(text in documents(), at in prop_oneof![
        Just("new"), Just("k0/new"), Just("k1/new/er"), Just("new/er/est"), Just("k0/k0/new"),
    ]) {
        let at = key(at);
        if let Ok(None) = find(&text, &at) {
            let added = edit(&text, &at, Some("true")).unwrap();
            let found = find(&added, &at).unwrap().unwrap();
            prop_assert_eq!(found.scalar.as_deref(), Some("true"));
            prop_assert_eq!(edit(&added, &at, None).unwrap(), text.clone());
            let changed = edit(&added, &at, Some("false")).unwrap();
            prop_assert_eq!(edit(&changed, &at, None).unwrap(), text);
        }
    }

    /// Taking any key away leaves JSON in which the others are what they were.
    #[test]
    fn removing_any_key_keeps_the_others(text in documents(), i in 0_usize..4) {
        let at = key(&format!("k{i}"));
        let without = edit(&text, &at, None).unwrap();
        prop_assert_eq!(find(&without, &at).unwrap(), None);
        for j in (0..4).filter(|j| *j != i) {
            let other = key(&format!("k{j}"));
            let (a, b) = (find(&text, &other).unwrap(), find(&without, &other).unwrap());
            prop_assert_eq!(a.map(|f| (f.scalar, f.what)), b.map(|f| (f.scalar, f.what)));
        }
    }
}

const KEYS: [&str; 14] = [
    "k0", "k1", "k2", "k3", "a", "b", "new/a", "new/b", "new/er/a", "new/er/b", "k0/new", "k0/k0", "k1/new/a",
    "k1/new/b",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Many edits at once are the same as one after the other: those that remove, then those that set.
    #[test]
    fn many_edits_at_once_are_as_one_by_one(
        text in documents(),
        edits in prop::sample::subsequence(KEYS.to_vec(), 1..10).prop_shuffle().prop_flat_map(|keys| {
            let n = keys.len();
            let value = prop_oneof![Just(None), Just(Some("true")), Just(Some("12.5"))];
            (Just(keys), prop::collection::vec(value, n)).prop_map(|(k, v)| k.into_iter().zip(v).collect::<Vec<_>>())
        }),
    ) {
        let keys: Vec<(Key, Option<String>)> = edits.iter().map(|(k, v)| (key(k), v.map(str::to_owned))).collect();
        let all: Vec<(&Key, Option<String>)> = keys.iter().map(|(k, v)| (k, v.clone())).collect();
        let (gone, set): (Vec<_>, Vec<_>) = all.iter().partition(|(_, v)| v.is_none());
        let one_by_one = gone.into_iter().chain(set).try_fold(text.clone(), |t, (k, v)| edit(&t, k, v.as_deref()));
        match (many::edit(&text, &all), one_by_one) {
            (Some(at_once), Ok(one_by_one)) => {
                let found = |t: &str| -> Vec<_> {
                    let one = |k| find(t, &key(k)).map(|f| f.map(|f| (f.scalar, f.what)));
                    KEYS.into_iter().map(one).collect()
                };
                prop_assert_eq!(found(&at_once), found(&one_by_one));
                // which blanks go with neighbours depends on which of them goes first
                if all.iter().filter(|(_, v)| v.is_none()).count() < 2 {
                    prop_assert_eq!(&at_once, &one_by_one);
                }
                // and what was added goes again without a trace
                let names: Vec<&Key> = all.iter().map(|(k, _)| *k).collect();
                if many::glance(&text, &names).is_some_and(|g| g.iter().all(|g| *g == Glance::Absent)) {
                    let back: Vec<(&Key, Option<String>)> = names.into_iter().map(|k| (k, None)).collect();
                    prop_assert_eq!(many::edit(&at_once, &back), Some(text));
                }
            }
            // what cannot be done at once is done, or told of, one by one
            (None, _) => {}
            (Some(at_once), Err(why)) => prop_assert!(false, "{why}: {at_once}"),
        }
    }

    /// A glance is what is found key by key.
    #[test]
    fn a_glance_is_what_is_found(text in documents()) {
        let keys: Vec<Key> = KEYS.iter().map(|k| key(k)).collect();
        let all = many::glance(&text, &keys.iter().collect::<Vec<_>>()).unwrap();
        for (k, glance) in keys.iter().zip(&all) {
            match (find(&text, k), Some(std::slice::from_ref(glance))) {
                (Ok(None), Some([Glance::Absent])) => {}
                (Ok(Some(Found { scalar: Some(s), .. })), Some([Glance::Scalar(g)])) => prop_assert_eq!(&s, g),
                (Ok(Some(Found { scalar: None, .. })) | Err(_), Some([Glance::Other])) => {}
                (found, glance) => prop_assert!(false, "{found:?} {glance:?}"),
            }
        }
    }
}

#[test]
fn thousands_are_set_and_taken_back_by_a_few_readings() {
    let keys: Vec<Key> = (0..5_000).map(|i| key(&format!("autonomy/t{}/s{}", i / 5, i % 5))).collect();
    let text = "{\n  // theirs\n  \"autonomy\": {\n    \"acme\": { \"low\": false }\n  }\n}\n";
    let to = |value: Option<&str>| -> Vec<(&Key, Option<String>)> {
        keys.iter().map(|k| (k, value.map(str::to_owned))).collect()
    };
    let on = many::edit(text, &to(Some("true"))).unwrap();
    assert!(
        on.contains("\n    \"t7\": { \"s0\": true, \"s1\": true, \"s2\": true, \"s3\": true, \"s4\": true },\n"),
        "{on}"
    );
    let names: Vec<&Key> = keys.iter().collect();
    assert!(many::glance(&on, &names).unwrap().iter().all(|g| *g == Glance::Scalar("true".into())));
    let off = many::edit(&on, &to(Some("false"))).unwrap();
    assert_eq!(off, on.replace("true", "false"));
    assert_eq!(many::edit(&off, &to(None)).unwrap(), text);
    assert_eq!(many::edit("{ \"a\": 1, \"a\": 2 }", &[(&key("a"), None)]), None, "told of one by one");
}
