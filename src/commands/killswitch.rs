//! `canary killswitch`: which kill switches there are, and which of them are latched.

use super::Format;
use super::exit::{Status, because};
use super::runs::{StoreArg, open};
use super::switches::{because_of, newest};
use crate::report::style::Style;
use crate::report::text::{date_time, pad, rfc3339};
use crate::store::Latch;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

/// Arguments of `canary killswitch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this environment
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A switch of an environment.
#[derive(Default)]
struct Known {
    rollouts: BTreeSet<String>,
    /// The last time that it was thrown.
    thrown: Option<Latch>,
}

/// Lists them.
#[must_use]
pub fn main(args: &Args) -> Status {
    match list(args) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

fn list(args: &Args) -> Result<(), Status> {
    let store = open(&args.store.store)?;
    let mut known: BTreeMap<(String, String), Known> = BTreeMap::new();
    for p in newest(&store, None, |plan| !plan.switches.is_empty())? {
        for s in &p.plan.switches {
            let entry = known.entry((p.run.environment.clone(), s.name.clone())).or_default();
            entry.rollouts.insert(p.run.rollout.clone());
        }
    }
    // the last one first
    for latch in store.thrown(None).map_err(|e| because(Status::Wrong, &e.to_string()))? {
        let entry = known.entry((latch.environment.clone(), latch.switch.clone())).or_default();
        entry.thrown.get_or_insert(latch);
    }
    known.retain(|(environment, _), _| args.env.as_ref().is_none_or(|e| e == environment));
    match args.format {
        Format::Human => human(&known),
        Format::Json => {
            let switches: Vec<_> = known.iter().map(|((env, name), k)| machine(env, name, k)).collect();
            outln!("{}", json!({ "schema": "canary.killswitch/1", "switches": switches }));
        }
    }
    Ok(())
}

fn human(known: &BTreeMap<(String, String), Known>) {
    if known.is_empty() {
        outln!("no run in this store has a kill switch");
    }
    let style = Style::for_terminal(std::io::stdout().is_terminal());
    let width = known.keys().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
    for ((environment, name), k) in known {
        let rollouts: Vec<&str> = k.rollouts.iter().map(String::as_str).collect();
        let of = if rollouts.is_empty() { String::new() } else { format!(" ({})", rollouts.join(", ")) };
        let how = match &k.thrown {
            None => String::from("not latched"),
            Some(l) => match &l.reset {
                None => format!(
                    "{} since {} by {}{} (run {})",
                    style.bad("LATCHED"),
                    date_time(l.at),
                    l.who,
                    because_of(&l.why),
                    l.run
                ),
                Some(r) => format!(
                    "not latched; thrown {} by {}{}, reset {} by {}: {}",
                    date_time(l.at),
                    l.who,
                    because_of(&l.why),
                    date_time(r.at),
                    r.who,
                    r.why
                ),
            },
        };
        outln!("{}  {environment}{of}  {how}", pad(name, width));
    }
}

fn machine(environment: &str, name: &str, k: &Known) -> serde_json::Value {
    json!({
        "switch": name,
        "environment": environment,
        "rollouts": k.rollouts,
        "latched": k.thrown.as_ref().is_some_and(|l| l.reset.is_none()),
        "thrown": k.thrown.as_ref().map(thrown),
    })
}

/// One time that a switch was thrown, for machines.
pub fn thrown(l: &Latch) -> serde_json::Value {
    json!({
        "at": rfc3339(l.at),
        "by": l.who,
        "why": l.why,
        "run": l.run.as_str(),
        "reset": l.reset.as_ref().map(|r| json!({ "at": rfc3339(r.at), "by": r.who, "why": r.why })),
    })
}
