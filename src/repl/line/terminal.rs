//! A conversation with a person at a terminal.

use super::entry::cut;
use super::helper::{Guide, columns};
use super::history::Kept;
use super::scope::Scope;
use super::signals::Signals;
use super::{DEFAULT_LENGTH, prompt};
use crate::repl::{Reply, Talk};
use crate::report::style::Style;
use rustyline::config::BellStyle;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

/// The terminal, and what is kept of it.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Whether to colour.
    pub style: Style,
    /// Where entries are kept for the next conversation, if they are.
    pub history: Option<PathBuf>,
}

/// Talks until somebody ends it. `resized` is told the terminal's columns before each entry.
///
/// # Errors
/// When the terminal cannot be read or written.
pub fn converse<T: Talk>(talk: &mut T, terminal: &Terminal, mut resized: impl FnMut(&mut T, usize)) -> io::Result<()> {
    let signals = Signals::listen()?;
    let mut editor = editor(terminal.style).map_err(plain)?;
    let mut kept = Kept::read(&mut editor, terminal.history.as_deref(), say);
    let mut interrupts = 0;
    loop {
        resized(talk, columns());
        let prompt = prompt(&talk.prompt());
        if let Some(guide) = editor.helper_mut() {
            guide.scope = Scope::new(talk.names());
            guide.prompt = prompt.width();
        }
        signals.editing();
        let styled = terminal.style.faint(&prompt);
        let text = match editor.readline(&(prompt, styled)) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => {
                interrupts += 1;
                if interrupts == 2 {
                    say("Ctrl-D or `:quit` ends the conversation");
                }
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(ReadlineError::Io(e)) if e.kind() == ErrorKind::InvalidData => {
                say("that was no UTF-8 text: the line is dropped");
                continue;
            }
            Err(e) => return Err(plain(e)),
        };
        interrupts = 0;
        let entries = cut(&text);
        let count = entries.len();
        for (i, entry) in entries.into_iter().enumerate() {
            kept.keep(&mut editor, &entry, say);
            signals.working();
            let reply = talk.enter(&entry);
            answer(&mut io::stdout(), &reply)?;
            if reply.ends {
                return Ok(());
            }
            let left = count - i - 1;
            if reply.failed && left > 0 {
                let entries = if left == 1 { "entry" } else { "entries" };
                say(&format!("{left} more {entries} pasted behind it: not done"));
                break;
            }
        }
    }
}

fn editor(style: Style) -> rustyline::Result<Editor<Guide, FileHistory>> {
    let config = Config::builder()
        .max_history_size(DEFAULT_LENGTH)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .bell_style(BellStyle::None)
        .color_mode(if style.colours() { ColorMode::Enabled } else { ColorMode::Disabled })
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Guide::new(style)));
    Ok(editor)
}

/// Prints an answer.
pub(super) fn answer(out: &mut impl Write, reply: &Reply) -> io::Result<()> {
    out.write_all(reply.text.as_bytes())?;
    if !reply.text.is_empty() && !reply.text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn say(text: &str) {
    eprintln!("canary: {text}");
}

fn plain(e: ReadlineError) -> io::Error {
    match e {
        ReadlineError::Io(e) => e,
        ReadlineError::Errno(e) => e.into(),
        other => io::Error::other(other.to_string()),
    }
}
