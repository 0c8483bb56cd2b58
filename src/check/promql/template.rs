//! `${…}` in a query: found with the place in which it stands, filled in, and mapped back.

use std::ops::Range;

/// Longest query in bytes, and most operator signs: the parser behind it recurses once an operator.
const LONGEST: usize = 16 * 1024;
const MOST_OPERATORS: usize = 256;

/// Deepest nesting of brackets in a query; the parsers behind it recurse.
const DEEPEST: usize = 64;

/// Where in the query a placeholder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Between quotes of this kind.
    Quoted(char),
    /// Between `{` and `}`, outside quotes: label matchers.
    Braces,
    /// Between `[` and `]`, or behind `offset`: a duration.
    Range,
    /// Anywhere else.
    Open,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(Range<usize>),
    /// `$$`
    Dollar(Range<usize>),
    /// `${name}`
    Hole {
        name: String,
        range: Range<usize>,
        stand: Stand,
    },
}

/// Something wrong with the template itself: bytes of the raw text, what, and what to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// A query with its placeholders found.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    raw: String,
    pieces: Vec<Piece>,
}

/// A template with every placeholder replaced.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// Bytes of the text and the bytes of the raw text that they came from, in order.
    map: Vec<(Range<usize>, Range<usize>)>,
}

/// How many operators stand outside quotes: signs, and words between two operands.
fn operators(raw: &str) -> usize {
    let mut quote: Option<char> = None;
    let mut outside = String::with_capacity(raw.len());
    let mut escaped = false;
    for c in raw.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(q) if c == '\\' && q != '`' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => outside.push(c),
        }
    }
    let signs = outside.chars().filter(|c| "+-*/%^<>=!".contains(*c)).count();
    let words = ["and", "or", "unless", "bool", "on", "ignoring", "atan2"];
    let named = outside.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| words.contains(w)).count();
    // a label matcher's sign counts as well: a query with 256 of them is as hard to read
    signs + named
}

impl Template {
    /// Finds the placeholders of a raw text.
    pub(crate) fn scan(raw: &str) -> Result<Self, Problem> {
        let problem = |what: String| Problem {
            range: 0..raw.len().min(40),
            message: what,
            help: String::from("let a recording rule hold the large part, and ask for that"),
        };
        if raw.len() > LONGEST {
            return Err(problem(format!("the query has {} bytes, more than {LONGEST}", raw.len())));
        }
        if operators(raw) > MOST_OPERATORS {
            return Err(problem(format!("the query has more than {MOST_OPERATORS} operators")));
        }
        let mut pieces = Vec::new();
        let mut quote: Option<char> = None;
        let mut open: Vec<char> = Vec::new();
        let mut text_from = 0;
        let mut chars = raw.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            match (c, quote) {
                ('$', _) if next == Some('$') => {
                    pieces.push(Piece::Text(text_from..at));
                    pieces.push(Piece::Dollar(at..at + 2));
                    chars.next();
                    text_from = at + 2;
                }
                ('$', _) if next == Some('{') => {
                    let Some(len) = raw.get(at..).and_then(|rest| rest.find('}')) else {
                        return Err(Problem {
                            range: at..raw.len(),
                            message: String::from("`${` is not closed"),
                            help: String::from("write `${name}`, or `$$` for a dollar"),
                        });
                    };
                    let end = at + len + 1;
                    let stand = match (quote, open.last()) {
                        (Some(q), _) => Stand::Quoted(q),
                        (None, Some('{')) => Stand::Braces,
                        (None, Some('[')) => Stand::Range,
                        _ if behind_offset(raw.get(..at).unwrap_or("")) => Stand::Range,
                        _ => Stand::Open,
                    };
                    pieces.push(Piece::Text(text_from..at));
                    pieces.push(Piece::Hole {
                        name: raw.get(at + 2..end - 1).unwrap_or("").trim().to_owned(),
                        range: at..end,
                        stand,
                    });
                    while chars.next_if(|(i, _)| *i < end).is_some() {}
                    text_from = end;
                }
                ('\\', Some('"' | '\'')) => {
                    chars.next();
                }
                (q, Some(open_quote)) if q == open_quote => quote = None,
                (_, Some(_)) => {}
                ('"' | '\'', None) => quote = Some(c),
                ('#', None) => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
                ('(' | '[' | '{', None) => {
                    open.push(c);
                    if open.len() > DEEPEST {
                        return Err(Problem {
                            range: at..at + 1,
                            message: format!("brackets are nested more than {DEEPEST} deep"),
                            help: String::from("make a recording rule of the inner part"),
                        });
                    }
                }
                (')' | ']' | '}', None) => {
                    open.pop();
                }
                _ => {}
            }
        }
        pieces.push(Piece::Text(text_from..raw.len()));
        Ok(Self { raw: raw.to_owned(), pieces })
    }

    /// With the names of params called as outside of the module in which the query stands: `http.` in front of all but `common`.
    pub(crate) fn within(mut self, home: &str, common: &[&str]) -> Self {
        for piece in &mut self.pieces {
            if let Piece::Hole { name, .. } = piece
                && !common.contains(&name.as_str())
            {
                name.insert_str(0, home);
            }
        }
        self
    }

    /// Whether a placeholder is there.
    pub(crate) fn has(&self, wanted: &str) -> bool {
        self.pieces.iter().any(|p| matches!(p, Piece::Hole { name, .. } if name == wanted))
    }

    /// Replaces every placeholder by what `with` makes of it.
    pub(crate) fn fill(
        &self,
        mut with: impl FnMut(&str, Stand) -> Result<String, (String, String)>,
    ) -> Result<Filled, Problem> {
        let mut text = String::with_capacity(self.raw.len());
        let mut map = Vec::new();
        for piece in &self.pieces {
            let from = text.len();
            let source = match piece {
                Piece::Text(range) => {
                    text.push_str(self.raw.get(range.clone()).unwrap_or(""));
                    range.clone()
                }
                Piece::Dollar(range) => {
                    text.push('$');
                    range.clone()
                }
                Piece::Hole { name, range, stand } => {
                    let put = with(name, *stand).map_err(|(message, help)| Problem {
                        range: range.clone(),
                        message,
                        help,
                    })?;
                    text.push_str(&put);
                    range.clone()
                }
            };
            map.push((from..text.len(), source));
        }
        Ok(Filled { text, map })
    }
}

