//! A small L1 and an L2 without execution, for tests.

#![allow(clippy::unwrap_used)]

use alloc::{vec, vec::Vec};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use lockstep_codec::{BatchBlock, Channel, History, Options, encode, to_frames};
use lockstep_primitives::{
    BlockId, BlockInputs, BlockNumber, ChainConfig, GenesisAnchor, L1BlockNumber, L1BlockRef, L1Contracts,
    L2BlockRef, OpTxEnvelope, RollupConfig, SystemConfig, TxDeposit,
};

use crate::{Checkpoint, ConfigUpdate, Derivation, Derived, Dropped, L1Block, Step, Submission, block_ref};

/// Number of the L1 block that genesis is anchored to.
pub(crate) const ANCHOR: u64 = 100;
/// Seconds between L1 blocks.
pub(crate) const L1_TIME: u64 = 12;
/// Timestamp of the anchor.
pub(crate) const START: u64 = 1_000_000;

pub(crate) const SYSTEM: SystemConfig = SystemConfig {
    gas_limit: 10_000_000,
    base_fee_scalar: 1_368,
    blob_base_fee_scalar: 810_949,
    operator_fee_scalar: 5,
    operator_fee_constant: 6,
    da_footprint_gas_scalar: 400,
    eip1559_denominator: 250,
    eip1559_elasticity: 6,
    min_base_fee: 100_000,
};

pub(crate) fn config() -> RollupConfig {
    RollupConfig {
        chain: ChainConfig {
            name: "test".into(),
            l1_chain_id: 1,
            l2_chain_id: 2,
            max_sequencer_drift: 600,
            force_delay: 5,
            challenge_window: 1,
            proposal_bond: U256::ZERO,
            max_deposit_gas: 5_000_000,
            system: SYSTEM,
            accounts: vec![],
        },
        contracts: L1Contracts::default(),
        genesis: GenesisAnchor { l1: l1_header(ANCHOR, 0).id(), l2_timestamp: START },
    }
}

/// The header of L1 block `number` on `fork`; forks share no block.
pub(crate) fn l1_header(number: u64, fork: u8) -> L1BlockRef {
    let hash = |number: u64| keccak256([&number.to_be_bytes()[..], &[fork]].concat());
    L1BlockRef {
        number: L1BlockNumber(number),
        hash: hash(number),
        parent_hash: hash(number - 1),
        timestamp: START + (number - ANCHOR) * L1_TIME,
        base_fee: number,
        blob_base_fee: 2 * u128::from(number),
        mix_hash: B256::with_last_byte(1),
        parent_beacon_block_root: B256::with_last_byte(2),
    }
}

/// An L1 block with nothing for us in it.
pub(crate) fn l1(number: u64) -> L1Block {
    L1Block { header: l1_header(number, 0), ..L1Block::default() }
}

impl L1Block {
    pub(crate) fn deposit(mut self, gas_limit: u64) -> Self {
        let seed = [self.header.number.0, self.deposits.len() as u64];
        let source_hash = keccak256(seed.map(u64::to_be_bytes).as_flattened());
        self.deposits.push(TxDeposit { source_hash, gas_limit, ..TxDeposit::default() });
        self
    }

    pub(crate) fn update(mut self, update: ConfigUpdate) -> Self {
        self.config_updates.push(update);
        self
    }

    pub(crate) fn post(self, channel: &Channel) -> Self {
        self.post_bytes(encode(channel, &[], &History::default(), Options::default()).unwrap())
    }

    /// Posts `frames`, in this order.
    pub(crate) fn post_all<'a>(self, frames: impl IntoIterator<Item = &'a Vec<u8>>) -> Self {
        frames.into_iter().fold(self, |block, frame| block.post_bytes(frame.clone()))
    }

    pub(crate) fn post_bytes(mut self, data: Vec<u8>) -> Self {
        self.submissions.push(Submission { poster: Address::ZERO, data: data.into() });
        self
    }
}

