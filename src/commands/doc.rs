//! `canary doc`: what a module is for, what it wants and what it brings.

use super::exit::{Status, because};
use super::load::plain;
use crate::check::modules::library;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::docs::{Docs, docs};
use crate::syntax::source::SourceMap;
use crate::syntax::{parse, read_source, render};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Arguments of `canary doc`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, a module of the library such as `std.http`, or `std` for all of them
    #[arg(default_value = "std")]
    module: String,
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    format: Output,
}

/// How documentation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// Markdown, which can be read as it is
    #[default]
    Markdown,
    /// For programs: schema `canary.doc/1`
    Json,
}

/// A module with its documentation.
struct Page {
    /// `std.http`, or the path of a file.
    name: String,
    docs: Docs,
}

/// Writes documentation to standard output.
#[must_use]
pub fn main(args: &Args) -> Status {
    let pages = if args.module == "std" {
        library::NAMES.iter().filter_map(|n| Some(page(n, library::text(n)?))).collect()
    } else if let Some(text) = library::text(&args.module) {
        vec![page(&args.module, text)]
    } else {
        match from_file(&args.module) {
            Ok(page) => vec![page],
            Err(status) => return status,
        }
    };
    match args.format {
        Output::Markdown if args.module == "std" => out!("{}", library_page(&pages)),
        Output::Markdown => pages.iter().for_each(|p| out!("{}", markdown(p, 1))),
        Output::Json => {
            let modules: Vec<Value> = pages.iter().map(document).collect();
            outln!("{:#}", json!({ "schema": "canary.doc/1", "modules": modules }));
        }
    }
    Status::Success
}

fn page(name: &str, text: &str) -> Page {
    let mut map = SourceMap::default();
    let id = map.add(name, text);
    let (file, _) = parse(id, text);
    Page { name: name.to_owned(), docs: docs(&file, &map) }
}

/// A file of the user's: what cannot be understood of it is said, and the rest documented.
fn from_file(name: &str) -> Result<Page, Status> {
    let bytes = std::fs::read(name).map_err(|e| {
        let library = if name.starts_with("std") || !Path::new(name).exists() && !name.contains(['/', '.']) {
            format!("; the library has {}", library::NAMES.join(", "))
        } else {
            String::new()
        };
        because(Status::Wrong, &format!("cannot read {name}: {}{library}", plain(&e)))
    })?;
    let text = read_source(bytes, name).map_err(|e| because(Status::Wrong, &format!("{}: {}", e.message, e.help)))?;
    let mut map = SourceMap::default();
    let id = map.add(name, text.clone());
    let (file, found) = parse(id, &text);
    if found.iter().any(Diagnostic::is_error) {
        eprint!("{}", render::human(&map, &found, render::Style::default()));
        return Err(Status::Bad);
    }
    Ok(Page { name: name.to_owned(), docs: docs(&file, &map) })
}

/// All modules of the library, as `docs/stdlib.md` has them.
fn library_page(pages: &[Page]) -> String {
    let mut out = String::from(
        "# The standard library\n\nModules that every installation has: `use std.http(service: \"checkout\") as http`. They are written in \
         the language;\n`canary doc std.http` shows one of them, `canary doc` writes this page.\n\n| module | is about |\n|---|---|\n",
    );
    for p in pages {
        let _ = writeln!(out, "| `{}` | {} |", p.name, cell(&sentence(&p.docs.about)));
    }
    for p in pages {
        out.push('\n');
        out.push_str(&markdown(p, 2));
    }
    out
}

/// One module; `level` is that of its heading.
fn markdown(p: &Page, level: usize) -> String {
    let alias = alias_of(&p.name);
    let mut out = format!("{} {}\n\n", "#".repeat(level), p.name);
    if p.docs.about.is_empty() {
        out.push_str("Its author says nothing about it: a comment at the top of the file would stand here.\n\n");
    } else {
        let _ = writeln!(out, "{}\n", p.docs.about);
    }
    if !p.docs.about.contains("```") {
        let needed: Vec<String> =
            p.docs.params.iter().filter(|p| p.default.is_none()).map(|p| format!("{}: …", p.name)).collect();
        let args = if needed.is_empty() { String::new() } else { format!("({})", needed.join(", ")) };
        let module = if p.name.starts_with("std.") { p.name.clone() } else { format!("\"{}\"", p.name) };
        let _ = writeln!(out, "    use {module}{args} as {alias}\n");
    }
    if !p.docs.params.is_empty() {
        out.push_str("| param | type | default | bounds | |\n|---|---|---|---|---|\n");
        for q in &p.docs.params {
            let default =
                q.default.as_ref().map_or_else(|| String::from("must be given"), |d| format!("`{}`", cell(d)));
            let bounds: Vec<String> = [("at least", &q.at_least), ("at most", &q.at_most)]
                .into_iter()
                .filter_map(|(word, b)| Some(format!("{word} `{}`", cell(b.as_ref()?))))
                .collect();
            let _ = writeln!(out, "| `{}` | {} | {default} | {} | {} |", q.name, q.ty, bounds.join(", "), cell(&q.doc));
        }
        out.push('\n');
    }
    if !p.docs.declarations.is_empty() {
        out.push_str("| brings | kind | |\n|---|---|---|\n");
        for d in &p.docs.declarations {
            let kind = d.kind.as_deref().unwrap_or(match d.keyword {
                "let" => "expression",
                other => other,
            });
            let _ = writeln!(out, "| `{alias}.{}` | {kind} | {} |", d.name, cell(&d.doc));
        }
    }
    out
}

fn document(p: &Page) -> Value {
    let mut value = serde_json::to_value(&p.docs).unwrap_or_default();
    if let Some(o) = value.as_object_mut() {
        o.insert(String::from("module"), json!(p.name));
    }
    value
}

/// The name that an example gives a module: its last word.
fn alias_of(name: &str) -> String {
    let stem = Path::new(name).file_name().map_or_else(|| name.to_owned(), |n| n.to_string_lossy().into_owned());
    let stem = stem.strip_suffix(".canary").unwrap_or(&stem);
    let stem = stem.strip_prefix("std.").unwrap_or(stem);
    stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The first sentence of a text.
fn sentence(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or("").replace('\n', " ");
    first.split_inclusive(". ").next().unwrap_or("").trim().to_owned()
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_a_name_and_a_cell_is_one_line() {
        assert_eq!(alias_of("std.http"), "http");
        assert_eq!(alias_of("lib/team-metrics.canary"), "team_metrics");
        assert_eq!(cell("a|b\nc"), "a\\|b c");
        assert_eq!(sentence("One thing.\nOf two. More.\n\nRest."), "One thing.");
    }
}
