//! The L1 attributes transaction, first in every L2 block (OP specification, "L1 Attributes", Jovian).

use alloc::vec::Vec;

use alloy_primitives::{B256, Bytes, TxKind, U256, hex};
use lockstep_primitives::{ChainConfig, L1BlockNumber, L1BlockRef, SystemConfig, TxDeposit, predeploys};
use op_alloy_consensus::L1InfoDepositSource;

/// Selector of `setL1BlockValuesJovian()`.
const SELECTOR: [u8; 4] = hex!("3db6be2b");
/// Selector and packed values.
const CALLDATA_BYTES: usize = 178;

/// The values that an attributes transaction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Attributes {
    /// Scalar of the L1 base fee.
    pub base_fee_scalar: u32,
    /// Scalar of the L1 blob base fee.
    pub blob_base_fee_scalar: u32,
    /// Blocks since the first one with this origin.
    pub sequence_number: u64,
    /// Timestamp of the origin.
    pub timestamp: u64,
    /// Number of the origin.
    pub number: L1BlockNumber,
    /// Base fee of the origin, wei per gas.
    pub base_fee: U256,
    /// Blob base fee of the origin, wei per blob gas.
    pub blob_base_fee: U256,
    /// Hash of the origin.
    pub hash: B256,
    /// OP's batcher hash: zero here, where the inbox contract checks who posts.
    pub batcher_hash: B256,
    /// Operator fee scalar.
    pub operator_fee_scalar: u32,
    /// Operator fee constant.
    pub operator_fee_constant: u64,
    /// Gas per byte of the data-availability footprint.
    pub da_footprint_gas_scalar: u16,
}

impl L1Attributes {
    /// The attributes of a block with this origin and place.
    #[must_use]
    pub fn new(system: &SystemConfig, origin: &L1BlockRef, sequence_number: u64) -> Self {
        Self {
            base_fee_scalar: system.base_fee_scalar,
            blob_base_fee_scalar: system.blob_base_fee_scalar,
            sequence_number,
            timestamp: origin.timestamp,
            number: origin.number,
            base_fee: U256::from(origin.base_fee),
            blob_base_fee: U256::from(origin.blob_base_fee),
            hash: origin.hash,
            batcher_hash: B256::ZERO,
            operator_fee_scalar: system.operator_fee_scalar,
            operator_fee_constant: system.operator_fee_constant,
            da_footprint_gas_scalar: system.da_footprint_gas_scalar,
        }
    }

    /// Calldata of `setL1BlockValuesJovian()`: 178 bytes, packed big-endian in the order of the fields.
    #[must_use]
    pub fn calldata(&self) -> Bytes {
        let mut out = Vec::with_capacity(CALLDATA_BYTES);
        out.extend_from_slice(&SELECTOR);
        out.extend_from_slice(&self.base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.blob_base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.number.0.to_be_bytes());
        out.extend_from_slice(&self.base_fee.to_be_bytes::<32>());
        out.extend_from_slice(&self.blob_base_fee.to_be_bytes::<32>());
        out.extend_from_slice(self.hash.as_slice());
        out.extend_from_slice(self.batcher_hash.as_slice());
        out.extend_from_slice(&self.operator_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.operator_fee_constant.to_be_bytes());
        out.extend_from_slice(&self.da_footprint_gas_scalar.to_be_bytes());
        out.into()
    }

