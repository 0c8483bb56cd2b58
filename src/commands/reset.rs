//! `canary reset`: a named person clears a kill switch's latch, for a reason. No port is changed.

use super::exit::{Status, because};
use super::kill_slices::apart;
use super::people::{open_to_write, who};
use super::run::kept_state;
use super::runs::{StoreArg, at};
use super::slices::all_settled;
use super::switches::{Pinned, because_of, said, unfinished};
use crate::engine::Stage;
use crate::plan::slices::Meant;
use crate::report::text::date_time;
use crate::runtime::clock::now;
use crate::store::{Latch, NOBODY, Store, user};

/// Arguments of `canary reset`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kill switch
    switch: String,
    /// Why it may be reset; kept in the store
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    why: String,
    /// The environment, when the switch is latched in several
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    #[command(flatten)]
    slice: super::slices::SliceArg,
    #[command(flatten)]
    store: StoreArg,
}

/// Clears the latch.
#[must_use]
pub fn main(args: &Args) -> Status {
    match reset(args) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

fn reset(args: &Args) -> Result<(), Status> {
    if user() == NOBODY {
        let message = "a kill switch is reset by somebody: say who you are with the variable USER";
        return Err(because(Status::Wrong, message));
    }
    let store = open_to_write(&args.store.store)?;
    let named = apart(&args.switch);
    let (switch, meant) = match (&named, &args.slice.slice) {
        (Some((switch, meant)), None) => (*switch, Some(meant)),
        (_, meant) => (args.switch.as_str(), meant.as_ref()),
    };
    if let Some(meant) = meant {
        return super::kill_slices::reset(&store, switch, meant, args.env.as_deref(), &args.why);
    }
    // each slice of a sliced run has a latch of its own: without `--slice` all of them are meant
    let all = store.latches(args.env.as_deref()).map_err(|e| because(Status::Wrong, &e.to_string()))?;
    if all.iter().any(|l| apart(&l.switch).is_some_and(|(name, _)| name == switch)) {
        super::kill_slices::reset(&store, switch, &Meant::default(), args.env.as_deref(), &args.why)?;
        if !all.iter().any(|l| l.switch == switch) {
            return Ok(());
        }
    }
    let latch = latched(&store, args)?;
    let mut runs = unfinished(&store, &latch.switch, Some(&latch.environment), None)?;
    // a switch of each slice has latches of its own, which were looked at above
    let for_all = |p: &Pinned| p.plan.switches.iter().any(|s| s.name == latch.switch && s.for_all);
    runs.retain(|p| p.plan.slices.is_empty() || for_all(p));
    let done = |p: &Pinned| match p.plan.slices.is_empty() {
        true => lives_on(&store, p, &latch.switch),
        false => all_settled(&store, &p.run),
    };
    if let Some(p) = runs.iter().find(|p| !done(p)) {
        return Err(because(
            Status::Refused,
            &format!(
                "run {} of {} is not taken back yet: `canary kill {} --env {}{}` finishes it; then reset",
                p.run.id,
                p.run.rollout,
                latch.switch,
                latch.environment,
                at(&store)
            ),
        ));
    }
    let done = store
        .reset_latch(&latch.environment, &latch.switch, &who(), &args.why, now())
        .map_err(|e| because(Status::Refused, &e.to_string()))?;
    outln!(
        "{} on {}: reset by {}: {}; it was thrown {} by {}{}. No port was changed",
        done.switch,
        done.environment,
        who(),
        args.why,
        date_time(done.at),
        done.who,
        because_of(&done.why)
    );
    for p in runs {
        outln!("run {} of {} may enter what it waits for: its runner goes on by itself", p.run.id, p.run.rollout);
    }
    Ok(())
}

/// Whether a run has gone back to a phase of its own, with all that the switch does done: it goes on from there once the switch is
/// reset, or at once where it was not the one that threw it.
fn lives_on(store: &Store, p: &Pinned, switch: &str) -> bool {
    let Ok(Some(state)) = kept_state(store, &p.run) else { return false };
    let thrown = p.plan.switch(switch).is_some_and(|s| state.killed.contains(&s));
    thrown && matches!(state.stage, Stage::Phase(_)) && state.target.verified.is_some() && state.kill_actions.is_empty()
}

fn latched(store: &Store, args: &Args) -> Result<Latch, Status> {
    let all = store.latches(args.env.as_deref()).map_err(|e| because(Status::Wrong, &e.to_string()))?;
    let (mut ours, others): (Vec<Latch>, Vec<Latch>) = all.into_iter().partition(|l| l.switch == args.switch);
    if ours.len() > 1 {
        let environments: Vec<&str> = ours.iter().map(|l| l.environment.as_str()).collect();
        let message = format!("{} is latched in {}: say `--env NAME`", args.switch, environments.join(" and "));
        return Err(because(Status::Wrong, &message));
    }
    ours.pop().ok_or_else(|| {
        let here = args.env.as_ref().map_or(String::new(), |e| format!(" in environment {e}"));
        let list: Vec<String> = others.iter().map(|l| format!("\n  - {}", said(l))).collect();
        let list = if list.is_empty() { String::from("nothing is") } else { format!("latched are:{}", list.concat()) };
        because(Status::Wrong, &format!("{} is not latched{here}; {list}", args.switch))
    })
}