fn behind_offset(before: &str) -> bool {
    let word = before.trim_end().trim_end_matches('-').trim_end();
    word.strip_suffix("offset").is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

impl Filled {
    /// The bytes of the raw text that a range of the filled text came from.
    pub(crate) fn source(&self, range: Range<usize>) -> Range<usize> {
        let start = self.place(range.start, false);
        let end = self.place(range.end.max(range.start), true);
        start..end.max(start)
    }

    fn place(&self, at: usize, is_end: bool) -> usize {
        let mut last = 0;
        for (out, source) in &self.map {
            let inside = if is_end { out.start < at && at <= out.end } else { out.start <= at && at < out.end };
            if inside {
                // text is copied byte by byte; of a placeholder all of it is meant
                return if out.len() == source.len() {
                    source.start + (at - out.start)
                } else if is_end {
                    source.end
                } else {
                    source.start
                };
            }
            if out.end <= at {
                last = source.end;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(raw: &str) -> Vec<(String, Stand)> {
        let mut seen = Vec::new();
        Template::scan(raw)
            .unwrap()
            .fill(|n, s| {
                seen.push((n.to_owned(), s));
                Ok(String::new())
            })
            .unwrap();
        seen
    }

    #[test]
    fn a_placeholder_knows_where_it_stands() {
        let raw = "sum by (${by}) (rate(x{a=\"${p}\",${where}}[${window}])) # ${ignored";
        assert_eq!(
            stands(raw),
            [
                (String::from("by"), Stand::Open),
                (String::from("p"), Stand::Quoted('"')),
                (String::from("where"), Stand::Braces),
                (String::from("window"), Stand::Range),
            ]
        );
        assert!(Template::scan("x{${where").is_err());
        assert!(Template::scan(&"(".repeat(65)).is_err());
    }

    #[test]
    fn places_are_mapped_back_across_placeholders() {
        let t = Template::scan("a{${where}} + $$b").unwrap();
        let f = t.fill(|_, _| Ok(String::from("v=\"1234567890123\""))).unwrap();
        assert_eq!(f.text, "a{v=\"1234567890123\"} + $b");
        let dollar = f.text.find('$').unwrap();
        assert_eq!(f.source(dollar..dollar + 2), 14..17);
        let where_at = f.text.find("123").unwrap();
        assert_eq!(f.source(where_at..where_at + 2), 2..10);
        assert_eq!(f.source(f.text.len()..f.text.len()), 17..17);
    }
}
