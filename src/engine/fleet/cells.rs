//! What a life's numbers are packed into: fixed cells of bytes, so that a hundred thousand lives lie close together.

/// One number of a cell, for the form in a journal.
pub(in crate::engine) trait Cell: Copy {
    /// As a number.
    fn number(self) -> i64;
    /// Back; `None` for a number that it cannot hold.
    fn from_number(n: i64) -> Option<Self>;
}

/// A cell of several numbers.
pub(in crate::engine) trait Cells: Copy {
    /// How many.
    const FIELDS: usize;
    /// Shows every number, in order.
    fn each(&self, f: &mut dyn FnMut(usize, i64));
    /// Back from them.
    fn made(next: &mut dyn FnMut(usize) -> Option<i64>) -> Option<Self>;
}

/// A struct whose fields are all [`Cell`]s.
macro_rules! cells {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub(in crate::engine) struct $name { $($(#[$of])* pub $field: $ty,)* }
        impl $crate::engine::fleet::cells::Cells for $name {
            const FIELDS: usize = [$(stringify!($field)),*].len();
            fn each(&self, f: &mut dyn FnMut(usize, i64)) {
                let mut i = 0;
                $(f(i, $crate::engine::fleet::cells::Cell::number(self.$field)); i += 1;)*
                debug_assert_eq!(i, Self::FIELDS);
            }
            fn made(next: &mut dyn FnMut(usize) -> Option<i64>) -> Option<Self> {
                let mut i = 0;
                let made = Self {
                    $($field: {
                        i += 1;
                        <$ty as $crate::engine::fleet::cells::Cell>::from_number(next(i - 1)?)?
                    },)*
                };
                Some(made)
            }
        }
    };
}
pub(in crate::engine) use cells;

/// A whole number of 48 bits: milliseconds since 1970 up to the year 6429, in six bytes. What does not fit is kept elsewhere.
///
/// In two parts, each of which is one load: put together out of six bytes it took four times as many instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) struct I48 {
    low: [u8; 4],
    high: [u8; 2],
}

/// The number that stands for none.
const NONE: i64 = -(1 << 47);

impl I48 {
    /// A number, if it fits.
    #[inline]
    pub fn of(v: i64) -> Option<Self> {
        if v <= NONE || v >= 1 << 47 {
            return None;
        }
        Some(Self::low(v))
    }

    /// A number or none, if it fits.
    #[inline]
    pub fn or_none(v: Option<i64>) -> Option<Self> {
        v.map_or(Some(Self::low(NONE)), Self::of)
    }

    #[inline]
    fn low(v: i64) -> Self {
        let [a, b, c, d, e, f, ..] = v.to_le_bytes();
        Self { low: [a, b, c, d], high: [e, f] }
    }

    /// The number.
    #[inline]
    pub fn get(self) -> i64 {
        i64::from(i16::from_le_bytes(self.high)) << 32 | i64::from(u32::from_le_bytes(self.low))
    }

    /// The number, if there is one.
    #[inline]
    pub fn maybe(self) -> Option<i64> {
        Some(self.get()).filter(|v| *v != NONE)
    }
}

/// A number of 32 bits, wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) struct U32([u8; 4]);

impl U32 {
    #[inline]
    pub fn of(v: u32) -> Self {
        Self(v.to_le_bytes())
    }

    #[inline]
    pub fn get(self) -> u32 {
        u32::from_le_bytes(self.0)
    }
}

/// A floating number with all its bits, wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) struct F64([u8; 8]);

impl F64 {
    #[inline]
    pub fn of(v: f64) -> Self {
        Self(v.to_bits().to_le_bytes())
    }

    #[inline]
    pub fn get(self) -> f64 {
        f64::from_bits(u64::from_le_bytes(self.0))
    }
}

impl Cell for u8 {
    fn number(self) -> i64 {
        i64::from(self)
    }
    fn from_number(n: i64) -> Option<Self> {
        Self::try_from(n).ok()
    }
}

impl Cell for I48 {
    fn number(self) -> i64 {
        self.get()
    }
    fn from_number(n: i64) -> Option<Self> {
        if n == NONE { Some(Self::low(n)) } else { Self::of(n) }
    }
}

impl Cell for U32 {
    fn number(self) -> i64 {
        i64::from(self.get())
    }
    fn from_number(n: i64) -> Option<Self> {
        u32::try_from(n).ok().map(Self::of)
    }
}

impl Cell for F64 {
    fn number(self) -> i64 {
        i64::from_le_bytes(self.0)
    }
    fn from_number(n: i64) -> Option<Self> {
        Some(Self(n.to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_hold_what_they_say_and_nothing_else() {
        for v in [0, 1, -1, 1_785_000_000_000, (1 << 47) - 1, -(1 << 47) + 1] {
            assert_eq!(I48::of(v).map(I48::get), Some(v));
            assert_eq!(I48::or_none(Some(v)).and_then(I48::maybe), Some(v));
        }
        for v in [1 << 47, -(1 << 47), i64::MAX, i64::MIN] {
            assert_eq!(I48::of(v), None);
        }
        assert_eq!(I48::or_none(None).map(I48::maybe), Some(None));
    }
}
