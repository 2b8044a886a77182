//! What a transaction pays for its data on L1, and how large that data counts.
//!
//! Since Fjord both follow from an estimate of how far the envelope compresses, which takes longer than a plain
//! transfer runs: its hash table alone fills the first-level cache. Everybody between admission and retirement needs
//! it, so each thread remembers the last one, and none is made for small envelopes, which all count as equally large.

use std::cell::RefCell;

use alloy_primitives::U256;
use op_revm::{
    L1BlockInfo, OpSpecId,
    constants::NON_ZERO_BYTE_COST,
    transaction::{deposit::DEPOSIT_TRANSACTION_TYPE, estimate_tx_compressed_size},
};

/// Envelopes up to this many bytes count as the smallest size that there is.
///
/// FastLZ writes a run of n literals in n + ⌈n/32⌉ bytes, and a match in at least one byte less than it covers; between
/// two runs there is a match. So n bytes take at most n + n/32 + 1, here 166; the estimate, 836,500 × 166 − 42,585,600,
/// is below its minimum of 100,000,000.
const SMALL_ENVELOPE: usize = 160;
/// What [`estimate_tx_compressed_size`] gives for them, in millionths of a byte.
const SMALL_SIZE: u64 = 100_000_000;
/// Millionths of a byte times millionths of a price.
const FJORD_DIVISOR: U256 = U256::from_limbs([1_000_000_000_000, 0, 0, 0]);

thread_local! {
    /// The last envelope of this thread that was not small, and its size.
    static LAST: RefCell<(Vec<u8>, u64)> = const { RefCell::new((Vec::new(), 0)) };
}

/// How large an envelope is once compressed, by op-revm's estimate, in millionths of a byte.
#[inline]
pub(crate) fn size(envelope: &[u8]) -> u64 {
    if envelope.len() <= SMALL_ENVELOPE { SMALL_SIZE } else { size_of_large(envelope) }
}

fn size_of_large(envelope: &[u8]) -> u64 {
    LAST.with_borrow_mut(|(last, size)| {
        if last != envelope {
            envelope.clone_into(last);
            *size = estimate_tx_compressed_size(envelope);
        }
        *size
    })
}

/// The prices of one block beside that of gas.
#[derive(Clone, Debug)]
pub(crate) struct L1Costs {
    spec: OpSpecId,
    info: L1BlockInfo,
    /// Price of a byte, in millionths of a wei.
    byte: U256,
}

impl L1Costs {
    pub(crate) fn new(spec: OpSpecId, info: L1BlockInfo) -> Self {
        let calldata = info.l1_base_fee.saturating_mul(U256::from(NON_ZERO_BYTE_COST));
        let blobs = info.l1_blob_base_fee.unwrap_or_default();
        let byte = calldata
            .saturating_mul(info.l1_base_fee_scalar)
            .saturating_add(blobs.saturating_mul(info.l1_blob_base_fee_scalar.unwrap_or_default()));
        Self { spec, info, byte }
    }

    pub(crate) const fn info(&self) -> &L1BlockInfo {
        &self.info
    }

    /// What a transaction pays for its data, in wei; `None` if its envelope says that it pays nothing.
    ///
    /// Fjord's formula is written here once more, as op-revm gives its result only together with a new estimate.
    #[inline]
    pub(crate) fn of(&self, envelope: &[u8]) -> Option<U256> {
        if *envelope.first()? == DEPOSIT_TRANSACTION_TYPE {
            return None;
        }
        if !self.spec.is_enabled_in(OpSpecId::FJORD) {
            return Some(self.info.clone().calculate_tx_l1_cost(envelope, self.spec));
        }
        Some(U256::from(size(envelope)).saturating_mul(self.byte) / FJORD_DIVISOR)
    }

    /// What `gas` costs beside its price, in wei, to a transaction that pays for its data.
    pub(crate) fn operator_fee(&self, gas: u64) -> U256 {
        if !self.spec.is_enabled_in(OpSpecId::ISTHMUS) {
            return U256::ZERO;
        }
        // Of the envelope it matters that it is there and no deposit's.
        self.info.operator_fee_charge(&[0], U256::from(gas), self.spec)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    fn envelopes() -> impl Strategy<Value = Vec<u8>> {
        let bytes = |most: u8| prop::collection::vec(0..=most, 0..2 * SMALL_ENVELOPE);
        prop_oneof![
            bytes(u8::MAX),
            bytes(1),
            bytes(3),
            Just((0..160).collect()),
            Just(vec![DEPOSIT_TRANSACTION_TYPE; 200])
        ]
    }

    fn prices() -> impl Strategy<Value = U256> {
        let limbs = prop::collection::vec(any::<u64>(), 1..=4);
        prop_oneof![1 => Just(U256::ZERO), 6 => any::<u32>().prop_map(U256::from), 2 => limbs.prop_map(|limbs| U256::from_limbs_slice(&limbs))]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn sizes_are_those_of_op_revm(envelopes in prop::collection::vec(envelopes(), 1..4)) {
            for envelope in envelopes.iter().chain(&envelopes).flat_map(|envelope| [envelope, envelope]) {
                prop_assert_eq!(size(envelope), estimate_tx_compressed_size(envelope));
            }
        }

        #[test]
        fn costs_are_those_of_op_revm(
            envelope in envelopes(),
            spec in select(&[OpSpecId::BEDROCK, OpSpecId::REGOLITH, OpSpecId::ECOTONE, OpSpecId::FJORD, OpSpecId::JOVIAN][..]),
            (base_fee, scalar) in (prices(), prices()),
            (blob_fee, blob_scalar) in (prop::option::of(prices()), prop::option::of(prices())),
            overhead in prop::option::of(prices()),
            unset in any::<bool>(),
        ) {
            let info = L1BlockInfo {
                l1_base_fee: base_fee,
                l1_base_fee_scalar: scalar,
                l1_blob_base_fee: blob_fee,
                l1_blob_base_fee_scalar: blob_scalar,
                l1_fee_overhead: overhead,
                empty_ecotone_scalars: unset,
                ..L1BlockInfo::default()
            };
            let expected = info.clone().calculate_tx_l1_cost(&envelope, spec);
            prop_assert_eq!(L1Costs::new(spec, info).of(&envelope).unwrap_or_default(), expected);
        }
    }
}