/// A block of a channel.
pub(crate) fn batch(timestamp: u64, origin: u64) -> BatchBlock {
    BatchBlock { timestamp, l1_origin_number: L1BlockNumber(origin), transactions: vec![] }
}

/// A channel on top of `parent`, with a claim that nobody will confirm.
pub(crate) fn channel(parent: &L2BlockRef, blocks: Vec<BatchBlock>) -> Channel {
    let last = blocks.last().unwrap().l1_origin_number.0;
    Channel {
        first_number: parent.number.next(),
        parent_hash: parent.hash,
        tip_hash: B256::repeat_byte(0xcc),
        last_origin_hash: l1_header(last, 0).hash,
        blocks,
    }
}

/// `channel` in frames of at most `max_bytes`.
pub(crate) fn frames(channel: &Channel, max_bytes: usize) -> Vec<Vec<u8>> {
    to_frames(&encode(channel, &[], &History::default(), Options::default()).unwrap(), max_bytes).unwrap()
}

/// A signed transaction that nobody executes.
pub(crate) fn user_tx(nonce: u64) -> Bytes {
    let tx = TxEip1559 { chain_id: 2, nonce, to: TxKind::Call(Address::ZERO), ..TxEip1559::default() };
    let signed = tx.into_signed(Signature::new(U256::from(1), U256::from(2), false));
    OpTxEnvelope::Eip1559(signed).encoded_2718().into()
}

/// Derivation with a stand-in for execution: a block's hash is a hash of its inputs.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) derivation: Derivation,
    pub(crate) safe: L2BlockRef,
    pub(crate) derived: Vec<Derived>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

pub(crate) fn hash_of(inputs: &BlockInputs) -> B256 {
    keccak256(alloc::format!("{inputs:?}"))
}

impl Chain {
    /// A chain at genesis that has seen the anchor.
    pub(crate) fn start() -> Self {
        let config = config();
        let safe_head = L2BlockRef {
            number: BlockNumber(0),
            hash: B256::repeat_byte(0x10),
            timestamp: START,
            l1_origin: config.genesis.l1,
            ..L2BlockRef::default()
        };
        let mut chain = Self::resume(&Checkpoint {
            l1: config.genesis.l1,
            safe_head,
            system: SYSTEM,
            frames_since: None,
        });
        chain.push(l1(ANCHOR));
        chain
    }

    pub(crate) fn resume(checkpoint: &Checkpoint) -> Self {
        Self {
            derivation: Derivation::new(config(), checkpoint),
            safe: checkpoint.safe_head,
            derived: vec![],
            dropped: vec![],
            checkpoints: vec![],
        }
    }

    /// Pushes an L1 block and derives all that follows from it.
    pub(crate) fn push(&mut self, block: L1Block) {
        self.derivation.push(block).unwrap();
        loop {
            match self.derivation.next(&self.safe, &History::default()) {
                Step::Derived(derived) => {
                    self.safe = block_ref(&derived.inputs, hash_of(&derived.inputs));
                    self.derived.push(*derived);
                }
                Step::Dropped(dropped) => self.dropped.push(dropped),
                Step::Processed(checkpoint) => self.checkpoints.push(checkpoint),
                Step::NeedL1(number) => {
                    assert_eq!(number, self.derivation.next_l1());
                    return;
                }
            }
        }
    }

    /// Pushes L1 blocks without content up to and including `number`.
    pub(crate) fn push_empty_to(&mut self, number: u64) {
        for number in self.derivation.next_l1().0..=number {
            self.push(l1(number));
        }
    }

    pub(crate) fn channel(&self, blocks: Vec<BatchBlock>) -> Channel {
        channel(&self.safe, blocks)
    }

    /// L1 origins of the derived blocks.
    pub(crate) fn origins(&self) -> Vec<u64> {
        self.derived.iter().map(|derived| derived.inputs.l1_origin.number).collect()
    }

    pub(crate) fn last_l1(&self) -> BlockId {
        self.checkpoints.last().unwrap().l1
    }
}
