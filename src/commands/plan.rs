//! `canary plan`: what a rollout would do, before it does it.

use super::Format;
use super::exit::{Status, because};
use super::load::{Target, compile};
use crate::plan::render;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `canary plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Prints the plan. Opens no socket, reads no secret.
#[must_use]
pub fn main(args: &Args) -> Status {
    let compiled = match compile(&args.target, args.format) {
        Ok(c) => c,
        Err(status) => return status,
    };
    let text = match args.format {
        Format::Human => render::text(&compiled.plan, &compiled.bindings),
        Format::Json => {
            // the plan names its own schema
            let both = json!({ "plan": compiled.plan, "bindings": compiled.bindings });
            let mut whole = json!({ "schema": "canary.plan/1" });
            if let (Some(w), serde_json::Value::Object(b)) = (whole.as_object_mut(), both) {
                w.extend(b);
            }
            serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
        }
    };
    match &args.output {
        None => {
            out!("{text}");
            Status::Success
        }
        Some(path) => match std::fs::write(path, text) {
            Ok(()) => Status::Success,
            Err(e) => because(Status::Wrong, &format!("cannot write {}: {e}", path.display())),
        },
    }
}
