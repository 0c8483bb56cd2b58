//! What was typed, cut into entries: by the same rule on a terminal and in a script.

use crate::syntax::typing::{TokenKind, breaks_off, tokens};

/// Whether an entry goes on in the next line. A command is of one line.
pub(super) fn goes_on(entry: &str) -> bool {
    !is_command(entry) && breaks_off(entry)
}

/// Whether it begins as a command does.
pub(super) fn is_command(entry: &str) -> bool {
    entry.trim_start().starts_with(':')
}

/// Nothing to be entered: blanks and comments.
pub(super) fn is_blank(entry: &str) -> bool {
    !is_command(entry) && tokens(entry).iter().all(|t| t.kind == TokenKind::Comment)
}

/// The entries of a text that was accepted as a whole: one, unless several were pasted.
pub(super) fn cut(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut entry = String::new();
    for line in text.lines() {
        if !entry.is_empty() {
            entry.push('\n');
        }
        entry.push_str(line);
        if is_blank(&entry) {
            entry.clear();
        } else if !goes_on(&entry) {
            out.push(std::mem::take(&mut entry));
        }
    }
    if !is_blank(&entry) {
        out.push(entry);
    }
    out.iter_mut().for_each(|e| e.truncate(e.trim_end().len()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_one_entry() {
        assert_eq!(cut("errors"), ["errors"]);
        assert_eq!(cut("guard x: (\n  errors < 1%\n) else tell"), ["guard x: (\n  errors < 1%\n) else tell"]);
        // ended by an empty line, unfinished as it is
        assert_eq!(cut("guard x: (\n"), ["guard x: ("]);
        assert_eq!(cut(""), Vec::<String>::new());
        assert_eq!(cut("  \n # only a comment\n\n"), Vec::<String>::new());
    }

    #[test]
    fn what_is_pasted_is_cut_where_each_is_whole() {
        assert_eq!(cut(":step 5m\nerrors\n\n:why\n"), [":step 5m", "errors", ":why"]);
        let rollout = "rollout r {\n  phase a {\n\n    hold 5m\n  }\n}";
        assert_eq!(cut(&format!("{rollout}\nerrors")), [rollout, "errors"]);
        assert_eq!(cut("# why\nlet x = 5\n# and\n:why"), ["let x = 5", ":why"]);
    }

    #[test]
    fn a_command_is_of_one_line_whatever_it_leaves_open() {
        assert!(!goes_on(":plot p95("));
        assert!(!goes_on("  :explain errors <"));
        assert!(goes_on("p95("));
        assert_eq!(cut(":plot p95(\nerrors"), [":plot p95(", "errors"]);
    }
}
