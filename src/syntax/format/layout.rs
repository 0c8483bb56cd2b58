//! The one layout: two blanks a level, a statement a line, neighbours of a kind aligned, what is too long broken.

use super::outline::{Block, Cell, Node, Statement};
use super::tokens::{Kind, Token, line};
use super::wrap::{as_written, broken};
use crate::syntax::grammar::Rule;
use unicode_width::UnicodeWidthStr;

/// The widest line that is not broken, in columns.
pub(super) const WIDTH: usize = 120;
/// The widest line of a table: a little more, so that one long row does not take the alignment from its neighbours.
const TABLE: usize = 132;
/// A level.
pub(super) const STEP: usize = 2;
/// Between two statements of a block on one line.
const BETWEEN: &str = "   ";

/// The text of an outline.
pub(super) fn layout(nodes: &[Node], source: &str) -> String {
    let mut out = Lines { text: String::new(), source };
    out.nodes(nodes, 0);
    out.text
}

struct Lines<'s> {
    text: String,
    source: &'s str,
}

/// A line of a table: cells by column, and the comment behind it.
struct Row<'a> {
    kind: Rule,
    cells: Vec<(usize, String)>,
    comment: Option<&'a str>,
}

impl Lines<'_> {
    fn push(&mut self, indent: usize, line: &str, comment: Option<&str>) {
        if !line.is_empty() {
            self.text.push_str(&" ".repeat(indent));
            self.text.push_str(line);
        }
        if let Some(c) = comment {
            self.text.push_str("  ");
            self.text.push_str(c);
        }
        self.text.push('\n');
    }

    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn nodes(&mut self, nodes: &[Node], indent: usize) {
        let mut rest = nodes;
        let mut table: Vec<Row<'_>> = Vec::new();
        // a block of several lines at the top stands between empty lines
        let mut after_block = false;
        while let Some((node, after)) = rest.split_first() {
            rest = after;
            let row = row(node, indent);
            let goes_on = matches!((&row, table.last()), (Some(r), Some(last)) if r.kind == last.kind);
            if !goes_on {
                self.table(&std::mem::take(&mut table), indent);
            }
            if after_block && !matches!(node, Node::Blank) {
                self.blank();
            }
            after_block = false;
            if let Some(row) = row {
                table.push(row);
                continue;
            }
            match node {
                Node::Blank => self.blank(),
                Node::Comment(c) => self.push(indent, c, None),
                Node::Statement(s) => self.long(s, indent),
                Node::Block(b) => {
                    self.block(b, indent);
                    after_block = indent == 0;
                }
            }
        }
        self.table(&table, indent);
    }

    /// Rows of one kind under each other, if that does not make them too long.
    fn table(&mut self, rows: &[Row<'_>], indent: usize) {
        let mut widths: Vec<usize> = Vec::new();
        for (column, text) in rows.iter().flat_map(|r| &r.cells) {
            if widths.len() <= *column {
                widths.resize(column + 1, 0);
            }
            if let Some(w) = widths.get_mut(*column) {
                *w = (*w).max(text.width());
            }
        }
        // as many columns as fit: a row that would become too long is not worth the last one's alignment
        let mut lines: Vec<String> = Vec::new();
        for kept in (0..=widths.len()).rev() {
            let edges = edges(rows, widths.get(..kept).unwrap_or(&[]));
            lines = rows.iter().map(|r| aligned(r, &edges)).collect();
            if lines.iter().all(|l| indent + l.width() <= TABLE) {
                break;
            }
        }
        let commented = lines.iter().zip(rows).filter(|(_, r)| r.comment.is_some());
        let edge = commented.map(|(l, _)| l.width()).max().unwrap_or(0);
        for (mut text, row) in lines.into_iter().zip(rows) {
            if row.comment.is_some() {
                text.push_str(&" ".repeat(edge.saturating_sub(text.width())));
            }
            self.push(indent, &text, row.comment);
        }
    }

    /// A statement that does not fit on a line, or has comments inside.
    fn long(&mut self, s: &Statement, indent: usize) {
        if s.cells.iter().any(Cell::has_comment) {
            let all: Vec<Token> = s.cells.iter().flat_map(|c| c.tokens.iter().cloned()).collect();
            self.push(indent, &as_written(&all, indent, self.source), s.comment.as_deref());
            return;
        }
        let mut out = String::new();
        let mut width = indent;
        for (i, cell) in s.cells.iter().enumerate() {
            let flat = line(&cell.tokens);
            let own_line = i > 1 && s.kind == Rule::guard;
            if own_line {
                out.push('\n');
                out.push_str(&" ".repeat(indent + 2 * STEP));
                width = indent + 2 * STEP;
            } else if i > 0 {
                let between = separator(s.kind, cell.column);
                out.push_str(between);
                width += between.len();
            }
            if width + flat.width() <= WIDTH {
                width += flat.width();
                out.push_str(&flat);
            } else {
                let text = broken(&cell.tokens, if own_line { indent + 2 * STEP } else { indent }, width);
                width = text.rsplit('\n').next().map_or(0, UnicodeWidthStr::width);
                out.push_str(&text);
            }
        }
        self.push(indent, &out, s.comment.as_deref());
    }

    fn block(&mut self, b: &Block, indent: usize) {
        let head: Vec<Token> = b.head.iter().flat_map(|c| c.tokens.iter().cloned()).collect();
        let ends_in_comment = head.last().is_some_and(|t| t.kind == Kind::Comment);
        let mut head = match b.head.iter().any(Cell::has_comment) {
            true => as_written(&head, indent, self.source),
            false => line(&head),
        };
        if ends_in_comment {
            head.push('\n');
            head.push_str(&" ".repeat(indent));
        } else {
            head.push(' ');
        }
        if b.body.is_empty() && b.head_comment.is_none() {
            self.push(indent, &format!("{head}{{ }}"), b.comment.as_deref());
            return;
        }
        self.push(indent, &format!("{head}{{"), b.head_comment.as_deref());
        self.nodes(&b.body, indent + STEP);
        self.push(indent, "}", b.comment.as_deref());
    }
}

