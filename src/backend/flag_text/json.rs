//! One value of a JSON text (comments and trailing commas allowed) found, replaced, added and removed, with every byte around it
//! left as it is.
//!
//! Edits are made to the text at the places that the parser reports, never by printing a tree. What is added can be taken
//! away again without a trace: [`edit`] with `None` is the inverse of [`edit`] with a value for a key that was not there, also
//! in another process. For that, objects that had to be made on the way to the key are written `{ "key": value }`, a blank
//! inside each brace, while a key put into an empty object that was there stands without (`{"key": value}`): an object that holds
//! our key alone, with those blanks, goes with it.

#[path = "json_many.rs"]
pub(super) mod many;

use super::splice::{Splice, place, spliced};
use super::{Found, Key};
use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::tokens::{Token, TokenAndRange};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use std::ops::Range;

/// Finds a key's value; `None` where the key, or an object on the way to it, is not there.
///
/// # Errors
/// `line:column: why`: text that is not JSON, something other than an object on the way, a key that stands there twice.
pub(super) fn find(text: &str, key: &Key) -> Result<Option<Found>, String> {
    let doc = Doc::parse(text)?;
    let walk = doc.walk(key)?;
    Ok(walk.prop.map(|p| Found {
        scalar: match &p.value {
            Value::BooleanLit(b) => Some(b.value.to_string()),
            Value::NumberLit(n) => Some(n.value.to_owned()),
            _ => None,
        },
        what: what(text, &p.value),
        place: place(text, p.value.start()),
    }))
}

/// The text with a key's value set, or (`None`) with the key gone.
///
/// # Errors
/// As [`find`].
pub(super) fn edit(text: &str, key: &Key, value: Option<&str>) -> Result<String, String> {
    let doc = Doc::parse(text)?;
    let walk = doc.walk(key)?;
    let splices = match (walk.prop, value) {
        (Some(p), Some(v)) => vec![(p.value.start()..p.value.end(), v.to_owned())],
        (Some(_), None) => doc.removal(&walk.parents),
        (None, Some(v)) => match walk.parents.last() {
            Some((object, _)) => doc.addition(object, walk.missing, v),
            None => vec![],
        },
        (None, None) => vec![],
    };
    Ok(spliced(text, splices))
}

struct Doc<'t> {
    text: &'t str,
    root: Object<'t>,
    /// Comments among them.
    tokens: Vec<TokenAndRange<'t>>,
}

/// How a property is laid out.
struct Layout {
    /// What stands before it.
    blanks: String,
    /// What stands between its name and its value.
    colon: &'static str,
}

/// The way to a key.
struct Walk<'d, 't, 'k> {
    /// The objects passed, outermost first, each with the index of the property taken (in the last one: of the key itself, or
    /// `None` where nothing is there).
    parents: Vec<(&'d Object<'t>, Option<usize>)>,
    /// The property, where it is there.
    prop: Option<&'d ObjectProp<'t>>,
    /// The parts of the key that are not there.
    missing: &'k [String],
}

impl<'t> Doc<'t> {
    fn parse(text: &'t str) -> Result<Self, String> {
        if text.starts_with('\u{feff}') {
            return Err("1:1: begins with a byte order mark, which JSON does not allow".to_owned());
        }
        let collect = CollectOptions { comments: CommentCollectionStrategy::AsTokens, tokens: true };
        let options = ParseOptions {
            allow_comments: true,
            allow_trailing_commas: true,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
        };
        let parsed = parse_to_ast(text, &collect, &options).map_err(|e| {
            let why = e.kind().to_string();
            let mut chars = why.chars();
            let lower = chars.next().map(|c| c.to_ascii_lowercase());
            format!("{}:{}: {}{}", e.line_display(), e.column_display(), lower.unwrap_or_default(), chars.as_str())
        })?;
        match parsed.value {
            Some(Value::Object(root)) => Ok(Self { text, root, tokens: parsed.tokens.unwrap_or_default() }),
            Some(other) => {
                Err(format!("{}: an object was expected, here is {}", place(text, other.start()), what(text, &other)))
            }
            None => Err("1:1: an object was expected, the file is empty".to_owned()),
        }
    }

