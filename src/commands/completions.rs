//! `canary completions SHELL`: what a shell needs to complete our commands, options and their values, on standard output.

use super::Cli;
use super::exit::Status;
use clap::CommandFactory;
use std::io::Write;

/// Arguments of `canary completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
bash  canary completions bash > ~/.local/share/bash-completion/completions/canary
zsh   canary completions zsh > \"${fpath[1]}/_canary\"
fish  canary completions fish > ~/.config/fish/completions/canary.fish")]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the script.
#[must_use]
pub fn main(args: &Args) -> Status {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "canary", &mut script);
    // a reader that went away is no mistake
    let _ = std::io::stdout().write_all(&script);
    Status::Success
}
