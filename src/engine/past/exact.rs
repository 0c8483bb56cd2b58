//! Sums of floating-point numbers and of their products without any rounding: what was added can be taken away again and leaves no
//! trace, the order does not matter, and every machine comes to the same. What is made of a sum is rounded once, to the nearest
//! number, halves to even.
//!
//! A finite `f64` is an integer times 2⁻¹⁰⁷⁴, a product of two one times 2⁻²¹⁴⁸. A sum is kept as digits in base 2³², each in 64
//! bits with room for 2³⁰ terms before anything has to be carried, as in the "small superaccumulator" of R. M. Neal, *Fast exact
//! summation using small and large superaccumulators* (2015, arXiv:1505.05571).

/// The digits of a number on its way to be rounded: from 2^(32·LOW) up. The least product has its lowest bit at 2⁻²¹⁴⁸, digit -68;
/// the eight below take what a division leaves. The greatest sum of 2³⁰ squares ends below 2²⁰⁷⁹, digit 64, and its product with
/// their number one digit above.
const LOW: i32 = -76;
/// How many digits there are.
const DIGITS: usize = 144;

/// An exact sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exact {
    /// The place of the first digit: it counts 2^(32·low).
    low: i32,
    digits: Vec<i64>,
}

/// A finite number as an integer below 2⁵³ times a power of two, without its sign.
fn parts(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match i32::try_from((bits >> 52) & 0x7FF).unwrap_or(0) {
        0 => (fraction, -1074),
        e => (fraction | (1 << 52), e - 1075),
    }
}

impl Exact {
    /// Adds a finite number.
    pub fn add(&mut self, x: f64) {
        self.add_product(x, 1.0);
    }

    /// Takes away what was added.
    pub fn remove(&mut self, x: f64) {
        self.add_product(-x, 1.0);
    }

    /// Adds the product of two finite numbers. One with the other sign takes away what was added.
    pub fn add_product(&mut self, x: f64, y: f64) {
        let ((mx, ex), (my, ey)) = (parts(x), parts(y));
        let m = u128::from(mx) * u128::from(my);
        let e = ex + ey;
        let (place, shift) = (e.div_euclid(32), e.rem_euclid(32));
        let sign = if x.is_sign_negative() == y.is_sign_negative() { 1 } else { -1 };
        // 106 bits, shifted by up to 31, in two halves
        let (lower, upper) = ((m & u128::from(u64::MAX)) << shift, (m >> 64) << shift);
        for (half, start) in [(lower, place), (upper, place + 2)] {
            for (i, at) in (start..start + 3).enumerate() {
                let digit = (half >> (32 * i)) & 0xFFFF_FFFF;
                self.put(at, sign * i64::try_from(digit).unwrap_or(0));
            }
        }
        self.trim();
    }

    fn put(&mut self, place: i32, digit: i64) {
        if digit == 0 {
            return;
        }
        if self.digits.is_empty() {
            self.low = place;
        }
        while place < self.low {
            self.digits.insert(0, 0);
            self.low -= 1;
        }
        let i = usize::try_from(place - self.low).unwrap_or(0);
        if self.digits.len() <= i {
            self.digits.resize(i + 1, 0);
        }
        if let Some(d) = self.digits.get_mut(i) {
            *d += digit;
        }
    }

    /// Without the zeros at both ends: a sum says nothing of what has left it.
    fn trim(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|d| **d == 0).count();
        self.digits.drain(..zeros);
        self.low += i32::try_from(zeros).unwrap_or(0);
    }

    fn columns(&self) -> impl Iterator<Item = (i32, i128)> + '_ {
        (self.low..).zip(self.digits.iter().map(|d| i128::from(*d)))
    }

    /// The sum; `None` where it is greater than any number can be.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.times_over(1, 1)
    }

    /// The sum times `factor` over `divisor`, rounded once.
    #[must_use]
    pub fn times_over(&self, factor: u32, divisor: u64) -> Option<f64> {
        let mut columns = Columns::new();
        for (place, d) in self.columns() {
            columns.add(place, d * i128::from(factor));
        }
        let mut number = columns.carried();
        let rest = number.divide(divisor);
        number.rounded(rest)
    }

    /// The population's standard deviation of `n` numbers with this sum, given the sum of their squares, rounded once.
    #[must_use]
    pub fn deviation(&self, squares: &Self, n: u32) -> Option<f64> {
        // n² times the variance: n Σx² - (Σx)², an exact difference that is never below zero
        let mut columns = Columns::new();
        for (place, d) in squares.columns() {
            columns.add(place, d * i128::from(n));
        }
        // carried, so that the products of two digits stay small
        let mut sum = Columns::new();
        self.columns().for_each(|(place, d)| sum.add(place, d));
        let sum = sum.carried();
        for (p, a) in sum.digits() {
            for (q, b) in sum.digits() {
                columns.add(p + q, -(i128::from(a) * i128::from(b)));
            }
        }
        let mut number = columns.carried();
        let rest = number.divide(u64::from(n) * u64::from(n));
        number.square_root(rest)
    }
}

