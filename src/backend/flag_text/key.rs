//! A flag's place in a file.

/// Keys of nested objects, outermost first; not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Key(pub(super) Vec<String>);

impl Key {
    /// `a/b` is `b` inside `a`; as in RFC 6901, `~1` is a slash and `~0` a tilde.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split('/').map(unescaped).collect::<Result<_, _>>().map(Self)
    }
}

fn unescaped(part: &str) -> Result<String, String> {
    if part.is_empty() {
        return Err("an empty part: write `a/b`, without a slash at either end".to_owned());
    }
    let mut out = String::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err("a `~` that is neither `~0` (a tilde) nor `~1` (a slash)".to_owned()),
            },
            c => c,
        });
    }
    Ok(out)
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            f.write_str(&part.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}
