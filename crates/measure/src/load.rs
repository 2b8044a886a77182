//! Transactions in blocks, with the times and origins that a chain would give them.

use alloy_consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use lockstep_codec::{BatchBlock, Channel};
use lockstep_primitives::{BlockNumber, L1BlockNumber};

/// Seconds between blocks: those of OP Mainnet and Base.
pub const BLOCK_TIME: u64 = 2;
/// Time of block 0, seconds since the Unix epoch.
pub const GENESIS_TIME: u64 = 1_700_000_000;
/// Number of the first block of every load.
const FIRST_BLOCK: u64 = 10_000_000;
/// L1 origin of that block.
const FIRST_ORIGIN: u64 = 20_000_000;
/// Blocks with the same origin: L1's twelve seconds.
const BLOCKS_PER_ORIGIN: u64 = 6;

/// Why bytes are not a transaction to measure with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No EIP-2718 transaction, or bytes behind it.
    #[error("not a signed EIP-2718 transaction: {0}")]
    Malformed(String),
    /// One that batches do not carry.
    #[error("a transaction of type {0}: batches carry types 0, 1, 2 and 4")]
    Type(u8),
    /// The same transaction has another, canonical encoding.
    #[error("not the only encoding of its transaction")]
    NotCanonical,
    /// Not all are of one chain.
    #[error("a transaction of chain {found} among those of chain {expected}")]
    Chain {
        /// Chain id of the earlier ones.
        expected: u64,
        /// Chain id of this one.
        found: u64,
    },
}

/// Blocks of transactions of one chain. Times, numbers and L1 origins are made up, and the same for every codec.
#[derive(Clone, Debug)]
pub struct Load {
    /// What it is called in reports.
    pub name: String,
    chain_id: Option<u64>,
    blocks: Vec<BatchBlock>,
    senders: Vec<Vec<Address>>,
}

impl Load {
    /// A load without blocks.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), chain_id: None, blocks: Vec::new(), senders: Vec::new() }
    }

    /// Adds a block.
    ///
    /// # Errors
    /// [`LoadError`] of the first transaction that does not belong there; then nothing is added.
    pub fn push_block(&mut self, transactions: Vec<Bytes>) -> Result<(), LoadError> {
        let mut chain_id = self.chain_id;
        let senders =
            transactions.iter().map(|raw| check(raw, &mut chain_id)).collect::<Result<Vec<_>, _>>()?;
        self.chain_id = chain_id;
        self.push_checked(transactions, senders);
        Ok(())
    }

    /// Checks one transaction of a block that is not complete yet, and gives its sender.
    pub(crate) fn check(&mut self, raw: &[u8]) -> Result<Address, LoadError> {
        check(raw, &mut self.chain_id)
    }

    /// Adds a block of transactions that were checked; as several where one would be longer than any channel.
    pub(crate) fn push_checked(&mut self, mut transactions: Vec<Bytes>, mut senders: Vec<Address>) {
        /// Fits a channel whatever the codec.
        const MOST_BYTES: usize = 640 * 1024;
        let mut sum = 0;
        let within = |tx: &&Bytes| {
            sum += tx.len();
            sum <= MOST_BYTES
        };
        let count = transactions.iter().take_while(within).count().max(1);
        if count < transactions.len() {
            let rest = (transactions.split_off(count), senders.split_off(count));
            self.push_checked(transactions, senders);
            return self.push_checked(rest.0, rest.1);
        }
        let index = u64::try_from(self.blocks.len()).expect("blocks in memory are fewer than 2^64");
        self.blocks.push(BatchBlock {
            timestamp: GENESIS_TIME + (FIRST_BLOCK + index) * BLOCK_TIME,
            l1_origin_number: L1BlockNumber(FIRST_ORIGIN + index / BLOCKS_PER_ORIGIN),
            transactions,
        });
        self.senders.push(senders);
    }

    /// Chain id of the transactions; 0 if none names one.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id.unwrap_or_default()
    }

    /// Number of blocks.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Number of transactions.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.blocks.iter().map(|block| block.transactions.len()).sum()
    }

    /// Bytes of all transactions.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.blocks.iter().map(raw_bytes).sum()
    }

    /// `count` blocks from block `first` on as a channel, with hashes that compress as little as real ones.
    ///
    /// # Panics
    /// If there are fewer blocks.
    #[must_use]
    pub fn channel(&self, first: usize, count: usize) -> Channel {
        let blocks = self.blocks[first..first + count].to_vec();
        let first_number = FIRST_BLOCK + u64::try_from(first).expect("an index in memory fits 64 bits");
        let mut channel = Channel { first_number: BlockNumber(first_number), blocks, ..Channel::default() };
        channel.parent_hash = hash("block", first_number - 1);
        channel.tip_hash = hash("block", channel.last_number().0);
        channel.last_origin_hash = hash("origin", channel.last_origin_number().map_or(0, |number| number.0));
        channel
    }

    /// Senders of the transactions in `count` blocks from block `first` on, in order.
    ///
    /// # Panics
    /// If there are fewer blocks.
    #[must_use]
    pub fn senders(&self, first: usize, count: usize) -> Vec<Address> {
        self.senders[first..first + count].concat()
    }

    /// Blocks from `first` on that stay below these sums; at least one, if there is one.
    pub(crate) fn at_most(&self, first: usize, blocks: usize, transactions: usize, bytes: usize) -> usize {
        let mut sums = (0, 0);
        let within = |block: &&BatchBlock| {
            sums = (sums.0 + block.transactions.len(), sums.1 + raw_bytes(block));
            sums.0 <= transactions && sums.1 <= bytes
        };
        let left = &self.blocks[first..];
        left.iter().take(blocks).take_while(within).count().max(left.len().min(1))
    }
}

/// Bytes of the transactions of `block`.
fn raw_bytes(block: &BatchBlock) -> usize {
    block.transactions.iter().map(|tx| tx.len()).sum()
}

/// The sender of `raw`. A signature that no account can have made gives address zero: its bytes are as dense as any.
fn check(raw: &[u8], chain_id: &mut Option<u64>) -> Result<Address, LoadError> {
    if let Some(kind) = raw.first().filter(|kind| **kind < 0xc0 && !matches!(**kind, 0..=2 | 4)) {
        return Err(LoadError::Type(*kind));
    }
    let tx = TxEnvelope::decode_2718_exact(raw).map_err(|error| LoadError::Malformed(error.to_string()))?;
    if tx.encoded_2718() != raw {
        return Err(LoadError::NotCanonical);
    }
    match (tx.chain_id(), *chain_id) {
        (Some(found), Some(expected)) if found != expected => {
            return Err(LoadError::Chain { expected, found });
        }
        (Some(found), _) => *chain_id = Some(found),
        (None, _) => {}
    }
    Ok(tx.recover_signer_unchecked().unwrap_or_default())
}

fn hash(of: &str, number: u64) -> B256 {
    keccak256(format!("{of} {number}"))
}