    /// Reads what [`Self::calldata`] wrote; `None` for any other bytes.
    #[must_use]
    pub fn from_calldata(data: &[u8]) -> Option<Self> {
        let mut rest = data;
        if data.len() != CALLDATA_BYTES || take(&mut rest)? != SELECTOR {
            return None;
        }
        Some(Self {
            base_fee_scalar: u32::from_be_bytes(take(&mut rest)?),
            blob_base_fee_scalar: u32::from_be_bytes(take(&mut rest)?),
            sequence_number: u64::from_be_bytes(take(&mut rest)?),
            timestamp: u64::from_be_bytes(take(&mut rest)?),
            number: L1BlockNumber(u64::from_be_bytes(take(&mut rest)?)),
            base_fee: U256::from_be_bytes(take::<32>(&mut rest)?),
            blob_base_fee: U256::from_be_bytes(take::<32>(&mut rest)?),
            hash: take(&mut rest)?.into(),
            batcher_hash: take(&mut rest)?.into(),
            operator_fee_scalar: u32::from_be_bytes(take(&mut rest)?),
            operator_fee_constant: u64::from_be_bytes(take(&mut rest)?),
            da_footprint_gas_scalar: u16::from_be_bytes(take(&mut rest)?),
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

/// The attributes transaction of a block; `system` is the configuration as of `origin`.
#[must_use]
pub fn attributes_deposit(system: &SystemConfig, origin: &L1BlockRef, sequence_number: u64) -> TxDeposit {
    TxDeposit {
        source_hash: L1InfoDepositSource::new(origin.hash, sequence_number).source_hash(),
        from: predeploys::L1_ATTRIBUTES_DEPOSITOR,
        to: TxKind::Call(predeploys::L1_BLOCK),
        mint: 0,
        value: U256::ZERO,
        gas_limit: ChainConfig::ATTRIBUTES_GAS,
        is_system_transaction: false,
        input: L1Attributes::new(system, origin, sequence_number).calldata(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ANCHOR, SYSTEM, l1_header};
    use alloy_primitives::keccak256;

    #[test]
    fn the_selector_is_that_of_jovian() {
        assert_eq!(keccak256("setL1BlockValuesJovian()")[..4], SELECTOR);
    }

    #[test]
    fn calldata_has_every_value_at_its_offset_in_the_op_specification() {
        let origin = l1_header(ANCHOR, 0);
        let data = L1Attributes::new(&SYSTEM, &origin, 3).calldata();
        assert_eq!(data.len(), 178);
        let at =
            |offset: usize, bytes: &[u8]| assert_eq!(data[offset..offset + bytes.len()], *bytes, "{offset}");
        at(4, &SYSTEM.base_fee_scalar.to_be_bytes());
        at(8, &SYSTEM.blob_base_fee_scalar.to_be_bytes());
        at(12, &3u64.to_be_bytes());
        at(20, &origin.timestamp.to_be_bytes());
        at(28, &origin.number.0.to_be_bytes());
        at(36, &U256::from(origin.base_fee).to_be_bytes::<32>());
        at(68, &U256::from(origin.blob_base_fee).to_be_bytes::<32>());
        at(100, origin.hash.as_slice());
        at(132, &[0; 32]);
        at(164, &SYSTEM.operator_fee_scalar.to_be_bytes());
        at(168, &SYSTEM.operator_fee_constant.to_be_bytes());
        at(176, &SYSTEM.da_footprint_gas_scalar.to_be_bytes());
    }

    #[test]
    fn calldata_reads_back_and_nothing_else_does() {
        let attributes = L1Attributes::new(&SYSTEM, &l1_header(ANCHOR, 0), 3);
        let data = attributes.calldata();
        assert_eq!(L1Attributes::from_calldata(&data), Some(attributes));
        assert_eq!(L1Attributes::from_calldata(&data[..177]), None);
        let mut other = data.to_vec();
        other[0] ^= 1;
        assert_eq!(L1Attributes::from_calldata(&other), None);
    }

    #[test]
    fn each_block_has_an_attributes_transaction_of_its_own() {
        let origin = l1_header(ANCHOR, 0);
        let first = attributes_deposit(&SYSTEM, &origin, 0);
        let second = attributes_deposit(&SYSTEM, &origin, 1);
        assert_ne!(first.source_hash, second.source_hash);
        assert_eq!((first.gas_limit, first.mint), (1_000_000, 0));
    }
}
