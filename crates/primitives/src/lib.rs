//! The values every part of Lockstep speaks in: numbers, block references, chain configuration, genesis.
//!
//! Pure: no clock, socket, thread or database, and `no_std`. OP Stack types come from `op-alloy` and are
//! re-exported here, so that the whole tree names one version of them.

#![no_std]

extern crate alloc;

mod block;
mod config;
mod genesis;
mod ids;
mod op_node;
mod output;
pub mod predeploys;

pub use block::{BlockInputs, Eip1559Params, L1BlockRef, L2BlockRef, SealedBlock};
pub use config::{
    ChainConfig, ConfigError, GenesisAnchor, GenesisBalance, L1Contracts, RollupConfig, SystemConfig,
};
pub use genesis::Genesis;
pub use ids::{BlockId, BlockNumber, L1BlockNumber, TxIndex};
pub use op_node::OpRollupConfig;
pub use output::{OutputRootProof, output_root};

pub use alloy_consensus::Header;
pub use alloy_primitives as alloy;
pub use lockstep_contracts::{GenesisAccount, GenesisAlloc};
pub use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope, TxDeposit};
