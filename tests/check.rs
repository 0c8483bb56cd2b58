//! Wrong policies, one file each under `tests/check`, with what the tool says to them. A first line `# compile: …` gives the
//! arguments of a compilation: `env=NAME`, `rollout=NAME`, `set NAME=VALUE`, separated by semicolons; `# run: …` adds what keeps
//! the plan from being run. Without such a line the file is only checked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check;
use canary::check::modules::{Modules, NoFiles};
use canary::commands::load::first_causes;
use canary::syntax::diagnostic::Diagnostic;
use canary::syntax::{self, render, source::SourceMap};
use std::collections::BTreeSet;
use std::sync::LazyLock;

struct Case {
    name: String,
    text: String,
    map: SourceMap,
    found: Vec<Diagnostic>,
}

fn run(name: String, text: String) -> Case {
    let mut map = SourceMap::default();
    let id = map.add(format!("{name}.canary"), text.clone());
    let (file, mut found) = syntax::parse(id, &text);
    let mut none = NoFiles;
    let mut modules = Modules::new(&mut none);
    let files = [modules.expand(&mut map, "", "", file)];
    found.extend(modules.finish());
    let head = text.lines().next().unwrap_or("");
    let runs = head.starts_with("# run:");
    if let Some(line) = head.strip_prefix("# compile:").or_else(|| head.strip_prefix("# run:")) {
        let (mut env, mut rollout, mut sets) = (None, None, Vec::new());
        for part in line.split(';').map(str::trim) {
            if let Some(set) = part.strip_prefix("set ") {
                let (n, v) = set.split_once('=').unwrap();
                sets.push((n.to_owned(), v.to_owned()));
            } else if let Some(e) = part.strip_prefix("env=") {
                env = Some(e.to_owned());
            } else if let Some(r) = part.strip_prefix("rollout=") {
                rollout = Some(r.to_owned());
            } else {
                assert_eq!(part, "", "{name}: what is `{part}`?");
            }
        }
        let (made, more) = check::compile(&files, &map, rollout.as_deref(), env.as_deref(), &sets);
        let broken = more.iter().any(Diagnostic::is_error);
        assert!(made.is_none() || !broken, "{name}: a plan, and an error");
        // what the parser could not read makes no plan either, and was told by the parser
        let unread = found.iter().any(Diagnostic::is_error);
        assert!(made.is_some() || broken || unread, "{name}: no plan, and no reason");
        found.extend(more);
        if let (Some((plan, bindings)), true) = (made, runs) {
            found.extend(check::cannot_run(&plan, &map));
            found.extend(check::cannot_bind(&plan, &bindings, &map));
        }
    } else {
        found.extend(check::check_files(&files, &map).diagnostics);
    }
    // as the command does: what follows from an unreadable text is left out, comments are heard, for a day that stands still
    let day = check::suppress::Day::from_ymd_opt(2026, 6, 1).unwrap();
    let found = check::suppress::apply(&files, &map, first_causes(found), day).diagnostics;
    Case { name, text, map, found }
}

/// All of them, read and checked once.
fn cases() -> &'static [Case] {
    static ALL: LazyLock<Vec<Case>> = LazyLock::new(read);
    &ALL
}

fn read() -> Vec<Case> {
    let mut paths: Vec<_> = std::fs::read_dir("tests/check")
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "canary"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|p| {
            let name = p.file_stem().unwrap().to_str().unwrap().to_owned();
            run(name, std::fs::read_to_string(p).unwrap())
        })
        .collect()
}

#[test]
fn each_wrong_policy_is_told_what_is_wrong() {
    let style = render::Style { colour: false, width: 120 };
    for case in cases() {
        let report = render::human(&case.map, &case.found, style);
        let shown = format!("{}\n{}\n{}", case.text.trim_end(), "─".repeat(80), report);
        insta::with_settings!({
            snapshot_path => "check/snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(case.name.clone(), shown);
        });
    }
}

#[test]
fn there_are_enough_of_them_and_none_is_right() {
    let all = cases();
    let wrong = all.iter().filter(|c| c.found.iter().any(Diagnostic::is_error)).count();
    assert!(wrong >= 60, "only {wrong} wrong policies");
    for c in all {
        assert!(!c.found.is_empty(), "{} has no finding", c.name);
    }
}

