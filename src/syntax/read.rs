//! Bytes to text: what a policy file may be made of.

use super::codes;
use super::diagnostic::Diagnostic;
use super::source::{FileId, Span};

/// The longest file that is read, in bytes (4 MiB). A policy of a thousand rollouts is a tenth of it.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Why bytes are no policy text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Registered code: E0101 or E0102.
    pub code: &'static str,
    /// What is wrong, with the file's name, in one line.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Byte offset of the first bad byte, where one is to blame.
    pub offset: Option<usize>,
    /// Its 1-based line.
    pub line: Option<usize>,
}

impl ReadError {
    /// The same as a finding about a file whose text is not known (register it with an empty text).
    #[must_use]
    pub fn diagnostic(&self, file: FileId) -> Diagnostic {
        Diagnostic::error(self.code, &self.message, Span::new(file, 0, 0), "").help(&self.help)
    }

    fn at(bytes: &[u8], offset: usize, message: String, help: String) -> Self {
        let before = bytes.get(..offset).unwrap_or(bytes);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        Self {
            code: codes::ENCODING,
            message: format!("{message} (byte {offset}, line {line})"),
            help,
            offset: Some(offset),
            line: Some(line),
        }
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

/// The text of a file; a byte order mark is dropped. `name` is how the user named the file.
///
/// # Errors
/// More than [`MAX_BYTES`] bytes, bytes that are not UTF-8, or a NUL.
pub fn read_source(mut bytes: Vec<u8>, name: &str) -> Result<String, ReadError> {
    if bytes.len() > MAX_BYTES {
        return Err(ReadError {
            code: codes::TOO_LARGE,
            message: format!("`{name}` has {} bytes; a policy file has at most {MAX_BYTES} (4 MiB)", bytes.len()),
            help: String::from("split it into several files, or check that it is a policy and not a recording"),
            offset: None,
            line: None,
        });
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    let utf16 =
        || format!("it looks like UTF-16: save it as UTF-8, for example with `iconv -f UTF-16 -t UTF-8 {name}`");
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(ReadError::at(&bytes, 0, format!("`{name}` is not UTF-8 text"), utf16()));
    }
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        let zeros = bytes.iter().filter(|b| **b == 0).count();
        let help = if zeros * 3 >= bytes.len() {
            utf16()
        } else {
            String::from("a policy is plain text; this file seems to be a binary, or was damaged")
        };
        return Err(ReadError::at(&bytes, at, format!("`{name}` holds a NUL byte"), help));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let cut_short = e.utf8_error().error_len().is_none();
        let bytes = e.as_bytes();
        let byte = bytes.get(at).copied().unwrap_or(0);
        let (message, help) = if cut_short {
            (
                format!("`{name}` ends in the middle of a character, at byte 0x{byte:02X}"),
                String::from("the file was cut off, or is not UTF-8: fetch it again, or save it as UTF-8"),
            )
        } else {
            let hint = match byte {
                0x80..=0x9F => format!("save it as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8 {name}`"),
                _ => format!(
                    "in Latin-1 this byte is `{}`: save the file as UTF-8, for example with `iconv -f ISO-8859-1 -t UTF-8 {name}`",
                    char::from(byte)
                ),
            };
            (format!("`{name}` is not UTF-8 text: byte 0x{byte:02X}"), hint)
        };
        ReadError::at(bytes, at, message, help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> ReadError {
        read_source(bytes.to_vec(), "p.canary").unwrap_err()
    }

    #[test]
    fn latin_1_names_the_byte_and_the_character() {
        let e = error(b"# one\nowner \"Andr\xE9\"\n");
        assert_eq!(e.message, "`p.canary` is not UTF-8 text: byte 0xE9 (byte 17, line 2)");
        assert!(e.help.contains("is `é`"), "{}", e.help);
        assert_eq!((e.offset, e.line), (Some(17), Some(2)));
    }

    #[test]
    fn windows_1252_utf_16_nul_and_cut_off() {
        assert!(error(b"\x93x\x94").help.contains("WINDOWS-1252"));
        assert!(error(b"\xFF\xFEe\0d\0").help.contains("UTF-16"));
        assert!(error(b"e\0d\0i\0").help.contains("UTF-16"));
        let nul = error(b"edition 2026\n\0 and more text");
        assert!(nul.message.contains("NUL byte (byte 13, line 2)"), "{nul}");
        assert!(error(b"edition \xE2\x82").message.contains("middle of a character"));
    }

    #[test]
    fn a_byte_order_mark_is_dropped_and_size_is_limited() {
        assert_eq!(read_source(b"\xEF\xBB\xBFedition 2026".to_vec(), "p").unwrap(), "edition 2026");
        let e = read_source(vec![b' '; MAX_BYTES + 1], "p").unwrap_err();
        assert_eq!(e.code, codes::TOO_LARGE);
        assert!(e.message.contains("4 MiB"));
        assert!(read_source(vec![b' '; MAX_BYTES], "p").is_ok());
    }
}
