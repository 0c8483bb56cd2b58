//! What several runs print side by side: every line says of which rollout it is.

use super::Format;
use super::run::observer;
use crate::report::lines::Lines;
use crate::report::style::Style;
use crate::runtime::Observer;
use std::io::{IsTerminal, Result, Stdout, Write};

/// Writes whole lines, each behind a name.
struct Named {
    name: String,
    out: Stdout,
    begun: Vec<u8>,
}

impl Write for Named {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.begun.extend_from_slice(bytes);
        if let Some(end) = self.begun.iter().rposition(|b| *b == b'\n') {
            let whole: Vec<u8> = self.begun.drain(..=end).collect();
            let mut out = self.out.lock();
            for line in whole.split_inclusive(|b| *b == b'\n') {
                write!(out, "{}: ", self.name)?;
                out.write_all(line)?;
            }
            out.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}

/// The view of one of several runs that this process takes back at once; of the only one as ever.
pub fn observer_of(rollout: &str, environment: &str, several: bool) -> Box<dyn Observer> {
    if !several {
        return observer(Format::Human, environment, false);
    }
    let out = std::io::stdout();
    let style = Style::for_terminal(out.is_terminal());
    Box::new(Lines::new(Named { name: rollout.to_owned(), out, begun: Vec::new() }, style))
}