/// The size of the collection: how much of what can go wrong is shown, and that a file's mistakes are told together.
#[test]
fn the_collection_is_large_and_varied() {
    let all = cases();
    let policies = ["checkout_", "m4_", "materializers_"];
    let mutations = all.iter().filter(|c| policies.iter().any(|p| c.name.starts_with(p))).count();
    assert!(all.len() >= 150 && mutations * 2 > all.len(), "{} files, {mutations} of them mutations", all.len());
    let codes: BTreeSet<&str> = all.iter().flat_map(|c| c.found.iter().map(|d| d.code.as_str())).collect();
    assert!(codes.len() >= 60, "only {} codes: {codes:?}", codes.len());
    let errors = |c: &Case| c.found.iter().filter(|d| d.is_error()).count();
    let several = all.iter().filter(|c| errors(c) >= 3).count();
    assert!(several >= 30, "only {several} files with three errors or more");
}

/// A file with three slips is told exactly three things.
#[test]
fn three_independent_errors_are_three_findings() {
    let mut tried = 0;
    for c in cases() {
        let count = match c.name.split_once('_') {
            Some((_, rest)) if rest.starts_with("three_") => 3,
            Some((_, rest)) if rest.starts_with("four_") => 4,
            _ => continue,
        };
        let told: Vec<_> = c.found.iter().map(|d| (&d.code, &d.message)).collect();
        assert_eq!(told.len(), count, "{}: {told:#?}", c.name);
        tried += 1;
    }
    assert!(tried >= 30, "only {tried} files");
}

/// The wording guide, as far as a test can read: no bare "unexpected", no full stop, no capital, a way out for each error.
#[test]
fn messages_follow_the_wording_guide() {
    for c in cases() {
        for d in &c.found {
            let said = format!("{}: {} {}", c.name, d.code, d.message);
            assert!(!d.message.starts_with("unexpected"), "{said}");
            assert!(!d.message.ends_with('.'), "{said}");
            let first = d.message.chars().next().unwrap();
            let name = d.message.split_whitespace().next().unwrap();
            assert!(!first.is_uppercase() || name == "PromQL" || name.starts_with(['E', 'W']), "{said}");
            assert!(d.help.is_some() || d.labels.len() > 1, "{said}: no way out");
        }
    }
}

#[test]
fn every_code_of_the_room_has_a_fixture() {
    let seen: BTreeSet<String> = cases().iter().flat_map(|c| c.found.iter().map(|d| d.code.clone())).collect();
    // these need more than one file: `tests/modules.rs` shows them
    let elsewhere = ["E0209", "E0211", "E0213"];
    let missing: Vec<_> =
        check::codes::CODES.iter().map(|(c, ..)| *c).filter(|c| !seen.contains(*c) && !elsewhere.contains(c)).collect();
    assert_eq!(missing, [] as [&str; 0], "codes that no fixture shows");
}

/// A fix, applied, must take its own finding away.
#[test]
fn a_fix_mends_what_it_is_offered_for() {
    let mut tried = 0;
    for case in cases() {
        for d in &case.found {
            let Some(fix) = &d.fix else { continue };
            tried += 1;
            let (start, end) = (fix.span.start as usize, fix.span.end as usize);
            let mut text = case.text.clone();
            text.replace_range(start..end, &fix.replacement);
            let again = run(case.name.clone(), text);
            let same = again
                .found
                .iter()
                .any(|e| e.code == d.code && e.message == d.message && e.span().start == d.span().start);
            assert!(!same, "{}: `{}` is still there", case.name, d.message);
            assert!(
                // warnings are held back beside an error, and come when it is gone
                again.found.iter().filter(|e| e.is_error()).count()
                    < case.found.iter().filter(|e| e.is_error()).count()
                    || (!d.is_error() && again.found.len() < case.found.len()),
                "{}: the fix of `{}` brings new findings: {:?}",
                case.name,
                d.message,
                again.found
            );
        }
    }
    assert!(tried >= 15, "only {tried} fixes");
}

