//! Values that are much alike, kept as what is different. What a slice was answered at a check differs from what another was in a
//! few numbers; the names, the conditions and most of the rest are the same.
//!
//! A difference is `[new]` for another value, `[]` for one that is not there any more, and `{"place": difference}` for something
//! inside an object or, by its index, a list. No difference is none.

use serde_json::{Map, Value};

/// What is different in `new`; none where nothing is.
#[must_use]
pub fn difference(like: &Value, new: &Value) -> Option<Value> {
    if like == new {
        return None;
    }
    let mut inside = Map::new();
    match (like, new) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, is) in b {
                match a.get(key) {
                    Some(was) => inside.extend(difference(was, is).map(|d| (key.clone(), d))),
                    None => inside.extend([(key.clone(), Value::Array(vec![is.clone()]))]),
                }
            }
            let gone = a.keys().filter(|key| !b.contains_key(*key));
            inside.extend(gone.map(|key| (key.clone(), Value::Array(Vec::new()))));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let each = a.iter().zip(b).enumerate();
            inside.extend(each.filter_map(|(i, (was, is))| Some((i.to_string(), difference(was, is)?))));
        }
        _ => return Some(Value::Array(vec![new.clone()])),
    }
    Some(Value::Object(inside))
}

/// What a difference makes of `like`; none for what is no difference of it.
#[must_use]
pub fn applied(like: &Value, difference: Option<&Value>) -> Option<Value> {
    match (difference, like) {
        (None, _) => Some(like.clone()),
        (Some(Value::Array(new)), _) => new.first().cloned(),
        (Some(Value::Object(inside)), Value::Object(was)) => {
            let mut out = was.clone();
            for (key, d) in inside {
                match (was.get(key), d) {
                    (_, Value::Array(new)) if new.is_empty() => {
                        out.remove(key);
                    }
                    (was, d) => {
                        out.insert(key.clone(), applied(was.unwrap_or(&Value::Null), Some(d))?);
                    }
                }
            }
            Some(Value::Object(out))
        }
        (Some(Value::Object(inside)), Value::Array(was)) => {
            let mut out = was.clone();
            for (index, d) in inside {
                let slot = out.get_mut(index.parse::<usize>().ok()?)?;
                *slot = applied(slot, Some(d))?;
            }
            Some(Value::Array(out))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            (-1e3..1e3).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec(("[0-3]", inner), 0..4).prop_map(|of| Value::Object(of.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_differs_makes_one_of_the_other(like in value(), new in value()) {
            let d = difference(&like, &new);
            prop_assert_eq!(d.is_none(), like == new);
            prop_assert_eq!(applied(&like, d.as_ref()), Some(new));
        }
    }

    #[test]
    fn only_what_differs_is_kept() {
        let like = json!({ "answers": [{ "v": 1 }, { "v": 2 }], "stage": "canary", "waits": 3 });
        let new = json!({ "answers": [{ "v": 1 }, { "v": 5 }], "stage": "canary", "paused": [] });
        let d = json!({ "answers": { "1": { "v": [5] } }, "waits": [], "paused": [[]] });
        assert_eq!(difference(&like, &new), Some(d));
        assert_eq!(applied(&like, Some(&json!({ "answers": { "2": [5] } }))), None, "of another list");
        assert_eq!(applied(&like, Some(&json!("stage"))), None, "no difference");
    }
}
