//! A file as statements, blocks, comments and blank lines: what the layout is made of.

use super::tokens::{Kind, Token, loose, tokens};
use crate::syntax::build::P;
use crate::syntax::grammar::Rule;

/// A line or a block.
#[derive(Debug)]
pub(super) enum Node {
    /// One or more empty lines.
    Blank,
    /// A comment on a line of its own.
    Comment(String),
    /// A statement, with the comment that stands behind it.
    Statement(Statement),
    /// A statement with a block.
    Block(Block),
}

/// A statement in its cells: neighbours of the same kind are aligned cell by cell.
#[derive(Debug)]
pub(super) struct Statement {
    pub kind: Rule,
    pub cells: Vec<Cell>,
    pub comment: Option<String>,
}

/// A part of a statement that stands under the same part of its neighbours.
#[derive(Debug)]
pub(super) struct Cell {
    /// Its column.
    pub column: usize,
    pub tokens: Vec<Token>,
}

/// `phase taste { … }`
#[derive(Debug)]
pub(super) struct Block {
    pub kind: Rule,
    /// What stands before the brace.
    pub head: Vec<Cell>,
    /// The comment behind the opening brace.
    pub head_comment: Option<String>,
    pub body: Vec<Node>,
    /// The comment behind the closing brace.
    pub comment: Option<String>,
    /// Whether it was written on one line.
    pub on_one_line: bool,
}

/// The outline of a whole file.
pub(super) fn outline(file: P<'_>, source: &str) -> Vec<Node> {
    let span = file.as_span();
    children(file, (span.start(), source.len()), source).1
}

/// What stands in `range`: the comment behind what precedes it, then everything else.
fn children(parent: P<'_>, range: (usize, usize), source: &str) -> (Option<String>, Vec<Node>) {
    let mut nodes = Vec::new();
    let mut first = None;
    let mut at = range.0;
    let pairs: Vec<P<'_>> = parent.into_inner().filter(|p| !p.as_str().is_empty()).collect();
    let mut previous: Option<usize> = None;
    for p in pairs {
        let span = p.as_span();
        let behind = gap(source, at, span.start(), &mut nodes);
        attach(behind, previous, &mut first, &mut nodes);
        at = span.end();
        nodes.push(node(p, source));
        previous = Some(nodes.len() - 1);
    }
    let behind = gap(source, at, range.1, &mut nodes);
    attach(behind, previous, &mut first, &mut nodes);
    while matches!(nodes.last(), Some(Node::Blank)) {
        nodes.pop();
    }
    if matches!(nodes.first(), Some(Node::Blank)) {
        nodes.remove(0);
    }
    (first, nodes)
}

fn attach(comment: Option<String>, to: Option<usize>, first: &mut Option<String>, nodes: &mut [Node]) {
    let Some(comment) = comment else { return };
    match to.and_then(|i| nodes.get_mut(i)) {
        Some(Node::Statement(s)) => s.comment = Some(comment),
        Some(Node::Block(b)) => b.comment = Some(comment),
        _ => *first = Some(comment),
    }
}

/// Comments and blank lines between two statements; returns the comment that stands behind the first one, on its line.
fn gap(source: &str, from: usize, to: usize, nodes: &mut Vec<Node>) -> Option<String> {
    let text = source.get(from..to).unwrap_or("");
    let mut behind = None;
    let mut breaks = usize::from(from == 0);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '#' {
            let end = rest.find('\n').unwrap_or(rest.len());
            let comment = rest.get(..end).unwrap_or("").trim_end().to_owned();
            if breaks == 0 {
                behind = Some(comment);
            } else {
                if breaks > 1 {
                    nodes.push(Node::Blank);
                }
                nodes.push(Node::Comment(comment));
            }
            breaks = 0;
            rest = rest.get(end..).unwrap_or("");
            if behind.is_some() && rest.is_empty() {
                break;
            }
            continue;
        }
        breaks += usize::from(c == '\n');
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    if breaks > 1 {
        nodes.push(Node::Blank);
    }
    behind
}

fn node(p: P<'_>, source: &str) -> Node {
    let kind = p.as_rule();
    let inner: Vec<P<'_>> = p.clone().into_inner().filter(|q| !q.as_str().is_empty()).collect();
    let block = inner.iter().position(|q| {
        matches!(
            q.as_rule(),
            Rule::rollout_block
                | Rule::phase_block
                | Rule::env_block
                | Rule::switch_block
                | Rule::probe_block
                | Rule::signoff_block
                | Rule::slo_block
                | Rule::score_block
                | Rule::test_block
        )
    });
    match block.and_then(|i| inner.get(i).map(|b| (i, b.clone()))) {
        Some((i, block)) => {
            let parts = inner.get(..i).unwrap_or(&[]);
            let mut head = cells(kind, parts, source);
            // comments before the brace
            if let (Some(cell), Some(part)) = (head.last_mut(), parts.last()) {
                cell.tokens.extend(loose(source, part.as_span().end(), block.as_span().start()));
            }
            with_block(kind, head, block, source)
        }
        None if kind == Rule::variants => braced(&p, &inner, 2, source),
        None if kind == Rule::labels => braced(&p, &inner, 1, source),
        None => Node::Statement(Statement { kind, cells: cells(kind, &inner, source), comment: None }),
    }
}