/// Digits that have not been carried, and the range of those that were touched.
struct Columns {
    cells: [i128; DIGITS],
    from: usize,
    to: usize,
}

impl Columns {
    fn new() -> Self {
        Self { cells: [0; DIGITS], from: DIGITS, to: 0 }
    }

    fn add(&mut self, place: i32, digit: i128) {
        if let Some((i, c)) = usize::try_from(place - LOW).ok().and_then(|i| self.cells.get_mut(i).map(|c| (i, c))) {
            *c += digit;
            self.from = self.from.min(i);
            self.to = self.to.max(i + 1);
        }
    }

    fn carried(&self) -> Number {
        let carry = |sign: i128| {
            let mut magnitude = [0; DIGITS];
            let mut carry = 0_i128;
            // what is carried out of 128 bits ends four digits above them
            let touched = magnitude.iter_mut().zip(&self.cells).take(self.to + 4).skip(self.from);
            for (digit, column) in touched {
                let v = sign * column + carry;
                *digit = u32::try_from(v & 0xFFFF_FFFF).unwrap_or(0);
                carry = v >> 32;
            }
            (magnitude, carry)
        };
        // what is left over at the upper end is the sign
        match carry(1) {
            (magnitude, 0..) => Number { negative: false, magnitude },
            _ => Number { negative: true, magnitude: carry(-1).0 },
        }
    }
}

/// A sign and digits in base 2³².
struct Number {
    negative: bool,
    magnitude: [u32; DIGITS],
}

impl Number {
    /// Its digits other than 0, each with its place.
    fn digits(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        (LOW..).zip(self.magnitude).filter(|(_, d)| *d != 0)
    }

    /// Divides it, to more digits than will be kept; whether something is left.
    fn divide(&mut self, by: u64) -> bool {
        if by <= 1 {
            return false;
        }
        let by = u128::from(by);
        let mut rest = 0_u128;
        // six digits are more than the 128 bits of which a root is taken
        let (mut left, mut more) = (None, false);
        for digit in self.magnitude.iter_mut().rev() {
            if left == Some(0_u32) {
                more |= *digit != 0;
                *digit = 0;
                continue;
            }
            let v = (rest << 32) | u128::from(*digit);
            if v == 0 && left.is_none() {
                continue;
            }
            let quotient = u32::try_from(v / by).unwrap_or(0);
            *digit = quotient;
            rest = v % by;
            left = match left {
                None if quotient != 0 => Some(5),
                other => other.map(|n: u32| n - 1),
            };
        }
        more || rest != 0
    }

    /// Its first 128 bits, the first of them 1, with the power of two that the last of them counts, and whether there is more;
    /// `None` of 0.
    fn top(&self) -> Option<(u128, i32, bool)> {
        let first = self.magnitude.iter().rposition(|d| *d != 0)?;
        let mut below = self.magnitude.iter().take(first + 1).rev();
        let mut bits = 0_u128;
        for _ in 0..4 {
            bits = (bits << 32) | u128::from(below.next().copied().unwrap_or(0));
        }
        let zeros = bits.leading_zeros();
        let fifth = u64::from(below.next().copied().unwrap_or(0)) << zeros;
        let more = fifth & 0xFFFF_FFFF != 0 || below.any(|d| *d != 0);
        let exponent = 32 * (i32::try_from(first).unwrap_or(0) + LOW - 3) - i32::try_from(zeros).unwrap_or(0);
        Some(((bits << zeros) | u128::from(fifth >> 32), exponent, more))
    }

    /// The nearest `f64`, halves to even. `more`: it is a little more than its digits say.
    fn rounded(&self, more: bool) -> Option<f64> {
        let Some((bits, exponent, rest)) = self.top() else { return Some(0.0) };
        let v = nearest(bits, exponent, rest || more)?;
        // what is too small for any number is 0, and -0 is 0
        Some(if self.negative { 0.0 - v } else { v })
    }

