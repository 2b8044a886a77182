//! What is known of a block before it is executed.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use lockstep_primitives::{BlockId, BlockInputs};

use crate::{StfError, next_base_fee};

/// A block before execution: its header without roots, bloom and gas, and its place above L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The header; execution fills `gas_used`, `blob_gas_used`, `logs_bloom` and the roots.
    pub header: Header,
    /// The L1 block whose attributes the block carries.
    pub l1_origin: BlockId,
    /// Blocks since the first one with this origin.
    pub sequence_number: u64,
}

impl Draft {
    /// The child of `parent` that `inputs` ask for (OP specification, Isthmus and Jovian header rules).
    ///
    /// # Errors
    /// [`StfError::NotAChild`], [`StfError::Timestamp`] or [`StfError::ParentExtraData`].
    pub fn new(parent: &Header, inputs: &BlockInputs) -> Result<Self, StfError> {
        if inputs.number.0 != parent.number + 1 || inputs.parent_hash != parent.hash_slow() {
            return Err(StfError::NotAChild { number: inputs.number.0, parent: parent.number });
        }
        if inputs.timestamp <= parent.timestamp {
            return Err(StfError::Timestamp { timestamp: inputs.timestamp, parent: parent.timestamp });
        }
        let header = Header {
            parent_hash: inputs.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: inputs.fee_recipient,
            number: inputs.number.0,
            gas_limit: inputs.gas_limit,
            timestamp: inputs.timestamp,
            mix_hash: inputs.prev_randao,
            base_fee_per_gas: Some(next_base_fee(parent)?),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(inputs.parent_beacon_block_root),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            extra_data: inputs.eip1559.extra_data(),
            ..Header::default()
        };
        Ok(Self { header, l1_origin: inputs.l1_origin, sequence_number: inputs.sequence_number })
    }
}
