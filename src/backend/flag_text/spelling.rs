//! How a flag's value is spelt in a file. JSON and TOML have one spelling; YAML and env files have several, and a value is
//! written in the spelling that stands there.

use super::Format;
use crate::backend::flag::FlagKind;
use crate::plan::Setting;

/// Pairs of words for off and on; the first is the one for a value that is not there yet.
const WORDS: [(&str, &str); 4] = [("false", "true"), ("no", "yes"), ("off", "on"), ("0", "1")];

/// A value as written; `None` where it is none of this kind.
pub(in crate::backend) fn read(format: Format, kind: FlagKind, raw: &str) -> Option<Setting> {
    match format {
        Format::Json => kind.setting(raw),
        // `1_000`, `+5`: as TOML writes numbers
        Format::Toml if kind == FlagKind::Bool => kind.setting(raw),
        Format::Toml => kind.setting(decimal(&raw.replace('_', ""))?),
        // in YAML `1` is a number and no boolean; quoted, anything is a text
        Format::Yaml if kind == FlagKind::Bool => {
            word(raw).filter(|(i, ..)| *i != 3).map(|(_, _, on)| Setting::Bool(on))
        }
        Format::Yaml => kind.setting(decimal(raw)?),
        Format::Env => {
            let (_, bare) = unquoted(raw);
            match kind {
                FlagKind::Bool => word(bare).map(|(_, _, on)| Setting::Bool(on)),
                FlagKind::Count | FlagKind::Ratio => kind.setting(decimal(bare)?),
            }
        }
    }
}

/// A setting as it is to be written, in the spelling of `like`; `None` where this kind cannot hold it.
pub(in crate::backend) fn write(
    format: Format,
    kind: FlagKind,
    setting: Setting,
    like: Option<&str>,
) -> Option<String> {
    let plain = kind.text(setting)?;
    if matches!(format, Format::Json | Format::Toml) {
        return Some(plain);
    }
    let (quote, bare) = match (format, like) {
        (Format::Env, Some(raw)) => unquoted(raw),
        (_, raw) => ("", raw.unwrap_or("")),
    };
    let text = match (setting, word(bare)) {
        (Setting::Bool(on), Some((pair, case, _))) => {
            let (no, yes) = WORDS.get(pair).copied().unwrap_or(("false", "true"));
            case.of(if on { yes } else { no })
        }
        _ => plain,
    };
    Some(format!("{quote}{text}{quote}"))
}

/// How a word's letters stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Capital,
    Upper,
}

impl Case {
    fn of(self, word: &str) -> String {
        match self {
            Self::Lower => word.to_owned(),
            Self::Upper => word.to_ascii_uppercase(),
            Self::Capital => {
                let mut chars = word.chars();
                chars.next().map_or_else(String::new, |c| c.to_ascii_uppercase().to_string() + chars.as_str())
            }
        }
    }
}

/// A boolean: its pair of words, its case, and whether it is on.
fn word(text: &str) -> Option<(usize, Case, bool)> {
    WORDS.iter().enumerate().find_map(|(i, (no, yes))| {
        [Case::Lower, Case::Capital, Case::Upper].into_iter().find_map(|case| {
            let on = text == case.of(yes);
            (on || text == case.of(no)).then_some((i, case, on))
        })
    })
}

/// A number in plain decimal; a leading zero makes it octal for some readers, so it is none.
fn decimal(text: &str) -> Option<&str> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain =
        digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.starts_with(|c: char| c.is_ascii_digit());
    let octal = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    (plain && !octal && !digits.ends_with('.')).then_some(text)
}

/// The quotes round a value, and what is between them.
fn unquoted(raw: &str) -> (&'static str, &str) {
    for quote in ["\"", "'"] {
        if let Some(inner) = raw.strip_prefix(quote).and_then(|r| r.strip_suffix(quote)) {
            return (quote, inner);
        }
    }
    ("", raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use FlagKind::{Bool, Count, Ratio};

    #[test]
    fn booleans_are_written_as_they_are_spelt() {
        for (raw, on) in [
            ("false", "true"),
            ("False", "True"),
            ("FALSE", "TRUE"),
            ("no", "yes"),
            ("Off", "On"),
            ("0", "1"),
            ("\"false\"", "\"true\""),
            ("'0'", "'1'"),
            ("\"NO\"", "\"YES\""),
        ] {
            assert_eq!(read(Format::Env, Bool, raw), Some(Setting::Bool(false)), "{raw}");
            assert_eq!(read(Format::Env, Bool, on), Some(Setting::Bool(true)), "{on}");
            assert_eq!(write(Format::Env, Bool, Setting::Bool(true), Some(raw)).as_deref(), Some(on));
            assert_eq!(write(Format::Env, Bool, Setting::Bool(false), Some(on)).as_deref(), Some(raw));
        }
        assert_eq!(write(Format::Env, Bool, Setting::Bool(true), None).as_deref(), Some("true"));
        assert_eq!(write(Format::Yaml, Bool, Setting::Bool(true), Some("Off")).as_deref(), Some("On"));
        assert_eq!(write(Format::Json, Bool, Setting::Bool(true), Some("false")).as_deref(), Some("true"));
    }

    #[test]
    fn what_is_of_another_type_is_not_read() {
        for raw in ["", "fAlse", "10%", "t", "y", "nope", "\"true'", "''"] {
            assert_eq!(read(Format::Env, Bool, raw), None, "{raw}");
        }
        for raw in ["\"true\"", "1", "0", "~", "null", "y"] {
            assert_eq!(read(Format::Yaml, Bool, raw), None, "{raw}");
        }
        for raw in ["yes", "True", "1", "\"true\""] {
            assert_eq!(read(Format::Toml, Bool, raw), None, "{raw}");
        }
        for raw in ["010", "0x1F", "1e3", ".5", "5.", "five", "", "5 0", "--5", "inf", "nan", "5%"] {
            assert_eq!(read(Format::Yaml, Ratio, raw), None, "{raw}");
            assert_eq!(read(Format::Env, Ratio, raw), None, "{raw}");
            assert_eq!(read(Format::Toml, Ratio, raw), None, "{raw}");
        }
        assert_eq!(read(Format::Env, Count, "2.5"), None);
        assert_eq!(read(Format::Env, Ratio, "101"), None);
    }

    #[test]
    fn numbers() {
        assert_eq!(read(Format::Env, Ratio, "\"10\""), Some(Setting::Share(0.1)));
        assert_eq!(read(Format::Env, Ratio, "0.5"), Some(Setting::Share(0.005)));
        assert_eq!(write(Format::Env, Ratio, Setting::Share(0.5), Some("\"10\"")).as_deref(), Some("\"50\""));
        assert_eq!(read(Format::Toml, Count, "+1_000"), Some(Setting::Count(1000)));
        assert_eq!(read(Format::Yaml, Count, "-3"), Some(Setting::Count(-3)));
        assert_eq!(write(Format::Env, Count, Setting::Share(0.5), Some("3")), None);
    }
}
