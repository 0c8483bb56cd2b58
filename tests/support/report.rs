//! `docs/report.schema.json`: checks reports against it, and remembers what of it they have shown.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The published schema.
pub struct Schema {
    root: Value,
    all: boon::Schemas,
    index: boon::SchemaIndex,
    seen: BTreeSet<String>,
}

impl Schema {
    pub fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
        let root: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (mut all, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.enable_format_assertions();
        // the identifier is a name, not a place: nothing is fetched
        let mut named = root.clone();
        named.as_object_mut().unwrap().remove("$id");
        compiler.add_resource("http://localhost/report.json", named).unwrap();
        let index = compiler.compile("http://localhost/report.json", &mut all).unwrap();
        Self { root, all, index, seen: BTreeSet::new() }
    }

    /// Fails where a report is not as the schema says.
    #[track_caller]
    pub fn check(&mut self, report: &Value) {
        if let Err(e) = self.all.validate(report, self.index) {
            panic!("{e:#}\n{report:#}");
        }
        let root = self.root.clone();
        self.visit(&root, "", report);
    }

    fn visit(&mut self, schema: &Value, at: &str, value: &Value) {
        if let Some(name) = schema["$ref"].as_str() {
            let pointer = name.trim_start_matches('#').to_owned();
            let target = self.root.pointer(&pointer).unwrap().clone();
            self.visit(&target, &pointer, value);
        }
        for (word, list) in ["anyOf", "oneOf"].iter().filter_map(|w| Some((w, schema[*w].as_array()?))) {
            for (i, one) in list.iter().enumerate() {
                self.visit(one, &format!("{at}/{word}/{i}"), value);
            }
        }
        match value {
            Value::Object(members) => {
                for (name, v) in members {
                    if let Some(s) = schema["properties"].get(name) {
                        let here = format!("{at}/properties/{name}");
                        // null is what a property says when it has nothing to say
                        if !v.is_null() {
                            self.seen.insert(here.clone());
                        }
                        self.visit(s, &here, v);
                    } else if schema["additionalProperties"].is_object() {
                        self.visit(&schema["additionalProperties"], &format!("{at}/additionalProperties"), v);
                    }
                }
            }
            Value::Array(items) if schema["items"].is_object() => {
                for v in items {
                    self.visit(&schema["items"], &format!("{at}/items"), v);
                }
            }
            _ => {}
        }
    }

    /// All properties that the schema names, with their own words.
    pub fn properties(&self) -> BTreeMap<String, Value> {
        fn walk(schema: &Value, at: &str, out: &mut BTreeMap<String, Value>) {
            if let Some(map) = schema["properties"].as_object() {
                for (name, s) in map {
                    out.insert(format!("{at}/properties/{name}"), s.clone());
                }
            }
            match schema {
                Value::Object(map) => {
                    map.iter().for_each(|(k, v)| walk(v, &format!("{at}/{k}"), out));
                }
                Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| walk(v, &format!("{at}/{i}"), out)),
                _ => {}
            }
        }
        let mut out = BTreeMap::new();
        walk(&self.root, "", &mut out);
        out
    }

    /// What no report so far had anything to say of.
    pub fn never_seen(&self) -> Vec<String> {
        self.properties().into_keys().filter(|p| !self.seen.contains(p)).collect()
    }
}
