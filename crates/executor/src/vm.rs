//! What the executor asks of an EVM.

use std::fmt::{Debug, Display};

use alloy_primitives::{Address, B256, U256};
use revm::{
    Database,
    context::{
        Transaction,
        result::{EVMError, ExecutionResult},
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};

/// A database that is told what execution learns beyond the values that it loads.
///
/// An account is loaded whole, yet most transactions use only a part of it: who is called gives its code, who
/// receives gives nothing. `Watch` says which parts mattered. Every account that is loaded while the database was not
/// told otherwise counts as observed whole.
pub trait Watch: Database {
    /// The next load is of an account of which only the code matters, until told [`Self::loaded`].
    fn loading_code(&mut self);

    /// The load announced with [`Self::loading_code`] is over.
    fn loaded(&mut self);

    /// Balance and nonce of `address` were observed exactly: BALANCE, SELFBALANCE, SELFDESTRUCT.
    fn observed(&mut self, address: Address);

    /// The nonce of `address` was observed exactly: CREATE.
    fn observed_nonce(&mut self, address: Address);

    /// Execution went on because the balance of `address`, which is `now` at this point of the transaction, suffices
    /// for `wei`, or because it does not.
    fn observed_enough(&mut self, address: Address, now: U256, wei: U256);

    /// It mattered whether `address` is empty (EIP-161): CALL with value, EXTCODEHASH. Its balance is `now`.
    fn observed_emptiness(&mut self, address: Address, now: U256);

    /// KECCAK256 of two words, a key and the number of a mapping, if the database has a quicker way to it than to hash.
    fn recall_hash(&self, _input: &[u8]) -> Option<B256> {
        None
    }

    /// Whether [`Self::hashed`] is wanted.
    fn learning(&self) -> bool {
        false
    }

    /// KECCAK256 of `input` was computed. Called if [`Self::learning`].
    fn hashed(&mut self, _input: &[u8], _hash: B256) {}
}

/// A plain value transfer, checked as far as it can be without state.
///
/// It is valid if the sender has nonce `nonce`, no code, and at least `max_cost`; if moreover the recipient has no code
/// and can take `value` without leaving 256 bits, it succeeds, costs exactly `fee` beside `value`, uses `gas`, and
/// pays `rewards`. The recipient is no precompile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who receives.
    pub to: Address,
    /// How much, in wei.
    pub value: U256,
    /// Nonce that the sender must have.
    pub nonce: u64,
    /// What the sender must have, in wei.
    pub max_cost: U256,
    /// What the sender pays beside `value`, in wei.
    pub fee: U256,
    /// Gas used.
    pub gas: u64,
    /// What each of [`Vm::fee_accounts`] receives, in that order; missing ones receive nothing.
    pub rewards: smallvec::SmallVec<[U256; 4]>,
}

/// A transaction that ran: its result and everything that it loaded.
#[derive(Clone, Debug)]
pub struct Ran<H> {
    /// Result.
    pub result: ExecutionResult<H>,
    /// Loaded accounts, changed or not.
    pub state: EvmState,
}

/// An EVM with a database, kept from one transaction to the next.
///
/// After a panic in the database a lane is in no defined state: drop it and take another.
pub trait Lane<D: Database> {
    /// A transaction.
    type Tx;
    /// Why execution can halt.
    type Halt;
    /// Why a transaction can be invalid.
    type Invalid;

    /// The database.
    fn db(&mut self) -> &mut D;

    /// Forgets the transaction before and runs this one. What it loads and changes stays readable until the next,
    /// in a map whose memory is used again.
    ///
    /// # Errors
    /// If the transaction is invalid, or the database fails. The state then means nothing.
    fn execute(&mut self, tx: Self::Tx) -> LaneResult<ExecutionResult<Self::Halt>, D::Error, Self::Invalid>;

    /// The database, and the accounts that the transaction executed last loaded, changed or not. They may be taken
    /// out or changed; the next transaction does not see them.
    fn parts(&mut self) -> (&mut D, &mut EvmState);

    /// [`Self::execute`] with the state taken out.
    ///
    /// # Errors
    /// As [`Self::execute`].
    fn run(&mut self, tx: Self::Tx) -> LaneResult<Ran<Self::Halt>, D::Error, Self::Invalid> {
        let result = self.execute(tx)?;
        Ok(Ran { result, state: std::mem::take(self.parts().1) })
    }
}

/// What a lane gives: `E` is the database's error, `I` says why a transaction is invalid.
pub type LaneResult<T, E, I> = Result<T, EVMError<E, I>>;

/// Capacity above which the map of one transaction's accounts is not kept for the next: clearing costs by capacity.
const KEPT_ACCOUNTS: usize = 256;

/// Empties `state` for the next transaction.
pub(crate) fn recycle(state: &mut EvmState) {
    if state.capacity() > KEPT_ACCOUNTS {
        *state = EvmState::default();
    } else {
        state.clear();
    }
}

/// The rules and the environment of one block: which EVM runs its transactions.
pub trait Vm: Sync {
    /// A transaction.
    type Tx: Transaction + Clone + Debug + Send + Sync;
    /// Why execution can halt.
    type Halt: Clone + Debug + PartialEq + Send + Sync + 'static;
    /// Why a transaction can be invalid.
    type Invalid: Clone + Debug + Display + PartialEq + Send + Sync + 'static;
    /// The EVM.
    type Lane<D: Database>: Lane<D, Tx = Self::Tx, Halt = Self::Halt, Invalid = Self::Invalid>;

    /// The Ethereum fork that the rules contain.
    fn spec(&self) -> SpecId;

    /// Who is paid by transactions on the side: the beneficiary, on OP the fee vaults too. Each once.
    fn fee_accounts(&self) -> &[Address];

    /// An EVM on `db`.
    fn lane<D: Database>(&self, db: D) -> Self::Lane<D>;

    /// An EVM that tells `db` what it observes.
    fn watched_lane<D: Watch>(&self, db: D) -> Self::Lane<D>;

    /// What the sender of `tx` must have for it to be valid, in wei; `None` if that leaves 256 bits.
    fn max_cost(&self, tx: &Self::Tx) -> Option<U256>;

    /// Data-availability footprint of `tx`, in gas; 0 where there is none.
    fn footprint(&self, tx: &Self::Tx) -> u64;

    /// `tx` as a plain transfer, if all that can be checked without state says that it may be one.
    fn transfer(&self, tx: &Self::Tx) -> Option<Transfer>;
}
