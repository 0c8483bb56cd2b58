//! `:help`.

use super::Answer;
use super::entry::command;
use super::moment::FORMS;
use crate::repl::{COMMANDS, Command};
use crate::report::style::Style;
use crate::report::text::pad;

/// What can be said, or one command.
pub(super) fn text(topic: &str, style: Style) -> Answer {
    if topic.is_empty() {
        return Ok(all(style));
    }
    let name = if topic.starts_with(':') { topic.to_owned() } else { format!(":{topic}") };
    match command(&name) {
        Ok(name) => Ok(COMMANDS.iter().find(|c| c.name == name).map(|c| one(c, style)).unwrap_or_default()),
        Err(_) if crate::check::registry::find(topic).is_some() => {
            Err(format!("`{topic}` is the code of a finding: `:explain {topic}`"))
        }
        Err(Some(near)) => Err(format!("there is no command `{name}`: did you mean `:help {near}`?")),
        Err(None) => Err(format!("there is no command `{name}`: `:help` lists them")),
    }
}

fn all(style: Style) -> String {
    let usage = |c: &Command| if c.takes.is_empty() { c.name.to_owned() } else { format!("{} {}", c.name, c.takes) };
    let wide = COMMANDS.iter().map(|c| usage(c).len()).max().unwrap_or(0);
    let mut out = String::new();
    for c in COMMANDS {
        out.push_str(&format!("{}  {}\n", style.bold(&pad(&usage(c), wide)), c.does));
    }
    out.push_str(
        "\nAnything else is an expression (`errors`, `errors @ 12m30s`, `p99(latency) > 300ms`), a word of a guard (`errors is failing`),\n\
         or a declaration or rule (`let …`, `guard …`, `on …`, `phase …`), which takes effect at once.\n",
    );
    out
}

fn one(c: &Command, style: Style) -> String {
    let mut out = format!("{} {}\n  {}\n", style.bold(c.name), c.takes, c.does);
    for more in more(c.name) {
        out.push_str(&format!("  {more}\n"));
    }
    out.lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

/// More of a command, with examples.
fn more(name: &str) -> Vec<String> {
    let lines: &[&str] = match name {
        ":step" => &[":step", ":step 5m"],
        ":run" => &["a second `:run`, behind the end of the rollout, goes to the end of the recording"],
        ":why" => &[":why explains the last decision up to here, :why 12m30s the check at that time"],
        ":set" => &[
            ":set errors.limit=2%",
            ":set errors.tolerate=3 checks max_errors=1%",
            "a guard has `limit`, `tolerate` and `at_least`; params go by their names",
        ],
        ":inject" => &[
            ":inject latency +300ms from 20m to 40m",
            ":inject errors +1pp from 5m",
            ":inject errors missing",
            ":inject errors stale from 10m",
            ":inject source prometheus outage from 5m to 10m",
            ":inject runner outage from 20m to 40m",
        ],
        ":vary" => &[":vary errors.limit=0.5%..5%:0.5%", ":vary errors.limit=1%,2%,5% errors.tolerate=30s..5m:30s"],
        ":plot" => &[":plot", ":plot errors slow", ":plot p99(latency)"],
        ":explain" => &[":explain E0302", ":explain errors < 1% and p99(latency) < 300ms @ 12m30s"],
        ":undo" => &["several times, up to the policy as it was read"],
        ":goto" => return vec![format!("a moment is {FORMS}")],
        _ => &[],
    };
    lines.iter().map(|l| (*l).to_owned()).collect()
}
