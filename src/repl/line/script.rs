//! A conversation with a file, a pipe, or a terminal that can do nothing but print: entries line by line.
//!
//! What is printed reads as a transcript: each entry behind the prompt at which it was read, then its answer.

use super::entry::{goes_on, is_blank};
use super::signals::Signals;
use super::terminal::answer;
use super::{FURTHER, prompt};
use crate::repl::Talk;
use std::io::{self, BufRead, Write};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// A file or a pipe: entries are shown, as nobody else shows them.
    File {
        /// Goes on behind an entry that cannot be done.
        keep_going: bool,
    },
    /// A person at a terminal, which shows what is typed.
    Person,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Everything was done.
    Well,
    /// The entry that ends in this line could not be done, the first of those that could not.
    Failed {
        /// Counted from 1.
        line: usize,
    },
    /// What was given is no text.
    Unreadable {
        /// Counted from 1.
        line: usize,
    },
}

/// Takes entries until there are no more: each goes on as it does on a terminal, and an empty line ends one that is not finished.
///
/// # Errors
/// When the input cannot be read, or the output not be written.
pub fn run<T: Talk>(talk: &mut T, input: impl BufRead, out: &mut impl Write, who: Script) -> io::Result<Ended> {
    let signals = if who == Script::Person { Some(Signals::listen()?) } else { None };
    let mut lines = Lines { input, number: 0 };
    let mut ended = Ended::Well;
    let mut entry = String::new();
    let mut answered = false;
    loop {
        let first = prompt(&talk.prompt());
        let shown = if entry.is_empty() { first.as_str() } else { FURTHER };
        if let Some(signals) = &signals {
            out.write_all(shown.as_bytes())?;
            out.flush()?;
            signals.reading(&first);
        }
        let line = match lines.next()? {
            Read::Line(line) => line,
            Read::Unreadable => return Ok(Ended::Unreadable { line: lines.number }),
            Read::End if entry.is_empty() => {
                if signals.is_some() {
                    out.write_all(b"\n")?;
                }
                return Ok(ended);
            }
            // not finished, and nothing comes any more
            Read::End => String::new(),
        };
        if signals.as_ref().is_some_and(Signals::cancelled) {
            entry.clear();
        }
        let over = line.trim().is_empty();
        if signals.is_none() && !over {
            // an answer ends where a line is empty
            let apart = if std::mem::take(&mut answered) { "\n" } else { "" };
            writeln!(out, "{apart}{shown}{line}")?;
        }
        if !over {
            if !entry.is_empty() {
                entry.push('\n');
            }
            entry.push_str(&line);
        }
        if is_blank(&entry) {
            entry.clear();
            continue;
        }
        if !over && goes_on(&entry) {
            continue;
        }
        if let Some(signals) = &signals {
            signals.working();
        }
        let reply = talk.enter(std::mem::take(&mut entry).trim_end());
        answer(out, &reply)?;
        answered = true;
        if reply.failed && ended == Ended::Well && signals.is_none() {
            ended = Ended::Failed { line: lines.number };
        }
        if reply.ends || (reply.failed && who == (Script::File { keep_going: false })) {
            return Ok(ended);
        }
    }
}

struct Lines<R> {
    input: R,
    number: usize,
}

enum Read {
    Line(String),
    Unreadable,
    End,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> io::Result<Read> {
        let mut bytes = Vec::new();
        if self.input.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(Read::End);
        }
        self.number += 1;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(Read::Unreadable) };
        let text = if self.number == 1 { text.trim_start_matches('\u{feff}') } else { &text };
        Ok(Read::Line(text.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Echo;
    use super::*;

    fn said(script: &str, keep_going: bool) -> (String, Ended, Vec<String>) {
        let (mut talk, mut out) = (Echo::default(), Vec::new());
        let ended = run(&mut talk, script.as_bytes(), &mut out, Script::File { keep_going }).unwrap();
        (String::from_utf8(out).unwrap(), ended, talk.heard)
    }

    #[test]
    fn a_script_reads_as_a_transcript() {
        let (out, ended, _) = said("# what if\n:step 5m\n\nshare(\n  latency\n)\r\n:quit\nnever", false);
        assert_eq!(
            out,
            "0m › # what if\n0m › :step 5m\nheard \":step 5m\"\n\n1m › share(\n  ›   latency\n  › )\nheard \"share(\\n  latency\\n)\"\n\
             \n2m › :quit\nheard \":quit\"\n"
        );
        assert_eq!(ended, Ended::Well);
    }

    #[test]
    fn it_stops_where_something_cannot_be_done() {
        let (_, ended, heard) = said("a\nbad\nb\nbad", false);
        assert_eq!((ended, heard), (Ended::Failed { line: 2 }, vec!["a".into(), "bad".into()]));
        let (_, ended, heard) = said("a\nbad\nb\nbad", true);
        assert_eq!((ended, heard.len()), (Ended::Failed { line: 2 }, 4));
    }

    #[test]
    fn an_empty_line_or_the_end_ends_what_is_not_finished() {
        assert_eq!(said("share(\n\nb", false).2, ["share(", "b"]);
        assert_eq!(said("share(\n  b", false).2, ["share(\n  b"]);
        assert_eq!(said("", false).2, Vec::<String>::new());
        assert_eq!(said("\n\n# a\n", false).2, Vec::<String>::new());
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let mut talk = Echo::default();
        let ended = run(&mut talk, &b"a\n\xff\nb"[..], &mut Vec::new(), Script::File { keep_going: true }).unwrap();
        assert_eq!((ended, talk.heard.len()), (Ended::Unreadable { line: 2 }, 1));
        assert_eq!(said("\u{feff}a\n", false).2, ["a"]);
    }
}
