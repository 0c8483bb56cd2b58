//! Shares as pairs of whole weights, and as percentages.

/// The greatest weight that a server can have in HAProxy.
pub const MAX_WEIGHT: u16 = 256;

/// How far a share may be from the fraction that stands for it: the noise of adding up decimal fractions. Two different fractions of
/// weights up to 256 are at least 1/512² ≈ 3.8e-6 apart, so a share never fits two of them.
const NOISE: f64 = 1e-9;

/// A share (0 to 1) in percent, without the noise of binary fractions: 0.07 → 7, not 7.000000000000001.
#[must_use]
pub fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// The weights (canary, stable), each 0 to [`MAX_WEIGHT`], that make exactly this share of traffic (0 to 1): whole percents as
/// they are (5 % → 5 and 95), anything else as the smallest pair (0.5 % → 1 and 199).
///
/// # Errors
/// A share outside 0 to 1, and one that no such pair makes; the text names the nearest shares below and above that can be
/// written with two decimals.
pub fn representable(share: f64) -> Result<(u16, u16), String> {
    if !(0.0..=1.0).contains(&share) {
        return Err(format!("{}% is not a share of traffic", percent(share)));
    }
    if let Some(pair) = exact(share) {
        return Ok(pair);
    }
    // hundredths of a percent on either side; 0 and 10,000 are always representable, so both walks end
    let below = (share * 1e4).floor().clamp(0.0, 1e4) as u32;
    let nice = |k: u32| exact(f64::from(k) / 1e4).is_some();
    let low = (0..=below).rev().find(|&k| nice(k)).unwrap_or(0);
    let high = (below + 1..=10_000).find(|&k| nice(k)).unwrap_or(10_000);
    Err(format!(
        "no two whole weights up to {MAX_WEIGHT} make {}%; the nearest that do are {}% and {}%",
        percent(share),
        f64::from(low) / 100.0,
        f64::from(high) / 100.0
    ))
}

fn exact(share: f64) -> Option<(u16, u16)> {
    let fits = |total: u16| {
        let canary = (share * f64::from(total)).round();
        if (canary / f64::from(total) - share).abs() > NOISE {
            return None;
        }
        // 0 ≤ canary ≤ total ≤ 512
        let canary = canary as u16;
        let stable = total - canary;
        (canary <= MAX_WEIGHT && stable <= MAX_WEIGHT).then_some((canary, stable))
    };
    fits(100).or_else(|| (1..=2 * MAX_WEIGHT).find_map(fits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_percents_are_their_own_weights() {
        for p in 0..=100_u16 {
            assert_eq!(representable(f64::from(p) / 100.0), Ok((p, 100 - p)));
        }
    }

    #[test]
    fn other_shares_are_the_smallest_pair() {
        assert_eq!(representable(0.005), Ok((1, 199)));
        assert_eq!(representable(0.125), Ok((1, 7)));
        assert_eq!(representable(1.0 / 257.0), Ok((1, 256)));
        assert_eq!(representable(256.0 / 257.0), Ok((256, 1)));
        // sums of decimal fractions are not quite decimal fractions
        assert_eq!(representable(0.1 + 0.2), Ok((30, 70)));
    }

    #[test]
    fn what_cannot_be_made_names_its_neighbours() {
        assert_eq!(
            representable(0.001).unwrap_err(),
            "no two whole weights up to 256 make 0.1%; the nearest that do are 0% and 0.4%"
        );
        assert_eq!(
            representable(0.333).unwrap_err(),
            "no two whole weights up to 256 make 33.3%; the nearest that do are 33.2% and 33.5%"
        );
        assert_eq!(
            representable(0.9999).unwrap_err(),
            "no two whole weights up to 256 make 99.99%; the nearest that do are 99.6% and 100%"
        );
        assert!(representable(1.01).is_err());
        assert!(representable(-0.01).is_err());
        assert!(representable(f64::NAN).is_err());
    }

    proptest! {
        /// Any pair of weights is read as a share that leads back to the same share: a restore is always possible.
        #[test]
        fn every_pair_can_be_restored(c in 0_u16..=256, s in 0_u16..=256) {
            prop_assume!(c + s > 0);
            let share = f64::from(c) / f64::from(c + s);
            let (c2, s2) = representable(share).unwrap();
            prop_assert_eq!(u32::from(c) * u32::from(s2), u32::from(c2) * u32::from(s));
        }

        /// Something is never rounded to nothing, nor less than all to all.
        #[test]
        fn never_rounds_to_the_ends(share in 0.0_f64..=1.0) {
            if let Ok((c, s)) = representable(share) {
                prop_assert!((c == 0) == (share < NOISE));
                prop_assert!((s == 0) == (share > 1.0 - NOISE));
            }
        }
    }
}