    fn walk<'k>(&self, key: &'k Key) -> Result<Walk<'_, 't, 'k>, String> {
        let mut parents = Vec::new();
        let mut object = &self.root;
        let mut rest = key.0.as_slice();
        while let Some((name, after)) = rest.split_first() {
            let mut same = object.properties.iter().enumerate().filter(|(_, p)| p.name.as_str() == name);
            let Some((index, prop)) = same.next() else {
                parents.push((object, None));
                return Ok(Walk { parents, prop: None, missing: rest });
            };
            if let Some((_, second)) = same.next() {
                return Err(format!(
                    "{}: the key {name:?} stands here a second time (first at {})",
                    place(self.text, second.start()),
                    place(self.text, prop.start())
                ));
            }
            parents.push((object, Some(index)));
            if after.is_empty() {
                return Ok(Walk { parents, prop: Some(prop), missing: &[] });
            }
            let Value::Object(inner) = &prop.value else {
                return Err(format!(
                    "{}: {name:?} was expected to be an object, here is {}",
                    place(self.text, prop.value.start()),
                    what(self.text, &prop.value)
                ));
            };
            object = inner;
            rest = after;
        }
        Err("an empty key".to_owned())
    }

    /// The last token that ends at or before a place.
    fn before(&self, at: usize) -> Option<&TokenAndRange<'t>> {
        let n = self.tokens.partition_point(|t| t.end() <= at);
        n.checked_sub(1).and_then(|i| self.tokens.get(i))
    }

    /// The comma between two places, if there is one.
    fn comma(&self, between: Range<usize>) -> Option<Range<usize>> {
        let first = self.tokens.partition_point(|t| t.start() < between.start);
        self.tokens
            .iter()
            .skip(first)
            .take_while(|t| t.end() <= between.end)
            .find(|t| t.token == Token::Comma)
            .map(|t| t.start()..t.end())
    }

    /// The blanks just before a place.
    fn blanks_before(&self, at: usize) -> &'t str {
        let head = self.text.get(..at).unwrap_or("");
        let kept = head.trim_end_matches([' ', '\t', '\r', '\n']).len();
        head.get(kept..).unwrap_or("")
    }

    /// How a property at the end of an object is laid out: like the one before it.
    fn layout(&self, object: &Object<'t>) -> Layout {
        let close = object.end() - 1;
        let last = object.properties.last();
        let after_line_comment = self.before(close).is_some_and(|t| matches!(t.token, Token::CommentLine(_)));
        let tight = last.is_some_and(|p| {
            let tail = self.text.get(p.name.end()..p.value.start()).unwrap_or("");
            tail.ends_with(':')
        });
        let mut blanks = match last {
            Some(p) => one_break(self.blanks_before(p.start())),
            None => match one_break(self.blanks_before(close)) {
                b if b.contains('\n') => format!("{b}{}", self.indent_unit()),
                _ => String::new(),
            },
        };
        if blanks.is_empty() && object.properties.len() == 1 && !tight {
            blanks.push(' ');
        }
        if after_line_comment && !blanks.contains('\n') {
            blanks.insert(0, '\n');
        }
        Layout { blanks, colon: if tight { ":" } else { ": " } }
    }

    /// A property at the end of an object.
    fn addition(&self, object: &Object<'t>, missing: &[String], value: &str) -> Vec<Splice> {
        let close = object.end() - 1;
        let last = object.properties.last();
        let content_end = self.before(close).map_or(close, Ranged::end);
        let Layout { blanks, colon } = self.layout(object);
        let mut added = blanks;
        let mut depth = 0;
        for (i, name) in missing.iter().enumerate() {
            if i > 0 {
                added.push_str("{ ");
                depth += 1;
            }
            added.push_str(&serde_json::Value::from(name.as_str()).to_string());
            added.push_str(colon);
        }
        added.push_str(value);
        added.push_str(&" }".repeat(depth));
        let mut splices = Vec::new();
        if let Some(p) = last {
            if self.comma(p.end()..close).is_some() {
                added.push(',');
            } else if p.end() == content_end {
                added.insert(0, ',');
            } else {
                // a comment stands behind the last property: the comma goes before it, the new property behind
                splices.push((p.end()..p.end(), ",".to_owned()));
            }
        }
        splices.push((content_end..content_end, added));
        splices
    }

    /// What one level of indentation is in this text: as much as its first indented line has.
    fn indent_unit(&self) -> &'t str {
        self.text
            .lines()
            .filter_map(|l| l.get(..l.len() - l.trim_start_matches([' ', '\t']).len()))
            .find(|i| !i.is_empty())
            .unwrap_or("  ")
    }

    fn removal(&self, parents: &[(&Object<'t>, Option<usize>)]) -> Vec<Splice> {
        let Some((object, index)) = self.goes(parents) else { return vec![] };
        object.properties.get(index).map_or_else(Vec::new, |prop| self.without(object, index, prop))
    }

    /// The property that goes with a key: the outermost that was made for it alone, or its own.
    fn goes<'d>(&self, parents: &[(&'d Object<'t>, Option<usize>)]) -> Option<(&'d Object<'t>, usize)> {
        let mut parents = parents.iter().rev().peekable();
        while let Some((object, index)) = parents.next() {
            let prop = index.and_then(|i| object.properties.get(i))?;
            let alone = object.properties.len() == 1;
            let made_here = prop.start() == object.start() + 2
                && prop.end() + 2 == object.end()
                && self.text.get(object.start() + 1..prop.start()) == Some(" ")
                && self.text.get(prop.end()..object.end() - 1) == Some(" ");
            if alone && made_here && parents.peek().is_some() {
                continue;
            }
            return Some((object, index.unwrap_or(0)));
        }
        None
    }

    /// A property, the blanks before it, and one comma.
    fn without(&self, object: &Object<'t>, index: usize, prop: &ObjectProp<'t>) -> Vec<Splice> {
        let close = object.end() - 1;
        let next = object.properties.get(index + 1);
        let previous = index.checked_sub(1).and_then(|i| object.properties.get(i));
        let mut cuts = Vec::new();
        let mut end = prop.end();
        match self.comma(end..next.map_or(close, Ranged::start)) {
            Some(own) if own.start == end => end = own.end,
            Some(own) => cuts.push((own, String::new())),
            // the last of several without a comma of its own: the one before must lose its comma
            None => cuts
                .extend(previous.and_then(|p| self.comma(p.end()..prop.start())).map(|comma| (comma, String::new()))),
        }
        let before = self.before(prop.start());
        let mut start = before.map_or(prop.start(), Ranged::end);
        let line_comment = before.is_some_and(|t| matches!(t.token, Token::CommentLine(_)));
        let tail = self.text.get(end..).unwrap_or("");
        if line_comment && !(tail.starts_with('\n') || tail.starts_with("\r\n")) {
            // the line break before the key ends a comment, which must not swallow what follows
            start = prop.start();
        }
        if start == prop.start() && index == 0 {
            // the first of a line: the blanks behind it go, as there are none before it
            let blanks = tail.len() - tail.trim_start_matches([' ', '\t']).len();
            if next.is_some_and(|n| n.start() == end + blanks) {
                end += blanks;
            }
        }
        cuts.push((start..end, String::new()));
        cuts
    }
}

/// Blanks with at most one line break: blank lines are not repeated.
fn one_break(blanks: &str) -> String {
    match blanks.rfind('\n') {
        Some(at) => {
            let from = if blanks.get(..at).is_some_and(|b| b.ends_with('\r')) { at - 1 } else { at };
            blanks.get(from..).unwrap_or("").to_owned()
        }
        None => blanks.to_owned(),
    }
}

fn what(text: &str, value: &Value<'_>) -> String {
    let raw = text.get(value.start()..value.end()).unwrap_or("");
    let mut short: String = raw.chars().take(40).collect();
    if short.len() < raw.len() {
        short.push('…');
    }
    match value {
        Value::StringLit(_) => format!("the string {short}"),
        Value::NumberLit(_) => format!("the number {short}"),
        Value::BooleanLit(_) | Value::NullKeyword(_) => short,
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
