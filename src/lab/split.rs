//! Weights of the two upstreams, and the exact choice between them.

use serde::{Deserialize, Serialize};

/// The largest weight that an upstream may have: a share is kept to one part in a million.
pub const MAX_WEIGHT: u32 = 1_000_000;

/// How much each upstream gets, as whole numbers: `{"canary":5,"stable":95}` sends 5 of 100 requests to the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The canary's weight, at most [`MAX_WEIGHT`].
    pub canary: u32,
    /// The stable version's weight, at most [`MAX_WEIGHT`].
    pub stable: u32,
}

impl Weights {
    /// Everything to stable.
    pub const STABLE: Self = Self { canary: 0, stable: 100 };

    /// Weights of a share from 0 to 1: out of 100 where that is exact, else out of 1,000 and so on; nearest millionth at last.
    /// None for what is no share.
    #[must_use]
    pub fn of_share(share: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        let mut scale = 100_u32;
        loop {
            let exact = share * f64::from(scale);
            let whole = exact.round();
            if (exact - whole).abs() < 1e-9 * f64::from(scale) || scale == MAX_WEIGHT {
                // `whole` is between 0 and a million, so the cast is exact.
                let canary = (whole as u32).min(scale);
                return Some(Self { canary, stable: scale - canary });
            }
            scale *= 10;
        }
    }

    /// The canary's share, from 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.canary) / (f64::from(self.canary) + f64::from(self.stable))
    }

    /// Why these weights cannot be set, if they cannot.
    #[must_use]
    pub fn objection(self) -> Option<String> {
        if self.canary > MAX_WEIGHT || self.stable > MAX_WEIGHT {
            Some(format!("a weight is at most {MAX_WEIGHT}"))
        } else if self.canary == 0 && self.stable == 0 {
            Some("one weight must be above 0: requests must go somewhere".to_owned())
        } else {
            None
        }
    }
}

/// Which upstream a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    Canary,
    Stable,
}

/// The choice, request by request. An error accumulator: after any n requests under the same weights the canary has had
/// n × share of them, rounded to the nearest whole number; so 5 % of 200 requests are exactly 10, evenly spread.
#[derive(Debug)]
pub(crate) struct Split {
    weights: Weights,
    owed: u64,
}

impl Split {
    pub(crate) fn new(weights: Weights) -> Self {
        Self {
            weights,
            // Half a request is owed at the start: that turns rounding down into rounding to nearest.
            owed: (u64::from(weights.canary) + u64::from(weights.stable)) / 2,
        }
    }

    pub(crate) fn weights(&self) -> Weights {
        self.weights
    }

    /// Sets other weights. Setting the same ones again changes nothing, so that repeated writes do not bend the split.
    pub(crate) fn set(&mut self, weights: Weights) {
        if weights != self.weights {
            *self = Self::new(weights);
        }
    }

    pub(crate) fn choose(&mut self) -> Upstream {
        let total = u64::from(self.weights.canary) + u64::from(self.weights.stable);
        self.owed += u64::from(self.weights.canary);
        if self.owed >= total {
            self.owed -= total;
            Upstream::Canary
        } else {
            Upstream::Stable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canary_of(split: &mut Split, requests: u32) -> u32 {
        (0..requests).filter(|_| split.choose() == Upstream::Canary).count() as u32
    }

    #[test]
    fn five_percent_of_two_hundred_is_ten() {
        let mut split = Split::new(Weights { canary: 5, stable: 95 });
        assert_eq!(canary_of(&mut split, 200), 10);
        assert_eq!(canary_of(&mut split, 200), 10);
    }

    #[test]
    fn nothing_at_zero_and_everything_at_one_whatever_came_before() {
        let mut split = Split::new(Weights { canary: 99, stable: 1 });
        canary_of(&mut split, 57);
        split.set(Weights::STABLE);
        assert_eq!(canary_of(&mut split, 10_000), 0);
        split.set(Weights { canary: 1, stable: 0 });
        assert_eq!(canary_of(&mut split, 10_000), 10_000);
    }

    #[test]
    fn setting_the_same_weights_again_does_not_bend_the_split() {
        let weights = Weights { canary: 5, stable: 95 };
        let mut split = Split::new(weights);
        let mut canary = 0;
        for _ in 0..200 {
            split.set(weights);
            canary += canary_of(&mut split, 1);
        }
        assert_eq!(canary, 10);
    }

    #[test]
    fn shares_become_the_plainest_weights() {
        let weights = |share| Weights::of_share(share).map(|w| (w.canary, w.stable));
        assert_eq!(weights(0.05), Some((5, 95)));
        assert_eq!(weights(0.07), Some((7, 93)));
        assert_eq!(weights(0.025), Some((25, 975)));
        assert_eq!(weights(0.0), Some((0, 100)));
        assert_eq!(weights(1.0), Some((100, 0)));
        assert_eq!(weights(1.0 / 3.0), Some((333_333, 666_667)));
        for wrong in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(weights(wrong), None);
        }
    }

    #[test]
    fn objections() {
        let objection = |canary, stable| Weights { canary, stable }.objection();
        assert_eq!(objection(5, 95), None);
        assert!(objection(0, 0).is_some());
        assert!(objection(MAX_WEIGHT + 1, 1).is_some());
    }

    proptest! {
        #[test]
        fn never_further_than_half_a_request_from_the_share(
            canary in 0..=1000_u32, stable in 0..=1000_u32, requests in 1..5000_u32,
        ) {
            prop_assume!(canary + stable > 0);
            let weights = Weights { canary, stable };
            let got = f64::from(canary_of(&mut Split::new(weights), requests));
            let due = f64::from(requests) * weights.share();
            // An odd total cannot owe exactly half a request.
            prop_assert!((got - due).abs() <= 0.5 + 0.5 / f64::from(canary + stable) + 1e-9, "{got} of {due}");
        }

        #[test]
        fn shares_survive_as_weights(share in 0.0..=1.0_f64) {
            let back = Weights::of_share(share).map_or(f64::NAN, Weights::share);
            prop_assert!((back - share).abs() < 1e-6);
        }
    }
}