/// The label of a malformed query stands under its culprit, across placeholders of any length.
#[test]
fn malformed_promql_is_labelled_to_the_character() {
    for (query, culprit) in [
        ("max(pool_used) / / max(pool_max)", "/ max"),
        ("max(pool_used{${where}}) / scalr(pool_max)", "scalr"),
        ("sum(rate(x{job=\"${job}\"})) / 2", "rate(x{job=\"${job}\"})"),
        ("sum(rate(x{job=\"${job}\", ${where}}[${window}]) / sum(y)", "("),
        ("x{job=\"${job}\",, ${where}}", ", ${where}"),
        ("x{${where}} +", "+"),
        ("x{job~\"a\"}", "~"),
        ("x{job=\"a}", "\"a}"),
    ] {
        let text = format!(
            "edition 2026\nparam job: string = \"a longer name than its placeholder\"\nmetric pool: ratio = prometheus(`{query}`)\n"
        );
        let case = run(String::from("query"), text);
        let d = case.found.iter().find(|d| d.code == "E0310");
        let d = d.unwrap_or_else(|| panic!("{query}: {:?}", case.found));
        let got = case.map.slice(d.span());
        let at = case.text.find(query).unwrap() + query.find(culprit).unwrap();
        assert_eq!(d.span().start as usize, at, "{query}: under `{got}`, {}", d.message);
        assert!(culprit.starts_with(got), "{query}: under `{got}`, {}", d.message);
    }
}

/// Whatever is left out of a policy, there is an answer: no panic, and never a plan together with an error.
#[test]
fn mutilated_policies_never_give_a_plan_with_errors() {
    let mut texts: Vec<String> = ["policies/checkout.canary", "examples/quickstart/checkout.canary"]
        .iter()
        .map(|p| std::fs::read_to_string(p).unwrap())
        .collect();
    // the hostile ones take their whole allowance each time; mutations are the policies above but for a word
    let others = ["limit", "checkout_", "m4_", "materializers_"];
    let small = cases().iter().filter(|c| !others.iter().any(|o| c.name.starts_with(o)));
    texts.extend(small.map(|c| c.text.clone()));
    let mut planned = 0;
    for text in &texts {
        let lines: Vec<&str> = text.lines().collect();
        for skip in 0..lines.len() {
            let mut left: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
            // every other time only the line's tail goes
            let line = left.remove(skip);
            if skip % 2 == 1 {
                let half = line.char_indices().nth(line.chars().count() / 2);
                left.insert(skip, line[..half.map_or(0, |(i, _)| i)].to_owned());
            }
            let text = left.join("\n");
            let mut map = SourceMap::default();
            let id = map.add("p.canary", text.clone());
            let (file, parsed) = syntax::parse(id, &text);
            let (made, found) = check::compile(&[file], &map, None, Some("lab"), &[]);
            if made.is_some() {
                planned += 1;
                assert!(!found.iter().any(Diagnostic::is_error), "{text}");
            } else {
                let why = found.iter().chain(&parsed).any(Diagnostic::is_error);
                assert!(why, "no plan, and no reason:\n{text}");
            }
            for d in &found {
                for l in &d.labels {
                    assert!(l.span.end as usize <= text.len() && l.span.start <= l.span.end);
                }
            }
        }
    }
    assert!(planned > 20, "only {planned} of them could be planned");
}

/// Definitions that lean on each other by the thousand end in a finding, not in a full stack.
#[test]
fn a_long_chain_of_definitions_is_refused() {
    let mut text = String::from("edition 2026\nmetric pool: ratio = prometheus(`pool`)\nlet d0 = pool\n");
    for i in 1..5_000 {
        text.push_str(&format!("let d{i} = d{} * 2\n", i - 1));
    }
    text.push_str("let c0 = 1%\n");
    for i in 1..5_000 {
        text.push_str(&format!("let c{i} = c{} + 1pp\n", i - 1));
    }
    text.push_str("traffic checkout\nrollout checkout {\n  guard g: d4999 < c4999 else hold\n  phase taste { traffic checkout = 5%   hold 10m }\n}\n");
    let case = run(String::from("chain"), text);
    assert!(case.found.iter().any(|d| d.code == "E0318"), "{:?}", case.found.first());
}
