//! Words that begin a statement elsewhere (YAML, HCL, Rego, other tools), with what is written here.

use super::forms::Context;

/// What to say of a word that another language would begin a line with.
pub(super) struct Habit {
    /// What is wrong.
    pub message: String,
    /// Where it comes from.
    pub label: &'static str,
    /// What to write.
    pub help: &'static str,
}

fn habit(message: String, label: &'static str, help: &'static str) -> Option<Habit> {
    Some(Habit { message, label, help })
}

/// A habit of the word that a piece begins with. `behind` is the text behind the word.
pub(super) fn of(first: &str, behind: &str, context: Context) -> Option<Habit> {
    let no = || format!("there is no `{first}`");
    match (first, context) {
        ("if" | "unless" | "while", _) => habit(
            no(),
            "not a word of the language",
            "a guard states what is true while all is well: `guard NAME: HEALTHY else CONSEQUENCE`; a chore stands in `when CONDITION: run ACTION`",
        ),
        ("import" | "include", Context::Top) => {
            habit(no(), "not a word of the language", "modules are imported with `use \"./team.canary\" as team`")
        }
        ("variable" | "input", Context::Top) => habit(
            no(),
            "not a word of the language",
            "what a run may set is a `param NAME: TYPE = VALUE at most VALUE`",
        ),
        ("const" | "var" | "local" | "locals" | "def" | "define" | "fn" | "func" | "function", Context::Top) => habit(
            no(),
            "not a word of the language",
            "a value gets a name with `let NAME = EXPRESSION`; what a run may set is a `param`",
        ),
        ("resource" | "module" | "provider" | "data" | "output" | "terraform", Context::Top)
            if behind.starts_with(['"', '{']) =>
        {
            habit(
                format!("there are no `{first}` blocks"),
                "written as in HCL",
                "a rollout is `rollout NAME { … }`, where it runs `environment NAME { … }`; names stand without quotes",
            )
        }
        ("default" | "allow" | "deny" | "violation" | "package", Context::Top) => habit(
            no(),
            "written as in Rego",
            "what must be true is said by a guard, inside `rollout NAME { … }`: `guard NAME: HEALTHY else CONSEQUENCE`",
        ),
        _ => None,
    }
}

/// What is written here instead of a `key: value` line, by the key.
pub(super) fn of_key(key: &str, context: Context) -> Option<&'static str> {
    Some(match (key, context) {
        ("apiVersion" | "kind" | "metadata" | "spec" | "name" | "strategy" | "canary", Context::Top) => {
            "a rollout is `rollout NAME \"title\" { … }`, its statements one a line"
        }
        ("steps" | "phases" | "stages" | "strategy", _) => {
            "each step is a phase: `phase NAME { traffic PORT = 5%   hold 10m }`"
        }
        ("interval" | "period", Context::Rollout) => "write `check every 15s`",
        ("threshold" | "condition" | "successCondition" | "failureCondition" | "analysis" | "rules" | "expr", _) => {
            "what must be true is said by a guard: `guard NAME: CONDITION else CONSEQUENCE`"
        }
        ("weight" | "setWeight" | "percent" | "canaryWeight", _) => {
            "exposure is set in a phase, with `traffic PORT = 5%`"
        }
        ("pause" | "duration" | "wait", _) => "a phase lasts with `hold 10m`",
        _ => return None,
    })
}
