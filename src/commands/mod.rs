//! One file a subcommand: arguments in, text out. What they do is done in the rooms before.

/// As `println!`, but a reader that went away (`| head`) is no reason to panic.
macro_rules! outln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// As `print!`, but a reader that went away is no reason to panic.
macro_rules! out {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), $($text)*);
    }};
}

pub mod abort;
pub mod check;
pub mod completions;
pub mod connect;
pub mod credentials;
pub mod doc;
pub mod dry_run;
pub mod exit;
pub mod explain;
mod findings;
pub mod fmt;
mod git;
pub mod history;
use crate::sim::in_parallel;
pub mod init;
pub mod kill;
mod kill_over;
mod kill_runs;
mod kill_slices;
pub mod killswitch;
pub mod lab;
pub mod left;
pub mod load;
pub mod modules;
pub mod people;
pub mod plan;
pub mod policy;
pub mod provenance;
pub mod query;
pub mod record;
mod recording;
pub mod repl;
pub mod report;
pub mod reset;
pub mod run;
mod run_record;
mod run_record_slices;
mod run_slices;
pub mod runs;
mod side_by_side;
pub mod sim;
mod slice_ports;
mod slices;
pub mod status;
pub mod switches;
pub mod test;
mod whole;
pub mod why;

use clap::{Parser, Subcommand};

/// Rollouts as text: checked, planned, executed, taken back.
#[derive(Debug, Parser)]
#[command(name = "canary", version, about, long_about = None, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check policies: syntax, names, types, units, PromQL, environments
    Check(check::Args),
    /// Say what a finding means, with a wrong and a right example
    Explain(explain::Args),
    /// Lay policies out in the one format
    Fmt(fmt::Args),
    /// Run the tests of policies, on virtual time
    Test(test::Args),
    /// Replay a policy over a recording: what would it have done?
    Sim(sim::Args),
    /// Ask what if, one entry at a time: a policy, a recording, and expressions, steps, changes
    Repl(repl::Args),
    /// Show what a module is for, what it wants and what it brings
    Doc(doc::Args),
    /// Show the compiled plan of a rollout: timeline, gates, queries, credentials, hash
    Plan(plan::Args),
    /// Execute a rollout
    Run(run::Args),
    /// Ask what a metric answers now
    Query(query::Args),
    /// Ask sources about the past, and keep what they answer
    Record(record::Args),
    /// Show live and unfinished runs
    Status(status::Args),
    /// List past runs, or the events of one
    History(history::Args),
    /// Say why a run is where it is
    Why(why::Args),
    /// Pause a run; guards go on watching
    Pause(people::Args),
    /// Let a paused run go on
    Resume(people::Args),
    /// Say yes, for a group of people, to the phase that a run is in
    Approve(people::Approve),
    /// Take everything back and end the run
    Abort(people::Args),
    /// Throw a kill switch: take everything back, set what it sets, run what it runs, and latch it
    Kill(kill::Args),
    /// Clear a kill switch's latch, so that rollouts may start again
    Reset(reset::Args),
    /// List kill switches: latched or not, since when, by whom, why
    Killswitch(killswitch::Args),
    /// The built-in lab: services with faults, a weighted proxy, a load generator
    Lab(lab::Args),
    /// Write a new policy with its environment, to begin from
    Init(init::Args),
    /// Print what a shell needs to complete canary's commands and options
    Completions(completions::Args),
}

/// Runs a subcommand and returns its exit status.
#[must_use]
pub fn main(cli: Cli) -> exit::Status {
    match cli.command {
        Command::Check(args) => check::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Fmt(args) => fmt::main(&args),
        Command::Test(args) => test::main(&args),
        Command::Sim(args) => sim::main(&args),
        Command::Repl(args) => repl::main(&args),
        Command::Doc(args) => doc::main(&args),
        Command::Plan(args) => plan::main(&args),
        Command::Run(args) => run::main(&args),
        Command::Query(args) => query::main(&args),
        Command::Record(args) => record::main(&args),
        Command::Status(args) => status::main(&args),
        Command::History(args) => history::main(&args),
        Command::Why(args) => why::main(&args),
        Command::Pause(args) => people::main("pause", &args),
        Command::Resume(args) => people::main("resume", &args),
        Command::Approve(args) => people::approve(&args),
        Command::Abort(args) => abort::main(&args),
        Command::Kill(args) => kill::main(&args),
        Command::Reset(args) => reset::main(&args),
        Command::Killswitch(args) => killswitch::main(&args),
        Command::Lab(args) => lab::main(&args),
        Command::Init(args) => init::main(&args),
        Command::Completions(args) => completions::main(&args),
    }
}

/// How a command reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For machines; each document names its schema.
    Json,
}
