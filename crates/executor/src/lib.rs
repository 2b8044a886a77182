//! A parallel executor for blocks whose order is decided: equal to serial execution, always.
//!
//! Most transactions of a block touch different things, and could run at once; which ones, nobody says beforehand. Here
//! what a transaction will touch is *predicted*, and the predictions become locks in the order of the block: who conflicts
//! with an older transaction waits for it, all others run. What execution observes is recorded, and a transaction becomes
//! final, in order, when all of that is true of the state before it. So a wrong prediction costs time and never changes a
//! result.
//!
//! ```
//! use alloy_primitives::{Address, U256};
//! use lockstep_executor::{Ethereum, Executor, Limits, Options};
//! use revm::{
//!     context::{BlockEnv, CfgEnv, TxEnv},
//!     database::InMemoryDB,
//!     primitives::{TxKind, hardfork::SpecId},
//!     state::AccountInfo,
//! };
//!
//! let (alice, bob) = (Address::with_last_byte(0xa1), Address::with_last_byte(0xb0));
//! let mut db = InMemoryDB::default(); // any `revm::DatabaseRef`
//! db.insert_account_info(alice, AccountInfo::from_balance(U256::from(1_000_000)));
//! let pay = |nonce| TxEnv { caller: alice, nonce, kind: TxKind::Call(bob), value: U256::from(7), gas_limit: 21_000, ..TxEnv::default() };
//!
//! let vm = Ethereum::new(CfgEnv::new_with_spec(SpecId::OSAKA), BlockEnv::default());
//! let executor = Executor::new(Options::default())?;
//! let (outcomes, output) = executor.execute(&vm, &db, Limits::NONE, &[pay(0), pay(1), pay(3)])?;
//!
//! assert_eq!(outcomes[0].gas_used(), 21_000);
//! assert_eq!(outcomes[2].gas_used(), 0, "rejected: its nonce is too high");
//! let bob = output.changes.accounts[&bob].after.as_ref();
//! assert_eq!(bob.map(|bob| bob.balance), Some(U256::from(14)));
//! # Ok::<(), lockstep_executor::ExecutorError>(())
//! ```
//!
//! - An [`Executor`] has the threads, and what it learned of contracts. Keep it from block to block.
//! - A [`Vm`] is the rules and the environment of one block: [`Ethereum`], [`Optimism`], or one of your own.
//! - A [`Block`] takes transactions in batches and gives an [`Outcome`] for each; [`Block::finish`] gives an [`Output`]: the
//!   [`Changes`] of the state, [`Stats`], and if [`Options`] ask for it a [`Schedule`] and what each transaction touched.
//! - [`rollup`] makes the blocks that `lockstep_stf` defines. [`trace`] shows how a block went, [`makespan`] how it would go
//!   on more cores.
//!
//! A block that has nothing to win, of plain transfers or of one long chain, runs on the caller's thread without locks.
//!
//! The database is read by all threads. An error of its own ends the block with [`ExecutorError::Database`], and nothing
//! that was executed on it counts. The design and its proof are in `docs/execution.md`.

mod block;
mod changes;
mod error;
mod ethereum;
mod executor;
mod fault;
mod flat;
mod governor;
mod l1_cost;
mod list;
pub mod makespan;
mod observe;
mod optimism;
mod options;
mod outcome;
mod output;
mod parallel;
#[allow(dead_code, reason = "called by the engine")]
mod predict;
mod recorder;
pub mod rollup;
mod schedule;
mod serial;
mod stats;
mod sync;
pub mod trace;
mod transfer;
mod vm;

pub use block::Block;
pub use changes::{AccountChange, Changes, SlotChange};
pub use error::ExecutorError;
pub use ethereum::{Ethereum, EthereumLane};
pub use executor::Executor;
pub use optimism::{Optimism, OptimismLane};
pub use options::{Mode, Options, Sources};
pub use outcome::{Limits, Outcome, Rejected};
pub use output::Output;
pub use schedule::{Run, RunKind, Schedule};
pub use stats::Stats;
pub use vm::{Lane, LaneResult, Ran, Transfer, Vm, Watch};

pub use lockstep_locks::{AccessSet, Key, Mode as LockMode, TxIndex};
