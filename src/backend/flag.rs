//! What a flag holds, and how it is written outside.

use super::share::percent;
use crate::plan::Setting;

/// What a port holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagKind {
    /// On or off.
    Bool,
    /// A whole number.
    Count,
    /// A share, which outside is a percentage: 50 is 50 %.
    Ratio,
}

impl FlagKind {
    /// What is expected of a value, in words.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Count => "a whole number",
            Self::Ratio => "a percentage from 0 to 100",
        }
    }

    /// A setting as its JSON text; `None` where this kind cannot hold it.
    #[must_use]
    pub fn text(self, setting: Setting) -> Option<String> {
        match (self, setting) {
            (Self::Bool, Setting::Bool(b)) => Some(b.to_string()),
            (Self::Count, Setting::Count(n)) => Some(n.to_string()),
            (Self::Ratio, Setting::Share(s)) if (0.0..=1.0).contains(&s) => Some(percent(s).to_string()),
            _ => None,
        }
    }

    /// A JSON scalar as a setting of this kind; `None` where it is none.
    #[must_use]
    pub fn setting(self, text: &str) -> Option<Setting> {
        match self {
            Self::Bool => text.parse().ok().map(Setting::Bool),
            Self::Count => text.parse().ok().map(Setting::Count),
            Self::Ratio => {
                let p: f64 = text.parse().ok()?;
                (0.0..=100.0).contains(&p).then_some(Setting::Share(p / 100.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_settings_lead_back_to_each_other() {
        for (kind, setting, text) in [
            (FlagKind::Bool, Setting::Bool(true), "true"),
            (FlagKind::Count, Setting::Count(-3), "-3"),
            (FlagKind::Ratio, Setting::Share(0.07), "7"),
            (FlagKind::Ratio, Setting::Share(0.005), "0.5"),
            (FlagKind::Ratio, Setting::Share(1.0), "100"),
        ] {
            assert_eq!(kind.text(setting).as_deref(), Some(text));
            assert!(kind.setting(text).unwrap().same(setting));
        }
    }

    #[test]
    fn other_kinds_are_not_taken() {
        assert_eq!(FlagKind::Bool.setting("on"), None);
        assert_eq!(FlagKind::Bool.setting("1"), None);
        assert_eq!(FlagKind::Count.setting("3.5"), None);
        assert_eq!(FlagKind::Ratio.setting("100.5"), None);
        assert_eq!(FlagKind::Ratio.setting("NaN"), None);
        assert_eq!(FlagKind::Ratio.text(Setting::Share(1.5)), None);
        assert_eq!(FlagKind::Bool.text(Setting::Share(1.0)), None);
        assert_eq!(FlagKind::Count.text(Setting::Absent), None);
    }
}
