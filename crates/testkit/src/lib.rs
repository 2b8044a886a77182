//! What tests and benches of several crates share. Never a dependency of production code.
//!
//! ```
//! use lockstep_primitives::ChainConfig;
//! use lockstep_testkit::{chain, rollup};
//!
//! let impatient = rollup(ChainConfig { force_delay: 3, ..chain() });
//! assert!(impatient.chain.validate().is_ok());
//! ```

pub mod ethereum_tests;
pub mod real;

pub mod baseline;
pub mod l1_proxy;
pub mod l2;
pub mod traffic;
pub mod workloads;

use lockstep_primitives::{ChainConfig, GenesisAnchor, L1Contracts, RollupConfig, SystemConfig, alloy::U256};

/// The fee rules of the development chain.
pub const SYSTEM: SystemConfig = SystemConfig {
    gas_limit: 60_000_000,
    base_fee_scalar: 1_368,
    blob_base_fee_scalar: 810_949,
    operator_fee_scalar: 0,
    operator_fee_constant: 0,
    da_footprint_gas_scalar: 400,
    eip1559_denominator: 250,
    eip1559_elasticity: 6,
    min_base_fee: 100_000,
};

/// The rules of the development chain, without funded accounts.
#[must_use]
pub fn chain() -> ChainConfig {
    ChainConfig {
        name: "test".into(),
        l1_chain_id: 31_337,
        l2_chain_id: 901_337,
        max_sequencer_drift: 1_800,
        force_delay: 30,
        challenge_window: 12,
        proposal_bond: U256::ZERO,
        max_deposit_gas: 20_000_000,
        system: SYSTEM,
        accounts: Vec::new(),
    }
}

/// `chain` without L1 contracts, begun at L1 block 0 and time 0.
#[must_use]
pub fn rollup(chain: ChainConfig) -> RollupConfig {
    RollupConfig { chain, contracts: L1Contracts::default(), genesis: GenesisAnchor::default() }
}
