//! What the RPC needs from the rest of the sequencer, and nothing more.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes};
use jsonrpsee::core::async_trait;
use lockstep_executor::Options;
use lockstep_index::Index;
use lockstep_primitives::{Header, L2BlockRef, OpReceiptEnvelope, OpTxEnvelope, RollupConfig, SealedBlock};
use lockstep_state::{Overlay, StateStore};
use tokio::sync::{broadcast, watch};

use super::{CallLimits, Condition};
use crate::{backpressure::DataLimits, safe::L1Heads};

/// Everything that a method may use.
#[derive(Clone)]
pub struct RpcContext {
    /// History.
    pub index: Index,
    /// State of recent blocks.
    pub state: StateStore,
    /// The chain.
    pub rollup: Arc<RollupConfig>,
    /// The transaction pool.
    pub pool: Arc<dyn PoolApi>,
    /// The open block.
    pub pending: Arc<dyn PendingApi>,
    /// The three heads, as they move.
    pub heads: watch::Receiver<Heads>,
    /// Blocks as they are sealed; each subscription subscribes to it.
    pub new_blocks: broadcast::Sender<Arc<SealedBlock>>,
    /// Bounds on what one call may cost.
    pub limits: CallLimits,
    /// What the parts beside the chain tell.
    pub node: NodeView,
}

/// What the parts of the sequencer beside the chain tell.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// What blocks may hold while data waits for L1.
    pub(crate) data_limits: watch::Receiver<DataLimits>,
    /// L1 as the verifier sees it; `None` until it has answered.
    pub(crate) l1: watch::Receiver<Option<L1Heads>>,
    /// How blocks are executed.
    pub(crate) executor: Options,
}

impl std::fmt::Debug for RpcContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcContext").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The heads of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Latest sealed block (`latest`).
    pub unsafe_head: L2BlockRef,
    /// Latest block derivable from L1 (`safe`).
    pub safe: L2BlockRef,
    /// Latest block derivable from final L1 blocks (`finalized`).
    pub finalized: L2BlockRef,
}

/// A transaction of a block that is not sealed yet. Final: the sealed block holds the same.
#[derive(Clone, Debug)]
pub struct PendingTransaction {
    /// The transaction.
    pub transaction: OpTxEnvelope,
    /// Its sender.
    pub sender: Address,
    /// Its receipt.
    pub receipt: OpReceiptEnvelope,
    /// Its place in the block.
    pub index: u64,
    /// Gas that it used.
    pub gas_used: u64,
    /// Place in the block of its first log.
    pub first_log_index: u64,
}

/// Transactions that a block took at once.
#[derive(Clone, Debug)]
pub struct PendingBatch {
    /// Header of the block as it was begun: number, timestamp, base fee; no roots, no gas used.
    pub header: Arc<Header>,
    /// The L1 attributes transaction of the block.
    pub attributes: Arc<PendingTransaction>,
    /// The transactions, in order.
    pub transactions: Vec<Arc<PendingTransaction>>,
}

/// The open block at one moment: what `pending` means.
#[derive(Clone, Debug)]
pub struct PendingBlock {
    /// Its header as far as it is known: no roots, no bloom.
    pub header: Header,
    /// What it holds.
    pub transactions: Vec<Arc<PendingTransaction>>,
    /// The state after that.
    pub state: Overlay,
}

/// The open block, as the RPC sees it.
#[async_trait]
pub trait PendingApi: Send + Sync + 'static {
    /// The open block now; `None` while no block is open.
    async fn block(&self) -> Option<Arc<PendingBlock>>;

    /// A transaction of a block that is not sealed yet: a batch of one.
    fn find(&self, hash: B256) -> Option<PendingBatch>;

    /// Transactions as blocks take them, from now on.
    fn subscribe(&self) -> broadcast::Receiver<Arc<PendingBatch>>;
}

/// A transaction that waits in the pool.
#[derive(Clone, Debug)]
pub struct PooledTransaction {
    /// The transaction.
    pub transaction: OpTxEnvelope,
    /// Its recovered sender.
    pub sender: Address,
}

/// How many transactions wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Executable now.
    pub pending: usize,
    /// Held for an earlier nonce.
    pub queued: usize,
}

/// What waits, for `txpool_content`.
#[derive(Clone, Debug, Default)]
pub struct PoolContent {
    /// Executable now, by sender and nonce.
    pub pending: Vec<PooledTransaction>,
    /// Held for an earlier nonce, by sender and nonce.
    pub queued: Vec<PooledTransaction>,
}

