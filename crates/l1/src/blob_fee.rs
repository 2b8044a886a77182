//! The blob base fee of an L1 block: a pure function of its header and the chain's blob schedule.
//!
//! Every node must find the same fee, since it is part of the L1 attributes of L2 blocks. So it is computed
//! here and never asked of an RPC.

use alloy::eips::eip7840::BlobParams;
use alloy_hardforks::ethereum;

/// Blob parameters of one L1 chain, by activation time (EIP-7840, EIP-7892).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobSchedule {
    /// `(activation timestamp, parameters)`, oldest first.
    forks: &'static [(u64, Fork)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fork {
    Cancun,
    Prague,
    Osaka,
    Bpo1,
    Bpo2,
}

const MAINNET: &[(u64, Fork)] = &[
    (0, Fork::Cancun),
    (ethereum::MAINNET_PRAGUE_TIMESTAMP, Fork::Prague),
    (ethereum::MAINNET_OSAKA_TIMESTAMP, Fork::Osaka),
    (ethereum::MAINNET_BPO1_TIMESTAMP, Fork::Bpo1),
    (ethereum::MAINNET_BPO2_TIMESTAMP, Fork::Bpo2),
];
const SEPOLIA: &[(u64, Fork)] = &[
    (0, Fork::Cancun),
    (ethereum::SEPOLIA_PRAGUE_TIMESTAMP, Fork::Prague),
    (ethereum::SEPOLIA_OSAKA_TIMESTAMP, Fork::Osaka),
    (ethereum::SEPOLIA_BPO1_TIMESTAMP, Fork::Bpo1),
    (ethereum::SEPOLIA_BPO2_TIMESTAMP, Fork::Bpo2),
];
const HOODI: &[(u64, Fork)] = &[
    (0, Fork::Cancun),
    (ethereum::HOODI_PRAGUE_TIMESTAMP, Fork::Prague),
    (ethereum::HOODI_OSAKA_TIMESTAMP, Fork::Osaka),
    (ethereum::HOODI_BPO1_TIMESTAMP, Fork::Bpo1),
    (ethereum::HOODI_BPO2_TIMESTAMP, Fork::Bpo2),
];
/// Private L1s run Osaka from genesis.
const OSAKA: &[(u64, Fork)] = &[(0, Fork::Osaka)];

impl BlobSchedule {
    /// The schedule of an L1 chain; Osaka from genesis for one that is not public.
    #[must_use]
    pub const fn of(l1_chain_id: u64) -> Self {
        let forks = match l1_chain_id {
            1 => MAINNET,
            11_155_111 => SEPOLIA,
            560_048 => HOODI,
            _ => OSAKA,
        };
        Self { forks }
    }

    /// Wei per blob gas in a block.
    #[must_use]
    pub fn base_fee(&self, timestamp: u64, excess_blob_gas: u64) -> u128 {
        self.params(timestamp).calc_blob_fee(excess_blob_gas)
    }

    /// Whether pools take blobs with cell proofs (EIP-7594, since Osaka), not with blob proofs.
    pub(crate) fn wants_cell_proofs(&self, timestamp: u64) -> bool {
        self.fork(timestamp) >= Fork::Osaka
    }

    fn fork(&self, timestamp: u64) -> Fork {
        let active = self.forks.iter().rev().find(|(since, _)| *since <= timestamp);
        active.map_or(Fork::Cancun, |(_, fork)| *fork)
    }

    fn params(&self, timestamp: u64) -> BlobParams {
        match self.fork(timestamp) {
            Fork::Cancun => BlobParams::cancun(),
            Fork::Prague => BlobParams::prague(),
            Fork::Osaka => BlobParams::osaka(),
            Fork::Bpo1 => BlobParams::bpo1(),
            Fork::Bpo2 => BlobParams::bpo2(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_excess_costs_one_wei() {
        assert_eq!(BlobSchedule::of(31_337).base_fee(0, 0), 1);
    }

    #[test]
    fn each_fork_begins_at_its_own_second() {
        let mainnet = BlobSchedule::of(1);
        assert_eq!(mainnet.params(1_764_798_550), BlobParams::prague());
        assert_eq!(mainnet.params(1_764_798_551), BlobParams::osaka());
        assert_eq!(mainnet.params(u64::MAX), BlobParams::bpo2());
    }

    #[test]
    fn cell_proofs_are_wanted_from_the_first_second_of_osaka() {
        let mainnet = BlobSchedule::of(1);
        assert!(!mainnet.wants_cell_proofs(1_764_798_550));
        assert!(mainnet.wants_cell_proofs(1_764_798_551));
        assert!(mainnet.wants_cell_proofs(u64::MAX));
        assert!(BlobSchedule::of(31_337).wants_cell_proofs(0));
    }

    #[test]
    fn a_larger_update_fraction_makes_the_same_excess_cheaper() {
        let mainnet = BlobSchedule::of(1);
        let excess = 100_000_000;
        assert!(mainnet.base_fee(1_767_747_671, excess) < mainnet.base_fee(1_764_798_551, excess));
    }
}
