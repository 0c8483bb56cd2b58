//! Types of values, and what arithmetic makes of them.

use crate::plan::{Unit, show};

/// The type of a value. Numbers are held in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ty {
    Bool,
    Text,
    /// Dimensionless, as written.
    Number,
    /// A whole number of things.
    Count,
    Ratio,
    /// The difference of two ratios.
    Points,
    /// One thing over another of its kind: a ratio or a number, as the other side wants it.
    Quotient,
    Duration,
    Rate,
    Bytes,
    Time,
}

impl Ty {
    /// The type that a `param` or gauge `metric` may be declared with.
    pub(super) fn declared(word: &str) -> Option<Self> {
        Some(match word {
            "bool" => Self::Bool,
            "string" => Self::Text,
            "number" => Self::Number,
            "count" => Self::Count,
            "ratio" => Self::Ratio,
            "duration" => Self::Duration,
            "rate" => Self::Rate,
            "bytes" => Self::Bytes,
            "time" => Self::Time,
            _ => return None,
        })
    }

    /// All words of [`Ty::declared`].
    pub(super) const WORDS: [&'static str; 9] =
        ["bool", "string", "number", "count", "ratio", "duration", "rate", "bytes", "time"];

    /// With its article, for messages.
    pub(super) fn a(self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Text => "a string",
            Self::Number => "a number without unit",
            Self::Count => "a count",
            Self::Ratio => "a ratio",
            Self::Points => "a difference of ratios (pp)",
            Self::Quotient => "a quotient",
            Self::Duration => "a duration",
            Self::Rate => "a rate",
            Self::Bytes => "an amount of bytes",
            Self::Time => "a time",
        }
    }

    /// How its values are shown.
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Bool => Unit::Bool,
            Self::Count => Unit::Count,
            Self::Ratio | Self::Points => Unit::Ratio,
            Self::Duration => Unit::Duration,
            Self::Rate => Unit::Rate,
            Self::Bytes => Unit::Bytes,
            Self::Text | Self::Number | Self::Quotient | Self::Time => Unit::Number,
        }
    }

    /// An example of a literal of this type.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Bool => "on",
            Self::Text => "\"text\"",
            Self::Number | Self::Quotient => "1.5",
            Self::Count => "3",
            Self::Ratio => "99.6%",
            Self::Points => "0.5pp",
            Self::Duration => "30s",
            Self::Rate => "200/s",
            Self::Bytes => "10MiB",
            Self::Time => "2026-12-20T09:00Z",
        }
    }

    fn plain(self) -> bool {
        matches!(self, Self::Number | Self::Count | Self::Quotient)
    }

    fn scalar(self) -> bool {
        self.plain() || self == Self::Ratio
    }

    /// Whether numbers of this type can be reckoned with at all.
    pub(super) fn numeric(self) -> bool {
        !matches!(self, Self::Bool | Self::Text)
    }
}

/// The common type of two sides of a comparison (or of `greater`, `lesser`, `default`); `None` where there is none. A
/// constant zero has every dimension.
pub(super) fn common(l: Ty, l_zero: bool, r: Ty, r_zero: bool) -> Option<Ty> {
    match (l, r) {
        (l, r) if l == r => Some(l),
        (Ty::Number, r) if l_zero && r.numeric() && r != Ty::Time => Some(r),
        (l, Ty::Number) if r_zero && l.numeric() && l != Ty::Time => Some(l),
        (Ty::Number, Ty::Count) | (Ty::Count, Ty::Number) => Some(Ty::Count),
        (Ty::Quotient, Ty::Ratio) | (Ty::Ratio, Ty::Quotient) => Some(Ty::Ratio),
        (l, r) if l.plain() && r.plain() => Some(Ty::Number),
        _ => None,
    }
}

/// The type of a sum or difference. `both_live`: neither side is constant, so that adding two measured ratios is meant.
pub(super) fn sum(minus: bool, l: Ty, l_zero: bool, r: Ty, r_zero: bool, both_live: bool) -> Option<Ty> {
    match (l, r) {
        (Ty::Ratio, Ty::Ratio) if minus => Some(Ty::Points),
        (Ty::Ratio, Ty::Ratio) => both_live.then_some(Ty::Ratio),
        (Ty::Ratio, Ty::Points) => Some(Ty::Ratio),
        (Ty::Points, Ty::Ratio) if !minus => Some(Ty::Ratio),
        (Ty::Time, Ty::Time) => minus.then_some(Ty::Duration),
        (Ty::Time, Ty::Duration) => Some(Ty::Time),
        (Ty::Duration, Ty::Time) if !minus => Some(Ty::Time),
        (Ty::Bool | Ty::Text, _) | (_, Ty::Bool | Ty::Text) => None,
        _ => common(l, l_zero, r, r_zero),
    }
}

/// The type of a product.
pub(super) fn product(l: Ty, r: Ty) -> Option<Ty> {
    match (l, r) {
        (Ty::Bool | Ty::Text | Ty::Time, _) | (_, Ty::Bool | Ty::Text | Ty::Time) => None,
        (Ty::Rate, Ty::Duration) | (Ty::Duration, Ty::Rate) => Some(Ty::Number),
        (l, r) if l.plain() && r.plain() => Some(Ty::Number),
        (l, r) if r.scalar() => Some(if l.plain() && r == Ty::Ratio {
            // 50% of 300 things are 150 things
            Ty::Number
        } else {
            l
        }),
        (l, r) if l.scalar() => Some(r),
        _ => None,
    }
}

