//! The modules that every installation has: written in the language, a part of the program.

/// Name and text of each.
const MODULES: [(&str, &str); 6] = [
    ("std.grpc", include_str!("../../../stdlib/grpc.canary")),
    ("std.http", include_str!("../../../stdlib/http.canary")),
    ("std.kubernetes", include_str!("../../../stdlib/kubernetes.canary")),
    ("std.ml", include_str!("../../../stdlib/ml.canary")),
    ("std.queue", include_str!("../../../stdlib/queue.canary")),
    ("std.slo", include_str!("../../../stdlib/slo.canary")),
];

/// Their names.
pub const NAMES: [&str; 6] = ["std.grpc", "std.http", "std.kubernetes", "std.ml", "std.queue", "std.slo"];

/// The text of `std.http`.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// What tells a module of the library from a file.
pub(super) fn key(name: &str) -> String {
    format!("library:{name}")
}

/// Whether a key is one of [`key`].
pub(super) fn is_key(key: &str) -> bool {
    key.starts_with("library:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_texts() {
        assert_eq!(MODULES.map(|(n, _)| n), NAMES);
    }
}
