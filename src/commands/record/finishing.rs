//! `canary record --finish`: a recording of what a recorded run has left that nobody goes on with.

use super::{Args, say_done, wrong};
use crate::commands::exit::Status;
use crate::commands::load::Compiled;
use crate::commands::recording::write_with_plan;
use crate::commands::run_record::left;
use std::path::Path;

/// Makes a recording of a side file, which stays: its run may still go on with it.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn finish(args: &Args, side: &Path, compiled: &Compiled) -> Result<(), Status> {
    let (made, over) = left(&compiled.plan, &compiled.bindings, side).map_err(|e| wrong(&e))?;
    write_with_plan(&made, &compiled.plan, &args.output).map_err(|e| wrong(&e))?;
    say_done(&args.output, &made);
    let (side, run) = (side.display(), made.about.run.unwrap_or_default());
    if !over {
        eprintln!("canary: the recording is not complete: it ends before run {run} does");
    }
    eprintln!(
        "canary: the journal was not asked: the last of what happened may not be in it. {side} is kept, for `--resume` if run {run} \
         goes on, else to be removed"
    );
    Ok(())
}
