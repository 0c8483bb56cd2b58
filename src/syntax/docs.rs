//! What a file says of itself: comments directly above a declaration are its documentation, the comment at the top is the
//! file's.

use super::ast::{self, Item, Name};
use super::source::{SourceMap, Span};
use serde::Serialize;

/// A documented file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Docs {
    /// What the file is for, in Markdown; empty when nothing is said.
    pub about: String,
    /// Its params, in the order of the text.
    pub params: Vec<ParamDocs>,
    /// Everything else that can be imported from it, in the order of the text.
    pub declarations: Vec<DeclarationDocs>,
}

/// A documented param.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParamDocs {
    /// Its name.
    pub name: String,
    /// Its type: `duration`.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its default as written; none where a value must be given.
    pub default: Option<String>,
    /// Its lower bound as written.
    pub at_least: Option<String>,
    /// Its upper bound as written.
    pub at_most: Option<String>,
    /// What it is for.
    pub doc: String,
}

/// Another documented declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeclarationDocs {
    /// Its name.
    pub name: String,
    /// The keyword that declares it: `metric`, `let`.
    pub keyword: &'static str,
    /// The kind of a metric, the type of a flag.
    pub kind: Option<String>,
    /// What it is, in Markdown.
    pub doc: String,
    /// The declaration as written.
    pub written: String,
}

/// Reads the documentation of a file.
#[must_use]
pub fn docs(file: &ast::File, map: &SourceMap) -> Docs {
    let text = map.get(file.span.file).map_or("", |f| f.text.as_str());
    let mut out = Docs { about: about(text), params: Vec::new(), declarations: Vec::new() };
    for item in &file.items {
        let written = |span: Span| map.slice(span).to_owned();
        if let Item::Param(p) = item {
            let own = p.doc.as_ref().map(|d| d.node.clone());
            out.params.push(ParamDocs {
                name: p.name.node.clone(),
                ty: p.ty.node.clone(),
                default: (!p.is_required()).then(|| written(p.default.span)),
                at_least: p.at_least.as_ref().map(|e| written(e.span)),
                at_most: p.at_most.as_ref().map(|e| written(e.span)),
                doc: own.unwrap_or_else(|| above(text, p.span)),
            });
            continue;
        }
        out.declarations.extend(declarations(item, map));
    }
    out
}

/// What an item declares for others, params left out, wherever its text stands.
#[must_use]
pub fn declarations(item: &Item, map: &SourceMap) -> Vec<DeclarationDocs> {
    let one = |(keyword, name, kind, span): (&'static str, &Name, Option<&Name>, Span)| DeclarationDocs {
        name: name.node.clone(),
        keyword,
        kind: kind.map(|k| k.node.clone()),
        doc: above(map.get(span.file).map_or("", |f| f.text.as_str()), span),
        written: map.slice(span).to_owned(),
    };
    declared(item).into_iter().map(one).collect()
}

/// The keyword, name, kind and place of what an item declares for others.
fn declared(item: &Item) -> Vec<(&'static str, &Name, Option<&Name>, Span)> {
    match item {
        Item::Let(d) => vec![("let", &d.name, None, d.span)],
        Item::Metric(d) => vec![("metric", &d.name, Some(&d.kind), d.span)],
        Item::Traffic(d) => vec![("traffic", &d.name, None, d.span)],
        Item::Flag(d) => vec![("flag", &d.name, Some(&d.ty), d.span)],
        Item::Flags(d) => vec![("flags", &d.name, None, d.span)],
        Item::Action(d) => vec![("action", &d.name, None, d.span)],
        Item::Channel(names) => names.iter().map(|n| ("channel", n, None, n.span)).collect(),
        Item::Killswitch(d) => vec![("killswitch", &d.name, None, d.span)],
        Item::Slice(d) => vec![("slice", &d.name, None, d.span)],
        Item::Probe(d) => vec![("probe", &d.name, None, d.span)],
        Item::Load(d) => vec![("load", &d.name, None, d.span)],
        Item::Window(d) => vec![("window", &d.name, None, d.span)],
        Item::Signoff(d) => vec![("signoff", &d.name, None, d.span)],
        Item::Slo(d) => vec![("slo", &d.name, None, d.span)],
        Item::Score(d) => vec![("score", &d.name, None, d.span)],
        Item::Edition(_)
        | Item::Param(_)
        | Item::Environment(_)
        | Item::Rollout(_)
        | Item::Use(_)
        | Item::Imported(_)
        | Item::Test(_)
        | Item::Junk(_) => Vec::new(),
    }
}

/// The comment at the top, unless it belongs to the first declaration: an empty line or the edition follows it.
fn about(text: &str) -> String {
    let text = text.trim_start();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().position(|l| !l.trim_start().starts_with('#')).unwrap_or(lines.len());
    match lines.get(end).map(|l| l.trim()) {
        Some(next) if !next.is_empty() && !next.starts_with("edition") => String::new(),
        _ => plain(lines.get(..end).unwrap_or_default()),
    }
}

/// The comment lines that stand directly above a place; nothing stands between them and its line.
fn above(text: &str, span: Span) -> String {
    let before = text.get(..span.start as usize).unwrap_or("");
    let line = before.rfind('\n').map_or(0, |i| i + 1);
    if !before.get(line..).unwrap_or("").trim().is_empty() {
        // a second declaration on its line, or a name in a list
        return String::new();
    }
    let lines: Vec<&str> = before.get(..line).unwrap_or("").lines().collect();
    let from = lines.iter().rposition(|l| !l.trim_start().starts_with('#')).map_or(0, |i| i + 1);
    plain(lines.get(from..).unwrap_or_default())
}

/// Comment lines without their signs.
fn plain(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .map(|l| {
            let l = l.trim_start().trim_start_matches('#');
            l.strip_prefix(' ').unwrap_or(l).trim_end()
        })
        .collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Docs {
        let mut map = SourceMap::default();
        let id = map.add("m.canary", text);
        let (file, found) = crate::syntax::parse(id, text);
        assert_eq!(found, []);
        docs(&file, &map)
    }

    #[test]
    fn comments_belong_to_what_stands_under_them() {
        let d = read(
            "# About.\n#\n#   indented\n\nedition 2026\n\n# Far away.\n\n# Near,\n# on two lines.\nmetric a: count = prometheus(`a`) # behind\n\
             metric b: count = prometheus(`b`)\nparam p: ratio = 1% at least 0.5% at most 2% \"said\"\n# Above.\nparam q: string\n\
             # Not theirs.\nchannel x, y\n",
        );
        assert_eq!(d.about, "About.\n\n  indented");
        let docs: Vec<_> = d.declarations.iter().map(|d| (d.name.as_str(), d.doc.as_str())).collect();
        assert_eq!(docs, [("a", "Near,\non two lines."), ("b", ""), ("x", ""), ("y", "")]);
        assert_eq!(d.declarations[0].written, "metric a: count = prometheus(`a`)");
        let p = &d.params[0];
        assert_eq!(
            (p.default.as_deref(), p.at_least.as_deref(), p.at_most.as_deref(), p.doc.as_str()),
            (Some("1%"), Some("0.5%"), Some("2%"), "said")
        );
        assert_eq!((d.params[1].default.as_deref(), d.params[1].doc.as_str()), (None, "Above."));
    }

    #[test]
    fn a_comment_on_the_first_declaration_is_not_the_files() {
        assert_eq!(read("# A count.\nmetric a: count = prometheus(`a`)\nedition 2026\n").about, "");
        assert_eq!(read("# The file.\nedition 2026\nchannel x\n").about, "The file.");
    }
}
