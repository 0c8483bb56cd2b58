//! Canonical JSON and SHA-256: what a plan's hash, the bindings' hash and the journal's chain are computed from.
//!
//! One value has one canonical text, so a hash says the same on every machine and with every version of the JSON library:
//!
//! - no blanks, no newlines; members of an object sorted by name (by Unicode code point, which is the order of UTF-8 bytes);
//! - strings escape `"`, `\` and the control characters below U+0020 (`\b \t \n \f \r`, else `\u00xx`), and nothing else;
//! - whole numbers in decimal; other numbers with the fewest digits that read back as the same 64-bit float, plain from
//!   1e-5 up to below 1e16 in magnitude (`0.25`, `1.0`), with an exponent outside (`1e16`, `2.5e-7`). A float keeps its `.0`:
//!   `1` and `1.0` are different values.
//!
//! It is close to RFC 8785, which differs in the order of names outside the Basic Multilingual Plane and in that it writes
//! `1.0` as `1`.

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The canonical JSON text of a value (see the module's own text for the rules). Reading it back gives the same value.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(n) => write_number(out, n),
        Value::String(s) => write_string(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (i, (name, member)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, name);
                out.push(':');
                write_value(out, member);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, n: &Number) {
    // writing to a String cannot fail
    let _ = match (n.as_i64(), n.as_u64(), n.as_f64()) {
        (Some(i), _, _) => write!(out, "{i}"),
        (_, Some(u), _) => write!(out, "{u}"),
        (_, _, Some(f)) => write_float(out, f),
        (None, None, None) => write!(out, "null"),
    };
}

// Own rules for where the exponent begins: the library's have changed between versions, and a hash must not.
fn write_float(out: &mut String, f: f64) -> std::fmt::Result {
    let size = f.abs();
    if size != 0.0 && !(1e-5..1e16).contains(&size) {
        return write!(out, "{f:e}");
    }
    let start = out.len();
    write!(out, "{f}")?;
    if !out.get(start..).is_some_and(|text| text.contains('.')) {
        out.push_str(".0");
    }
    Ok(())
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn one_value_has_one_text() {
        for (value, want) in [
            (json!({"b": 1, "a": [true, null, "x"]}), r#"{"a":[true,null,"x"],"b":1}"#),
            (json!({"é": 1, "z": 2, "a": 3, "": 4}), r#"{"":4,"a":3,"z":2,"é":1}"#),
            (
                json!([1, 1.0, -0.0, 0.1, 1e15, 1e16, 1e-5, 2.5e-7, u64::MAX, i64::MIN]),
                "[1,1.0,-0.0,0.1,1000000000000000.0,1e16,0.00001,2.5e-7,18446744073709551615,-9223372036854775808]",
            ),
            (json!("a\"\\\n\t\r\u{8}\u{c}\u{1}\u{7f}ü/😀"), "\"a\\\"\\\\\\n\\t\\r\\b\\f\\u0001\u{7f}ü/😀\""),
        ] {
            assert_eq!(canonical(&value), want);
        }
    }

    #[test]
    fn sha256_is_that_of_fips_180_4() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            // every bit pattern: subnormals and the far ends too; NaN and infinities become null
            any::<u64>().prop_map(|bits| Value::from(f64::from_bits(bits))),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    // The same value with every object's members the other way round.
    fn turned(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(turned).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().rev().map(|(name, member)| (name.clone(), turned(member))).collect())
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn reading_it_back_gives_the_same_value(value in any_json()) {
            let text = canonical(&value);
            let back: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back, &value);
            prop_assert_eq!(canonical(&back), text);
        }

        #[test]
        fn the_order_of_members_does_not_matter(value in any_json()) {
            prop_assert_eq!(canonical(&turned(&value)), canonical(&value));
        }
    }
}
