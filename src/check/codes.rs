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
    (
        "E0319",
        "confidence-misused",
        "`confidence` tests counted events against `stable` or a constant, and nothing else",
    ),
    ("E0320", "param-without-value", "a param of a policy has neither a default nor a value"),
    ("E0321", "membership", "`in` asks for membership in a list, or of now in a window"),
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
    ("E0424", "approval-misplaced", "`approved` stands where no phase waits for it"),
    ("E0425", "bad-ramp", "a ramp does not rise, or comes to a value that its port cannot take"),
    ("E0426", "bad-hold", "a hold has no end before the last phase, or waits for events of nothing"),
    ("E0427", "irreversible-late", "`irreversible` is not the first word of its phase"),
    ("E0428", "must-have-lasted", "a condition that must have lasted stands where nobody waits for it"),
    ("E0430", "slice-dimensions", "a port and what sets it are not sliced along the same dimensions"),
    ("E0431", "bad-slice", "the values of a slice are missing, twice or no texts"),
    ("E0432", "no-such-slice", "one slice is asked for that cannot be"),
    ("E0433", "slice-order", "slices are started by a dimension that has no order here"),
    ("E0434", "cooldown-after", "a cooldown follows a rollback and nothing else"),
    ("E0435", "bad-drift", "what is done about drift is none of the words for it"),
    ("E0436", "bad-route", "a route leads nowhere, or by something that nothing is routed by"),
    ("E0437", "bad-after", "a rollout waits for itself, or twice for another"),
    ("E0438", "bad-release", "the releases of a rollout cannot be told apart"),
    ("E0440", "bad-probe", "a probe, or a step of it, could not be carried out as written"),
    ("E0441", "bad-load", "a load could not be carried out as written"),
    ("E0442", "bad-window", "a window of civil time has no such day, hours or zone"),
    ("E0443", "bad-signoff", "a signoff names no artifact, or says something twice"),
    ("E0444", "bad-objective", "an objective does not say which share of which events may be bad"),
    ("E0445", "bad-score", "a part of a score cannot be scored"),
    ("E0480", "given-of-nothing", "a test gives what its rollout does not read"),
    ("E0481", "not-a-check", "a test expects something at a time that is no check"),
    ("E0482", "expects-nothing", "a test without `expect` shows nothing"),
    ("E0483", "bad-given", "this cannot be given so"),
    ("E0484", "bad-test-line", "a line of a test at a wrong time, or twice"),
    ("E0485", "no-such-state", "a guard has no state of this name"),
    ("E0486", "slice-not-there", "a test speaks of a slice that is not there, or of none where there must be one"),
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
    ("E0518", "release-in-variants", "`${release}` stands where no release fills it"),
    ("E0519", "bad-people", "a group of people is empty or names somebody twice"),
    ("E0520", "bad-label", "a label cannot tell the values of a slice"),
    ("E0521", "bad-binding-placeholder", "nothing fills a `${…}` of an environment"),
    ("W0601", "unused", "a name that nothing reads"),
    ("W0602", "lowers-exposure", "a phase lowers what an earlier one exposed"),
    ("W0613", "no-floor", "a multiple of a baseline that can be zero, without a floor"),
    ("W0690", "unused-suppression", "a comment lets a warning pass that is not there"),
    ("W0691", "expired-suppression", "a comment let a warning pass until a day that is over"),
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