/// The type of a quotient.
pub(super) fn quotient(l: Ty, r: Ty) -> Option<Ty> {
    match (l, r) {
        (Ty::Bool | Ty::Text | Ty::Time, _) | (_, Ty::Bool | Ty::Text | Ty::Time) => None,
        (l, Ty::Duration) if l.plain() => Some(Ty::Rate),
        (Ty::Number | Ty::Count, Ty::Number | Ty::Count) => Some(Ty::Quotient),
        (l, r) if l == r => Some(Ty::Quotient),
        (l, r) if r.scalar() => Some(l),
        _ => None,
    }
}

/// Whether a value of type `have` may stand where `want` is declared.
pub(super) fn fits(have: Ty, zero: bool, want: Ty) -> bool {
    have == want
        || (zero && have == Ty::Number && want.numeric() && want != Ty::Time)
        || matches!(
            (have, want),
            (Ty::Number | Ty::Quotient, Ty::Count) | (Ty::Count | Ty::Quotient, Ty::Number) | (Ty::Quotient, Ty::Ratio)
        )
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    /// In base units.
    Num(f64, Ty),
    Text(String),
    List(Vec<Self>),
}

impl Value {
    /// Its type; `None` for a list.
    pub(super) fn ty(&self) -> Option<Ty> {
        match self {
            Self::Bool(_) => Some(Ty::Bool),
            Self::Num(_, ty) => Some(*ty),
            Self::Text(_) => Some(Ty::Text),
            Self::List(_) => None,
        }
    }

    /// What it is, for messages.
    pub(super) fn a(&self) -> &'static str {
        self.ty().map_or("a list", Ty::a)
    }

    /// As it would be written.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Bool(b) => String::from(if *b { "on" } else { "off" }),
            Self::Num(v, Ty::Points) => show::points(*v),
            Self::Num(v, ty) => show::value(*v, ty.unit()),
            Self::Text(t) => format!("\"{}\"", t.replace('\\', "\\\\").replace('"', "\\\"")),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::show).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }

    /// Whether it is the number 0 without a unit, which has every dimension.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Self::Num(v, Ty::Number) if *v == 0.0)
    }
}

/// A unitless literal `v` as the one token that a side of type `want` asks for: `99.6` → `99.6%`, `1500` → `1500ms`. `None`
/// where two readings are as likely.
pub(super) fn with_unit(v: f64, want: Ty) -> Option<String> {
    match want {
        Ty::Ratio if v > 1.0 && v <= 100.0 => Some(format!("{}%", show::number(v))),
        Ty::Ratio if v > 0.0 && v < 1.0 => Some(format!("{}%", show::number(v * 100.0))),
        Ty::Points if v > 0.0 && v < 100.0 => Some(format!("{}pp", show::number(v))),
        Ty::Duration if v >= 100.0 => Some(format!("{}ms", show::number(v))),
        Ty::Duration if v > 0.0 => Some(format!("{}s", show::number(v))),
        Ty::Rate => Some(format!("{}/s", show::number(v))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_the_difference_of_ratios_and_a_percentage_is_a_factor() {
        assert_eq!(sum(false, Ty::Ratio, false, Ty::Points, false, false), Some(Ty::Ratio));
        assert_eq!(sum(false, Ty::Ratio, false, Ty::Ratio, false, false), None);
        assert_eq!(sum(true, Ty::Ratio, false, Ty::Ratio, false, false), Some(Ty::Points));
        assert_eq!(product(Ty::Ratio, Ty::Ratio), Some(Ty::Ratio));
        assert_eq!(product(Ty::Duration, Ty::Ratio), Some(Ty::Duration));
        assert_eq!(product(Ty::Duration, Ty::Duration), None);
        assert_eq!(quotient(Ty::Bytes, Ty::Bytes), Some(Ty::Quotient));
        assert_eq!(quotient(Ty::Count, Ty::Duration), Some(Ty::Rate));
    }

    #[test]
    fn zero_has_every_dimension_and_nothing_else_has() {
        assert_eq!(common(Ty::Ratio, false, Ty::Number, true), Some(Ty::Ratio));
        assert_eq!(common(Ty::Ratio, false, Ty::Number, false), None);
        assert_eq!(common(Ty::Duration, false, Ty::Ratio, false), None);
        assert_eq!(common(Ty::Time, false, Ty::Number, true), None);
    }

    #[test]
    fn the_missing_unit_is_one_token_or_none_is_offered() {
        assert_eq!(with_unit(99.6, Ty::Ratio).as_deref(), Some("99.6%"));
        assert_eq!(with_unit(0.95, Ty::Ratio).as_deref(), Some("95%"));
        assert_eq!(with_unit(1.0, Ty::Ratio), None);
        assert_eq!(with_unit(1500.0, Ty::Duration).as_deref(), Some("1500ms"));
        assert_eq!(with_unit(2.0, Ty::Duration).as_deref(), Some("2s"));
    }
}
