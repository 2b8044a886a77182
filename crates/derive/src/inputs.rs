//! L1 blocks as derivation sees them, and the inputs of one L2 block.

use alloc::vec::Vec;
use core::iter::once;

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use lockstep_primitives::{BlockInputs, L1BlockRef, L2BlockRef, SystemConfig, TxDeposit, predeploys};

use crate::{ConfigUpdate, attributes_deposit};

/// Everything in one L1 block that decides L2 blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L1Block {
    /// The header.
    pub header: L1BlockRef,
    /// Deposits of the portal, in log order.
    pub deposits: Vec<TxDeposit>,
    /// Updates of the `SystemConfig` contract, in log order.
    pub config_updates: Vec<ConfigUpdate>,
    /// What the inbox took, in log order.
    pub submissions: Vec<Submission>,
}

/// The data of one inbox transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Who posted; the inbox has checked its role.
    pub poster: Address,
    /// A channel, a frame of one, or what stands in their place: derivation drops what does not decode.
    pub data: Bytes,
}

impl L1Block {
    /// Gas that this block's deposits bought.
    #[must_use]
    pub fn deposit_gas(&self) -> u64 {
        self.deposits.iter().fold(0, |sum, deposit| sum.saturating_add(deposit.gas_limit))
    }
}

/// The inputs of the block after `parent`: the L1 attributes, `deposits`, then `user_txs`.
///
/// `system` is the configuration as of `origin`; `deposits` are those of all L1 blocks above the parent's
/// origin up to `origin`, in order.
#[must_use]
pub fn block_inputs<'a>(
    system: &SystemConfig,
    parent: &L2BlockRef,
    timestamp: u64,
    origin: &L1BlockRef,
    deposits: impl IntoIterator<Item = &'a TxDeposit>,
    user_txs: impl IntoIterator<Item = Bytes>,
) -> BlockInputs {
    let same_origin = origin.id() == parent.l1_origin;
    let sequence_number = if same_origin { parent.sequence_number + 1 } else { 0 };
    let attributes = attributes_deposit(system, origin, sequence_number);
    let deposits = deposits.into_iter().map(|deposit| deposit.encoded_2718().into());
    let transactions = once(attributes.encoded_2718().into()).chain(deposits).chain(user_txs).collect();
    BlockInputs {
        number: parent.number.next(),
        parent_hash: parent.hash,
        timestamp,
        prev_randao: origin.mix_hash,
        parent_beacon_block_root: origin.parent_beacon_block_root,
        fee_recipient: predeploys::SEQUENCER_FEE_VAULT,
        gas_limit: system.gas_limit,
        eip1559: system.eip1559(),
        l1_origin: origin.id(),
        sequence_number,
        transactions,
    }
}

/// Where the block with these inputs stands, once its `hash` is known.
#[must_use]
pub const fn block_ref(inputs: &BlockInputs, hash: B256) -> L2BlockRef {
    L2BlockRef {
        number: inputs.number,
        hash,
        parent_hash: inputs.parent_hash,
        timestamp: inputs.timestamp,
        l1_origin: inputs.l1_origin,
        sequence_number: inputs.sequence_number,
    }
}
