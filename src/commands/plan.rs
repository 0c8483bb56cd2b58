//! `canary plan`: what a rollout would do, before it does it.

use super::Format;
use super::exit::{Status, because};
use super::load::{Target, compile};
use crate::plan::render;
use crate::plan::review::{self, mermaid};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `canary plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum PlanFormat {
    /// For people
    #[default]
    Human,
    /// Versioned JSON: the plan, its bindings, and what a reviewer wants to know of it
    Json,
    /// A Mermaid state diagram, for a pull request or a wiki
    Mermaid,
}

/// Prints the plan. Opens no socket, reads no secret.
#[must_use]
pub fn main(args: &Args) -> Status {
    let findings = if args.format == PlanFormat::Json { Format::Json } else { Format::Human };
    let compiled = match compile(&args.target, findings) {
        Ok(c) => c,
        Err(status) => return status,
    };
    let text = match args.format {
        PlanFormat::Human => render::text(&compiled.plan, &compiled.bindings),
        PlanFormat::Mermaid => mermaid::diagram(&compiled.plan, &review::review(&compiled.plan, &compiled.bindings)),
        PlanFormat::Json => {
            // the plan names its own schema
            let review = review::review(&compiled.plan, &compiled.bindings);
            let both = json!({ "plan": compiled.plan, "bindings": compiled.bindings, "review": review });
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
