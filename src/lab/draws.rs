//! The lab's own small generator of pseudo-random numbers: the same seed gives the same draws on every machine.
//!
//! SplitMix64 (G. L. Steele, D. Lea, C. H. Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). Each draw is
//! a function of the seed and of its place alone, so requests served at once need no lock.

use std::sync::atomic::{AtomicU64, Ordering};

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Numbered draws from a seed.
#[derive(Debug)]
pub(crate) struct Draws {
    seed: u64,
    next: AtomicU64,
}

impl Draws {
    /// The draws of a seed, from the first.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    /// The next draw, uniform in [0, 1).
    pub(crate) fn unit(&self) -> f64 {
        let place = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let bits = mix(self.seed.wrapping_add(place.wrapping_mul(GOLDEN)));
        // 53 bits are what a double holds exactly.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A seed made from another and a number, for parts that must not draw alike.
pub(crate) fn derive(seed: u64, part: u64) -> u64 {
    mix(seed ^ mix(part.wrapping_add(GOLDEN)))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_numbers_are_those_of_splitmix64() {
        // Published first outputs for the seed 1234567.
        let outputs = [6_457_827_717_110_365_317_u64, 3_203_168_211_198_807_973];
        for (place, expected) in (1_u64..).zip(outputs) {
            let state = 1_234_567_u64.wrapping_add(place.wrapping_mul(GOLDEN));
            assert_eq!(mix(state), expected);
        }
    }

    #[test]
    fn same_seed_same_draws_and_they_are_spread_evenly() {
        let (a, b) = (Draws::new(7), Draws::new(7));
        let draws: Vec<f64> = (0..10_000).map(|_| a.unit()).collect();
        assert!(draws.iter().all(|d| *d == b.unit()));
        assert!(draws.iter().all(|d| (0.0..1.0).contains(d)));
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_ne!(Draws::new(derive(7, 1)).unit(), Draws::new(derive(7, 2)).unit());
    }
}
