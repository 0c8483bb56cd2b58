//! Data flows one way (DESIGN): a room may import from the rooms before it, never from those behind it, and the engine knows
//! nothing of clocks, files, networks and chance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};

/// Each room with those it may import from.
const ROOMS: [(&str, &[&str]); 12] = [
    ("syntax", &[]),
    ("plan", &[]),
    ("check", &["syntax", "plan"]),
    ("engine", &["plan"]),
    ("sim", &["syntax", "plan", "check", "engine"]),
    ("backend", &["plan"]),
    ("lab", &["plan", "backend"]),
    ("store", &["plan"]),
    ("runtime", &["plan", "engine", "sim", "backend", "store"]),
    ("report", &["plan", "engine", "sim", "runtime"]),
    ("repl", &["syntax", "plan", "check", "engine", "sim", "report"]),
    ("commands", &["syntax", "plan", "check", "engine", "sim", "backend", "lab", "store", "runtime", "report", "repl"]),
];

/// What the engine may not name.
const WORLD: [&str; 10] = [
    "tokio",
    "rand",
    "rusqlite",
    "reqwest",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::time::SystemTime",
    "std::time::Instant",
];

/// Code without comments and without what stands between quotes.
fn bare(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while !rest.is_empty() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |i| i + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = 2 + hashes;
            rest[open..].find(&close).map_or(rest.len(), |i| open + i + close.len())
        } else if rest.starts_with('"') {
            string_end(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'/'") {
            3
        } else if rest.starts_with("'\\") {
            rest.char_indices().skip(3).find(|(_, c)| *c == '\'').map_or(2, |(i, _)| i + 1)
        } else {
            0
        };
        if skip > 0 {
            out.push(' ');
            rest = &rest[skip..];
        } else {
            let c = rest.chars().next().unwrap();
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn raw_string(rest: &str) -> Option<usize> {
    let tail = rest.strip_prefix('r')?;
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    tail[hashes..].starts_with('"').then_some(hashes)
}

fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words that follow `path` (`crate::x`, `crate::{x, y::z}`), one level deep.
fn heads(code: &str, path: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (i, _) in code.match_indices(path) {
        if code[..i].chars().next_back().is_some_and(|c| word(c) || c == ':') {
            continue;
        }
        let tail = code[i + path.len()..].trim_start();
        if let Some(group) = tail.strip_prefix('{') {
            let (mut depth, mut start) = (0, true);
            let mut current = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        out.push(std::mem::take(&mut current));
                        start = true;
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 && start && word(c) {
                    current.push(c);
                } else if !current.is_empty() {
                    start = false;
                }
            }
            out.push(current);
        } else {
            out.push(tail.chars().take_while(|c| word(*c)).collect());
        }
    }
    out.retain(|h| !h.is_empty());
    out
}

/// What is wrong with one file of a room.
fn violations(room: &str, text: &str) -> Vec<String> {
    let code = bare(text);
    let (_, may) =
        ROOMS.iter().find(|(r, _)| *r == room).unwrap_or_else(|| panic!("the room {room} is not in the order"));
    let mut out = Vec::new();
    for head in heads(&code, "crate::") {
        if head != room && ROOMS.iter().any(|(r, _)| *r == head) && !may.contains(&head.as_str()) {
            out.push(format!("{room} imports {head}"));
        }
    }
    if room == "engine" {
        for name in WORLD {
            let head = name.rsplit("::").next().unwrap();
            let whole = code.match_indices(name).any(|(i, _)| {
                let before = code[..i].chars().next_back();
                let after = code[i + name.len()..].chars().next();
                !before.is_some_and(word) && !after.is_some_and(word)
            });
            // `use std::{fs, net}`, `use std::time::{Instant}`
            let grouped =
                name.contains("::") && heads(&code, &name[..name.len() - head.len()]).iter().any(|h| h == head);
            if whole || grouped {
                out.push(format!("engine names {name}"));
            }
        }
    }
    out
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn no_room_imports_from_one_behind_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut rooms = 0;
    for entry in std::fs::read_dir(&src).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.is_dir() {
            continue;
        }
        rooms += 1;
        let room = dir.file_name().unwrap().to_str().unwrap().to_owned();
        let mut all = Vec::new();
        files(&dir, &mut all);
        for path in all {
            let text = std::fs::read_to_string(&path).unwrap();
            // tests of the engine may read files
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let place = path.strip_prefix(&src).unwrap().display().to_string();
            found.extend(violations(&room, text).into_iter().map(|v| format!("{place}: {v}")));
        }
    }
    assert_eq!(rooms, ROOMS.len(), "a room is not in the order");
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_walker_sees_what_is_planted() {
    for (room, text, want) in [
        ("engine", "use crate::backend::Metrics;", "engine imports backend"),
        ("engine", "use crate::{plan::Plan, store::Store};", "engine imports store"),
        ("engine", "use crate::{\n    plan::{Plan, Time},\n    runtime,\n};", "engine imports runtime"),
        ("plan", "fn f() { crate::engine::step(); }", "plan imports engine"),
        ("plan", "pub(crate) use crate::check as c;", "plan imports check"),
        ("report", "use crate::syntax::ast;", "report imports syntax"),
        ("engine", "use std::time::{Duration, Instant};", "engine names std::time::Instant"),
        ("engine", "let t = std::time::SystemTime::now();", "engine names std::time::SystemTime"),
        ("engine", "use std::{collections::VecDeque, fs};", "engine names std::fs"),
        ("engine", "use tokio::sync::mpsc;", "engine names tokio"),
        ("engine", "let s = \"// not a comment\"; use rand::Rng;", "engine names rand"),
        ("engine", "let q = '\"'; use rand::Rng; let r = '\"';", "engine names rand"),
        ("engine", "let q = r#\"a \" b\"#; use reqwest::Client;", "engine names reqwest"),
    ] {
        assert_eq!(violations(room, text), [want], "{text}");
    }
    for (room, text) in [
        ("engine", "use crate::plan::Plan; use super::state::State; // use crate::backend::X;"),
        ("engine", "/* tokio */ let s = \"std::fs and crate::store::Store\";"),
        ("engine", "let operand = 1; let brand = 2; let _x = my_rand;"),
        ("engine", "use std::collections::VecDeque;"),
        ("commands", "use crate::{engine::State, report, store::Store};"),
        ("check", "use crate::plan::Plan; use crate::syntax::ast; use crate::check::Cx;"),
        ("runtime", "use not_crate::commands::X; use my::crate_::commands;"),
    ] {
        assert_eq!(violations(room, text), [""; 0], "{text}");
    }
}
