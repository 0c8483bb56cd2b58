//! Slices: the dimensions along which a rollout has many lives, and in which order these begin.

use super::Millis;
use serde::{Deserialize, Serialize};

/// A dimension of a sliced rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Its name in the policy.
    pub name: String,
    /// The label that tells its value, as the environment or the declaration says it; else its name.
    pub label: String,
    /// Where its values come from.
    pub values: SliceValues,
}

/// Where the values of a dimension come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceValues {
    /// These and no others, the least risky first.
    Listed(Vec<String>),
    /// Those seen in the labels of this metric.
    Of(String),
}

/// `start slices by severity limit 200 per 1h`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartSlices {
    /// The listed dimension whose order counts.
    pub by: String,
    /// At most so many in any stretch of so long.
    pub limit: Option<(u32, Millis)>,
}

/// A slice as people write it: `severity=low,tenant=acme`, in the order of the dimensions. A value that this could not tell from
/// what stands around it is a JSON string.
#[must_use]
pub fn written(dims: &[Slice], values: &[String]) -> String {
    let one = |(dim, value): (&Slice, &String)| format!("{}={}", dim.name, quoted(value));
    dims.iter().zip(values).map(one).collect::<Vec<_>>().join(",")
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ',' | '=' | '"' | '[' | ']' | '\\');
    match value.chars().all(plain) && !value.is_empty() {
        true => value.to_owned(),
        false => serde_json::Value::from(value).to_string(),
    }
}

/// A slice as the journal has it: `{"severity": "low", "tenant": "acme"}`.
#[must_use]
pub fn as_json(dims: &[Slice], values: &[String]) -> serde_json::Value {
    dims.iter().zip(values).map(|(dim, value)| (dim.name.clone(), serde_json::Value::from(value.as_str()))).collect()
}

/// A kill switch of one slice, as latches and people name it: `autonomy_off[severity=low,tenant=acme]`.
#[must_use]
pub fn switch_of(switch: &str, dims: &[Slice], values: &[String]) -> String {
    format!("{switch}[{}]", written(dims, values))
}

/// Which slices are meant: those with these values. Dimensions that it does not name may have any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Meant(pub Vec<(String, String)>);

impl Meant {
    /// Reads `tenant=acme,severity="very low"`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut out: Vec<(String, String)> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let Some((name, after)) = rest.split_once('=') else {
                return Err(format!("`{rest}` says no value: write `tenant=acme,severity=low`"));
            };
            let name = name.trim();
            if out.iter().any(|(n, _)| n == name) {
                return Err(format!("`{name}` is given twice"));
            }
            let (value, after) = if after.starts_with('"') {
                let mut strings = serde_json::Deserializer::from_str(after).into_iter::<String>();
                let Some(Ok(value)) = strings.next() else {
                    return Err(format!("the value of `{name}` is no JSON string: {after}"));
                };
                let after = after.get(strings.byte_offset()..).unwrap_or("");
                match after.strip_prefix(',') {
                    Some(after) => (value, after),
                    None if after.trim().is_empty() => (value, ""),
                    None => return Err(format!("a comma is needed before `{after}`")),
                }
            } else {
                let (value, after) = after.split_once(',').unwrap_or((after, ""));
                (value.to_owned(), after)
            };
            if value.is_empty() {
                return Err(format!("`{name}` has no value: write `{name}=acme`"));
            }
            out.push((name.to_owned(), value));
            rest = after.trim_start();
        }
        if out.is_empty() {
            Err(String::from("it names no slice: write `tenant=acme,severity=low`"))
        } else {
            Ok(Self(out))
        }
    }

    /// As people write it.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().map(|(n, v)| format!("{n}={}", quoted(v))).collect::<Vec<_>>().join(",")
    }

    /// The values in the order of these dimensions; of one that it does not name, none.
    #[must_use]
    pub fn values(&self, dims: &[Slice]) -> Vec<String> {
        let of = |d: &Slice| self.0.iter().find(|(n, _)| *n == d.name).map(|(_, v)| v.clone());
        dims.iter().filter_map(of).collect()
    }

    /// Whether a slice is meant.
    #[must_use]
    pub fn is(&self, dims: &[Slice], values: &[String]) -> bool {
        let has = |name: &str, value: &str| dims.iter().zip(values).any(|(d, v)| d.name == name && v == value);
        self.0.iter().all(|(name, value)| has(name, value))
    }

    /// Whether a slice, by the names of all its dimensions, is meant.
    #[must_use]
    pub fn covers(&self, slice: &Self) -> bool {
        self.0.iter().all(|one| slice.0.contains(one))
    }

    /// The names that are no dimensions.
    #[must_use]
    pub fn unknown(&self, dims: &[Slice]) -> Vec<&str> {
        self.0.iter().map(|(n, _)| n.as_str()).filter(|n| !dims.iter().any(|d| d.name == *n)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dims: Vec<Slice> =
            ["a", "b"].map(|n| Slice { name: n.into(), label: n.into(), values: SliceValues::Of("m".into()) }).into();
        for values in [["low", "acme"], ["a,b=c", "x\"y"], ["\\", "[z]"], ["ü", " "], ["-", "a b"], ["\n", "null"]] {
            let values = values.map(str::to_owned);
            let text = written(&dims, &values);
            let meant = Meant::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(meant.0, [("a".to_owned(), values[0].clone()), ("b".to_owned(), values[1].clone())], "{text}");
            assert!(meant.is(&dims, &values));
        }
        assert_eq!(written(&dims, &["low".into(), "acme".into()]), "a=low,b=acme");
        let some = Meant::parse("b=acme").unwrap();
        assert!(some.is(&dims, &["any".into(), "acme".into()]) && !some.is(&dims, &["acme".into(), "any".into()]));
        assert_eq!(Meant::parse("c=1").unwrap().unknown(&dims), ["c"]);
        for (bad, why) in [
            ("", "names no slice"),
            ("a", "says no value"),
            ("a=", "has no value"),
            ("a=1,a=2", "given twice"),
            ("a=\"x", "no JSON string"),
            ("a=\"x\"y", "a comma is needed"),
        ] {
            assert!(Meant::parse(bad).unwrap_err().contains(why), "{bad}");
        }
    }
}
