//! What the formatter holds against its own result.

use crate::syntax::ast::File;
use serde_json::Value;

/// Whether two trees are the same but for their places.
pub(super) fn same_tree(a: &File, b: &File) -> bool {
    let bare = |f: &File| {
        let mut v = serde_json::to_value(&f.items).unwrap_or_default();
        strip(&mut v);
        v
    };
    bare(a) == bare(b)
}

fn strip(v: &mut Value) {
    match v {
        Value::Object(o) if o.len() == 3 && ["file", "start", "end"].iter().all(|k| o.contains_key(*k)) => {
            *v = Value::Null;
        }
        Value::Object(o) => o.values_mut().for_each(strip),
        Value::Array(a) => a.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Whether two texts have the same comments in the same order, and otherwise the same characters but for blanks, for commas
/// before a closing bracket, and for the order of what stands between two comments (the tails of a guard).
pub(super) fn same_words(a: &str, b: &str) -> bool {
    let (comments_a, runs_a) = split(a);
    let (comments_b, runs_b) = split(b);
    comments_a == comments_b && runs_a == runs_b
}

/// The comments, and how often each character but blanks and commas stands between two of them.
fn split(text: &str) -> (Vec<String>, Vec<Vec<char>>) {
    let mut comments = Vec::new();
    let mut runs = vec![Vec::new()];
    let mut chars = text.chars().peekable();
    let mut quote: Option<char> = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '#') => {
                let mut comment = String::from(c);
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    comment.push(c);
                }
                comments.push(comment.trim_end().to_owned());
                runs.push(Vec::new());
                continue;
            }
            (None, '"' | '`') => quote = Some(c),
            (Some('"'), '\\') => {
                if let Some(run) = runs.last_mut() {
                    run.push(c);
                    run.extend(chars.next());
                }
                continue;
            }
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
        if (quote.is_some() || !(c.is_whitespace() || c == ','))
            && let Some(run) = runs.last_mut()
        {
            run.push(c);
        }
    }
    runs.iter_mut().for_each(|r| r.sort_unstable());
    (comments, runs)
}
