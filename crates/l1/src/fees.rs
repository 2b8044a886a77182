//! Fee arithmetic: what to offer first, and what a node accepts as a replacement. Pure.

/// Fees of one transaction, wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Priority fee per gas.
    pub tip: u128,
    /// Highest total fee per gas.
    pub max_fee: u128,
    /// Highest fee per blob gas; 0 if the transaction has no blobs.
    pub max_blob_fee: u128,
}

/// What a block costs now, wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// Base fee per gas of the next block.
    pub base_fee: u128,
    /// Priority fee that recent blocks took.
    pub tip: u128,
    /// Base fee per blob gas of the next block.
    pub blob_base_fee: u128,
}

/// Limits on what is offered, wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeLimits {
    /// Lowest priority fee.
    pub min_tip: u128,
    /// Highest total fee per gas.
    pub max_fee: u128,
    /// Highest fee per blob gas.
    pub max_blob_fee: u128,
}

/// Base fee growth that the first offer survives: 2 = about six full blocks.
const HEADROOM: u128 = 2;
/// Nodes replace a transaction if every fee is this much higher, percent (geth `PriceBump`).
const BUMP_PERCENT: u128 = 10;
/// The same for transactions with blobs (geth blob pool `PriceBump`).
const BLOB_BUMP_PERCENT: u128 = 100;

impl Fees {
    /// A first offer: twice the base fees, within `limits`.
    #[must_use]
    pub fn offer(market: &Market, limits: &FeeLimits, blobs: bool) -> Self {
        let tip = market.tip.max(limits.min_tip);
        let fees = Self {
            tip,
            max_fee: market.base_fee.saturating_mul(HEADROOM).saturating_add(tip),
            max_blob_fee: if blobs { market.blob_base_fee.max(1).saturating_mul(HEADROOM) } else { 0 },
        };
        fees.within(limits)
    }

    /// The lowest fees that replace `self` in a node's pool and are not below a new offer;
    /// `None` if a limit forbids it.
    #[must_use]
    pub fn replacement(&self, market: &Market, limits: &FeeLimits) -> Option<Self> {
        let blobs = self.max_blob_fee > 0;
        let percent = if blobs { BLOB_BUMP_PERCENT } else { BUMP_PERCENT };
        let offer = Self::offer(market, limits, blobs);
        let fees = Self {
            tip: bumped(self.tip, percent).max(offer.tip),
            max_fee: bumped(self.max_fee, percent).max(offer.max_fee),
            max_blob_fee: if blobs { bumped(self.max_blob_fee, percent).max(offer.max_blob_fee) } else { 0 },
        };
        (fees == fees.within(limits)).then_some(fees)
    }

    fn within(self, limits: &FeeLimits) -> Self {
        let max_fee = self.max_fee.min(limits.max_fee);
        Self { tip: self.tip.min(max_fee), max_fee, max_blob_fee: self.max_blob_fee.min(limits.max_blob_fee) }
    }
}

/// The smallest fee at least `percent` above `fee`, and above it at all.
fn bumped(fee: u128, percent: u128) -> u128 {
    fee.saturating_mul(100 + percent).div_ceil(100).max(fee.saturating_add(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;
    const LIMITS: FeeLimits = FeeLimits { min_tip: GWEI, max_fee: 500 * GWEI, max_blob_fee: 200 * GWEI };
    const MARKET: Market = Market { base_fee: 10 * GWEI, tip: 0, blob_base_fee: 7 };

    #[test]
    fn first_offer_survives_a_doubled_base_fee() {
        let fees = Fees::offer(&MARKET, &LIMITS, true);
        assert_eq!(fees, Fees { tip: GWEI, max_fee: 21 * GWEI, max_blob_fee: 14 });
    }

    #[test]
    fn an_offer_without_blobs_has_no_blob_fee() {
        assert_eq!(Fees::offer(&MARKET, &LIMITS, false).max_blob_fee, 0);
    }

    /// geth (`legacypool/list.go`, `blobpool.go`): each fee higher, and at least `old * (100 + bump) / 100`.
    fn geth_accepts(old: &Fees, new: &Fees, bump: u128) -> bool {
        let enough = |old: u128, new: u128| new > old && new >= old * (100 + bump) / 100;
        enough(old.tip, new.tip)
            && enough(old.max_fee, new.max_fee)
            && (old.max_blob_fee == 0 || enough(old.max_blob_fee, new.max_blob_fee))
    }

    #[test]
    fn replacement_meets_the_threshold_of_the_node_exactly() {
        const QUIET: Market = Market { base_fee: 0, tip: 0, blob_base_fee: 0 };
        for (bump, max_blob_fee) in [(10, 0), (100, 1), (100, 14), (100, 3 * GWEI)] {
            for tip in [1, 2, 10, 100, 999_999_990, GWEI] {
                let old = Fees { tip, max_fee: 21 * GWEI + tip, max_blob_fee };
                let new = old.replacement(&QUIET, &FeeLimits { min_tip: 0, ..LIMITS }).unwrap();
                assert!(geth_accepts(&old, &new, bump), "{old:?} {new:?}");
                // Fees that percents do not divide are rounded up, for nodes that do not round down.
                let spare =
                    |old: u128| u128::from(!(old * (100 + bump)).is_multiple_of(100) && old * bump >= 100);
                let less = [
                    Fees { tip: new.tip - 1 - spare(tip), ..new },
                    Fees { max_fee: new.max_fee - 1 - spare(old.max_fee), ..new },
                ];
                assert!(less.iter().all(|less| !geth_accepts(&old, less, bump)), "{old:?} {new:?}");
                let blob = Fees { max_blob_fee: new.max_blob_fee.saturating_sub(1), ..new };
                assert_eq!(geth_accepts(&old, &blob, bump), max_blob_fee == 0);
            }
        }
    }

    #[test]
    fn replacement_with_blobs_doubles_every_fee() {
        let old = Fees::offer(&MARKET, &LIMITS, true);
        let new = old.replacement(&MARKET, &LIMITS).unwrap();
        assert_eq!(new, Fees { tip: 2 * GWEI, max_fee: 42 * GWEI, max_blob_fee: 28 });
        assert!(geth_accepts(&old, &new, 100));
    }

    #[test]
    fn a_risen_market_raises_the_replacement_further() {
        let old = Fees::offer(&MARKET, &LIMITS, false);
        let risen = Market { base_fee: 100 * GWEI, ..MARKET };
        assert_eq!(old.replacement(&risen, &LIMITS).unwrap().max_fee, 201 * GWEI);
    }

    #[test]
    fn nothing_is_offered_above_the_limits() {
        let mad = Market { base_fee: 10_000 * GWEI, tip: 900 * GWEI, blob_base_fee: 900 * GWEI };
        let fees = Fees::offer(&mad, &LIMITS, true);
        assert_eq!((fees.tip, fees.max_fee, fees.max_blob_fee), (500 * GWEI, 500 * GWEI, 200 * GWEI));
        assert_eq!(fees.replacement(&mad, &LIMITS), None);
    }
}
