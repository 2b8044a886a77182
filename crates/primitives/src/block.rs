//! What goes into an L2 block and what comes out.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, Bytes};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use serde::{Deserialize, Serialize};

use crate::{BlockId, BlockNumber, Header, L1BlockNumber};

/// The part of an L1 header that L2 blocks depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1BlockRef {
    /// Block number.
    pub number: L1BlockNumber,
    /// Block hash.
    pub hash: B256,
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Wei per gas (EIP-1559).
    pub base_fee: u64,
    /// Wei per blob gas (EIP-4844), for the header's own blob schedule.
    pub blob_base_fee: u128,
    /// `prevRandao` (EIP-4399).
    pub mix_hash: B256,
    /// Parent beacon block root (EIP-4788).
    pub parent_beacon_block_root: B256,
}

impl L1BlockRef {
    /// Number and hash.
    #[must_use]
    pub const fn id(&self) -> BlockId {
        BlockId { number: self.number.0, hash: self.hash }
    }
}

/// An L2 block and its place above L1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct L2BlockRef {
    /// Block number.
    pub number: BlockNumber,
    /// Block hash.
    pub hash: B256,
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// The L1 block whose attributes this block carries.
    pub l1_origin: BlockId,
    /// Blocks since the first one with this origin; 0 for that first one.
    pub sequence_number: u64,
}

/// EIP-1559 parameters as the header's `extraData` carries them (OP specification, Jovian).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eip1559Params {
    /// Base fee change denominator.
    pub denominator: u32,
    /// Elasticity multiplier.
    pub elasticity: u32,
    /// Lowest base fee, wei per gas.
    pub min_base_fee: u64,
}

impl Eip1559Params {
    /// `version 1 [u8] ++ denominator [u32 BE] ++ elasticity [u32 BE] ++ min_base_fee [u64 BE]`.
    #[must_use]
    pub fn extra_data(&self) -> Bytes {
        let mut out = Vec::with_capacity(17);
        out.push(1);
        out.extend_from_slice(&self.denominator.to_be_bytes());
        out.extend_from_slice(&self.elasticity.to_be_bytes());
        out.extend_from_slice(&self.min_base_fee.to_be_bytes());
        out.into()
    }

    /// Reads what [`Self::extra_data`] wrote; `None` for any other bytes.
    #[must_use]
    pub fn from_extra_data(data: &[u8]) -> Option<Self> {
        let [1, rest @ ..] = data else { return None };
        let (denominator, rest) = rest.split_first_chunk()?;
        let (elasticity, rest) = rest.split_first_chunk()?;
        Some(Self {
            denominator: u32::from_be_bytes(*denominator),
            elasticity: u32::from_be_bytes(*elasticity),
            min_base_fee: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// Everything that decides an L2 block, given its parent's state.
///
/// The sequencer makes these from its pool, derivation makes them from L1; equal inputs give equal blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockInputs {
    /// Number of the block.
    pub number: BlockNumber,
    /// Hash of its parent.
    pub parent_hash: B256,
    /// Seconds since the Unix epoch; greater than the parent's.
    pub timestamp: u64,
    /// `prevRandao` of the L1 origin.
    pub prev_randao: B256,
    /// Parent beacon block root of the L1 origin.
    pub parent_beacon_block_root: B256,
    /// Receiver of priority fees.
    pub fee_recipient: Address,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Fee parameters for the *next* block, kept in this header's `extraData`.
    pub eip1559: Eip1559Params,
    /// The L1 block whose attributes are in the first transaction.
    pub l1_origin: BlockId,
    /// Blocks since the first one with this origin.
    pub sequence_number: u64,
    /// EIP-2718 bytes: the L1 attributes transaction, the deposits, then transactions of users.
    pub transactions: Vec<Bytes>,
}

/// An executed block with its final header.
#[derive(Clone, Debug)]
pub struct SealedBlock {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub hash: B256,
    /// The L1 block whose attributes are in the first transaction.
    pub l1_origin: BlockId,
    /// Blocks since the first one with this origin.
    pub sequence_number: u64,
    /// Transactions in order.
    pub transactions: Vec<OpTxEnvelope>,
    /// Senders of `transactions`, one each.
    pub senders: Vec<Address>,
    /// Receipts of `transactions`, one each.
    pub receipts: Vec<OpReceiptEnvelope>,
}

impl SealedBlock {
    /// Where the block stands.
    #[must_use]
    pub const fn block_ref(&self) -> L2BlockRef {
        L2BlockRef {
            number: BlockNumber(self.header.number),
            hash: self.hash,
            parent_hash: self.header.parent_hash,
            timestamp: self.header.timestamp,
            l1_origin: self.l1_origin,
            sequence_number: self.sequence_number,
        }
    }

    /// Storage root of the `L2ToL1MessagePasser`: the header's `withdrawalsRoot` (OP specification, Isthmus).
    #[must_use]
    pub fn message_passer_storage_root(&self) -> B256 {
        self.header.withdrawals_root.unwrap_or_default()
    }

    /// Version-0 output root.
    #[must_use]
    pub fn output_root(&self) -> B256 {
        crate::output_root(self.header.state_root, self.message_passer_storage_root(), self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: Eip1559Params = Eip1559Params { denominator: 250, elasticity: 6, min_base_fee: 100_000 };

    #[test]
    fn extra_data_has_the_seventeen_bytes_of_jovian() {
        let data = PARAMS.extra_data();
        assert_eq!(data[..], alloy_primitives::hex!("01 000000fa 00000006 00000000000186a0"));
        assert_eq!(Eip1559Params::from_extra_data(&data), Some(PARAMS));
    }

    #[test]
    fn extra_data_of_another_length_or_version_is_refused() {
        let data = PARAMS.extra_data();
        let longer = [&data[..], &[0]].concat();
        let mut holocene = data.to_vec();
        holocene[0] = 0;
        for bad in [&data[..16], &longer, &holocene, &[]] {
            assert_eq!(Eip1559Params::from_extra_data(bad), None);
        }
    }
}
