//! Many values of one JSON text found by one reading, and set by a few: what one by one would be quadratic.
//!
//! The outcome is that of [`super::edit`] key after key, but for blanks beside neighbours that somebody else wrote and that go
//! together. What this cannot do as well (a key that cannot be read, a place that
//! cannot be edited) it leaves to that, which tells about it.

use super::super::splice::{Splice, spliced};
use super::super::{Glance, Key};
use super::{Doc, one_break};
use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Where every property stands: by its object's place and its name, its index; none for a name that stands there twice.
struct Index<'d, 't>(HashMap<(usize, &'d str), Option<(&'d Object<'t>, usize)>>);

/// Where a key stands, or would.
struct Way<'d, 't> {
    /// The objects passed, with the index of the property taken, where it is there.
    parents: Vec<(&'d Object<'t>, Option<usize>)>,
    /// How many parts of the key are there.
    there: usize,
}

impl<'d, 't> Index<'d, 't> {
    fn of(root: &'d Object<'t>) -> Self {
        let mut all = HashMap::new();
        let mut open = vec![root];
        while let Some(object) = open.pop() {
            for (i, p) in object.properties.iter().enumerate() {
                let at = (object.start(), p.name.as_str());
                all.entry(at).and_modify(|twice| *twice = None).or_insert(Some((object, i)));
                if let Value::Object(inner) = &p.value {
                    open.push(inner);
                }
            }
        }
        Self(all)
    }

    /// None where something else stands on the way, or a name stands twice.
    fn way(&self, root: &'d Object<'t>, key: &Key) -> Option<Way<'d, 't>> {
        let (mut parents, mut object) = (Vec::new(), root);
        for (i, name) in key.0.iter().enumerate() {
            let Some(found) = self.0.get(&(object.start(), name.as_str())) else {
                parents.push((object, None));
                return Some(Way { parents, there: i });
            };
            let (_, index) = (*found)?;
            parents.push((object, Some(index)));
            if i + 1 == key.0.len() {
                return Some(Way { parents, there: i + 1 });
            }
            let Value::Object(inner) = &object.properties.get(index)?.value else { return None };
            object = inner;
        }
        None
    }
}

/// What stands at each key; none where the text cannot be read.
pub fn glance(text: &str, keys: &[&Key]) -> Option<Vec<Glance>> {
    let doc = Doc::parse(text).ok()?;
    let index = Index::of(&doc.root);
    let one = |key: &&Key| {
        let Some(way) = index.way(&doc.root, key) else { return Glance::Other };
        let Some((object, Some(i))) = way.parents.last() else { return Glance::Absent };
        match object.properties.get(*i).map(|p| &p.value) {
            Some(Value::BooleanLit(b)) => Glance::Scalar(b.value.to_string()),
            Some(Value::NumberLit(n)) => Glance::Scalar(n.value.to_owned()),
            _ => Glance::Other,
        }
    };
    Some(keys.iter().map(one).collect())
}

/// The text with the values of several keys set, or (`None`) with the keys gone; none where that has to be done one by one.
pub fn edit(text: &str, edits: &[(&Key, Option<String>)]) -> Option<String> {
    let mut keys = HashSet::new();
    if !edits.iter().all(|(key, _)| keys.insert(key.0.as_slice())) {
        return None;
    }
    let mut out = text.to_owned();
    let mut gone: Vec<&Key> = edits.iter().filter(|(_, v)| v.is_none()).map(|(k, _)| *k).collect();
    // each time at least every second one of neighbours
    while !gone.is_empty() {
        let before = gone.len();
        out = without_some(&out, &mut gone)?;
        if gone.len() >= before {
            return None;
        }
    }
    let set: Vec<(&Key, &str)> = edits.iter().filter_map(|(k, v)| Some((*k, v.as_deref()?))).collect();
    if !set.is_empty() {
        out = with_all(&out, &set)?;
    }
    let names: Vec<&Key> = edits.iter().map(|(k, _)| *k).collect();
    let read = glance(&out, &names)?;
    let so = |((_, wanted), is): (&(&Key, Option<String>), &Glance)| match (wanted, is) {
        (None, Glance::Absent) => true,
        (Some(v), Glance::Scalar(s)) => v == s,
        _ => false,
    };
    edits.iter().zip(&read).all(so).then_some(out)
}

/// Removes those of the keys that are not next to each other, and takes them from the list.
fn without_some(text: &str, gone: &mut Vec<&Key>) -> Option<String> {
    let doc = Doc::parse(text).ok()?;
    let index = Index::of(&doc.root);
    let mut taken: HashSet<(usize, usize)> = HashSet::new();
    let mut splices: Vec<Splice> = Vec::new();
    let mut left = Vec::new();
    for key in gone.drain(..) {
        let way = index.way(&doc.root, key)?;
        let Some((object, i)) = doc.goes(&way.parents) else { continue };
        // a neighbour's comma may be cut with it
        let next_to = [i.checked_sub(1), Some(i), Some(i + 1)];
        if next_to.into_iter().flatten().any(|n| taken.contains(&(object.start(), n))) {
            left.push(key);
            continue;
        }
        taken.insert((object.start(), i));
        splices.extend(doc.without(object, i, object.properties.get(i)?));
    }
    *gone = left;
    Some(spliced(text, splices))
}

/// A key that is to be made: its value, or what is in it.
enum Made<'k> {
    Value(&'k str),
    Inside(Vec<(&'k str, Made<'k>)>),
}

impl<'k> Made<'k> {
    /// Adds a way of names to an object that is to be made; false where a value stands in the way.
    fn add(list: &mut Vec<(&'k str, Self)>, places: &mut Places<'k>, names: &'k [String], value: &'k str) -> bool {
        let Some((name, rest)) = names.split_first() else { return false };
        let place = places.of.get(name.as_str()).copied();
        match place {
            None => {
                let mut inner = Places::default();
                let made = if rest.is_empty() {
                    Self::Value(value)
                } else {
                    let mut inside = Vec::new();
                    if !Self::add(&mut inside, &mut inner, rest, value) {
                        return false;
                    }
                    Self::Inside(inside)
                };
                places.of.insert(name, list.len());
                places.inner.push(inner);
                list.push((name, made));
                true
            }
            Some(i) => match (list.get_mut(i), places.inner.get_mut(i)) {
                (Some((_, Self::Inside(inside))), Some(inner)) if !rest.is_empty() => {
                    Self::add(inside, inner, rest, value)
                }
                _ => false,
            },
        }
    }

    fn write(&self, colon: &str, out: &mut String) {
        match self {
            Self::Value(v) => out.push_str(v),
            Self::Inside(list) => {
                for (i, (name, made)) in list.iter().enumerate() {
                    out.push_str(if i == 0 { "{ " } else { ", " });
                    out.push_str(&serde_json::Value::from(*name).to_string());
                    out.push_str(colon);
                    made.write(colon, out);
                }
                out.push_str(" }");
            }
        }
    }
}

/// Where a name stands in a list that is made, so that it is not looked for.
#[derive(Default)]
struct Places<'k> {
    of: HashMap<&'k str, usize>,
    inner: Vec<Places<'k>>,
}

/// What is added to an object.
struct Added<'d, 't, 'k> {
    object: &'d Object<'t>,
    list: Vec<(&'k str, Made<'k>)>,
    places: Places<'k>,
}

fn with_all(text: &str, set: &[(&Key, &str)]) -> Option<String> {
    let doc = Doc::parse(text).ok()?;
    let index = Index::of(&doc.root);
    let mut splices: Vec<Splice> = Vec::new();
    let mut added: BTreeMap<usize, Added<'_, '_, '_>> = BTreeMap::new();
    for (key, value) in set {
        let way = index.way(&doc.root, key)?;
        match way.parents.last()? {
            (object, Some(i)) => {
                let is = &object.properties.get(*i)?.value;
                splices.push((is.start()..is.end(), (*value).to_owned()));
            }
            (object, None) => {
                let to = added.entry(object.start()).or_insert_with(|| Added {
                    object,
                    list: Vec::new(),
                    places: Places::default(),
                });
                if !Made::add(&mut to.list, &mut to.places, key.0.get(way.there..)?, value) {
                    return None;
                }
            }
        }
    }
    for a in added.into_values() {
        splices.extend(doc.additions(a.object, &a.list)?);
    }
    Some(spliced(text, splices))
}

impl<'t> Doc<'t> {
    /// As [`Self::addition`], of several properties, one behind the other.
    fn additions(&self, object: &Object<'t>, list: &[(&str, Made<'_>)]) -> Option<Vec<Splice>> {
        let ((name, made), rest) = list.split_first()?;
        let layout = self.layout(object);
        let mut value = String::new();
        made.write(layout.colon, &mut value);
        let mut splices = self.addition(object, &[(*name).to_owned()], &value);
        let (_, text) = splices.last_mut()?;
        // the first one's blanks, without what only the first needs
        let blanks = match one_break(&layout.blanks) {
            b if b.is_empty() && object.properties.is_empty() => String::from(" "),
            b => b,
        };
        let behind = object.properties.last().is_some_and(|p| self.comma(p.end()..object.end() - 1).is_some());
        for (name, made) in rest {
            text.push_str(if behind { "" } else { "," });
            text.push_str(&blanks);
            text.push_str(&serde_json::Value::from(*name).to_string());
            text.push_str(layout.colon);
            made.write(layout.colon, text);
            text.push_str(if behind { "," } else { "" });
        }
        Some(splices)
    }
}