    /// The square root, rounded to the nearest `f64`.
    fn square_root(&self, more: bool) -> Option<f64> {
        let Some((mut bits, mut exponent, rest)) = self.top() else { return Some(0.0) };
        let mut more = more || rest;
        if exponent % 2 != 0 {
            more |= bits & 1 != 0;
            (bits, exponent) = (bits >> 1, exponent + 1);
        }
        // 64 bits of it: more than the 53 that are kept and the one that decides
        let root = bits.isqrt();
        nearest(root << 64, exponent / 2 - 64, more || root * root != bits)
    }
}

/// `bits` (the first of 128 is 1) times 2^`exponent` as the nearest `f64`, halves to even; `more`: and a little more than that.
/// `None` beyond the greatest.
fn nearest(bits: u128, exponent: i32, more: bool) -> Option<f64> {
    // 53 bits are kept, and fewer where the last of them would lie below 2⁻¹⁰⁷⁴
    let cut = u32::try_from((-1074 - exponent).max(75)).ok()?;
    if cut > 128 {
        return Some(0.0);
    }
    let kept = bits.checked_shr(cut).unwrap_or(0);
    let (gone, half) = (bits ^ kept.checked_shl(cut).unwrap_or(0), 1_u128 << (cut - 1));
    let up = gone > half || (gone == half && (more || kept & 1 == 1));
    let kept = u64::try_from(kept).ok()? + u64::from(up);
    // the fraction runs over into the exponent where it must
    let implied = 1_u64 << 52;
    if kept < implied {
        return Some(f64::from_bits(kept));
    }
    let field = u64::try_from(exponent + i32::try_from(cut).ok()? + 1075).ok()?;
    let out = (field << 52) + (kept - implied);
    (out < f64::INFINITY.to_bits()).then(|| f64::from_bits(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(xs: &[f64]) -> Exact {
        let mut s = Exact::default();
        xs.iter().for_each(|x| s.add(*x));
        s
    }

    #[test]
    fn small_ones_are_not_lost_beside_great_ones() {
        assert_eq!(sum(&[1e308, 1.0, -1e308]).value(), Some(1.0));
        assert_eq!(sum(&[1e16, 1.0, 1.0]).value(), Some(1e16 + 2.0));
        assert_eq!(sum(&[0.1; 10]).value(), Some(1.0));
        assert_eq!(sum(&[5e-324, 1e300, -1e300]).value(), Some(5e-324));
    }

    #[test]
    fn a_sum_may_pass_the_greatest_number_on_its_way() {
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), None);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).times_over(1, 2), Some(f64::MAX));
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).value(), Some(f64::MAX));
        assert_eq!(sum(&[-f64::MAX, -f64::MAX]).value(), None);
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let tie = 2_f64.powi(-53);
        assert_eq!(sum(&[1.0, tie]).value(), Some(1.0));
        assert_eq!(sum(&[1.0, tie, 5e-324]).value(), Some(1.0 + f64::EPSILON));
        assert_eq!(sum(&[1.0 + f64::EPSILON, tie]).value(), Some(1.0 + 2.0 * f64::EPSILON));
        // among the denormal ones: half of the least, and three halves
        assert_eq!(sum(&[5e-324]).times_over(1, 2), Some(0.0));
        assert_eq!(sum(&[5e-324; 3]).times_over(1, 2), Some(1e-323));
        // from the greatest denormal one to the least that is none
        assert_eq!(sum(&[f64::MIN_POSITIVE - 5e-324, 5e-324]).value(), Some(f64::MIN_POSITIVE));
    }

    #[test]
    fn what_has_left_leaves_no_trace() {
        let mut s = sum(&[0.1, 0.2]);
        let kept = s.clone();
        for x in [1e308, -5e-324, 3.0, -0.0, 0.0] {
            s.add(x);
        }
        for x in [3.0, -0.0, 1e308, 0.0, -5e-324] {
            s.remove(x);
        }
        assert_eq!(s, kept);
        s.remove(0.2);
        s.remove(0.1);
        assert!(s.digits.is_empty());
    }

    #[test]
    fn deviations_are_exact_where_the_usual_ways_lose_everything() {
        let of = |xs: &[f64]| {
            let mut squares = Exact::default();
            xs.iter().for_each(|x| squares.add_product(*x, *x));
            sum(xs).deviation(&squares, u32::try_from(xs.len()).unwrap())
        };
        assert_eq!(of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]), Some(22.5_f64.sqrt()));
        // the variance of these is beyond any number, their deviation is not
        assert_eq!(of(&[1e308, -1e308]), Some(1e308));
        assert_eq!(of(&[5e-324, -5e-324]), Some(5e-324));
        assert_eq!(of(&[0.1; 7]), Some(0.0));
        assert_eq!(of(&[1.0, 2.0]), Some(0.5));
    }
}