/// The transaction pool, as the RPC sees it.
#[async_trait]
pub trait PoolApi: Send + Sync + 'static {
    /// Admits the EIP-2718 bytes of a transaction and gives its hash, once it is stored durably.
    ///
    /// # Errors
    /// [`SubmitError`] says which admission rule does not hold.
    async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError>;

    /// [`Self::submit`] for a transaction that is included only where `condition` holds.
    ///
    /// # Errors
    /// [`SubmitError`] says which admission rule does not hold. The condition is not judged here.
    async fn submit_conditional(&self, raw: Bytes, condition: Condition) -> Result<B256, SubmitError>;

    /// Takes a transaction out of the pool and its table; those behind it wait for another with its nonce. Whether it was
    /// pooled.
    ///
    /// # Errors
    /// [`DropError::Taken`] if a block holds it already.
    async fn drop_transaction(&self, hash: B256) -> Result<bool, DropError>;

    /// The nonce after the sender's pooled executable transactions; `None` if none is pooled.
    fn pending_nonce(&self, sender: Address) -> Option<u64>;

    /// A pooled transaction.
    fn by_hash(&self, hash: B256) -> Option<PooledTransaction>;

    /// Counts.
    fn status(&self) -> PoolStatus;

    /// Contents.
    fn content(&self) -> PoolContent;

    /// Transactions as they enter, from now on.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Vec<PooledTransaction>>>;
}

/// Why a transaction cannot be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DropError {
    /// It was, or is being, executed: its receipt may have been shown.
    #[error("the open block holds transaction {0}, or is about to: it cannot be dropped any more")]
    Taken(B256),
    /// Postgres did not answer.
    #[error("transaction {0} left the pool, but not the database: it comes back with a restart")]
    Stored(B256),
}

/// Why the pool refuses a transaction. Messages begin with geth's words: clients match on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Not the bytes of a transaction.
    #[error("failed to decode transaction: {0}")]
    Decode(String),
    /// A transaction type that L2 does not take from users (3: blobs, 126: deposits).
    #[error("transaction type not supported")]
    UnsupportedType,
    /// No replay protection.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// For another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// The transaction's chain id.
        have: u64,
        /// This chain's.
        want: u64,
    },
    /// The signature recovers to no account.
    #[error("invalid sender")]
    InvalidSender,
    /// The very transaction is pooled.
    #[error("already known")]
    AlreadyKnown,
    /// The nonce is used.
    #[error("nonce too low: next nonce {next}, tx nonce {tx}")]
    NonceTooLow {
        /// The account's next nonce.
        next: u64,
        /// The transaction's nonce.
        tx: u64,
    },
    /// The nonce is too far ahead to hold.
    #[error("nonce too high: next nonce {next}, tx nonce {tx}")]
    NonceTooHigh {
        /// The account's next nonce.
        next: u64,
        /// The transaction's nonce.
        tx: u64,
    },
    /// Balance below the most that the transaction can cost, L1 data fee included.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}", .cost.saturating_sub(*.balance))]
    InsufficientFunds {
        /// The sender.
        sender: Address,
        /// Wei of the sender.
        balance: alloy::primitives::U256,
        /// Wei that the transaction may cost.
        cost: alloy::primitives::U256,
    },
    /// Gas limit below what the transaction costs before its first instruction.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas: u64,
        /// Gas needed at least.
        needed: u64,
    },
    /// Gas limit below what the data costs at least (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas {
        /// The transaction's gas limit.
        gas: u64,
        /// Gas needed at least.
        needed: u64,
    },
    /// Gas limit above the block's.
    #[error("exceeds block gas limit")]
    ExceedsBlockGasLimit,
    /// Gas limit above the cap of EIP-7825.
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh {
        /// Highest gas limit of a transaction.
        cap: u64,
        /// The transaction's gas limit.
        gas: u64,
    },
    /// Same sender and nonce as a pooled transaction without paying enough more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// Below the lowest price that the pool takes.
    #[error("transaction underpriced: gas fee cap {fee_cap}, minimum needed {needed}")]
    Underpriced {
        /// The transaction's `maxFeePerGas`.
        fee_cap: u128,
        /// Wei per gas needed at least.
        needed: u128,
    },
    /// `maxPriorityFeePerGas` above `maxFeePerGas`.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    /// More bytes than the pool takes.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Bytes of the transaction.
        size: usize,
        /// Most bytes.
        limit: usize,
    },
    /// Creation code above EIP-3860's limit.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeSize {
        /// Bytes of creation code.
        size: usize,
        /// Most bytes.
        limit: usize,
    },
    /// EIP-7702 transaction without an authorization or without a target.
    #[error("set code transaction must not be a create transaction or have an empty authorization list")]
    MalformedSetCode,
    /// EIP-3607: the sender is a contract.
    #[error("sender not an eoa: address {0}")]
    SenderNotEoa(Address),
    /// The pool is full of better transactions.
    #[error("txpool is full")]
    PoolFull,
    /// The sequencer does not take transactions now (starting, standby, stopping).
    #[error("sequencer is not ready: {0}")]
    NotReady(String),
    /// Storage failed; the cause is logged, not told.
    #[error("internal error")]
    Internal,
}
