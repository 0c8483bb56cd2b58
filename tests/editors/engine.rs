//! The TextMate grammar at work: an engine of such grammars (the one that paints as VS Code does) with a theme in which every
//! scope has a colour of its own, so that what it painted says which scope it found.

use giallo::{HighlightOptions, Registry, ThemeVariant};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The scope of each byte of a text: the innermost one.
pub struct Painted {
    scopes: Vec<String>,
}

impl Painted {
    /// Of a place; panics where it goes over several.
    pub fn at(&self, start: usize, end: usize) -> &str {
        let first = &self.scopes[start];
        assert!(self.scopes[start..end].iter().all(|s| s == first), "{start}..{end}: {:?}", &self.scopes[start..end]);
        first
    }

    /// Of the word `word` behind `before`, both as they stand in the text.
    #[track_caller]
    pub fn of(&self, text: &str, before: &str, word: &str) -> &str {
        let whole = format!("{before}{word}");
        let at = text.find(&whole).unwrap_or_else(|| panic!("{whole:?} is not in the text")) + before.len();
        self.at(at, at + word.len())
    }
}

/// The engine with the grammar.
pub struct Engine {
    registry: Registry,
    colours: BTreeMap<String, String>,
}

fn scopes(v: &Value, out: &mut Vec<String>) {
    match v {
        Value::Object(o) => {
            for (k, v) in o {
                match v {
                    Value::String(s) if (k == "name" || k == "contentName") && s.contains('.') => out.push(s.clone()),
                    v => scopes(v, out),
                }
            }
        }
        Value::Array(a) => a.iter().for_each(|v| scopes(v, out)),
        _ => {}
    }
}

impl Engine {
    pub fn new(grammar: &Path) -> Self {
        let mut all = Vec::new();
        scopes(&serde_json::from_str(&std::fs::read_to_string(grammar).unwrap()).unwrap(), &mut all);
        all.sort();
        all.dedup();
        assert!(all.len() > 20, "{all:?}");
        let colours: BTreeMap<String, String> =
            all.iter().enumerate().map(|(i, s)| (format!("#0000{:02X}", i + 1), s.clone())).collect();
        let rules: Vec<Value> =
            colours.iter().map(|(c, s)| json!({ "scope": s, "settings": { "foreground": c } })).collect();
        let theme = json!({
            "name": "scopes", "type": "dark", "tokenColors": rules,
            "colors": { "editor.foreground": "#FFFFFF", "editor.background": "#000000" },
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theme.json");
        std::fs::write(&path, theme.to_string()).unwrap();
        let mut registry = Registry::default();
        registry.add_grammar_from_path(grammar).unwrap();
        registry.add_theme_from_path(&path).unwrap();
        registry.link_grammars();
        Self { registry, colours }
    }

    pub fn paint(&self, text: &str) -> Painted {
        let options = HighlightOptions::new("canary", ThemeVariant::Single("scopes"))
            .merge_whitespace(false)
            .merge_same_style_tokens(false);
        let code = self.registry.highlight(text, &options).unwrap();
        let mut out = Vec::new();
        for (line, tokens) in text.split('\n').zip(&code.tokens) {
            let mut seen = String::new();
            for token in tokens {
                let ThemeVariant::Single(style) = token.style else { panic!("one theme was asked for") };
                let colour = style.foreground.as_hex().to_uppercase();
                let scope = self.colours.get(colour.get(..7).unwrap()).cloned().unwrap_or_default();
                let token = token.text.trim_end_matches('\n');
                seen.push_str(token);
                out.extend(std::iter::repeat_n(scope, token.len()));
            }
            assert_eq!(seen, line, "the engine lost a part of the line");
            out.push(String::new());
        }
        assert!(out.len() >= text.len());
        Painted { scopes: out }
    }
}
