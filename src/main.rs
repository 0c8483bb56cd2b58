//! The `canary` binary: parses arguments, everything else is in the library.

use canary::commands::{self, Cli};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap ends the process itself for `--help` (0) and wrong usage (2)
    let cli = Cli::parse();
    ExitCode::from(commands::main(cli).code())
}
