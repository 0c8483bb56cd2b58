//! A slice's values in the texts of a binding: `${tenant}`.

use super::{Arg, Binding, Plan};

/// Where a slice's values may be filled in, by backend: the places that can be told apart by them.
const PLACES: [(&str, &[&str]); 5] = [
    ("json_file", &["path", "key", "in_use"]),
    ("yaml_file", &["path", "key", "in_use"]),
    ("toml_file", &["path", "key", "in_use"]),
    ("env_file", &["path", "key", "in_use"]),
    ("command", &["set", "get"]),
];

/// A text with `${name}` replaced by what `value` says of the name; what it does not know stays.
#[must_use]
pub fn filled<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once("${") {
        out.push_str(head);
        match tail.split_once('}').and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push_str("${");
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether a text says which one of a dimension is meant.
#[must_use]
pub fn says(text: &str, dim: &str) -> bool {
    text.contains(&format!("${{{dim}}}"))
}

/// Whether a backend can have a port a slice.
#[must_use]
pub fn has_slices(backend: &str) -> bool {
    PLACES.iter().any(|(b, _)| *b == backend)
}

/// Whether a binding, of this name, holds a placeholder that nobody fills in.
#[must_use]
pub fn is_unfilled(plan: &Plan, name: &str, binding: &Binding) -> bool {
    let of_port = plan.ports.iter().any(|p| p.bound_as() == name);
    let places = PLACES.iter().find(|(b, _)| of_port && *b == binding.backend).map_or(&[] as &[&str], |(_, p)| *p);
    binding.args.iter().any(|(arg, value)| {
        let dims = plan.slices.iter().filter(|_| places.contains(&arg.as_str()));
        let dims: Vec<&str> = dims.map(|d| d.name.as_str()).collect();
        without(value, &dims).is_unfilled()
    })
}

fn without(arg: &Arg, dims: &[&str]) -> Arg {
    match arg {
        Arg::Text(t) => Arg::Text(filled(t, |name| dims.contains(&name).then_some(""))),
        Arg::List(items) => Arg::List(items.iter().map(|i| without(i, dims)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let value = |name: &str| match name {
            "a" => Some("${b}"),
            "b" => Some("x"),
            _ => None,
        };
        assert_eq!(filled("${a}/${b}/${c}/${", value), "${b}/x/${c}/${");
        assert_eq!(filled("$a {b} ${ab}", value), "$a {b} ${ab}");
    }
}