fn with_block(kind: Rule, head: Vec<Cell>, block: P<'_>, source: &str) -> Node {
    let span = block.as_span();
    let on_one_line = !block.as_str().contains('\n');
    let inside = (span.start() + 1, span.end().saturating_sub(1));
    let (head_comment, body) = match block.clone().into_inner().next() {
        Some(b) => children(b, inside, source),
        None => (None, Vec::new()),
    };
    Node::Block(Block { kind, head, head_comment, body, comment: None, on_one_line })
}

/// ``variants x { canary = `…` }``, `labels { … }`: the block is no rule of its own, and stands behind `words` parts.
fn braced(p: &P<'_>, inner: &[P<'_>], words: usize, source: &str) -> Node {
    let span = p.as_span();
    let parts = inner.get(..words).unwrap_or(&[]);
    let mut head = cells(p.as_rule(), parts, source);
    let (before, brace) = up_to_brace(source, parts.last().map_or(span.start(), |q| q.as_span().end()), span.end());
    if let Some(cell) = head.last_mut() {
        cell.tokens.extend(before);
    }
    let open = brace + 1;
    let mut nodes = Vec::new();
    let (mut first, mut previous, mut at) = (None, None, open);
    for v in inner.iter().filter(|q| matches!(q.as_rule(), Rule::variant | Rule::label)) {
        let behind = gap(source, at, v.as_span().start(), &mut nodes);
        attach(behind, previous, &mut first, &mut nodes);
        at = v.as_span().end();
        nodes.push(node(v.clone(), source));
        previous = Some(nodes.len() - 1);
    }
    let behind = gap(source, at, span.end().saturating_sub(1), &mut nodes);
    attach(behind, previous, &mut first, &mut nodes);
    nodes.retain(|n| !matches!(n, Node::Blank));
    Node::Block(Block {
        kind: p.as_rule(),
        head,
        head_comment: first,
        body: nodes,
        comment: None,
        on_one_line: !p.as_str().contains('\n'),
    })
}

/// Comments before an opening brace, and where it stands.
fn up_to_brace(source: &str, from: usize, to: usize) -> (Vec<Token>, usize) {
    let mut tokens = loose(source, from, to);
    let at = tokens.iter().position(|t| t.kind != Kind::Comment).unwrap_or(tokens.len());
    let brace = tokens.get(at).map_or(to, |t| t.start);
    tokens.truncate(at);
    (tokens, brace)
}

/// The parts of a statement by column; a column's first part begins it, what follows without a column belongs to it.
fn cells(kind: Rule, parts: &[P<'_>], source: &str) -> Vec<Cell> {
    let mut out: Vec<Cell> = Vec::new();
    let mut at: Option<usize> = None;
    for p in parts {
        let span = p.as_span();
        let mut here = Vec::new();
        // marks and comments that no pair stands for
        if let Some(at) = at {
            here.extend(loose(source, at, span.start()));
        }
        here.extend(tokens(p, source));
        at = Some(span.end());
        let column = column(kind, p.as_rule());
        match (column, out.last_mut()) {
            (Some(c), Some(last)) if last.column == c => last.tokens.extend(here),
            (None, Some(last)) => last.tokens.extend(here),
            (c, _) => out.push(Cell { column: c.unwrap_or(0), tokens: here }),
        }
    }
    // the tails of a guard may stand in any order, and are written in one
    if !out.iter().any(Cell::has_comment) {
        out.sort_by_key(|c| c.column);
    }
    out
}

impl Cell {
    pub fn has_comment(&self) -> bool {
        self.tokens.iter().any(|t| t.kind == Kind::Comment || t.text.contains('#') && t.text.starts_with("not"))
    }
}

/// The column that a part begins; `None`: it belongs to the part before it.
fn column(kind: Rule, part: Rule) -> Option<usize> {
    let columns: &[Rule] = match kind {
        Rule::param => {
            &[Rule::kw_param, Rule::type_name, Rule::equals, Rule::bound_least, Rule::bound_most, Rule::text]
        }
        Rule::metric => &[Rule::kw_metric, Rule::type_name, Rule::equals],
        Rule::let_ | Rule::load | Rule::window | Rule::step | Rule::people => &[Rule::name, Rule::equals],
        Rule::score_part => &[Rule::name, Rule::equals, Rule::part_bad, Rule::part_good, Rule::part_weight],
        Rule::flag => &[Rule::kw_flag, Rule::type_name],
        Rule::variant | Rule::label => &[Rule::name, Rule::equals],
        Rule::bind => &[Rule::said, Rule::equals],
        Rule::guard => &[
            Rule::kw_guard,
            Rule::cond,
            Rule::guard_least,
            Rule::guard_from,
            Rule::guard_until,
            Rule::tolerate,
            Rule::never_waived,
            Rule::otherwise,
        ],
        Rule::reaction => &[Rule::on_, Rule::act],
        Rule::phase => &[Rule::kw_phase, Rule::text],
        _ => &[],
    };
    let found = columns.iter().position(|r| *r == part);
    match (kind, part) {
        // both bounds of a param stand in one column
        (Rule::param, Rule::bound_most) => Some(3),
        // a reaction begins with one of four
        (Rule::reaction, Rule::every | Rule::at_ | Rule::when_) => Some(0),
        _ => found,
    }
}
