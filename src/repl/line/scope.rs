//! What may be named, for looking up by a text or its beginning.

use crate::repl::{Name, NameKind};

/// The names of a conversation, in the order of their texts; of equal ones what has a value comes first.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    names: Vec<Name>,
}

impl Scope {
    pub(super) fn new(names: &[Name]) -> Self {
        let mut names = names.to_vec();
        names.sort_by(|a, b| (&a.text, rank(a.kind)).cmp(&(&b.text, rank(b.kind))));
        Self { names }
    }

    /// All that are written so, of some kinds.
    pub(super) fn all<'s>(&'s self, text: &'s str) -> impl Iterator<Item = &'s Name> {
        let from = self.names.partition_point(|n| n.text.as_str() < text);
        self.names.iter().skip(from).take_while(move |n| n.text == text)
    }

    /// Those of a kind that begin so.
    pub(super) fn beginning<'s>(
        &'s self,
        typed: &'s str,
        wanted: impl Fn(NameKind) -> bool + 's,
    ) -> impl Iterator<Item = &'s Name> {
        let from = self.names.partition_point(|n| n.text.as_str() < typed);
        self.names.iter().skip(from).take_while(move |n| n.text.starts_with(typed)).filter(move |n| wanted(n.kind))
    }

    /// The function that is written so.
    pub(super) fn function(&self, text: &str) -> Option<&Name> {
        self.names.iter().find(|n| n.kind == NameKind::Function && n.text == text)
    }
}

/// What is told of first where several things are called the same.
fn rank(kind: NameKind) -> u8 {
    match kind {
        NameKind::Metric => 0,
        NameKind::Param | NameKind::Let => 1,
        NameKind::Function => 2,
        NameKind::Field => 3,
        NameKind::Guard => 4,
        NameKind::Port => 5,
        NameKind::Phase => 6,
        NameKind::Source => 7,
        NameKind::Unit => 8,
        NameKind::Keyword => 9,
    }
}

/// What a kind is called in a hint.
pub(super) fn called(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Metric => "metric",
        NameKind::Guard => "guard",
        NameKind::Field => "field",
        NameKind::Param => "param",
        NameKind::Let => "let",
        NameKind::Phase => "phase",
        NameKind::Port => "port",
        NameKind::Source => "source",
        NameKind::Function => "function",
        NameKind::Keyword => "keyword",
        NameKind::Unit => "unit",
    }
}
