//! Laws that every format keeps.

use super::*;
use proptest::prelude::*;

/// Lines of files: some that fit, some that do not.
fn line(format: Format) -> BoxedStrategy<String> {
    let lines: &'static [&'static str] = match format {
        Format::Json => {
            &["", "// c", "\"x\": 1,", "\"y\": {\"z\": true},", "\"on\": false,", "\"deep\": {", "},", "{", "}"]
        }
        Format::Yaml => &[
            "",
            "# c",
            "x: 1",
            "on: false # c",
            "deep:",
            "  z: 1",
            "  on: no",
            "  list:",
            "    - a",
            "    - b: 2",
            "flow: {x: 1, y: {z: 2}}",
            "text: |",
            "  on: true",
            "q: 'it''s'",
            "e: {}",
            "---",
            "  # in",
            "n: ~",
        ],
        Format::Toml => &[
            "",
            "# c",
            "x = 1",
            "on = false # c",
            "[deep]",
            "  z = 1",
            "on = true",
            "[deep.er]",
            "d.o.t = 2",
            "i = { x = 1, y = { z = 2 } }",
            "s = \"\"\"",
            "[[list]]",
            "e = {}",
            "a = [1,",
            "2]",
        ],
        Format::Env => &[
            "",
            "# c",
            "X=1",
            "on=false # c",
            "export Y='two'",
            "  Z=\"a b\"",
            "M=\"open",
            "close\"",
            "J=a\\",
            "plain",
            "S = 1",
        ],
    };
    prop::sample::select(lines).prop_map(str::to_owned).boxed()
}

fn keys(format: Format) -> BoxedStrategy<String> {
    match format {
        Format::Env => prop::sample::select(vec!["on", "X", "NEW", "NEWER"]).prop_map(str::to_owned).boxed(),
        _ => prop::sample::select(vec![
            "on",
            "new",
            "deep/on",
            "deep/new",
            "new/er/still",
            "e/f",
            "flow/y/n",
            "i/y/n",
            "n/m",
            "deep/er/n",
        ])
        .prop_map(str::to_owned)
        .boxed(),
    }
}

fn texts(format: Format) -> impl Strategy<Value = String> {
    let body = prop::collection::vec(line(format), 0..9);
    (body, prop::sample::select(vec!["\n", "\r\n"]), any::<bool>()).prop_map(move |(lines, br, last)| {
        let mut text = lines.join(br);
        if format == Format::Json {
            text = format!("{{{br}{text}{br}}}");
        }
        if last {
            text.push_str(br);
        }
        text
    })
}

fn laws(format: Format, text: &str, key: &str) -> Result<(), TestCaseError> {
    let key = format.key(key).unwrap();
    let Ok(found) = format.find(text, &key) else { return Ok(()) };
    let Ok(with) = format.edit(text, &key, Some("true")) else { return Ok(()) };
    prop_assert_eq!(format.find(&with, &key).unwrap().unwrap().scalar, Some(String::from("true")));
    let again = format.edit(&with, &key, Some("false")).unwrap();
    prop_assert_eq!(format.edit(&again, &key, Some("true")).unwrap(), with.clone());
    match found {
        // a value comes back as it was written
        Some(Found { scalar: Some(raw), .. }) => {
            prop_assert_eq!(format.edit(&with, &key, Some(&raw)).unwrap(), text);
        }
        Some(_) => {}
        // what was not there goes without a trace
        None => {
            prop_assert_eq!(format.edit(&with, &key, None).unwrap(), text, "with {:?}", with);
        }
    }
    Ok(())
}

/// Two keys that were not there go without a trace, whichever goes first.
fn two(format: Format, text: &str, keys: [&str; 2]) -> Result<(), TestCaseError> {
    let [a, b] = keys.map(|k| format.key(k).unwrap());
    let absent = |k| format.find(text, k) == Ok(None);
    // one inside the other cannot both be values
    if a.0.starts_with(&b.0) || b.0.starts_with(&a.0) || !absent(&a) || !absent(&b) {
        return Ok(());
    }
    let with = format.edit(text, &a, Some("true")).and_then(|t| format.edit(&t, &b, Some("true")));
    let Ok(with) = with else { return Ok(()) };
    for [first, second] in [[&a, &b], [&b, &a]] {
        let one = format.edit(&with, first, None).unwrap();
        prop_assert_eq!(format.find(&one, second).unwrap().unwrap().scalar, Some(String::from("true")));
        prop_assert_eq!(format.edit(&one, second, None).unwrap(), text, "with {:?}, then {:?}", with, one);
    }
    Ok(())
}

macro_rules! laws {
    ($name:ident, $hostile:ident, $format:expr) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(
                std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(512)
            ))]

            #[test]
            fn $name(text in texts($format), key in keys($format), other in keys($format)) {
                laws($format, &text, &key)?;
                two($format, &text, [&key, &other])?;
            }

            /// No text makes it panic, and what it edits it can read again.
            #[test]
            fn $hostile(text in "\\PC{0,80}|[a-c:={}\\[\\]\"'#\\n \\-.,&*!|>\\\\]{0,80}") {
                let key = $format.key("a").unwrap();
                let _ = $format.find(&text, &key);
                if let Ok(after) = $format.edit(&text, &key, Some("true")) {
                    prop_assert_eq!($format.find(&after, &key).unwrap().unwrap().scalar, Some(String::from("true")));
                }
                let _ = $format.edit(&text, &key, None);
            }
        }
    };
}

laws!(json_keeps_everything, json_takes_any_text, Format::Json);
laws!(yaml_keeps_everything, yaml_takes_any_text, Format::Yaml);
laws!(toml_keeps_everything, toml_takes_any_text, Format::Toml);
laws!(env_keeps_everything, env_takes_any_text, Format::Env);
