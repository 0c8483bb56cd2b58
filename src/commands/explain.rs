//! `canary explain`: what a finding means, why it matters, and an example of each kind.

use super::Format;
use super::exit::{Status, because};
use crate::check::registry;
use crate::syntax::codes::Code;
use serde_json::{Value, json};

/// Arguments of `canary explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code such as `E0302`, or its name such as `ratio-needs-percent`; without one all are listed
    code: Option<String>,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the page of a code, or the list of all.
#[must_use]
pub fn main(args: &Args) -> Status {
    let Some(word) = &args.code else {
        list(args.format);
        return Status::Success;
    };
    let Some(code) = registry::find(word.trim()) else {
        let help = match registry::near(word.trim()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => String::from("`canary explain` lists all codes"),
        };
        return because(Status::Wrong, &format!("there is no code `{word}`: {help}"));
    };
    let Some(page) = registry::page(code.0) else {
        return because(Status::Wrong, &format!("{} {}: {}; there is no page of it", code.0, code.1, code.2));
    };
    match args.format {
        Format::Human => out!("{}", registry::plain(page)),
        Format::Json => {
            let mut entry = entry(code);
            if let Some(o) = entry.as_object_mut() {
                o.insert(String::from("page"), json!(page));
            }
            outln!("{:#}", json!({ "schema": "canary.explain/1", "codes": [entry] }));
        }
    }
    Status::Success
}

fn list(format: Format) {
    match format {
        Format::Human => {
            let width = registry::all().map(|c| c.1.len()).max().unwrap_or(0);
            for (code, slug, meaning) in registry::all() {
                outln!("{code}  {slug:width$}  {meaning}");
            }
        }
        Format::Json => {
            let codes: Vec<Value> = registry::all().map(entry).collect();
            outln!("{:#}", json!({ "schema": "canary.explain/1", "codes": codes }));
        }
    }
}

fn entry((code, slug, meaning): &Code) -> Value {
    let severity = if code.starts_with('W') { "warning" } else { "error" };
    json!({ "code": code, "slug": slug, "severity": severity, "meaning": meaning })
}