/// A node as a row, if it fits on a line.
fn row(node: &Node, indent: usize) -> Option<Row<'_>> {
    let row = match node {
        Node::Statement(s) => Row { kind: s.kind, cells: flat(&s.cells)?, comment: s.comment.as_deref() },
        Node::Block(b) => {
            if !b.on_one_line || b.head_comment.is_some() || b.body.is_empty() {
                return None;
            }
            let mut inside = Vec::new();
            for n in &b.body {
                let Node::Statement(s) = n else { return None };
                let text = row(n, 0)?;
                inside.push(aligned(&text, &[]));
                if s.comment.is_some() {
                    return None;
                }
            }
            let mut cells = flat(&b.head)?;
            if cells.is_empty() {
                return None;
            }
            let (first, others) = inside.split_first()?;
            if others.is_empty() {
                cells.push((2, format!("{{ {first} }}")));
            } else {
                cells.push((2, format!("{{ {first}")));
                cells.push((3, format!("{} }}", others.join(BETWEEN))));
            }
            Row { kind: b.kind, cells, comment: b.comment.as_deref() }
        }
        Node::Blank | Node::Comment(_) => return None,
    };
    // a raw text of several lines is no cell
    if row.cells.iter().any(|(_, t)| t.contains('\n')) {
        return None;
    }
    (indent + aligned(&row, &[]).width() <= WIDTH).then_some(row)
}

fn flat(cells: &[Cell]) -> Option<Vec<(usize, String)>> {
    if cells.iter().any(|c| c.tokens.iter().any(|t| t.kind == Kind::Comment) || c.has_comment()) {
        return None;
    }
    Some(cells.iter().map(|c| (c.column, line(&c.tokens))).collect())
}

/// A row's text; `edges` says where each column begins, and is empty for a row that stands for itself.
fn aligned(row: &Row<'_>, edges: &[usize]) -> String {
    let mut out = String::new();
    for (column, text) in &row.cells {
        if !out.is_empty() {
            out.push_str(separator(row.kind, *column));
        }
        let edge = edges.get(*column).copied().unwrap_or(0);
        out.push_str(&" ".repeat(edge.saturating_sub(out.width())));
        out.push_str(text);
    }
    out
}

/// Where each column of a table begins: behind those before it that any row has, each with what stands before the next.
fn edges(rows: &[Row<'_>], widths: &[usize]) -> Vec<usize> {
    let Some(kind) = rows.first().map(|r| r.kind) else { return Vec::new() };
    let columns = rows.iter().flat_map(|r| &r.cells).map(|(c, _)| c + 1).max().unwrap_or(0);
    let used = |c: &usize| widths.get(*c).is_some_and(|w| *w > 0);
    let edge = |column: usize| {
        let before = (0..column).filter(used);
        before
            .map(|c| {
                let next = (c + 1..column).find(used).unwrap_or(column);
                widths.get(c).copied().unwrap_or(0) + separator(kind, next).len()
            })
            .sum()
    };
    (0..columns).map(edge).collect()
}

/// What stands before a column.
fn separator(kind: Rule, column: usize) -> &'static str {
    match (kind, column) {
        (Rule::param, 1 | 2) | (Rule::guard | Rule::reaction, 1) => " ",
        (Rule::param | Rule::guard, _) => "  ",
        // the second statement of a block on one line
        (
            Rule::variants
            | Rule::labels
            | Rule::rollout
            | Rule::environment
            | Rule::killswitch
            | Rule::phase
            | Rule::probe
            | Rule::signoff
            | Rule::slo
            | Rule::score
            | Rule::test,
            3,
        ) => BETWEEN,
        _ => " ",
    }
}
