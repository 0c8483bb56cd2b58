//! The codes of this room: each unique, never reused, with a slug and one line of meaning.

/// Code, slug, meaning.
pub const CODES: &[(&str, &str, &str)] = &[
    ("E0201", "unknown-name", "nothing declares this name"),
    ("E0202", "duplicate-name", "a name is declared twice"),
    ("E0203", "predeclared-name", "the language itself gives this name a meaning"),
    ("E0204", "wrong-kind-of-name", "the name stands for something that cannot stand here"),
    ("E0205", "circular-definition", "something is defined, or undone, by itself"),
    ("E0206", "unknown-function", "no function has this name"),
    ("E0207", "wrong-arguments", "an argument is unknown, missing or of the wrong shape"),
    ("E0208", "unknown-happening", "nothing of this name happens in a rollout"),
    ("E0209", "import-circle", "modules import each other in a circle"),
    ("E0210", "no-such-module", "the module is not there, or cannot be read"),
    ("E0211", "module-outside", "a module would be read from outside of the repository"),
    ("E0212", "wrong-module-argument", "a param of a module is bound by no name, an unknown one, twice, or not at all"),
    ("E0213", "too-many-modules", "modules import modules beyond bounds"),
    ("E0301", "unit-mismatch", "two sides have different dimensions"),
    ("E0302", "ratio-needs-percent", "a ratio is compared with a number that has no percent sign"),
    ("E0303", "bad-arithmetic", "a sum, product or quotient of these has no meaning"),
    ("E0304", "not-constant", "this must be known before the rollout starts"),
    ("E0305", "nothing-measured", "only constants are compared: the answer never changes"),
    ("E0306", "out-of-range", "a value lies outside what makes sense here"),
    ("E0307", "param-out-of-bounds", "a param lies outside its own bounds"),
    ("E0308", "condition-or-value", "a condition stands where a value is needed, or the other way round"),
    ("E0309", "metric-misused", "a metric of this kind cannot be used this way"),
    ("E0310", "malformed-query", "the PromQL between the backticks is malformed"),
    ("E0311", "not-a-bare-selector", "a counter or histogram is given by more than its selector"),
    ("E0312", "bad-placeholder", "a placeholder in a query is unknown or misplaced"),
    ("E0313", "pronoun-misused", "`stable` or `before` has nothing to stand for"),
    ("E0315", "unknown-type", "no type or kind has this name"),
    ("E0316", "no-events-to-count", "`at least n events` in a guard that counts none"),
    ("E0317", "bad-set", "a `--set` on the command line cannot be used"),
    ("E0318", "expression-too-large", "an expression grows beyond bounds when its definitions are put in"),
    ("E0329", "param-without-value", "a param of a policy has neither a default nor a value"),
    ("E0401", "edition", "the edition is missing, unknown or given twice"),
    ("E0402", "no-phase", "a rollout without a phase does nothing"),
    ("E0403", "bad-setting", "a port cannot be set this way"),
    ("E0404", "phase-order", "a phase is read in order: settings, steps, `promote when`"),
    ("E0405", "rollback-to-later", "`rollback to` a phase that is not earlier"),
    ("E0406", "undo-not-said", "an action does not say how it is undone"),
    ("E0407", "consequence-not-allowed", "this consequence cannot follow here"),
    ("E0408", "given-twice", "a statement that stands once in a rollout stands twice"),
    ("E0409", "guard-never-watches", "a guard ends before it begins"),
    ("E0410", "healthy-in-guard", "`healthy` asks the guards, and stands where none can be asked"),
    ("E0411", "no-such-rollout", "which rollout is meant cannot be told"),
    ("E0416", "flag-group", "a group of flags has no member, one twice, or one that is no name"),
    ("E0420", "empty-kill-switch", "a kill switch sets nothing and runs nothing"),
    ("E0421", "kill-switch-exposes", "a kill switch would expose something"),
    ("E0422", "kill-switch-twice", "a kill switch sets a port or runs an action twice"),
    ("E0423", "kill-misplaced", "`kill` stands where no kill switch can be thrown"),
    ("E0490", "not-built", "the language has it, this edition of the tool has not"),
    ("E0501", "unknown-backend", "no backend has this name"),
    ("E0502", "unknown-backend-argument", "the backend has no such argument"),
    ("E0503", "missing-backend-argument", "the backend needs an argument that is not given"),
    ("E0504", "wrong-backend", "this backend cannot be bound to a port of this kind"),
    ("E0505", "plain-secret", "a secret stands in plain text"),
    ("E0506", "unbound", "the environment does not bind what the rollout needs"),
    ("E0507", "bound-undeclared", "the environment binds a name that is no port"),
    ("E0508", "needs-promql", "the bound source cannot answer PromQL"),
    ("E0509", "variants", "what tells the canary from the rest is missing or wrong"),
    ("E0510", "lab-limits", "the built-in lab cannot be declared, or not do this"),
    ("E0511", "no-such-environment", "which environment is meant cannot be told"),
    ("E0512", "bad-backend-argument", "an argument of a backend is of the wrong type"),
    ("E0513", "secret-argument", "a secret stands in an argument list, where everybody sees it"),
    ("E0516", "which-flag", "a binding does not say which flag of a group it is, or says it of no flag"),
    ("E0517", "same-key", "two flags of a rollout are bound to one value"),
    ("W0601", "unused", "a name that nothing reads"),
    ("W0602", "lowers-exposure", "a phase lowers what an earlier one exposed"),
    ("W0613", "no-floor", "a multiple of a baseline that can be zero, without a floor"),
];

#[cfg(test)]
mod tests {
    use super::CODES;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn codes_in(dir: &Path, out: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                codes_in(&path, out);
            } else if path.file_name().is_some_and(|n| n != "codes.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for part in text.split('"') {
                    let mut chars = part.chars();
                    let head = matches!(chars.next(), Some('E' | 'W'));
                    if head && part.len() == 5 && chars.all(|c| c.is_ascii_digit()) {
                        out.insert(part.to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn every_code_is_registered_once_and_used() {
        let mut used = BTreeSet::new();
        codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check"), &mut used);
        let known: Vec<String> = CODES.iter().map(|(c, ..)| (*c).to_owned()).collect();
        let unique: BTreeSet<String> = known.iter().cloned().collect();
        assert_eq!(known.len(), unique.len(), "a code is registered twice");
        let slugs: BTreeSet<&str> = CODES.iter().map(|(_, s, _)| *s).collect();
        assert_eq!(slugs.len(), CODES.len(), "a slug is given twice");
        assert_eq!(used, unique);
    }
}
